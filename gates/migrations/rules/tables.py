"""Rules about whole tables: made, dropped, emptied, renamed, moved, and kept in order."""

from __future__ import annotations

from gates.grades import Grade
from gates.migrations.action import Action
from gates.migrations.expressions import Calls, calls
from gates.migrations.model import Lock, Phase
from gates.migrations.rule import Rule, a, both, either, flag, fresh, no, of_object, old
from gates.migrations.rules.facts import constraint_is, has_inline
from gates.migrations.tree import options, walk

_AE = Lock.ACCESS_EXCLUSIVE
_CREATE = a("CreateStmt")
_VACUUM = a("VacuumStmt")


def _references(action: Action) -> bool:
    return any(
        kind == "Constraint" and body.get("contype") == "CONSTR_FOREIGN"
        for kind, body in walk(action.top, "CreateStmt")
    )


def _copies(action: Action) -> bool:
    like = any(kind == "TableLikeClause" for kind, _ in walk(action.top, "CreateStmt"))
    inherits = action.top.get("inhRelations") and not action.top.get("partbound")
    return like or bool(inherits or action.top.get("ofTypename"))


def _is_full(action: Action) -> bool:
    return "full" in options(action.top.get("options"))


def _in_pg_temp(action: Action) -> bool:
    return action.target.schema == "pg_temp"


def _drop(family: str, *forms: str) -> Rule:
    return Rule(
        f"{family}.drop-own", Grade.G0,
        both(a("DropStmt", *forms), lambda action: action.scene.has(family, action.target)),
        f"drops a {family} that this same plan created", lock=Lock.NONE,
    )  # fmt: skip


OWN_CHANGES = (
    "AT_AddColumn", "AT_ColumnDefault", "AT_DropNotNull", "AT_SetNotNull", "AT_SetStatistics", "AT_SetOptions",
    "AT_SetStorage", "AT_SetCompression", "AT_DropColumn", "AT_AddConstraint", "AT_ValidateConstraint",
    "AT_DropConstraint", "AT_AlterColumnType", "AT_SetRelOptions", "AT_AddIdentity", "AT_SetIdentity",
    "AT_DropIdentity", "AT_AlterConstraint", "AT_ReplicaIdentity", "AT_EnableRowSecurity", "AT_ForceRowSecurity",
)  # fmt: skip
"""What may be done to a table of the same plan without touching anything else."""

