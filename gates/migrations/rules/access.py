"""Rules about who may do what, and about what reaches beyond one database."""

from __future__ import annotations

from gates.grades import Grade
from gates.migrations.action import Action
from gates.migrations.model import Lock
from gates.migrations.rule import Rule, When, a, both, cascades, either, flag, fresh, no, of_object, old
from gates.migrations.tree import body_of, options, walk

_AE, _SUE = Lock.ACCESS_EXCLUSIVE, Lock.SHARE_UPDATE_EXCLUSIVE
_GRANT = both(a("GrantStmt"), flag("is_grant"))
_KNOWN_OBJECTS = frozenset(
    {"OBJECT_TABLE", "OBJECT_SEQUENCE", "OBJECT_SCHEMA", "OBJECT_TYPE", "OBJECT_DOMAIN", "OBJECT_FUNCTION",
     "OBJECT_PROCEDURE", "OBJECT_ROUTINE", "OBJECT_DATABASE", "OBJECT_COLUMN"}
)  # fmt: skip
_EXTENSIONS = frozenset(
    {"pg_trgm", "citext", "btree_gin", "btree_gist", "hstore", "pgcrypto", "uuid-ossp", "unaccent", "ltree", "intarray",
     "fuzzystrmatch", "cube", "earthdistance", "tablefunc", "isn"}
)  # fmt: skip
_REACHING_OUT = frozenset(
    {"dblink", "file_fdw", "postgres_fdw", "plpython3u", "plpythonu", "plperlu", "pltclu", "adminpack", "pg_cron",
     "http", "pg_net", "plsh", "plrust", "plv8", "aws_s3", "aws_lambda", "lo", "pageinspect", "pg_surgery"}
)  # fmt: skip
_ROLES = ("CreateRoleStmt", "AlterRoleStmt", "AlterRoleSetStmt", "DropRoleStmt", "GrantRoleStmt")
_SERVER = (
    "AlterSystemStmt", "CreatedbStmt", "DropdbStmt", "AlterDatabaseStmt", "AlterDatabaseSetStmt",
    "AlterDatabaseRefreshCollStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt", "AlterTableSpaceOptionsStmt",
    "AlterTableMoveAllStmt", "LoadStmt", "CheckPointStmt",
)  # fmt: skip
_NETWORK = (
    "CreateFdwStmt", "AlterFdwStmt", "CreateForeignServerStmt", "AlterForeignServerStmt", "CreateForeignTableStmt",
    "CreateUserMappingStmt", "AlterUserMappingStmt", "DropUserMappingStmt", "ImportForeignSchemaStmt",
    "CreateSubscriptionStmt", "AlterSubscriptionStmt", "DropSubscriptionStmt", "NotifyStmt",
)  # fmt: skip


def _any_of(*kinds: str) -> When:
    return lambda action: action.kind in kinds


def _privileges(action: Action) -> tuple[str, ...]:
    return tuple(str(body_of(each).get("priv_name", "")) for each in action.top.get("privileges", ()))


def _narrow(action: Action) -> bool:
    """One privilege to read, on one named object, to one named role that cannot pass it on."""
    grantees = [body_of(each).get("roletype") for each in action.top.get("grantees", ())]
    one = len(action.top.get("objects", ())) == 1 and action.form == "ACL_TARGET_OBJECT"
    reading = _privileges(action) in (("select",), ("usage",)) and action.top.get("objtype") in (
        "OBJECT_TABLE", "OBJECT_SEQUENCE", "OBJECT_SCHEMA", "OBJECT_TYPE",
    )  # fmt: skip
    return one and reading and grantees == ["ROLESPEC_CSTRING"] and not action.top.get("grant_option")


def _on_own(action: Action) -> bool:
    """On a table of this plan, to named roles that cannot pass it on."""
    named = all(body_of(each).get("roletype") == "ROLESPEC_CSTRING" for each in action.top.get("grantees", ()))
    is_table = action.top.get("objtype") == "OBJECT_TABLE" and action.form == "ACL_TARGET_OBJECT"
    return action.fresh and is_table and named and not action.top.get("grant_option")


def _known_object(action: Action) -> bool:
    return str(action.top.get("objtype", "")) in _KNOWN_OBJECTS


def _tells_a_password(action: Action) -> bool:
    given = [body for kind, body in walk(action.top, action.kind) if kind == "DefElem"]
    as_option = any(body.get("defname") == "password" and body.get("arg") for body in given)
    return as_option or "password" in str(action.top.get("conninfo", "")).lower()


