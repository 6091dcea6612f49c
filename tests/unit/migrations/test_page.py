"""The page about migrations shows the rules as they are in the code."""

from __future__ import annotations

from tests.unit.migrations.page import BEGIN, PAGE, page_with_table


def test_the_page_shows_the_rules_of_the_code() -> None:
    page = PAGE.read_text()
    assert BEGIN in page
    assert page_with_table(page) == page, "write it anew: python -m tests.unit.migrations.page"