RULES = (
    Rule("table.create", Grade.G0, _CREATE, "a new table; nothing else is touched", phase=Phase.EXPAND),
    Rule("table.create-reference", Grade.G1, both(_CREATE, _references),
         "a foreign key stops writes of the referenced table until the transaction ends",
         "a short transaction of its own with a lock_timeout", Lock.SHARE_ROW_EXCLUSIVE, explains=False),
    Rule("table.create-copying", Grade.G1, both(_CREATE, _copies),
         "what it becomes depends on another object, and INHERITS changes what reads of the parent return",
         "write the columns out", Lock.SHARE_UPDATE_EXCLUSIVE, explains=False),
    Rule("table.create-partition", Grade.G1, both(_CREATE, flag("partbound")),
         "the parent, and a default partition if there is one, is locked against reads and writes",
         "create the table alone, then ATTACH it", _AE, explains=False),
    Rule("table.create-stored-elsewhere", Grade.G1,
         both(_CREATE, either(flag("tablespacename"), flag("accessMethod"),
                              lambda action: (action.top.get("relation") or {}).get("relpersistence") == "u")),
         "its rows are stored in another way: an unlogged table is empty after a crash", explains=False),
    Rule("table.create-from-query", Grade.G1, a("CreateTableAsStmt", "OBJECT_TABLE"),
         "copies rows under one long snapshot", "create the table and insert in batches", Lock.ACCESS_SHARE,
         Phase.EXPAND),
    Rule("table.change-own", Grade.G0,
         both(a("AlterTableCmd", *OWN_CHANGES), of_object("OBJECT_TABLE"), fresh),
         "changes a table that this same plan created", phase=Phase.EXPAND),
    Rule("table.rename-own", Grade.G0, both(a("RenameStmt", "OBJECT_TABLE", "OBJECT_COLUMN", "OBJECT_TABCONSTRAINT"),
         fresh),
         "renames in a table that this same plan created"),
    Rule("table.own-reference", Grade.G1,
         both(fresh, either(both(a("AlterTableCmd", "AT_AddConstraint"), constraint_is("CONSTR_FOREIGN")),
                            both(a("AlterTableCmd", "AT_AddColumn"), has_inline("CONSTR_FOREIGN")))),
         "a foreign key stops writes of the referenced table until the transaction ends",
         "a short transaction of its own with a lock_timeout", Lock.SHARE_ROW_EXCLUSIVE, explains=False),
    Rule("table.own-calling", Grade.G3,
         both(a("AlterTableCmd"), fresh, lambda action: calls(action.body.get("def")) is Calls.UNKNOWN),
         "a function whose body nobody has read may run for every row that this plan put in", "use built-in functions",
         explains=False),
    _drop("table", "OBJECT_TABLE"),
    Rule("table.drop-temporary", Grade.G0, both(a("DropStmt", "OBJECT_TABLE"), old, _in_pg_temp),
         "no other session sees a table in pg_temp"),
    Rule("table.drop", Grade.G3, both(a("DropStmt", "OBJECT_TABLE"), old, no(_in_pg_temp)),
         "the table's rows are lost; every table it references by foreign key is locked too",
         "revoke and rename it, wait, and drop it weeks later", _AE, Phase.CONTRACT, True),
    Rule("table.truncate-own", Grade.G0, both(a("TruncateStmt"), fresh,
         no(lambda action: action.top.get("behavior") == "DROP_CASCADE")),
         "empties a table that this same plan created"),
    Rule("table.truncate", Grade.G3,
         both(a("TruncateStmt"), either(old, lambda action: action.top.get("behavior") == "DROP_CASCADE")),
         "all rows are lost; CASCADE empties every table that references it",
         "detach and archive, or delete in batches",
         _AE, data_loss=True),
    Rule("table.rename", Grade.G2, both(a("RenameStmt", "OBJECT_TABLE", "OBJECT_SCHEMA"), old),
         "the running version uses the old name and fails", "a view under the old name, or write both tables", _AE),
    Rule("table.set-schema", Grade.G2,
         a("AlterObjectSchemaStmt", "OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_SEQUENCE", "OBJECT_TYPE",
           "OBJECT_DOMAIN", "OBJECT_FUNCTION", "OBJECT_PROCEDURE"),
         "the running version looks for it in the old schema and fails", "a view in the old schema", _AE),
    Rule("table.options", Grade.G0,
         both(a("AlterTableCmd", "AT_SetRelOptions", "AT_ResetRelOptions", "AT_ClusterOn", "AT_DropCluster"),
              of_object("OBJECT_TABLE", "OBJECT_MATVIEW")),
         "storage parameters of later writes", lock=Lock.SHARE_UPDATE_EXCLUSIVE),
    Rule("table.set-logged", Grade.G2, a("AlterTableCmd", "AT_SetLogged"),
         "the whole table is rewritten while everything waits", "a new table, filled in batches", _AE),
    Rule("table.set-unlogged", Grade.G3, a("AlterTableCmd", "AT_SetUnLogged"),
         "after a crash, and on every standby, the table is empty", "keep it logged", _AE, data_loss=True),
    Rule("table.move", Grade.G2, a("AlterTableCmd", "AT_SetTableSpace", "AT_SetAccessMethod"),
         "the whole table or index is copied while everything waits", "an online repacking tool", _AE),
    Rule("table.replica-identity", Grade.G2, both(a("AlterTableCmd", "AT_ReplicaIdentity"), old),
         "consumers of logical replication see other keys", "agree it with those who read the stream", _AE),
    Rule("table.inherit", Grade.G2, a("AlterTableCmd", "AT_AddInherit", "AT_DropInherit", "AT_AddOf", "AT_DropOf"),
         "reads of the parent return more or fewer rows", "partitioning", _AE),
    Rule("table.rewrite", Grade.G2, either(a("ClusterStmt"), both(_VACUUM, flag("is_vacuumcmd"), _is_full)),
         "the whole table is rewritten while everything waits", "an online repacking tool", _AE),
    Rule("table.vacuum", Grade.G1, both(_VACUUM, flag("is_vacuumcmd"), no(_is_full)),
         "long but online; it cannot run inside a transaction", lock=Lock.SHARE_UPDATE_EXCLUSIVE),
    Rule("table.analyze", Grade.G0, both(_VACUUM, no(flag("is_vacuumcmd"))),
         "reads a sample for the planner", lock=Lock.SHARE_UPDATE_EXCLUSIVE),
    Rule("table.lock", Grade.G2, a("LockStmt"), "blocks others for as long as the transaction lasts", "leave it out",
         _AE),
    Rule("table.comment", Grade.G0, a("CommentStmt"), "a comment in the catalog", lock=Lock.SHARE_UPDATE_EXCLUSIVE),
    Rule("statistics.keep", Grade.G0, either(a("CreateStatsStmt"), a("AlterStatsStmt")),
         "concerns the planner's estimates only", lock=Lock.SHARE_UPDATE_EXCLUSIVE),
    Rule("statistics.drop", Grade.G1, a("DropStmt", "OBJECT_STATISTIC_EXT"), "plans may get worse",
         lock=Lock.SHARE_UPDATE_EXCLUSIVE),
)  # fmt: skip


def drops_of_own() -> tuple[Rule, ...]:
    """The same small rule for the other kinds of object that a plan may create and drop again."""
    return (
        _drop("view", "OBJECT_VIEW", "OBJECT_MATVIEW"),
        _drop("index", "OBJECT_INDEX"),
        _drop("sequence", "OBJECT_SEQUENCE"),
        _drop("type", "OBJECT_TYPE", "OBJECT_DOMAIN"),
    )
