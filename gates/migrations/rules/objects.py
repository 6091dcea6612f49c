"""Rules about types, sequences, schemas, views, functions, triggers: what hangs around tables."""

from __future__ import annotations

from gates.grades import Grade
from gates.migrations.action import Action
from gates.migrations.expressions import Calls, calls
from gates.migrations.functions import STEADY, VOLATILE
from gates.migrations.model import Lock, Phase
from gates.migrations.rule import Rule, When, a, both, cascades, either, flag, fresh, no, of_object, old
from gates.migrations.tree import body_of, options, words

_AE, _SRE = Lock.ACCESS_EXCLUSIVE, Lock.SHARE_ROW_EXCLUSIVE
_FUNCTION = a("CreateFunctionStmt")
_LANGUAGES = frozenset({"sql", "plpgsql"})
_HARMLESS_OPTIONS = frozenset(
    {"language", "as", "volatility", "strict", "parallel", "cost", "rows", "window", "security", "set"}
)


def _language(action: Action) -> str:
    return str(body_of(options(action.top.get("options")).get("language")).get("sval", "sql")).lower()


def _sets_its_own_security(action: Action) -> bool:
    """SECURITY DEFINER, but not SECURITY INVOKER, which is the default."""
    given = options(action.top.get("options") or action.top.get("actions")).get("security")
    return given is not None and bool(body_of(given).get("boolval"))


def _known_options(action: Action) -> bool:
    return set(options(action.top.get("options"))) <= _HARMLESS_OPTIONS


def _shadows(action: Action) -> bool:
    name = words(action.top.get("funcname"))
    return bool(name) and name[-1] in STEADY | VOLATILE


def _calls_unknown(action: Action) -> bool:
    return calls(action.top, action.kind) is Calls.UNKNOWN


def _sequence_owner_only(action: Action) -> bool:
    return set(options(action.top.get("options"))) == {"owned_by"}


def _renames_value(action: Action) -> bool:
    return bool(action.top.get("oldVal"))


def _unvalidated(action: Action) -> bool:
    return bool(action.element.get("skip_validation"))


def _not_own(family: str, *forms: str) -> When:
    return both(a("DropStmt", *forms), lambda action: not action.scene.has(family, action.target))


TYPES = (
    Rule("type.create", Grade.G0,
         either(a("CreateEnumStmt"), a("CompositeTypeStmt"), a("CreateRangeStmt"), a("CreateDomainStmt")),
         "a new type; nothing uses it yet", phase=Phase.EXPAND),
    Rule("type.create-calling", Grade.G3, both(either(a("CreateDomainStmt"), a("CreateRangeStmt")), _calls_unknown),
         "its values are checked by a function whose body nobody has read", "use built-in functions", explains=False),
    Rule("type.add-value", Grade.G1, both(a("AlterEnumStmt"), no(_renames_value)),
         "a label cannot be removed again, and is usable only after COMMIT", "a lookup table"),
    Rule("type.rename-value", Grade.G2, both(a("AlterEnumStmt"), _renames_value),
         "the running version uses the old label and fails", "a new label, then move the rows"),
    Rule("type.change", Grade.G2, both(a("AlterTableCmd", "AT_AddColumn", "AT_AlterColumnType"),
         of_object("OBJECT_TYPE")),
         "every table that uses the type changes with it", "a new type", _AE),
    Rule("type.drop", Grade.G2, _not_own("type", "OBJECT_TYPE", "OBJECT_DOMAIN"),
         "the running version may still name it; CASCADE drops columns", "", _AE),
    Rule("type.rename", Grade.G2, a("RenameStmt", "OBJECT_TYPE", "OBJECT_DOMAIN", "OBJECT_DOMCONSTRAINT"),
         "code that names it fails", "a new type"),
    Rule("domain.loosen", Grade.G1, a("AlterDomainStmt", "T", "N"), "concerns every column of the domain"),
    Rule("domain.drop-check", Grade.G2, a("AlterDomainStmt", "X"),
         "values that break it may come in, and adding it again may fail"),
    Rule("domain.tighten", Grade.G2, both(a("AlterDomainStmt", "C", "O"), no(_unvalidated)),
         "every table with a column of the domain is read while its writes wait", "NOT VALID, then VALIDATE",
         Lock.SHARE),
    Rule("domain.tighten-later", Grade.G1, both(a("AlterDomainStmt", "C"), _unvalidated),
         "new values that break it fail at once"),
    Rule("domain.validate", Grade.G2, a("AlterDomainStmt", "V"),
         "every table with a column of the domain is read while its writes wait", "", Lock.SHARE),
    Rule("domain.check-calling", Grade.G3, both(a("AlterDomainStmt"),
         lambda action: calls(action.body.get("def")) is Calls.UNKNOWN),
         "its values are checked by a function whose body nobody has read", "use built-in functions", explains=False),
)  # fmt: skip

