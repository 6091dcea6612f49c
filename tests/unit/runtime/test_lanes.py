"""The lanes of the kill switch: a guard that hangs keeps no later stop waiting, and trying again has an end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from controller.core.model import Application
from controller.runtime import lanes as module
from controller.runtime.lanes import EFFECTIVE, LANE_THREADS, PENDING, Lanes, PathAnswer
from tests.unit.core.build import an_app
from tests.unit.runtime.switch_stage import renamed

HUNG = PathAnswer("route:shop", PENDING, "timed out", again=True)
DONE = PathAnswer("route:shop", EFFECTIVE)


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lanes]:
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    made = Lanes()
    yield made
    made.shutdown()


def test_a_new_stop_goes_ahead_of_everything_that_waits_for_a_hung_guard(lanes: Lanes) -> None:
    let_go, order = threading.Semaphore(0), list[str]()

    def hang(app: Application) -> PathAnswer:
        let_go.acquire(timeout=5)
        order.append(app.name)
        return HUNG

    old = [lanes.submit(hang, renamed(an_app(), f"old-{number}")) for number in range(50)]
    let_go.release(LANE_THREADS + 1)
    assert old[-1].result(5) is None, "a time-out tells all who wait for this guard"
    new = lanes.submit(lambda _app: DONE, an_app())
    let_go.release()
    assert new.result(5) == DONE
    assert len(order) <= 2 + 2 * LANE_THREADS
    for _ in range(LANE_THREADS):
        let_go.release()


def test_other_guards_have_lanes_of_their_own(lanes: Lanes) -> None:
    leave = threading.Event()

    def hang(_app: Application) -> PathAnswer:
        leave.wait(5)
        return DONE

    stuck = [lanes.submit(hang, renamed(an_app(), f"app-{number}")) for number in range(LANE_THREADS + 1)]
    assert lanes.submit(lambda _app: DONE, renamed(an_app(), "far", "/run/far.sock")).result(5) == DONE
    assert not any(future.done() for future in stuck)
    leave.set()
    assert [future.result(5) for future in stuck] == [DONE] * len(stuck)


def test_trying_again_has_an_end(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIES_MAX", 5)
    tries, ended = list[int](), threading.Event()

    def hang(_app: Application) -> PathAnswer:
        tries.append(1)
        if len(tries) == 5:
            ended.set()
        return HUNG

    assert lanes.submit(hang, an_app()).result(5) == HUNG
    assert ended.wait(5)
    assert lanes.submit(lambda _app: DONE, an_app()).result(5) == DONE
    assert len(tries) == 5


def test_after_the_end_nothing_is_started_and_nobody_is_left_waiting(lanes: Lanes) -> None:
    lanes.submit(lambda _app: DONE, an_app()).result(5)
    lanes.shutdown()
    assert lanes.submit(lambda _app: DONE, an_app()).result(5) is None
