"""The page of requirements says what the tests say, and no test names a requirement that does not exist."""

from __future__ import annotations

from tests.requirements.rows import PARTS, ROWS
from tests.requirements.table import PAGE, page, parts_of, shown, unknown_ids


def test_the_page_is_what_the_tests_show() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.requirements.table`"


def test_every_requirement_is_listed_once_and_belongs_to_a_part() -> None:
    ids = [row.id for row in ROWS]
    assert len(ids) == len(set(ids)) == 129
    assert parts_of() == set(PARTS)


def test_no_test_names_a_requirement_that_does_not_exist() -> None:
    assert unknown_ids() == []


def test_the_tests_that_name_requirements_are_found() -> None:
    assert "a step gets its grade" in " ".join(shown()["LR-01"])
