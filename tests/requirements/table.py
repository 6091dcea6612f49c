"""``python -m tests.requirements.table`` writes the page of requirements from the rows and the tests that name them."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.requirements.rows import PARTS, ROWS, Row

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "requirements.md"


def shown() -> dict[str, list[str]]:
    """Per requirement the tests that say they show it, as ``folder: name``."""
    found: dict[str, list[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                for name in _named(node):
                    said = f"{file.parent.name}: {node.name.removeprefix('test_').replace('_', ' ')}"
                    found.setdefault(name, []).append(said)
    return found


def _named(function: ast.FunctionDef) -> list[str]:
    calls = [one for one in function.decorator_list if isinstance(one, ast.Call)]
    marks = [one for one in calls if isinstance(one.func, ast.Attribute) and one.func.attr == "requirement"]
    words = [part.value for one in marks for part in one.args if isinstance(part, ast.Constant)]
    return list(dict.fromkeys(str(word) for word in words))


def page() -> str:
    tests = shown()
    here = [row for row in ROWS if row.id in tests]
    later = [row for row in ROWS if row.id not in tests]
    lines = [
        "# Requirements on the gate",
        "",
        "What the gate has to do, and the tests that show it. The page is written by",
        "`python -m tests.requirements.table` from the tests themselves, so it cannot claim a test that is not there.",
        f"{len(here)} of {len(ROWS)} are named by a test. A test may show a part of one: its name says which.",
        "",
        "## With a test",
        "",
        "| | requirement | shown by |",
        "|---|---|---|",
        *(f"| {row.id} | {row.words} | {_short(tests[row.id])} |" for row in here),
        "",
        "## In a later part",
        "",
        "| | requirement | part |",
        "|---|---|---|",
        *(f"| {row.id} | {row.words} | {PARTS[row.part]} |" for row in later),
    ]
    return "\n".join(lines) + "\n"


def _short(names: list[str]) -> str:
    return "; ".join(sorted(set(names)))


def unknown_ids() -> list[str]:
    """Requirements that a test names and that do not exist."""
    return sorted(set(shown()) - {row.id for row in ROWS})


def parts_of(rows: tuple[Row, ...] = ROWS) -> set[str]:
    return {row.part for row in rows}


if __name__ == "__main__":
    PAGE.write_text(page())
