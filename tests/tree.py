"""The repository as the structural tests see it: the files that are, or would be, tracked, and their syntax trees."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("controller", "analysis", "gates", "api")
GIT = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")


@cache
def tracked() -> tuple[str, ...]:
    """Paths from the root. Without git, as in an unpacked archive, everything but hidden folders."""
    try:
        told = subprocess.run(GIT, cwd=ROOT, capture_output=True, check=True, timeout=30).stdout
        paths = [name.decode() for name in told.split(b"\0") if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]
        paths = [path for path in paths if not any(part.startswith(".") and part != ".ci" for part in Path(path).parts)]
    return tuple(sorted(path for path in paths if (ROOT / path).is_file()))


@cache
def text_of(path: str) -> str | None:
    """None for what is not text."""
    try:
        return (ROOT / path).read_text()
    except UnicodeDecodeError:
        return None


def python(*folders: str) -> tuple[str, ...]:
    return tuple(path for path in tracked() if path.endswith(".py") and path.split("/")[0] in folders)


@cache
def tree_of(path: str) -> ast.Module:
    return ast.parse(text_of(path) or "", path)


@dataclass(frozen=True)
class Function:
    path: str
    name: str
    lines: int


def functions(path: str) -> Iterator[Function]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield Function(path, node.name, node.end_lineno - node.lineno + 1)


def imports(path: str) -> set[str]:
    """Every module that is imported anywhere in the file, by its full name."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
    return found
