"""What is stored is read back equal, for any release there can be, and nothing else is accepted."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import JudgeState, MetricState
from controller.adapters.store.codec import Codec, Codecs, at_s, at_us, settled
from controller.adapters.store.errors import Corrupt
from controller.adapters.store.schema import FORMAT
from controller.core.model import Release
from controller.core.targets import ExternalTarget, ProcessesTarget
from controller.ports import Message, StoredApplication
from gates.audit import GENESIS, Draft, link
from gates.kill import Engagement
from tests.contract.conftest import a_release, an_application

CODECS = Codecs()

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
st.register_type_strategy(str, texts)
st.register_type_strategy(float, st.floats(allow_nan=False))
st.register_type_strategy(int, st.integers(-(2**63), 2**63 - 1))

scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False) | texts
finite = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts | st.floats(-1e300, 1e300)
numbers = st.dictionaries(texts, finite | st.lists(finite, max_size=3), max_size=4)


@settings(max_examples=100, deadline=None)
@given(st.from_type(Release))
def test_any_release_is_read_back_equal(release: Release) -> None:
    assert CODECS.release.decode(FORMAT, CODECS.release.encode(release, "r"), "r") == release


@settings(max_examples=60, deadline=None)
@given(st.from_type(StoredApplication))
def test_any_application_is_read_back_equal(application: StoredApplication) -> None:
    assert CODECS.application.decode(FORMAT, CODECS.application.encode(application, "a"), "a") == application


@settings(max_examples=60, deadline=None)
@given(st.from_type(Engagement))
def test_any_kill_is_read_back_equal(engagement: Engagement) -> None:
    assert CODECS.engagement.decode(FORMAT, CODECS.engagement.encode(engagement, "k"), "k") == engagement


@settings(max_examples=60, deadline=None)
@given(
    st.builds(Message, texts, texts, texts, texts, texts, st.dictionaries(texts, finite | st.lists(finite, max_size=3)))
)
def test_any_message_is_read_back_equal(message: Message) -> None:
    assert CODECS.message.decode(FORMAT, CODECS.message.encode(message, "m"), "m") == message


def test_what_is_infinite_or_not_a_number_stays_so() -> None:
    metric = MetricState("errors", log_harm=(-math.inf, math.inf, 0.5), log_safe=(math.nan,))
    release = replace(a_release(), judge=JudgeState(1.0, 2.0, metrics=(metric,)), baking_since_s=math.inf)
    read = CODECS.release.decode(FORMAT, CODECS.release.encode(release, "r"), "r")
    assert read.judge is not None
    assert read.judge.metrics[0].log_harm == (-math.inf, math.inf, 0.5)
    assert math.isnan(read.judge.metrics[0].log_safe[0])
    assert read.baking_since_s == math.inf


@pytest.mark.parametrize(
    "target", [ProcessesTarget(("serve",), stop_grace_s=math.inf), ExternalTarget("a", "b", health_timeout_s=-math.inf)]
)
def test_what_is_infinite_stays_so_in_a_field_of_several_types(target: ProcessesTarget | ExternalTarget) -> None:
    release = replace(a_release(), app=replace(an_application(), target=target))
    assert CODECS.release.decode(FORMAT, CODECS.release.encode(release, "r"), "r") == release


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_stored_release_with_one_value_of_another_type_is_refused(data: st.DataObject) -> None:
    stored: dict[str, Any] = json.loads(CODECS.release.encode(a_release(), "r"))
    name = data.draw(st.sampled_from(sorted(stored)))
    stored[name] = {"of": "another type"}
    with pytest.raises(Corrupt, match=f"at {name}"):
        CODECS.release.decode(FORMAT, json.dumps(stored), "r")


@pytest.mark.parametrize("text", ["", "null", "[]", "7", '{"id": 1', "nan"])
def test_a_text_that_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(Corrupt, match="'r' of releases"):
        CODECS.release.decode(FORMAT, text, "r")


@pytest.mark.parametrize("stored_format", [0, 2, "1", None])
def test_a_row_of_another_format_is_refused(stored_format: object) -> None:
    with pytest.raises(Corrupt, match="format"):
        CODECS.release.decode(stored_format, CODECS.release.encode(a_release(), "r"), "r")


def test_an_error_shows_no_stored_value() -> None:
    codec = Codec(Message, "outbox")
    with pytest.raises(Corrupt) as caught:
        codec.decode(FORMAT, '{"key": {"s3cret": "s3cret"}}', "m")
    assert "s3cret" not in str(caught.value)


@given(st.integers(0, 2**52))
def test_whole_microseconds_survive_as_seconds(microseconds: int) -> None:
    assert at_us(at_s(microseconds)) == microseconds


@given(st.floats(0, 4e9), numbers)
def test_a_settled_draft_has_the_hash_of_the_one_it_was_made_of(time_s: float, figures: dict[str, Any]) -> None:
    draft = Draft("type", time_s, "actor", "text", numbers=figures)
    once = settled(draft)
    assert link(1, GENESIS, once).hash == link(1, GENESIS, draft).hash
    assert settled(once) == once
    assert once.numbers == figures


def test_an_application_read_twice_is_decoded_once_and_a_changed_text_anew() -> None:
    codecs = Codecs()
    text = codecs.application.encode(StoredApplication(an_application()), "a")
    first = codecs.application.decode(FORMAT, text, "a")
    assert codecs.application.decode(FORMAT, str(text.encode(), "utf-8"), "a") is first
    other = text.replace('"deleted":false', '"deleted":true')
    assert codecs.application.decode(FORMAT, other, "a") == replace(first, deleted=True)
    with pytest.raises(Corrupt, match="format 99"):
        codecs.application.decode(99, text, "a")
