from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.counters import Gain, MarkKey, first_seen, gains_of, kept
from analysis.model import Outcome, Point, Reading, Role, Series, SeriesMark

START_S = 100.0


def reading(*series: Series) -> Reading:
    return Reading("sel", Role.CANARY, Outcome.OK, series)


def one(*points: tuple[float, float], key: str = "k", source: str = "target") -> Series:
    return Series(key, tuple(Point(at_s, value) for at_s, value in points), source=source)


def marked(at_s: float, value: float, key: str = "k") -> dict[MarkKey, SeriesMark]:
    mark = SeriesMark("errors sel", Role.CANARY, key, at_s, value)
    return {(mark.metric, mark.role, mark.key): mark}


def gained(*series: Series, marks: dict[MarkKey, SeriesMark] | None = None) -> list[Gain]:
    answer = reading(*series)
    return list(gains_of("errors", answer, marks or {}, lambda: first_seen([answer]), START_S))


@pytest.mark.parametrize(
    ("points", "mark", "amount"),
    [
        ([(101, 10), (102, 12), (103, 15)], (101, 10), 5),
        ([(101, 10), (102, 12)], (102, 12), 0),
        ([(103, 15)], (101, 10), 5),
        ([(102, 3)], (101, 10), 3),
        ([(102, 12), (103, 2), (104, 3)], (101, 10), 5),
        ([(102, 0), (103, 0)], (101, 10), 0),
        ([(90, 1), (95, 5)], (101, 10), 0),
    ],
    ids=["grows", "no new sample", "missed scrapes", "reset", "reset between", "reset to zero", "older than the mark"],
)
def test_a_known_series_is_differenced_from_its_mark(
    points: list[tuple[float, float]], mark: tuple[float, float], amount: float
) -> None:
    (gain,) = gained(one(*points), marks=marked(*mark))
    assert gain.amount == amount
    assert gain.mark.at_s == max(mark[0], points[-1][0])


def test_what_was_counted_before_the_release_is_not_counted() -> None:
    (gain,) = gained(one((98, 1000), (100, 1010), (102, 1013)))
    assert (gain.amount, gain.mark.value) == (3, 1013)


def test_a_series_born_inside_the_release_counts_from_zero() -> None:
    gains = gained(one((99, 5), (102, 6), (104, 7), key="ok"), one((104, 2), key="new"))
    assert [gain.amount for gain in gains] == [2, 2]


def test_a_series_seen_late_without_proof_of_its_birth_starts_at_its_first_sample() -> None:
    gains = gained(
        one((102, 1_000_000), (104, 1_000_001), key="late", source="other"), one((90, 5), (104, 5), key="ok")
    )
    assert [gain.amount for gain in gains] == [1, 0]


def test_series_are_summed_after_differencing_so_a_reset_of_one_does_not_hide_the_others() -> None:
    marks = {**marked(101, 100, "a"), **marked(101, 50, "b")}
    gains = gained(one((102, 5), key="a"), one((102, 60), key="b"), marks=marks)
    assert sum(gain.amount for gain in gains) == 15


def test_marks_of_series_long_gone_are_forgotten_and_others_are_kept() -> None:
    old, recent = marked(1000, 1, "old"), marked(4500, 2, "recent")
    (gain,) = gained(one((5000, 9), key="now"))
    assert sorted(mark.key for mark in kept({**old, **recent}, [gain], 5000.0)) == ["now", "recent"]


@given(
    st.lists(st.integers(min_value=0, max_value=50), min_size=1, max_size=30),
    st.lists(st.booleans(), min_size=31, max_size=31),
    st.lists(st.booleans(), min_size=31, max_size=31),
    st.integers(min_value=1, max_value=30),
)
def test_however_the_reads_fall_a_counter_with_resets_is_counted_exactly(
    steps: list[int], resets: list[bool], reads: list[bool], window: int
) -> None:
    """Reads may come at any time within the window. A reset shows only as a fall; one that is made up for cannot."""
    points = [(START_S, 7.0)]
    for index, step in enumerate(steps):
        before = points[-1][1]
        points.append((START_S + 1 + index, step if resets[index] and step < before else before + step))
    marks: dict[MarkKey, SeriesMark] = {}
    total, unread = 0.0, 0
    for end in range(1, len(points) + 1):
        unread += 1
        if not (reads[end - 1] or unread >= window or end in (1, len(points))):
            continue
        (gain,) = gained(one(*points[max(0, end - window - 1) : end]), marks=marks)
        total += gain.amount
        marks = {(m.metric, m.role, m.key): m for m in kept(marks, [gain], points[end - 1][0])}
        unread = 0
    assert total == sum(steps)
