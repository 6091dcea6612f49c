from __future__ import annotations

import itertools
from dataclasses import replace

from analysis.figures import figures
from analysis.judge import new_state
from analysis.state import TrailPoint
from analysis.trail import POINTS_MAX, with_point
from tests.unit.analysis.release_run import SPEC, Run

SHOWN = figures(SPEC, new_state(0.0))


def trail_of(passes: int, every_s: float) -> tuple[TrailPoint, ...]:
    trail: tuple[TrailPoint, ...] = ()
    for number in range(passes):
        trail = with_point(trail, number * every_s, SHOWN)
    return trail


def test_a_short_release_keeps_every_block() -> None:
    assert [point.at_s for point in trail_of(10, 5.0)] == [5.0 * number for number in range(10)]


def test_looking_more_often_adds_no_points() -> None:
    assert len(trail_of(50, 1.0)) == 10


def test_a_long_release_is_thinned_evenly_and_never_grows_beyond_the_limit() -> None:
    trail = trail_of(20_000, 5.0)
    gaps = {b.at_s - a.at_s for a, b in itertools.pairwise(trail)}
    assert POINTS_MAX // 2 <= len(trail) <= POINTS_MAX
    assert trail[0].at_s == 0.0
    assert trail[-1].at_s > 0.95 * 20_000 * 5
    assert max(gaps) <= 2 * min(gaps)


def test_numbers_are_short() -> None:
    (point,) = with_point((), 0.0, replace(SHOWN, total_e=123.456789))
    assert point.harm == 123.5


def test_a_release_under_judgement_leaves_its_trail() -> None:
    run = Run()
    run.seconds(60)
    harms = [point.harm for point in run.state.trail]
    safes = [point.safe for point in run.state.trail]
    assert len(harms) >= 10
    assert harms[-1] < 1
    assert safes[-1] > safes[0]
