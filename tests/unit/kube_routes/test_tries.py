"""How often and how fast a write is tried again."""

from __future__ import annotations

import pytest

from controller.adapters.kube.errors import Busy
from controller.adapters.kube.routes.tries import (
    BUSY_PAUSE_S,
    LONGEST_PAUSE_S,
    STOP_S,
    STOP_TRIES_MAX,
    TRIES_MAX,
    Tries,
)
from controller.ports import Conflict, PortError, Unavailable, Unknown
from tests.fakes.clock import ManualClock


def until_it_gives_up(tries: Tries, *errors: PortError) -> tuple[int, PortError]:
    """How often it failed, the last of ``errors`` again and again, and what it raised in the end."""
    for number in range(1_000):
        try:
            tries.failed(errors[min(number, len(errors) - 1)])
        except PortError as raised:
            return number + 1, raised
    raise AssertionError("it never gave up")


@pytest.mark.parametrize(("stops", "times"), [(False, TRIES_MAX), (True, STOP_TRIES_MAX)])
def test_other_writers_are_met_again_and_a_stop_meets_them_for_longer(stops: bool, times: int) -> None:
    waits: list[float] = []
    count, raised = until_it_gives_up(Tries(ManualClock(), waits.append, stops), Conflict("they write"))
    assert (count, type(raised)) == (times, Conflict)
    assert len(waits) == times - 1
    assert all(0 < wait_s <= LONGEST_PAUSE_S for wait_s in waits)
    assert sum(waits) < 1.0
    assert len(set(waits)) > 1


def test_a_server_that_is_away_is_tried_thrice_by_a_stop_and_once_by_a_write() -> None:
    away = Unavailable("away")
    assert until_it_gives_up(Tries(ManualClock(), lambda _: None, stops=True), away)[0] == 3
    assert until_it_gives_up(Tries(ManualClock(), lambda _: None, stops=False), away)[0] == 1


def test_a_busy_server_is_asked_often_by_a_stop_and_not_again_by_a_write() -> None:
    waits: list[float] = []
    busy = Busy("later", 30.0)
    assert until_it_gives_up(Tries(ManualClock(), waits.append, stops=True), busy)[0] == STOP_TRIES_MAX
    assert set(waits) == {BUSY_PAUSE_S}
    assert until_it_gives_up(Tries(ManualClock(), waits.append, stops=False), busy)[0] == 1


def test_nothing_is_tried_after_the_time_is_over() -> None:
    clock = ManualClock()
    tries = Tries(clock, clock.advance, stops=True)
    clock.advance(STOP_S)
    assert until_it_gives_up(tries, Conflict("they write"))[0] == 1


def test_what_may_have_been_done_is_never_called_surely_not_done() -> None:
    lost = Unknown("no answer")
    count, raised = until_it_gives_up(Tries(ManualClock(), lambda _: None, stops=False), lost, Unavailable("away"))
    assert (count, raised) == (2, lost)
