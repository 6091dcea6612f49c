from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.selectors import parse_selector

VALUES = {"role": "canary", "version": "v2", "application": "shop"}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("up", "up{}"),
        ("up{}", "up{}"),
        ('up{version="$version"}', 'up{version="v2"}'),
        ("up { a = '$role' , b != \"x\" , }", 'up{a="canary",b!="x"}'),
        ('x:y{code=~"5..",app="$application-$role"}', 'x:y{code=~"5..",app="shop-canary"}'),
        (r'up{a="q\"u\\o",b="{}[],"}', r'up{a="q\"u\\o",b="{}[],"}'),
        ('up{code=~"5..$"}', 'up{code=~"5..$"}'),
    ],
)
def test_plain_selectors_are_read_and_filled_in(text: str, rendered: str) -> None:
    assert parse_selector(text).render(VALUES) == rendered


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rate(up[5m])", "more than a plain selector"),
        ("up[5m]", "more than a plain selector"),
        ('up{a="b"}[5m]', "more than a plain selector"),
        ('up{a="b"} offset 5m', "more than a plain selector"),
        ('up{a="b"} @ 5', "more than a plain selector"),
        ('up{a="b"} or up{a="c"}', "cannot be read"),
        ("sum(up)", "more than a plain selector"),
        ("up / down", "more than a plain selector"),
        ('{a="b"}', "does not start with a metric name"),
        ("", "does not start with a metric name"),
        ("5", "does not start with a metric name"),
        ('up{__name__="x"}', "matches on __name__"),
        ('up{a="b"', "more than a plain selector"),
        ("up{a=b}", "cannot be read"),
        ('up{a="b" c="d"}', "cannot be read"),
        ('up{a="$verison"}', r"unknown placeholder \$verison"),
        (r'up{a="\x41"}', "escape"),
        ("u" * 2000, "at most 1000 characters"),
    ],
)
def test_everything_else_is_refused_and_says_what_to_write(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_selector(text)


def test_a_version_inside_a_regular_expression_is_taken_literally() -> None:
    selector = parse_selector('up{pod=~"shop-$version-.*"}')
    assert selector.render({**VALUES, "version": "1.2+a"}) == 'up{pod=~"shop-1\\\\.2\\\\+a-.*"}'


@given(st.text(max_size=30))
def test_no_value_can_leave_its_label(value: str) -> None:
    rendered = parse_selector('up{a="$version",b="x"}').render({**VALUES, "version": value})
    assert [one.value for one in parse_selector(rendered.replace("$", "")).matchers] == [value.replace("$", ""), "x"]
