"""The chain of records: whatever someone does to it between its ends is found, whichever record they choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.audit import GENESIS, ChainCheck, Draft, Record, body, link, verify

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.dictionaries(texts, st.integers(-1_000, 1_000) | st.floats(-1e6, 1e6) | texts, max_size=3)
drafts = st.builds(
    Draft,
    type=texts,
    at_s=st.integers(0, 2**51).map(lambda us: us / 1e6),
    actor=texts,
    text=texts,
    release_id=st.none() | texts,
    application=st.none() | texts,
    environment=st.none() | texts,
    epoch=st.none() | st.integers(0, 1_000),
    numbers=numbers,
    late=st.booleans(),
)


def chain(made_of: list[Draft], prev: str = GENESIS) -> list[Record]:
    records: list[Record] = []
    for draft in made_of:
        records.append(link(len(records) + 1, records[-1].hash if records else prev, draft))
    return records


chains = st.lists(drafts, min_size=2, max_size=6).map(chain)


@given(st.lists(drafts, max_size=6))
def test_an_untouched_chain_is_whole(made_of: list[Draft]) -> None:
    records = chain(made_of)
    head = records[-1].hash if records else GENESIS
    assert verify(records) == ChainCheck(True, len(records), head)


@given(chains, st.integers(1, 5))
def test_a_chain_can_be_checked_part_by_part(records: list[Record], cut: int) -> None:
    first = verify(records[:cut])
    second = verify(records[cut:], first_seq=first.records + 1, prev=first.head)
    assert (second.ok, second.head) == (True, records[-1].hash)


CHANGED: dict[str, Callable[[Any], Any]] = {
    "type": lambda old: old + "x",
    "at_s": lambda old: old + 1e-3,
    "actor": lambda old: old + "x",
    "text": lambda old: old + "x",
    "release_id": lambda old: "x" if old is None else None,
    "application": lambda old: "x" if old is None else None,
    "environment": lambda old: "x" if old is None else None,
    "epoch": lambda old: 1 if old is None else None,
    "numbers": lambda old: {**old, "one more": 1},
    "late": lambda old: not old,
}


def test_every_field_of_a_draft_is_in_the_table_of_edits() -> None:
    assert {field.name for field in fields(Draft)} == set(CHANGED)


@pytest.mark.parametrize("name", CHANGED)
@given(records=chains, data=st.data())
def test_an_edit_of_any_field_of_any_record_is_found_there(
    name: str, records: list[Record], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(records) - 1))
    old = records[index].draft
    edited = replace(old, **{name: CHANGED[name](getattr(old, name))})
    check = verify([*records[:index], replace(records[index], draft=edited), *records[index + 1 :]])
    assert (check.ok, check.records) == (False, index)
    assert f"record {index + 1} was changed" in check.trouble


@given(chains, st.data())
def test_an_edit_that_is_hashed_anew_breaks_the_link_behind_it(records: list[Record], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(records) - 2))
    edited = replace(records[index].draft, text=records[index].draft.text + "x")
    forged = link(records[index].seq, records[index].prev, edited)
    check = verify([*records[:index], forged, *records[index + 1 :]])
    assert (check.ok, check.records) == (False, index + 1)
    assert "does not follow" in check.trouble


@given(chains, st.data())
def test_a_gap_is_found(records: list[Record], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(records) - 2))
    check = verify(records[:index] + records[index + 1 :])
    assert (check.ok, check.records) == (False, index)
    assert f"record {index + 1} is missing" in check.trouble


@given(chains, st.data())
def test_a_gap_that_was_numbered_over_is_found(records: list[Record], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(records) - 2))
    closed = [replace(record, seq=record.seq - 1) for record in records[index + 1 :]]
    assert not verify(records[:index] + closed).ok


@given(chains, st.data())
def test_two_records_that_changed_places_are_found(records: list[Record], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(records) - 2))
    second = data.draw(st.integers(first + 1, len(records) - 1))
    swapped = list(records)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    renumbered = [replace(record, seq=seq) for seq, record in enumerate(swapped, start=1)]
    for tampered in (swapped, renumbered):
        check = verify(tampered)
        assert (check.ok, check.records) == (False, first)


@given(chains, st.data())
def test_a_record_that_is_there_twice_is_found(records: list[Record], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(records) - 1))
    twice = [*records[: index + 1], *records[index:]]
    check = verify(twice)
    assert (check.ok, check.records) == (False, index + 1)


@given(chains)
def test_a_chain_that_starts_anywhere_else_is_found(records: list[Record]) -> None:
    assert not verify(records[1:]).ok
    assert not verify(chain([record.draft for record in records], prev="sha256:" + "1" * 64)).ok


@given(chains)
def test_a_cut_tail_is_not_found_by_the_chain_alone_but_its_count_and_head_differ(records: list[Record]) -> None:
    check = verify(records[:-1])
    assert check.ok
    assert (check.records, check.head) != (len(records), records[-1].hash)


@given(drafts)
def test_the_hash_covers_every_field_and_nothing_below_a_microsecond(draft: Draft) -> None:
    assert set(body(1, GENESIS, draft)) == {"v", "seq", "prev", "at_us"} | {f.name for f in fields(Draft)} - {"at_s"}
    assert link(1, GENESIS, draft).hash == link(1, GENESIS, replace(draft, at_s=draft.at_s + 1e-9)).hash


def test_a_record_is_never_numbered_below_one_nor_linked_to_something_that_is_no_hash() -> None:
    draft = Draft("type", 0.0, "actor", "text")
    with pytest.raises(AssertionError):
        link(0, GENESIS, draft)
    with pytest.raises(AssertionError):
        link(1, "md5:0", draft)


def test_the_hash_of_a_known_record_never_changes() -> None:
    draft = Draft("release_step", 1.5, "ci", "to 5 %", "r-1", "shop", "production", 3, {"share": 0.05, "weight_pct": 5})
    assert link(1, GENESIS, draft).hash == "sha256:59599a866fc555ad5c1acb3739417f7a86ca839a7c7e84aaa6680a405313a943"
