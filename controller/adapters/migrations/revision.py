"""Reads an Alembic revision without running it: its ``upgrade`` may only call Alembic's operations with constants, so
that what it renders is what it does. Everything else, a branch or a helper already, makes it opaque."""

from __future__ import annotations

import ast
from collections.abc import Iterator

MAX_BYTES = 256 * 1024

IMPORTS = {
    ("alembic", "op"): "op",
    ("sqlalchemy", ""): "sa",
    ("sqlalchemy.dialects", "postgresql"): "postgresql",
}
"""Module and name to what stands for it while the operations run."""
_HARMLESS_IMPORTS = frozenset({"typing", "collections.abc", "__future__"})

OPERATIONS = frozenset(
    {"add_column", "alter_column", "create_table", "create_index", "create_unique_constraint", "create_foreign_key",
     "create_check_constraint", "create_primary_key", "create_exclude_constraint", "drop_column", "drop_constraint",
     "drop_index", "drop_table", "execute", "rename_table", "create_table_comment", "drop_table_comment", "f",
     "batch_alter_table", "bulk_insert", "get_context"}
)  # fmt: skip
_BATCH = OPERATIONS - {"batch_alter_table", "bulk_insert", "get_context", "rename_table"}
_SQLALCHEMY_WORDS = frozenset({"text", "func", "literal", "literal_column", "table", "column", "true", "false", "null"})
_PLAIN = (
    ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Load, ast.Store, ast.keyword, ast.UnaryOp, ast.USub, ast.Expr,
    ast.Pass, ast.With, ast.withitem, ast.Call, ast.Attribute, ast.Name,
)  # fmt: skip


class Opaque(Exception):
    """What the revision does cannot be told from its operations. The text is why."""


def operations_of(source: str) -> tuple[list[ast.stmt], dict[str, str]]:
    """The statements of ``upgrade`` and what each imported name stands for. Raises Opaque."""
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Opaque(f"it is no Python that can be read: {error}") from error
    names: dict[str, str] = {}
    body: list[ast.stmt] | None = None
    for statement in module.body:
        names |= _imported(statement)
        if isinstance(statement, ast.FunctionDef) and statement.name == "upgrade":
            if body is not None or statement.decorator_list or statement.args.args:
                raise Opaque(f"line {statement.lineno}: upgrade must be one plain function without arguments")
            body = statement.body
    if body is None:
        raise Opaque("it has no function upgrade, so it is no Alembic revision")
    for statement in body:
        _check(statement, names, set())
    return body, names


def _imported(statement: ast.stmt) -> dict[str, str]:
    """The names that one statement of the module brings. Only imports, constants and functions may stand there."""
    if isinstance(statement, ast.Import):
        return dict(_name(statement, alias.name, "", alias.asname or alias.name) for alias in statement.names)
    if isinstance(statement, ast.ImportFrom):
        module = statement.module or ""
        if module in _HARMLESS_IMPORTS and not statement.level:
            return {}
        return dict(_name(statement, module, alias.name, alias.asname or alias.name) for alias in statement.names)
    is_remark = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    is_constant = isinstance(statement, ast.Assign | ast.AnnAssign) and _only_constants(statement.value)
    if is_remark or is_constant or (isinstance(statement, ast.FunctionDef) and not statement.decorator_list):
        return {}
    raise Opaque(f"line {statement.lineno}: {type(statement).__name__} beside the functions runs when it is imported")


def _name(statement: ast.stmt, module: str, name: str, known_as: str) -> tuple[str, str]:
    standing_for = IMPORTS.get((module, name))
    if standing_for is None:
        raise Opaque(f"line {statement.lineno}: it imports {'.'.join(filter(None, (module, name)))}")
    return known_as, standing_for


def _only_constants(value: ast.expr | None) -> bool:
    parts = (ast.Constant, ast.List, ast.Tuple, ast.Load)
    return value is None or all(isinstance(each, parts) for each in ast.walk(value))


def _check(statement: ast.stmt, names: dict[str, str], batches: set[str]) -> None:
    """One statement of ``upgrade``, and those inside it, with nothing left over."""
    if isinstance(statement, ast.With):
        if len(statement.items) != 1:
            raise Opaque(f"line {statement.lineno}: more than one context at once")
        item = statement.items[0]
        _check_expression(item.context_expr, names, batches)
        inner = batches | ({item.optional_vars.id} if isinstance(item.optional_vars, ast.Name) else set())
        if inner & set(names):
            raise Opaque(f"line {statement.lineno}: it gives an imported name another meaning")
        for each in statement.body:
            _check(each, names, inner)
    elif isinstance(statement, ast.Expr):
        _check_expression(statement.value, names, batches)
    elif not isinstance(statement, ast.Pass):
        raise Opaque(f"line {statement.lineno}: {type(statement).__name__} may do another thing when it runs online")


def _check_expression(expression: ast.expr, names: dict[str, str], batches: set[str]) -> None:
    for node in ast.walk(expression):
        if not isinstance(node, _PLAIN):
            raise Opaque(f"line {expression.lineno}: {type(node).__name__} is computed when it runs")
        if isinstance(node, ast.Name) and node.id not in names and node.id not in batches:
            raise Opaque(f"line {expression.lineno}: it uses {node.id}")
        if isinstance(node, ast.Attribute) and not _known(node, names, batches):
            raise Opaque(f"line {expression.lineno}: {ast.unparse(node)[:80]} is on no list")


def _known(node: ast.Attribute, names: dict[str, str], batches: set[str]) -> bool:
    words = list(_dotted(node))
    if not words or any(word.startswith("_") for word in words):
        return False
    root, *rest = words
    if root in batches:
        return len(rest) == 1 and rest[0] in _BATCH
    meaning = names.get(root)
    if meaning == "op":
        return rest in (["get_context()", "autocommit_block"],) or (len(rest) == 1 and rest[0] in OPERATIONS)
    if meaning == "sa":
        is_function = len(rest) == 2 and rest[0] == "func"
        return is_function or (len(rest) == 1 and (rest[0] in _SQLALCHEMY_WORDS or rest[0][0].isupper()))
    return meaning == "postgresql" and len(rest) == 1 and rest[0][0].isupper()


def _dotted(node: ast.expr) -> Iterator[str]:
    """a.b().c as a, b(), c; nothing where it begins with something else than a name."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        before = list(_dotted(node.value))
        yield from [*before, node.attr] if before else []
    elif isinstance(node, ast.Call) and not node.args and not node.keywords:
        *before, last = list(_dotted(node.func)) or [""]
        yield from [*before, f"{last}()"] if last else []
