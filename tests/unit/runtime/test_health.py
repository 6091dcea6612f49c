"""Health is progress: the age of the last success, not the fact that the process runs."""

from __future__ import annotations

import pytest

from controller.runtime.health import Beat, Health, Pulse
from tests.fakes.clock import ManualClock

GOOD = Beat("sweep", 1.0, 30.0, 0, "")


def test_a_heartbeat_is_healthy_until_its_last_success_is_too_old() -> None:
    clock = ManualClock()
    pulse = Pulse(clock, {"sweep": 30.0})
    clock.advance(30)
    assert pulse.beats()[0].healthy
    clock.advance(0.1)
    assert not pulse.beats()[0].healthy
    pulse.success("sweep")
    assert pulse.beats() == (Beat("sweep", 0.0, 30.0, 0, ""),)


def test_failures_are_counted_in_a_row_with_the_last_trouble_and_forgotten_after_a_success() -> None:
    pulse = Pulse(ManualClock(), {"sweep": 30.0, "outbox": 30.0})
    pulse.failure("sweep", "one")
    pulse.failure("sweep", "x" * 999)
    sweep, outbox = pulse.beats()
    assert (sweep.failures, sweep.trouble, outbox.failures) == (2, "x" * 300, 0)
    pulse.success("sweep")
    assert (pulse.beats()[0].failures, pulse.beats()[0].trouble) == (0, "")


def test_the_wall_clock_may_jump_without_a_heartbeat_seeming_old() -> None:
    clock = ManualClock()
    pulse = Pulse(clock, {"sweep": 30.0})
    clock.utc_s += 86_400
    assert pulse.beats()[0].healthy


@pytest.mark.parametrize(
    ("beats", "leading", "parked", "healthy"),
    [
        ((GOOD,), True, (), True),
        ((), True, (), True),
        ((GOOD,), False, (), False),
        ((GOOD,), True, ("shop-1",), False),
        ((GOOD, Beat("outbox", 31.0, 30.0, 4, "no route")), True, (), False),
    ],
)
def test_a_node_is_healthy_when_it_leads_beats_and_has_nothing_parked(
    beats: tuple[Beat, ...], leading: bool, parked: tuple[str, ...], healthy: bool
) -> None:
    assert Health(beats, leading, parked, 3).healthy is healthy
