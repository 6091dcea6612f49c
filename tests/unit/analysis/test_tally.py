from __future__ import annotations

import math
from dataclasses import replace

import pytest

from analysis.judge import judge, new_state
from analysis.model import (
    AnalysisSpec,
    CounterQuery,
    Judgement,
    JudgeState,
    LatencyQuery,
    Outcome,
    Point,
    Reading,
    Readings,
    Role,
    Series,
    Tally,
)
from analysis.tally import Gathered, gather

SPEC = AnalysisSpec("http://x", (CounterQuery("errors", ("total",), ("bad",)),))
SLOW = AnalysisSpec("http://x", (), (LatencyQuery("latency", ("buckets",), 0.5),))
STATE = new_state(100.0)


def ok(metric: str, role: Role, *series: Series) -> Reading:
    return Reading(metric, role, Outcome.OK, series)


def one(start: float, end: float, le: float | None = None, at_s: float = 110.0, source: str = "t") -> Series:
    return Series(f"le={le} {source}", (Point(100.0, start), Point(at_s, end)), le, source)


HEALTHY = (
    ok("total", Role.STABLE, one(1000, 1090)),
    ok("bad", Role.STABLE, one(10, 12)),
    ok("total", Role.CANARY, one(0, 10)),
    ok("bad", Role.CANARY, one(0, 1)),
)


def gathered(*items: Reading, spec: AnalysisSpec = SPEC, state: JudgeState = STATE, at_s: float = 111.0) -> Gathered:
    return gather(spec, state, Readings(at_s, items))


def swapped(metric: str, role: Role, by: Reading) -> tuple[Reading, ...]:
    return tuple(by if (item.metric, item.role) == (metric, role) else item for item in HEALTHY)


def test_both_roles_are_counted_and_their_marks_kept() -> None:
    result = gathered(*HEALTHY)
    assert result.gains[0].tally == Tally(10, 1, 90, 2)
    assert result.gains[0].problems == ()
    assert len(result.marks) == 4
    assert result.fresh_at_s == 110.0


def test_the_order_of_the_answers_does_not_matter() -> None:
    assert gathered(*HEALTHY) == gathered(*reversed(HEALTHY))


def test_reading_the_same_samples_again_adds_nothing() -> None:
    again = replace(STATE, marks=gathered(*HEALTHY).marks)
    assert gathered(*HEALTHY, state=again).gains[0].tally == Tally()


@pytest.mark.parametrize(
    "outcome",
    [Outcome.NOT_A_NUMBER, Outcome.INFINITE, Outcome.TOO_MANY_SERIES, Outcome.NOT_A_VECTOR, Outcome.UNREADABLE],
)
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("metric", ["total", "bad"])
def test_an_unclear_answer_stops_both_roles_and_names_metric_and_role(
    metric: str, role: Role, outcome: Outcome
) -> None:
    result = gathered(*swapped(metric, role, Reading(metric, role, outcome, text="because")))
    (problem,) = result.gains[0].problems
    assert problem.code == outcome.value
    assert "errors" in problem.text
    assert role.value in problem.text
    assert "because" in problem.text
    assert (result.gains[0].tally, result.marks) == (Tally(), ())


@pytest.mark.parametrize(("outcome", "code"), [(Outcome.NO_SERIES, "no_canary_data"), (Outcome.STALE, "stale")])
def test_a_missing_canary_holds_while_stable_counts_on(outcome: Outcome, code: str) -> None:
    items = [Reading(item.metric, item.role, outcome) if item.role is Role.CANARY else item for item in HEALTHY]
    result = gathered(*items)
    assert [problem.code for problem in result.gains[0].problems] == [code]
    assert result.gains[0].tally == Tally(0, 0, 90, 2)
    assert result.fresh_at_s is None


def test_a_missing_stable_holds_while_the_canary_counts_on() -> None:
    items = [
        Reading(item.metric, item.role, Outcome.NO_SERIES) if item.role is Role.STABLE else item for item in HEALTHY
    ]
    result = gathered(*items)
    assert [problem.code for problem in result.gains[0].problems] == ["no_stable_data"]
    assert result.gains[0].stable_missing
    assert result.gains[0].tally == Tally(10, 1, 0, 0)


def test_a_query_that_was_not_read_at_all_is_unreadable() -> None:
    assert {problem.code for problem in gathered().gains[0].problems} == {"unreadable"}


def test_no_series_of_failures_is_no_failures_as_long_as_requests_are_counted() -> None:
    result = gathered(*swapped("bad", Role.CANARY, Reading("bad", Role.CANARY, Outcome.NO_SERIES)))
    assert result.gains[0].problems == ()
    assert result.gains[0].tally == Tally(10, 0, 90, 2)


def test_a_counter_of_failures_whose_own_target_stopped_holds() -> None:
    stopped = ok("bad", Role.CANARY, one(0, 1, at_s=105.0, source="another"))
    (problem,) = gathered(*swapped("bad", Role.CANARY, stopped), at_s=170.0).gains[0].problems
    assert problem.code == "stale"
    assert "stopped" in problem.text


