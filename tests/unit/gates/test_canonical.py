"""One byte string for one value: the quick way and RFC 8785's own implementation never differ."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gates.canonical import canonical, digest


class Word(StrEnum):
    STEP = "step"


texts = st.text(st.characters(exclude_categories=["Cs"]))
integers = st.integers(-(2**53) + 1, 2**53 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False) | st.floats(-10, 10) | integers.map(float)
values = st.recursive(
    st.none() | st.booleans() | integers | floats | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(values)
@example(0.0)
@example(-0.0)
@example(1e-4)
@example(9.999999999999999e-05)
@example(1e16)
@example(1e21)
@example(2.0**53)
@example(2.0**53 - 1)
@example(4503599627370495.5)
@example(5e-324)
@example(1.7976931348623157e308)
@example({"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\xf6": 7})
@example("\x00\x1f\x7f\u2028\u2029\"\\/\b\f\n\r\t<>&'")
def test_every_value_has_the_bytes_of_rfc_8785(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(values)
def test_the_bytes_say_the_same_value(value: Any) -> None:
    assert json.loads(canonical(value), parse_int=float) == value


@given(st.dictionaries(texts, integers, min_size=2))
def test_the_order_in_which_keys_were_set_does_not_matter(value: dict[str, int]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


def test_tuples_are_lists_and_words_of_an_enumeration_are_their_text() -> None:
    assert canonical({"steps": (1, 5), "word": Word.STEP}) == b'{"steps":[1,5],"word":"step"}'


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 2**53, -(2**53), 10**400, "\ud800", {"a": [math.nan]}, {1: 2}, b"bytes", {1, 2}],
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="not representable as canonical JSON"):
        canonical({"value": value})


def test_a_digest_names_its_algorithm() -> None:
    assert digest({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
