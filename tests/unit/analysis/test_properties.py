"""What holds whatever comes: the same again for the same, a restart is no event, more harm is never less evidence."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from analysis.dispersion import phi_of, with_block
from analysis.evidence import block_cap, e_value, grown, harm_logs, stake_of, tempered
from analysis.judge import judge, new_state
from analysis.model import JudgeState, Verdict
from analysis.samples import Role
from analysis.state import Dispersion, Tally
from tests.benchmarks.analysis.judge import BAD, BUCKETS, TOTAL, ProductionJudge, spec_of
from tests.benchmarks.analysis.traces import EDGES

ADAPTER = TypeAdapter(JudgeState)
CONTEXT = {"slo_error": 0.01, "slo_latency": 0.5, "horizon": 10_000, "weight": 0.1, "weight_steps": None}


@st.composite
def counts(draw: st.DrawFn, most: int) -> tuple[int, int, tuple[int, ...]]:
    """Requests, errors and requests per bucket of one scrape of one version."""
    buckets = draw(st.lists(st.integers(0, most), min_size=len(EDGES), max_size=len(EDGES)))
    total = sum(buckets)
    return total, draw(st.integers(0, total)), tuple(buckets)


SCRAPE = st.tuples(st.none() | counts(20), st.none() | counts(200), st.booleans())
"""What each version served since the last scrape, None where it is missing, and whether the canary restarted."""


NOTHING: tuple[int, int, tuple[int, ...]] = (0, 0, (0,) * len(EDGES))


class Story:
    """Scrapes turned into cumulative counters, as the judge's door takes them."""

    def __init__(self) -> None:
        self.judge = ProductionJudge(CONTEXT, spec_of(CONTEXT, {"warmup": 5, "latency": {"warmup": 10}}))
        self.total = dict.fromkeys(Role, NOTHING)
        self.t = 0.0

    def scrape(self, canary: object, stable: object, restarted: bool) -> Verdict | None:
        self.t += 5.0
        if restarted:
            self.total[Role.CANARY] = NOTHING
        given = [self._given(role, more) for role, more in ((Role.CANARY, canary), (Role.STABLE, stable))]
        self.judge.observe(self.t, *given)
        return self.judge.verdict

    def _given(self, role: Role, more: object) -> dict[str, object] | None:
        if not isinstance(more, tuple):
            return None
        requests, errors, buckets = more
        had_requests, had_errors, had_buckets = self.total[role]
        together = tuple(a + b for a, b in zip(had_buckets, buckets, strict=True))
        self.total[role] = had_requests + requests, had_errors + errors, together
        cumulative = dict(zip(EDGES, itertools.accumulate(together), strict=True))
        return {"requests": had_requests + requests, "errors": had_errors + errors, "buckets": cumulative}


@settings(max_examples=40, deadline=None)
@given(st.lists(SCRAPE, min_size=1, max_size=25), st.sets(st.integers(0, 24)))
def test_saving_and_restoring_at_any_point_changes_nothing(
    scrapes: list[tuple[object, object, bool]], restarts: set[int]
) -> None:
    kept, restarted = Story(), Story()
    for number, scrape in enumerate(scrapes):
        if number in restarts:
            raw = ADAPTER.dump_json(restarted.judge.state)
            restarted.judge.state = ADAPTER.validate_json(raw, strict=True, extra="forbid")
        assert restarted.scrape(*scrape) == kept.scrape(*scrape)
    assert restarted.judge.state == kept.judge.state


@settings(max_examples=25, deadline=None)
@given(st.lists(SCRAPE, min_size=1, max_size=20))
def test_the_same_samples_always_give_the_same_verdicts(scrapes: list[tuple[object, object, bool]]) -> None:
    first, second = Story(), Story()
    assert [first.scrape(*one) for one in scrapes] == [second.scrape(*one) for one in scrapes]


@settings(max_examples=25, deadline=None)
@given(st.lists(SCRAPE, min_size=1, max_size=20))
def test_a_verdict_never_passes_what_it_does_not_know(scrapes: list[tuple[object, object, bool]]) -> None:
    story = Story()
    for canary, stable, restarted in scrapes:
        verdict = story.scrape(canary, stable, restarted)
        assert verdict is not None
        assert verdict.code
        assert verdict.text
        assert verdict.may_advance or not verdict.may_promote
        assert all(value == value for _, value in verdict.numbers), "no figure is NaN"


COUNT = st.integers(0, 400)
BLOCK = st.tuples(COUNT, COUNT, COUNT, COUNT).map(
    lambda t: Tally(float(t[0] + t[1] + 1), float(t[0]), float(t[2] + t[3] + 1), float(t[2]))
)


def evidence(blocks: list[Tally], phi: float | None) -> float:
    """``phi`` None: estimated."""
    logs: tuple[float, ...] = ()
    cash, kept = 1.0, Dispersion()
    for block in blocks:
        gained = tempered(harm_logs(block, 1.2, 0.0002), block_cap(0.009), phi_of(kept) if phi is None else phi)
        stake = stake_of(bool(logs), cash, 5.0)
        logs, cash, kept = grown(logs, gained, stake), cash - stake, with_block(kept, block, 5.0)
    return e_value(logs, cash)


@given(st.lists(BLOCK, min_size=1, max_size=15), st.integers(0, 14), st.integers(1, 50), st.floats(1, 25))
def test_at_a_fixed_dispersion_more_harm_never_gives_less_evidence(
    blocks: list[Tally], where: int, more: int, phi: float
) -> None:
    index = where % len(blocks)
    old = blocks[index]
    worse = [*blocks]
    worse[index] = replace(old, canary_bad=min(old.canary_total, old.canary_bad + more))
    assert evidence(worse, phi) >= evidence(blocks, phi) * (1 - 1e-9)


@settings(max_examples=60)
@given(st.integers(2, 40), st.integers(1, 200))
def test_a_huge_block_may_raise_the_dispersion_but_two_blocks_later_the_evidence_is_no_less(
    quiet: int, failures: int
) -> None:
    calm = Tally(200.0, 1.0, 3800.0, 12.0)
    bad = Tally(200.0, float(min(200, 20 + failures)), 3800.0, 12.0)
    before = [calm] * quiet
    assert evidence([*before, bad, bad, bad], None) >= evidence([*before, bad], None) * (1 - 1e-9)


def test_the_judges_answer_does_not_depend_on_how_often_it_looks_between_scrapes() -> None:
    story, eager = Story(), Story()
    for number in range(60):
        served = (
            (100, 3, (0, 0, 10, 40, 30, 15, 4, 1, 0, 0, 0, 0)),
            (900, 3, (0, 0, 90, 400, 300, 90, 19, 1, 0, 0, 0, 0)),
        )
        once = story.scrape(*served, False)
        twice = eager.scrape(*served, False)
        assert once is not None
        assert twice is not None
        assert once.judgement == twice.judgement, number
        readings = eager.judge._readings(1_000_000.0 + eager.t)
        state, again = judge(eager.judge.spec, eager.judge.state, readings, 1_000_000.0 + eager.t, 10.0)
        assert again.judgement == twice.judgement
        assert [one.canary_total for one in state.metrics] == [one.canary_total for one in eager.judge.state.metrics]


def test_the_door_reads_what_the_spec_asks_for() -> None:
    spec = spec_of(CONTEXT)
    assert (spec.counters[0].total, spec.counters[0].bad, spec.latencies[0].buckets) == ((TOTAL,), (BAD,), (BUCKETS,))
    assert new_state(5.0).started_at_s == 5.0