def test_a_counter_of_failures_that_ended_with_its_process_does_not_hold() -> None:
    ended = ok("bad", Role.CANARY, one(0, 1, at_s=105.0))
    assert gathered(*swapped("bad", Role.CANARY, ended), at_s=170.0).gains[0].problems == ()


def test_a_selector_in_both_lists_is_counted_in_both() -> None:
    spec = AnalysisSpec("http://x", (CounterQuery("errors", ("total", "bad"), ("bad",)),))
    assert gathered(*HEALTHY, spec=spec).gains[0].tally == Tally(11, 1, 92, 2)


def test_one_metric_in_trouble_does_not_stop_another() -> None:
    spec = AnalysisSpec("http://x", (SPEC.counters[0], CounterQuery("other", ("lost",), ("bad",))))
    first, second = gathered(*HEALTHY, spec=spec).gains
    assert (first.tally, second.tally) == (Tally(10, 1, 90, 2), Tally())
    assert {problem.code for problem in second.problems} == {"unreadable"}


def buckets(role: Role, *bounds: tuple[float, float]) -> Reading:
    return ok("buckets", role, *(one(0, count, le) for le, count in bounds))


def test_slow_requests_are_all_but_those_in_the_bucket_of_the_limit() -> None:
    sides = [buckets(role, (0.1, 3), (0.5, 7), (1.0, 9), (math.inf, 10)) for role in Role]
    assert gathered(*sides, spec=SLOW).gains[0].tally == Tally(10, 3, 10, 3)


def test_without_a_bucket_at_the_limit_the_next_one_below_counts() -> None:
    sides = [buckets(role, (0.1, 3), (1.0, 9), (math.inf, 10)) for role in Role]
    assert gathered(*sides, spec=SLOW).gains[0].tally == Tally(10, 7, 10, 7)


def test_versions_with_different_buckets_are_not_compared() -> None:
    canary, stable = buckets(Role.CANARY, (0.1, 3), (math.inf, 10)), buckets(Role.STABLE, (0.5, 7), (math.inf, 10))
    result = gathered(canary, stable, spec=SLOW)
    assert {problem.code for problem in result.gains[0].problems} == {"buckets_differ"}
    assert result.gains[0].tally == Tally()


@pytest.mark.parametrize("bounds", [((1.0, 9), (math.inf, 10)), ((0.5, 7), (1.0, 9))], ids=["none below", "no +Inf"])
def test_a_histogram_that_cannot_tell_holds(bounds: tuple[tuple[float, float], ...]) -> None:
    result = gathered(*(buckets(role, *bounds) for role in Role), spec=SLOW)
    assert {problem.code for problem in result.gains[0].problems} == {"no_bucket"}


FALLING = ((0.1, 3), (0.5, 9), (1.0, 7), (math.inf, 10))
RISING = ((0.1, 3), (0.5, 7), (1.0, 9), (math.inf, 10))


@pytest.mark.parametrize("broken", list(Role))
def test_buckets_that_hold_fewer_requests_than_those_below_them_count_nothing_and_hold(broken: Role) -> None:
    result = gathered(*(buckets(role, *(FALLING if role is broken else RISING)) for role in Role), spec=SLOW)
    (problem,) = result.gains[0].problems
    assert problem.code == "unreadable"
    assert "latency" in problem.text
    assert broken.value in problem.text
    assert result.gains[0].tally == Tally()


def test_after_buckets_that_do_not_add_up_the_counting_goes_on_from_there() -> None:
    """As when a process restarted, and some of its buckets are already above where they were."""
    broken = gathered(buckets(Role.CANARY, *FALLING), buckets(Role.STABLE, *RISING), spec=SLOW)
    later = [
        ok(
            "buckets",
            role,
            *(
                Series(f"le={le} t", (Point(110.0, count), Point(115.0, count + n)), le, "t")
                for n, (le, count) in enumerate(sides)
            ),
        )
        for role, sides in ((Role.CANARY, FALLING), (Role.STABLE, RISING))
    ]
    after = gathered(*later, spec=SLOW, state=replace(STATE, marks=broken.marks))
    assert after.gains[0].problems == ()
    assert after.gains[0].tally == Tally(3, 2, 3, 2)


def test_a_verdict_on_buckets_that_do_not_add_up_is_a_hold_with_its_reason() -> None:
    readings = Readings(111.0, (buckets(Role.CANARY, *FALLING), buckets(Role.STABLE, *RISING)))
    _, verdict = judge(SLOW, STATE, readings, 111.0)
    assert (verdict.judgement, verdict.code, verdict.may_advance) == (Judgement.HOLD, "unreadable", False)
    assert "latency: the canary's histogram" in verdict.text


def test_a_verdict_is_only_as_fresh_as_its_oldest_metric() -> None:
    spec = AnalysisSpec("http://x", (SPEC.counters[0],), SLOW.latencies)
    late = ok("buckets", Role.CANARY, one(0, 1, 0.5, at_s=104.0), one(0, 1, math.inf, at_s=104.0))
    assert gathered(*HEALTHY, late, spec=spec).fresh_at_s == 104.0
