"""Takes a statement apart into the single things it does, each with what the plan did before it. No grades here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gates.migrations.model import Name, Tree
from gates.migrations.tree import Body, body_of, dotted, kind_of, relation


@dataclass(frozen=True, slots=True)
class Scene:
    """What the statements before this one have made. It holds only what is certain from the text."""

    created: frozenset[tuple[str, Name]] = frozenset()
    """Family (table, view, index, sequence, type, function, schema) and name of what this plan created."""
    added_columns: frozenset[tuple[Name, str]] = frozenset()
    proven_not_null: frozenset[tuple[Name, str]] = frozenset()
    """Columns with a CHECK (column IS NOT NULL) that an earlier transaction of this plan validated."""

    def has(self, family: str, name: Name) -> bool:
        return (family, name) in self.created


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a statement does. ``form`` tells variants of a kind apart, such as AT_AddColumn."""

    kind: str
    form: str
    body: Body
    top: Body
    target: Name
    scene: Scene = field(default_factory=Scene)

    @property
    def fresh(self) -> bool:
        """Whether the table it acts on was created by this plan, so that nothing of value is in it yet."""
        return self.scene.has("table", self.target)

    @property
    def element(self) -> Body:
        """What an ALTER TABLE adds or changes: its column, constraint or partition."""
        return body_of(self.body.get("def"))

    def says(self, name: str) -> bool:
        """Whether a flag of the action itself is set."""
        return bool(self.body.get(name))


FAMILY_OF_DROP = {
    "OBJECT_TABLE": "table",
    "OBJECT_VIEW": "view",
    "OBJECT_MATVIEW": "view",
    "OBJECT_INDEX": "index",
    "OBJECT_SEQUENCE": "sequence",
    "OBJECT_TYPE": "type",
    "OBJECT_DOMAIN": "type",
    "OBJECT_SCHEMA": "schema",
}
_FORM_FIELD = {
    "TransactionStmt": "kind",
    "VariableSetStmt": "kind",
    "RenameStmt": "renameType",
    "AlterObjectSchemaStmt": "objectType",
    "AlterOwnerStmt": "objectType",
    "AlterDomainStmt": "subtype",
    "CreateTableAsStmt": "objtype",
    "GrantStmt": "targtype",
    "ReindexStmt": "kind",
    "CommentStmt": "objtype",
}
_TARGET_FIELD = {
    "CreateSeqStmt": "sequence",
    "AlterSeqStmt": "sequence",
    "ViewStmt": "view",
    "CreatePolicyStmt": "table",
    "AlterPolicyStmt": "table",
}


def actions_of(tree: Tree, scene: Scene) -> Iterator[Action]:
    """The actions of one statement, in its order; never none."""
    kind, top = kind_of(tree), body_of(tree)
    if kind == "AlterTableStmt":
        target = relation(top.get("relation"))
        for command in top.get("cmds", ()):
            body = body_of(command)
            yield Action("AlterTableCmd", str(body.get("subtype", "")), body, top, target, scene)
    elif kind == "DropStmt":
        for each in top.get("objects", ()):
            yield Action(kind, str(top.get("removeType", "")), top, top, dotted(each), scene)
    elif kind == "TruncateStmt":
        for each in top.get("relations", ()):
            yield Action(kind, "", top, top, relation(body_of(each)), scene)
    else:
        form = str(top.get(_FORM_FIELD.get(kind, ""), ""))
        yield Action(kind, form, top, top, target_of(kind, top), scene)


def target_of(kind: str, top: Body) -> Name:
    """The object that a statement acts on, as far as it names one."""
    if kind == "CreateTableAsStmt":
        return relation((top.get("into") or {}).get("rel"))
    if kind in ("CommentStmt", "RenameStmt", "AlterObjectSchemaStmt", "AlterOwnerStmt") and not top.get("relation"):
        return dotted(top.get("object"))
    if kind == "GrantStmt":
        return _only_relation(top.get("objects", ()))
    if kind in ("CreateFunctionStmt", "CreateEnumStmt", "CreateDomainStmt"):
        named = {"CreateFunctionStmt": "funcname", "CreateEnumStmt": "typeName", "CreateDomainStmt": "domainname"}
        return dotted({"List": {"items": top.get(named[kind], ())}})
    return relation(top.get(_TARGET_FIELD.get(kind, "relation")))


def _only_relation(objects: Any) -> Name:
    return relation(body_of(objects[0])) if len(objects) == 1 else Name("", "")
