"""What a plan has made so far, statement by statement. Only what is certain from the text is believed; what may have
changed the meaning of names makes everything forgotten."""

from __future__ import annotations

from dataclasses import replace

from gates.migrations.action import FAMILY_OF_DROP, Action, Scene
from gates.migrations.expressions import Calls, calls, column_of
from gates.migrations.model import Name
from gates.migrations.tree import body_of, dotted, relation

_FORGETS = ("VAR_SET_MULTI", "VAR_RESET_ALL")


def after(scene: Scene, actions: tuple[Action, ...]) -> Scene:
    """The scene once a statement has run."""
    for action in actions:
        scene = _after(scene, action)
    return scene


def without_temporary(scene: Scene, swept: frozenset[Name]) -> Scene:
    """At the end of a transaction the temporary tables that end with it are gone: their names mean others again."""
    return replace(scene, created=frozenset(each for each in scene.created if each[1] not in swept))


def swept_by(actions: tuple[Action, ...]) -> frozenset[Name]:
    """Temporary tables that these actions create and that end with the transaction."""
    names = {
        each.target for each in actions if each.kind == "CreateStmt" and each.top.get("oncommit") == "ONCOMMIT_DROP"
    }
    into = {
        each.target
        for each in actions
        if each.kind == "CreateTableAsStmt" and (each.top.get("into") or {}).get("onCommit") == "ONCOMMIT_DROP"
    }
    return frozenset(names | into | {Name("pg_temp", name.name) for name in names | into})


def _after(scene: Scene, action: Action) -> Scene:
    made = _made(action)
    created = scene.created | made
    if action.kind == "DropStmt":
        created -= {(FAMILY_OF_DROP.get(action.form, ""), action.target)}
    elif action.kind == "RenameStmt" and action.form == "OBJECT_TABLE" and action.fresh:
        new = Name(action.target.schema, str(action.top.get("newname", "")))
        created = (created - {("table", action.target)}) | {("table", new)}
    elif action.form == "AT_AttachPartition":
        created -= {("table", relation(action.element.get("name")))}
    elif action.form in ("AT_AddInherit", "AT_ChangeOwner"):
        created -= {("table", action.target)}
    elif _changes_what_names_mean(action):
        return Scene()
    return _with_columns(replace(scene, created=created), action)


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
    name = action.target
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
