"""Every scenario has a test or says why it has none, and the page for users is the one that the tests give."""

from __future__ import annotations

import pytest

from tests.kube.scenarios.rows import ROWS, Row
from tests.kube.scenarios.table import PAGE, page, shown


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_a_row_has_a_test_or_says_why_it_has_none(row: Row) -> None:
    assert bool(shown()[row.number]) == (not row.absent)
    assert bool(row.routers) == (not row.absent)


def test_there_are_forty_and_each_once() -> None:
    assert [row.number for row in ROWS] == list(range(1, 41))


def test_the_page_in_the_docs_is_the_one_that_the_tests_give() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.kube.scenarios.table"