SEQUENCES = (
    Rule("sequence.create", Grade.G0, a("CreateSeqStmt"), "a new sequence; nothing uses it yet", phase=Phase.EXPAND),
    Rule("sequence.owner", Grade.G1, both(a("AlterSeqStmt"), _sequence_owner_only),
         "dropping the column will drop the sequence", lock=_SRE),
    Rule("sequence.alter", Grade.G2, both(a("AlterSeqStmt"), no(_sequence_owner_only)),
         "other numbers than the running version expects: duplicate keys", "start it above the highest value", _SRE),
    Rule("sequence.drop", Grade.G3, _not_own("sequence", "OBJECT_SEQUENCE"),
         "its position is lost", "keep it", _AE, Phase.CONTRACT, True),
    Rule("sequence.rename", Grade.G2, a("RenameStmt", "OBJECT_SEQUENCE"), "code that names it fails", "a new one", _AE),
    Rule("schema.create", Grade.G0, both(a("CreateSchemaStmt"), no(flag("schemaElts"))), "a new, empty schema",
         phase=Phase.EXPAND),
    Rule("schema.drop", Grade.G3, a("DropStmt", "OBJECT_SCHEMA"), "what is in it is not in the text",
         "drop what it holds, by name", _AE, Phase.CONTRACT, True),
)  # fmt: skip

VIEWS = (
    Rule("view.create", Grade.G0, both(a("ViewStmt"), no(flag("replace"))), "a new view", lock=Lock.ACCESS_SHARE,
         phase=Phase.EXPAND),
    Rule("view.create-calling", Grade.G1, both(a("ViewStmt"), _calls_unknown),
         "reading it calls a function whose body nobody has read", "use built-in functions", explains=False),
    Rule("view.replace", Grade.G2, both(a("ViewStmt"), flag("replace")),
         "the running version gets other rows from it at once", "a new view with a new name", _AE),
    Rule("view.drop", Grade.G2, _not_own("view", "OBJECT_VIEW", "OBJECT_MATVIEW"),
         "what still reads it fails; its text must be kept for the way back", "", _AE),
    Rule("view.rename", Grade.G2, a("RenameStmt", "OBJECT_VIEW", "OBJECT_MATVIEW"), "what still reads it fails",
         "a new view", _AE),
    Rule("view.change", Grade.G2,
         both(a("AlterTableCmd", "AT_SetRelOptions", "AT_ResetRelOptions", "AT_ColumnDefault"),
         of_object("OBJECT_VIEW")),
         "it may change whose rights a reader has, or what a write through it does", "a new view", _AE),
    Rule("matview.create", Grade.G1, a("CreateTableAsStmt", "OBJECT_MATVIEW"), "its query runs once over all rows",
         lock=Lock.ACCESS_SHARE, phase=Phase.EXPAND),
    Rule("matview.refresh", Grade.G2, both(a("RefreshMatViewStmt"), no(flag("concurrent"))),
         "readers wait for the whole refresh", "REFRESH ... CONCURRENTLY", _AE),
    Rule("matview.refresh-concurrently", Grade.G1, both(a("RefreshMatViewStmt"), flag("concurrent")),
         "readers go on", lock=Lock.EXCLUSIVE),
)  # fmt: skip

