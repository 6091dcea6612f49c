"""The annotation of a route object, and what becomes of it on each request."""

from __future__ import annotations

import json

import pytest

from controller.adapters.kube.routes.record import (
    ROUTE,
    TEXT_BYTES_MAX,
    Record,
    claimed,
    encode_record,
    halted,
    lowered,
    read_record,
    renewed,
    unhalted,
    written,
)
from controller.core.model import Mark
from controller.guard.model import LOST_ID, MAX_HALTS
from controller.ports import Conflict, Fenced, Halted, Refused, RouteWrite

WHERE = "HTTPRoute shop/web"
KILL = Mark(None, "killed", "smoke", "k-1")
FULL = Record(3, 9, 25, "r1", (KILL,), Mark("r1", "aborted", "by ann"), 2, ((None, True), (7, False)), "next")


def raw(text: str) -> dict[str, object]:
    return {"metadata": {"annotations": {ROUTE: text}}}


def write(weight_pct: int, epoch: int = 3, release_id: str = "r1", lease_s: float = 60.0) -> RouteWrite:
    return RouteWrite(weight_pct, release_id, epoch, 0, lease_s)


@pytest.mark.parametrize("record", [Record(), FULL])
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert read_record(raw(encode_record(record))) == record


def test_an_object_without_the_annotation_carries_no_record() -> None:
    assert read_record({"metadata": {}}) is None
    assert read_record({"metadata": {"annotations": {"other": "x"}}}) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        "{}",
        '"x"',
        "[" * 100_000,
        encode_record(FULL).replace('"epoch":3', '"epoch":"3"'),
        encode_record(FULL).replace('"epoch":3', '"epoch":true'),
        encode_record(FULL).replace('"epoch":3', '"epoch":-1'),
        encode_record(FULL).replace('"r1"', "1"),
        encode_record(FULL).replace('[{"rel', '["x",{"rel'),
        encode_record(FULL).replace('"next"', "1"),
        encode_record(FULL)[:-3],
    ],
)
def test_what_cannot_be_read_holds_until_a_person_has_looked(text: str) -> None:
    record = read_record(raw(text))
    assert record is not None
    assert record.lost
    assert [mark.engagement for mark in record.halts] == [LOST_ID]
    assert record.epoch == 0
    with pytest.raises(Halted):
        written(WHERE, claimed(WHERE, record, 3), write(5), 1)


def test_a_claim_raises_the_epoch_once_and_fences_those_below() -> None:
    record = claimed(WHERE, Record(epoch=2, revision=4), 3)
    assert (record.epoch, record.revision) == (3, 5)
    assert claimed(WHERE, record, 3) == record
    with pytest.raises(Fenced, match="HTTPRoute shop/web is held by epoch 3; yours is 2"):
        claimed(WHERE, record, 2)


def test_a_write_needs_epoch_and_revision_and_says_the_same_only_once() -> None:
    start = Record(epoch=3, revision=4)
    after = written(WHERE, start, write(5), 4)
    assert (after.weight_pct, after.release_id, after.revision, after.mark) == (5, "r1", 5, None)
    assert written(WHERE, after, write(5), 5) is after
    for wrong in (write(5, epoch=4), write(5, epoch=3)):
        with pytest.raises(Conflict):
            written(WHERE, start, wrong, 3)
    with pytest.raises(Fenced):
        written(WHERE, start, write(5, epoch=2), 4)


@pytest.mark.parametrize(
    "wrong",
    [
        write(101),
        write(-1),
        write(5, release_id=""),
        write(5, release_id="r" * 201),
        write(5, lease_s=0),
        write(5, lease_s=1e9),
    ],
)
def test_a_write_out_of_bounds_is_refused(wrong: RouteWrite) -> None:
    with pytest.raises(Refused):
        written(WHERE, Record(epoch=3), wrong, 0)


def test_under_a_halt_the_same_release_may_only_keep_or_lower_its_weight() -> None:
    record = Record(3, 9, 25, "r1", (KILL,))
    assert written(WHERE, record, write(25), 9) is record
    assert written(WHERE, record, write(10), 9).weight_pct == 10
    for rises in (write(26), write(25, release_id="r2"), write(1, release_id="r2")):
        with pytest.raises(Halted):
            written(WHERE, record, rises, 9)


def test_lowering_marks_and_a_second_time_changes_nothing() -> None:
    mark = Mark("r1", "aborted", "by ann")
    after = lowered(WHERE, Record(3, 9, 25, "r1"), mark, 4)
    assert (after.weight_pct, after.mark, after.epoch, after.revision) == (0, mark, 4, 10)
    assert lowered(WHERE, after, mark, 4) == after
    with pytest.raises(Fenced):
        lowered(WHERE, after, mark, 3)


def test_halts_add_up_each_once_and_each_goes_by_its_own_id() -> None:
    second = Mark(None, "killed", "more smoke", "k-2")
    record = halted(WHERE, Record(3, 9, 25, "r1"), KILL, revert=False)
    assert (record.halts, record.weight_pct) == ((KILL,), 25)
    assert halted(WHERE, record, KILL, revert=False) == record
    record = halted(WHERE, halted(WHERE, record, second, revert=True), KILL, revert=True)
    assert (record.halts, record.weight_pct) == ((KILL, second), 0)
    record = unhalted(WHERE, record, frozenset({"k-1", "k-9"}), 3)
    assert record.halts == (second,)
    with pytest.raises(Refused):
        halted(WHERE, record, Mark(None, "killed", "no id"), revert=True)


def test_so_many_halts_with_long_texts_fit_into_an_annotation_and_none_is_refused() -> None:
    record = Record()
    for number in range(MAX_HALTS + 50):
        record = halted(WHERE, record, Mark("r" * 200, "killed", "ü🔥" * 5_000, f"k-{number}"), revert=True)
    assert len(record.halts) == MAX_HALTS + 1
    assert len(record.halts[0].text.encode()) <= TEXT_BYTES_MAX
    assert read_record(raw(encode_record(record))) == record
    assert len(encode_record(record).encode()) < 200 * 1024


def test_only_the_release_that_holds_a_weight_renews_its_lease() -> None:
    record = Record(3, 9, 25, "r1")
    renewed(WHERE, record, "r1", 3, 60.0)
    for release_id, epoch, error in (("r2", 3, Refused), ("r1", 4, Refused), ("r1", 2, Fenced)):
        with pytest.raises(error):
            renewed(WHERE, record, release_id, epoch, 60.0)


def test_the_annotation_is_short_text_for_a_person_to_read() -> None:
    body = json.loads(encode_record(Record(1, 2, 5, "r1")))
    assert body == {
        "epoch": 1,
        "revision": 2,
        "weight_pct": 5,
        "release_id": "r1",
        "halts": [],
        "mark": None,
        "drift": 0,
    }
