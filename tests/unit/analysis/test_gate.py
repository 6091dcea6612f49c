"""The budget of queries and the breaker toward one Prometheus."""

from __future__ import annotations

from analysis.prometheus.gate import FAILURES, OPEN_S, Gate


class Time:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def failing(gate: Gate, times: int) -> None:
    for _ in range(times):
        assert gate.refusal() is None
        gate.done(0.5, failed=True, dead=True)


def test_the_budget_lets_a_burst_through_and_then_so_many_a_second() -> None:
    time = Time()
    gate = Gate("p:9090", time, per_s=10.0, burst=5.0)
    assert [gate.refusal() is None for _ in range(7)] == [True] * 5 + [False] * 2
    time.now_s += 0.25
    assert [gate.refusal() is None for _ in range(4)] == [True, True, False, False]
    assert "budget of 10 queries a second to p:9090 is used up" in (gate.refusal() or "")
    assert gate.stats().refused_budget == 5


def test_the_breaker_opens_after_failures_in_a_row_and_says_when_it_tries_again() -> None:
    time = Time()
    gate = Gate("p:9090", time)
    failing(gate, FAILURES - 1)
    assert not gate.stats().is_open
    failing(gate, 1)
    assert gate.stats().is_open
    time.now_s += 4
    said = gate.refusal() or ""
    assert f"failed {FAILURES} times in a row" in said
    assert "tried again in 6 s" in said


def test_one_query_alone_tries_again_and_its_answer_decides() -> None:
    time = Time()
    gate = Gate("p:9090", time)
    failing(gate, FAILURES)
    time.now_s += OPEN_S
    assert gate.refusal() is None
    assert gate.refusal() is not None
    gate.done(0.1, failed=True, dead=True)
    assert gate.refusal() is not None
    time.now_s += OPEN_S
    assert gate.refusal() is None
    gate.done(0.1, failed=False, dead=False)
    assert gate.refusal() is None
    assert not gate.stats().is_open


def test_an_answer_that_is_an_error_does_not_open_the_breaker() -> None:
    gate = Gate("p:9090", Time())
    for _ in range(10):
        assert gate.refusal() is None
        gate.done(0.1, failed=True, dead=False)
    assert (gate.stats().is_open, gate.stats().failed) == (False, 10)


def test_a_good_answer_begins_the_count_anew() -> None:
    gate = Gate("p:9090", Time())
    failing(gate, FAILURES - 1)
    assert gate.refusal() is None
    gate.done(0.1, failed=False, dead=False)
    failing(gate, FAILURES - 1)
    assert not gate.stats().is_open


def test_what_happened_is_counted() -> None:
    gate = Gate("p:9090", Time())
    failing(gate, 2)
    gate.shared(6)
    stats = gate.stats()
    assert (stats.server, stats.queries, stats.seconds, stats.failed, stats.shared) == ("p:9090", 2, 1.0, 2, 6)
