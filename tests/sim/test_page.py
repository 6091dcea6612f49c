"""docs/simulation.md names every oracle, every mutant with what it breaks, and every fault: nothing is left out."""

from __future__ import annotations

import re

import pytest

from tests.sim.faults import Kind
from tests.sim.mutants.catalogue import MUTANTS
from tests.sim.mutants.planted import Mutant
from tests.sim.test_seeds import MET, SEEDS
from tests.tree import python, text_of

PAGE = text_of("docs/simulation.md") or ""
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
CODE = re.compile(r"""fail\(\s*"([\w-]+)",|_until\(sim, \w+, "([\w-]+)",""")


def codes() -> set[str]:
    """What a run may fail with, as the simulation's own source has it."""
    sources = [text_of(path) or "" for path in python("tests") if re.fullmatch(r"tests/sim/(?!test_)\w+\.py", path)]
    return {one or other for source in sources for one, other in CODE.findall(source)}


def test_every_oracle_has_its_line() -> None:
    assert len(codes()) > 15
    assert {code for code in codes() if not re.search(rf"(^\| |, |`){code}( \||,|`)", PAGE, re.MULTILINE)} == set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_has_its_line(mutant: Mutant) -> None:
    assert [row[1] for row in ROWS if row[0] == f"`{mutant.name}`"] == [mutant.why]


def test_no_mutant_is_told_of_that_is_not_there() -> None:
    told = {row[0].strip("`") for row in ROWS if len(row) == 4 and row[0].startswith("`")}
    assert told == {mutant.name for mutant in MUTANTS}


def test_every_fault_has_its_name() -> None:
    named = {name.strip() for row in ROWS if len(row) == 2 for name in row[0].split(",")}
    assert {kind.value.replace("_", " ") for kind in Kind} <= named


def test_the_numbers_that_the_page_takes_from_the_code_are_those_of_the_code() -> None:
    assert f"the first {SEEDS} seeds together meet {len(MET)} things" in PAGE
    assert f"{len(MUTANTS)} of {len(MUTANTS)} dead" in PAGE
