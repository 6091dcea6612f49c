"""What a plan has made so far, statement by statement. Only what is certain from the text is believed; what may have
changed the meaning of names makes everything forgotten."""

from __future__ import annotations

from dataclasses import replace

from gates.migrations.action import FAMILY_OF_DROP, Action, Scene
from gates.migrations.expressions import Calls, calls, column_of
from gates.migrations.model import Name
from gates.migrations.tree import body_of, dotted, relation, walk

_FORGETS = ("VAR_SET_MULTI", "VAR_RESET_ALL")


def after(scene: Scene, actions: tuple[Action, ...]) -> Scene:
    """The scene once a statement has run."""
    for action in actions:
        scene = _after(scene, action)
    return scene


def _after(scene: Scene, action: Action) -> Scene:
    made = _made(action)
    created = scene.created | made
    if action.kind == "DropStmt":
        created -= {(FAMILY_OF_DROP.get(action.form, ""), action.target)}
    elif action.kind == "RenameStmt" and action.form == "OBJECT_TABLE" and action.fresh:
        new = Name(action.target.schema, str(action.top.get("newname", "")))
        created = (created - {("table", action.target)}) | {("table", new)}
    elif action.form in ("AT_AttachPartition", "AT_AddInherit", "AT_ChangeOwner"):
        created -= {("table", name) for name in _tied_together(action)}
    elif _changes_what_names_mean(action):
        return Scene()
    created -= {("table", name) for name in _now_referenced(action)}
    return _with_columns(replace(scene, created=created), action)


def _tied_together(action: Action) -> set[Name]:
    """Parent and child: what happens to the one from now on happens to the rows of the other."""
    return {action.target, relation(action.element), relation(action.element.get("name"))}


def _now_referenced(action: Action) -> set[Name]:
    """New tables to which an old one now refers: deleting there may delete or change rows of the old one."""
    if action.kind != "AlterTableCmd" or action.fresh:
        return set()
    return {relation(body["pktable"]) for _, body in walk(action.body, action.kind) if "pktable" in body}


def _changes_what_names_mean(action: Action) -> bool:
    name = str(action.top.get("name", "")).lower()
    steers = name in ("search_path", "role", "session_authorization") or action.form in _FORGETS
    return (action.kind == "VariableSetStmt" and steers) or action.kind == "AlterObjectSchemaStmt"


def _made(action: Action) -> frozenset[tuple[str, Name]]:
    """What the action creates for certain. IF NOT EXISTS and OR REPLACE may have met something old."""
    if action.says("if_not_exists") or action.says("replace"):
        return frozenset()
    family = _FAMILY.get(action.kind)
    if action.kind == "CreateTableAsStmt":
        family = "view" if action.form == "OBJECT_MATVIEW" else "table"
    if family is None or (action.kind == "CreateStmt" and not _stands_alone(action)):
        return frozenset()
    name = Name("pg_temp", action.target.name) if _ends_with_transaction(action) else action.target
    if action.kind == "IndexStmt":
        name = Name(action.target.schema, str(action.top.get("idxname", "")))
    elif action.kind == "CompositeTypeStmt":
        name = relation(action.top.get("typevar"))
    elif action.kind == "CreateRangeStmt":
        name = dotted({"TypeName": {"names": action.top.get("typeName", ())}})
    return frozenset({(family, name)} | ({(family, Name("pg_temp", name.name))} if _is_temporary(action) else set()))


_FAMILY = {
    "CreateStmt": "table",
    "ViewStmt": "view",
    "IndexStmt": "index",
    "CreateSeqStmt": "sequence",
    "CreateEnumStmt": "type",
    "CompositeTypeStmt": "type",
    "CreateRangeStmt": "type",
}


def _ends_with_transaction(action: Action) -> bool:
    """ON COMMIT DROP: afterwards its bare name means another table, so only pg_temp.name is certain."""
    told = (action.top.get("oncommit"), (action.top.get("into") or {}).get("onCommit"))
    return "ONCOMMIT_DROP" in told


def _is_temporary(action: Action) -> bool:
    named = action.top.get("relation") or (action.top.get("into") or {}).get("rel") or {}
    return bool(named.get("relpersistence") == "t")


def _stands_alone(action: Action) -> bool:
    """A table whose rows only this plan knows, and into which writing calls nothing unknown."""
    tied = action.top.get("partbound") or action.top.get("inhRelations")
    return not tied and calls(action.top, action.kind) is not Calls.UNKNOWN


def _with_columns(scene: Scene, action: Action) -> Scene:
    if action.form == "AT_AddColumn" and not action.says("missing_ok"):
        column = (action.target, str(action.element.get("colname", "")))
        return replace(scene, added_columns=scene.added_columns | {column})
    return scene


def not_null_check(action: Action) -> tuple[Name, str, str] | None:
    """Table, constraint name and column of an ADD CONSTRAINT ... CHECK (column IS NOT NULL)."""
    element = action.element
    if action.form != "AT_AddConstraint" or element.get("contype") != "CONSTR_CHECK":
        return None
    test = body_of(element.get("raw_expr"))
    column = column_of(test.get("arg")) if test.get("nulltesttype") == "IS_NOT_NULL" else ""
    return (action.target, str(element.get("conname", "")), column) if column else None
