"""The page of mistakes names tests that are there, and every mistake has one or says why it needs none."""

from __future__ import annotations

import pytest

from tests.kube.mistakes import MISTAKES, PAGE, Mistake, functions, page


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.text[:60])
def test_every_mistake_has_tests_that_are_there_or_says_why_it_needs_none(mistake: Mistake) -> None:
    assert bool(mistake.tests) != bool(mistake.absent)
    missing = [name for file, name in mistake.tests if name not in functions(file)]
    assert missing == []


def test_the_page_is_what_the_list_says() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.kube.mistakes"