def _extension(action: Action) -> str:
    return str(action.top.get("extname", "")).lower()


RULES = (
    Rule("grant.narrow", Grade.G1, both(_GRANT, either(_narrow, _on_own)), "a narrow right for a named role"),
    Rule("grant.wide", Grade.G2, both(_GRANT, _known_object, no(_narrow), no(_on_own)),
         "more than one right to read one object for one role; what was shown cannot be hidden again",
         "name the privilege, the object and the role"),
    Rule("grant.revoke", Grade.G2, both(a("GrantStmt"), no(flag("is_grant")), _known_object),
         "the running version may need the right"),
    Rule("grant.default", Grade.G2, a("AlterDefaultPrivilegesStmt"), "rights on objects that are not there yet"),
    Rule("role.change", Grade.G3, _any_of(*_ROLES), "who may do what in the whole server",
         "the platform's own change, outside migrations"),
    Rule("role.password", Grade.G3, both(_any_of(*_ROLES, *_NETWORK), _tells_a_password),
         "a password stands in the text", "take it out and set it by another way", explains=False, refuses=True),
    Rule("role.owned", Grade.G3, _any_of("DropOwnedStmt", "ReassignOwnedStmt"),
         "everything that a role owns; the list is not in the text", "name every object", _AE, data_loss=True),
    Rule("owner.change", Grade.G2, either(a("AlterTableCmd", "AT_ChangeOwner"), a("AlterOwnerStmt")),
         "the rights of its owner move, on its indexes too", "", _AE),
    Rule("rls.enable", Grade.G2,
         both(a("AlterTableCmd", "AT_EnableRowSecurity", "AT_ForceRowSecurity"), of_object("OBJECT_TABLE"), old),
         "without a fitting policy everybody but the owner sees no rows", "the policy in the same plan, before it",
         _AE),
    Rule("rls.disable", Grade.G3, a("AlterTableCmd", "AT_DisableRowSecurity"),
         "rows become visible that were hidden, and cannot be hidden again", "", _AE),
    Rule("rls.unforce", Grade.G2, a("AlterTableCmd", "AT_NoForceRowSecurity"), "the owner sees every row", "", _AE),
    Rule("policy.create-own", Grade.G1, both(a("CreatePolicyStmt"), fresh), "who sees which rows of a new table"),
    Rule("policy.change", Grade.G2,
         either(both(a("CreatePolicyStmt"), old), a("AlterPolicyStmt"), a("DropStmt", "OBJECT_POLICY"),
                a("RenameStmt", "OBJECT_POLICY")),
         "who sees which rows changes at once", "", _AE),
    Rule("extension.known", Grade.G1, both(a("CreateExtensionStmt"), no(cascades),
         lambda action: _extension(action) in _EXTENSIONS),
         "a well-known extension that only adds types and functions"),
    Rule("extension.other", Grade.G2,
         both(a("CreateExtensionStmt"), lambda action: _extension(action) not in _EXTENSIONS | _REACHING_OUT),
         "its scripts run with the rights of whoever installs it"),
    Rule("extension.reaching-out", Grade.G3, both(a("CreateExtensionStmt"),
         lambda action: _extension(action) in _REACHING_OUT),
         "it reaches other servers, files or programs"),
    Rule("extension.with-others", Grade.G3,
         both(a("CreateExtensionStmt"), lambda action: "cascade" in options(action.top.get("options"))),
         "CASCADE installs others that are not in the text", "name every extension", explains=False),
    Rule("extension.update", Grade.G2, a("AlterExtensionStmt"),
         "its scripts run with the rights of whoever updates it"),
    Rule("extension.drop", Grade.G3, a("DropStmt", "OBJECT_EXTENSION"), "its types go, and columns with them", "", _AE,
         data_loss=True),
    Rule("publication.change", Grade.G2,
         either(a("CreatePublicationStmt"), a("AlterPublicationStmt"), a("DropStmt", "OBJECT_PUBLICATION")),
         "those who read the stream get more or fewer rows", "agree it with them", _SUE),
    Rule("network", Grade.G3, _any_of(*_NETWORK), "it reaches other servers, and may hold secrets",
         "the platform's own change"),
    Rule("server", Grade.G3, _any_of(*_SERVER), "it concerns the whole server or database",
         "the platform's own change"),
)  # fmt: skip
