"""``python -m tests.kube.scenarios.table`` writes the page of scenarios from the rows and the tests that show them."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.kube.scenarios.rows import ROUTERS, ROWS, Row

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[2] / "docs" / "kubernetes-scenarios.md"
HEADINGS = ("HTTPRoute", "VirtualService", "ingress-nginx", "Traefik", "replicas")


def shown() -> dict[int, list[str]]:
    """The tests that say which row they show."""
    found: dict[int, list[str]] = {row.number: [] for row in ROWS}
    for file in sorted(FOLDER.glob("test_*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                for number in _numbers(node):
                    found[number].append(node.name.removeprefix("test_").replace("_", " "))
    return found


def _numbers(function: ast.FunctionDef) -> list[int]:
    calls = [one for one in function.decorator_list if isinstance(one, ast.Call)]
    named = [one for one in calls if isinstance(one.func, ast.Name) and one.func.id == "scenario"]
    return [one.args[0].value for one in named if isinstance(one.args[0], ast.Constant)]  # type: ignore[misc]


def page() -> str:
    tests = shown()
    lines = [
        "# Forty scenarios in a cluster",
        "",
        "What a canary controller has to survive, and on which kinds of route a test shows it. Each test runs the",
        "whole loop with the real adapters: always against the small API server of the tests, and against a real one",
        "wherever its binaries are there ([kubernetes.md](kubernetes.md) says how to get them). The pods, and a",
        "gateway's confirmation of a route, come from stand-ins on both. This page is written by",
        "`python -m tests.kube.scenarios.table`.",
        "",
        "yes = a test on both levels, - = does not apply; the reason is below the table.",
        "",
        "| | scenario | " + " | ".join(HEADINGS) + " |",
        "|---|---|" + "---|" * len(HEADINGS),
        *(_line(row) for row in ROWS),
        "",
        "## Where a row does not apply",
        "",
        *(f"- {row.number}: {row.absent or row.partly}" for row in ROWS if row.absent or row.partly),
        "",
        "## The tests",
        "",
        *(f"- {row.number}: {'; '.join(tests[row.number])}" for row in ROWS if tests[row.number]),
    ]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    marks = " | ".join("yes" if router in row.routers else "-" for router in ROUTERS)
    return f"| {row.number} | {row.title} | {marks} |"


if __name__ == "__main__":
    PAGE.write_text(page())