CODE = (
    Rule("function.create", Grade.G1,
         both(_FUNCTION, no(flag("replace")), _known_options, lambda action: _language(action) in _LANGUAGES),
         "its body is shown, and trusted by nothing", phase=Phase.EXPAND),
    Rule("function.replace", Grade.G2, both(_FUNCTION, flag("replace"), _known_options),
         "every caller gets the new behaviour at once; the old body is gone unless it was kept", "a new name"),
    Rule("function.language", Grade.G3, both(_FUNCTION, lambda action: _language(action) not in _LANGUAGES),
         "a language that may leave the database", "sql or plpgsql"),
    Rule("function.definer", Grade.G3, both(either(_FUNCTION, a("AlterFunctionStmt")), _sets_its_own_security),
         "it runs with its owner's rights, whoever calls it", "SECURITY INVOKER"),
    Rule("function.shadows", Grade.G3, both(_FUNCTION, _shadows),
         "it has the name of a built-in function, and may be called in its place", "another name", explains=False),
    Rule("function.alter", Grade.G2, a("AlterFunctionStmt"), "every caller gets the new behaviour at once",
         "a new name"),
    Rule("function.rename", Grade.G2, a("RenameStmt", "OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE",
         "OBJECT_TRIGGER"),
         "callers of the old name fail", "a new function"),
    Rule("function.drop", Grade.G2,
         a("DropStmt", "OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE", "OBJECT_AGGREGATE"),
         "callers fail; its text must be kept for the way back", ""),
    Rule("trigger.create", Grade.G2, both(a("CreateTrigStmt"), old), "code in every write of the table", "", _SRE),
    Rule("trigger.create-own", Grade.G1, both(a("CreateTrigStmt"), fresh), "code in every write of a new table"),
    Rule("trigger.switch", Grade.G2,
         a("AlterTableCmd", "AT_EnableTrig", "AT_EnableAlwaysTrig", "AT_EnableReplicaTrig", "AT_DisableTrig",
           "AT_EnableTrigAll", "AT_EnableTrigUser", "AT_DisableTrigUser"),
         "writes behave differently at once", "", _SRE),
    Rule("trigger.disable-all", Grade.G3, a("AlterTableCmd", "AT_DisableTrigAll"),
         "it also turns off the checks of foreign keys", "name the trigger", _SRE),
    Rule("trigger.drop", Grade.G2, a("DropStmt", "OBJECT_TRIGGER"), "writes behave differently at once", "", _AE),
    Rule("rule.create", Grade.G3, a("RuleStmt"), "it silently turns statements into others", "a trigger", _AE),
    Rule("event-trigger", Grade.G3,
         either(a("CreateEventTrigStmt"), a("AlterEventTrigStmt"), a("DropStmt", "OBJECT_EVENT_TRIGGER")),
         "it can disarm the guards of the database", "the platform's own change"),
    Rule("drop.cascade", Grade.G3, both(a("DropStmt"), cascades),
         "CASCADE drops whatever depends on it: views, foreign keys, columns; the list is not in the text",
         "name every object", _AE, data_loss=True, explains=False),
    Rule("change.cascade", Grade.G3, both(a("AlterTableCmd"), cascades),
         "CASCADE drops whatever depends on it, and the list is not in the text", "name every object", _AE,
         data_loss=True, explains=False),
    Rule("if-exists", Grade.G0, either(flag("missing_ok"), flag("if_not_exists"), flag("skipIfNewValExists"),
         lambda action: bool(action.top.get("missing_ok"))),
         "IF [NOT] EXISTS accepts whatever is there already, even something else",
         "leave it out; the state before is checked", explains=False),
)  # fmt: skip
