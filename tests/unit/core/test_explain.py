"""The sentence for the person on call, in full, for every phase."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.explain import counted, duration, explain
from controller.core.model import HaltCause, Phase, Reason, Release
from tests.unit.core.build import T0, a_release

BAKING = Reason("baking", "10 % is live, minimum bake; 0 of 120 requests failed", T0 + 95)
CAUSE = Reason("worse_than_stable", "errors: canary 5 %, stable 0.1 %")
DRAINING = Reason("draining", "requests that the canary still holds may finish", T0 + 30)

GOLDEN: list[tuple[Release, str]] = [
    (
        a_release(Phase.PENDING, reason=Reason("waiting_for_predecessor", "release shop-0 of shop has not ended yet")),
        "shop v2 has not started: release shop-0 of shop has not ended yet.",
    ),
    (
        a_release(Phase.PREPARING, reason=Reason("canary_not_ready", "0 of 1 canary instances of v2 are ready")),
        "shop v2 is being prepared, with no traffic yet: 0 of 1 canary instances of v2 are ready.",
    ),
    (
        a_release(Phase.PROGRESSING, reason=BAKING),
        "shop v2 is at step 1 of 3 (10 %): 10 % is live, minimum bake; 0 of 120 requests failed; 1m 35s left.",
    ),
    (
        a_release(
            Phase.PROGRESSING, step=-1, weight_pct=0, reason=Reason("lease_expired", "the lease of 10 % ran out")
        ),
        "shop v2 is about to start again at the first step: the lease of 10 % ran out.",
    ),
    (
        a_release(Phase.PAUSED, reason=Reason("paused", "paused by ann: looking at the logs.")),
        "shop v2 is paused at 10 %: paused by ann: looking at the logs.",
    ),
    (
        a_release(Phase.PROMOTING, reason=Reason("rolling_stable", "stable rolls to v2: 1 of 2 instances are ready")),
        "shop v2 is being promoted: stable rolls to v2: 1 of 2 instances are ready.",
    ),
    (
        a_release(Phase.PROMOTING, stable=None, reason=Reason("installing", "1 of 2 instances of v2 are ready")),
        "shop v2 is being installed as the first version: 1 of 2 instances of v2 are ready.",
    ),
    (
        a_release(Phase.ROLLING_BACK, cause=CAUSE, reason=DRAINING),
        "shop v2 is rolling back to stable (errors: canary 5 %, stable 0.1 %): "
        "requests that the canary still holds may finish; 30s left.",
    ),
    (
        a_release(Phase.ROLLING_BACK, cause=CAUSE, reason=CAUSE),
        "shop v2 is rolling back to stable: errors: canary 5 %, stable 0.1 %.",
    ),
    (
        a_release(Phase.ROLLING_BACK, stable=None, cause=CAUSE, reason=CAUSE),
        "shop v2 is being taken away, there is no earlier version: errors: canary 5 %, stable 0.1 %.",
    ),
    (
        a_release(
            Phase.HALTED, halt=HaltCause.KILL_HALT, weight_pct=10, reason=Reason("killed", "kill k-1 is engaged")
        ),
        "shop v2 is halted at 10 %: kill k-1 is engaged.",
    ),
    (
        a_release(Phase.SUCCEEDED, reason=Reason("promoted", "v2 serves all traffic")),
        "shop v2 succeeded: v2 serves all traffic.",
    ),
    (a_release(Phase.ROLLED_BACK, reason=CAUSE), "shop v2 was rolled back: errors: canary 5 %, stable 0.1 %."),
    (
        a_release(Phase.FAILED, reason=Reason("aborted", "aborted by ann")),
        "shop v2 failed, all traffic is on stable: aborted by ann.",
    ),
    (
        a_release(Phase.FAILED, stable=None, reason=Reason("aborted", "aborted by ann")),
        "shop v2 failed, there is no earlier version to serve: aborted by ann.",
    ),
]


@pytest.mark.parametrize(
    ("release", "sentence"), GOLDEN, ids=[f"{r.phase}-{r.reason.code}-{r.stable}" for r, _ in GOLDEN]
)
def test_the_sentence_reads_well(release: Release, sentence: str) -> None:
    assert explain(release, T0) == sentence


def test_every_phase_has_its_sentence_here() -> None:
    assert {release.phase for release, _ in GOLDEN} == set(Phase)


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.FAILED])
def test_what_has_ended_names_no_time_left(phase: Phase) -> None:
    assert "left" not in explain(a_release(phase, reason=BAKING), T0)


@pytest.mark.parametrize("until_s", [T0, T0 - 1])
def test_a_time_that_is_over_is_not_named(until_s: float) -> None:
    assert "left" not in explain(a_release(reason=replace(BAKING, until_s=until_s)), T0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "under 1s"),
        (1, "1s"),
        (59.6, "1m"),
        (60, "1m"),
        (95, "1m 35s"),
        (3600, "1h"),
        (3605, "1h 5s"),
        (86_400, "24h"),
    ],
)
def test_times_read_like_times(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps")])
def test_one_is_not_counted_like_many(number: int, text: str) -> None:
    assert counted(number, "step") == text
