"""The page about the machine is generated, and is not out of date."""

from __future__ import annotations

from controller.core.model import Phase
from controller.core.moves import MOVES
from controller.core.rules import RULES
from tests.unit.core.diagram import PAGE, behaviour_table, mermaid, page, rule_table, wish_table


def test_the_page_in_the_docs_is_the_one_the_code_gives() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.unit.core.diagram"


def test_the_diagram_holds_every_move_and_every_end() -> None:
    drawn = mermaid()
    assert drawn.count("-->") == len(list(MOVES.edges())) + 1 + 3
    assert all(f"    {before} --> {after}\n" in drawn for before, after in MOVES.edges())


def test_the_tables_hold_every_rule_every_phase_and_the_behaviours() -> None:
    assert len(rule_table().splitlines()) == len(RULES) + 2
    assert all(f"| {phase} |" in wish_table() for phase in Phase)
    assert "- a good version goes through every weight in order and becomes stable" in behaviour_table()
