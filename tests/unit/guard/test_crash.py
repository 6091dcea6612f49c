"""A crash of the guard before and after every single effect of a long story."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from analysis.model import Role
from controller.adapters.endpoints import Endpoint
from controller.core.model import Mark
from controller.ports import PortError, RouteWrite
from tests.unit.guard.fragile import Crash, Fragile, write

KILL = Mark("r1", "kill", "pressed", "k1")
ABORT = Mark("r1", "abort", "aborted")

STORY: list[tuple[str, Callable[[Fragile], object]]] = [
    ("claim", lambda r: r.claim(r.app, 1)),
    ("up", lambda r: write(r, r.app, 10)),
    ("up", lambda r: write(r, r.app, 40)),
    ("down", lambda r: write(r, r.app, 20)),
    ("halt", lambda r: r.halt(r.app, KILL, revert=False)),
    ("revert", lambda r: r.halt(r.app, KILL, revert=True)),
    ("unhalt", lambda r: r.unhalt(r.app, frozenset({"k1"}), 1)),
    ("up", lambda r: write(r, r.app, 30)),
    ("lower", lambda r: r.lower(r.app, ABORT, 2)),
    ("claim", lambda r: r.claim(r.app, 3)),
    ("up", lambda r: write(r, r.app, 50, epoch=3)),
    ("fill", lambda r: r.set_endpoints(r.app, Role.CANARY, [Endpoint("10.0.0.1", 80)], 3)),
    ("revert", lambda r: r.halt(r.app, KILL, revert=True)),
]


def test_the_story_itself_runs_to_its_end() -> None:
    router = Fragile()
    for _, step in STORY:
        step(router)
    assert len(router.effects) > 2 * len(STORY) - 6


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("fatal", range(26))
def test_a_crash_at_any_effect_raises_nothing_and_forgets_no_acknowledged_halt(fatal: int, after: bool) -> None:
    router = Fragile(fatal, after)
    halted, epoch, possible = False, 0, {0.0}
    try:
        for name, step in STORY:
            before = router.live
            possible = {before, *(float(pct) for pct in (10, 40, 20, 30, 50) if name in ("up", "down")), 0.0}
            step(router)
            halted = name in ("halt", "revert") or (halted and name != "unhalt")
            epoch = router.read(router.app).epoch
    except Crash:
        pass
    live = router.live
    assert live in possible
    router.restart()
    for _ in range(3):
        router.tick()
        assert router.live <= live
    route = router.read(router.app)
    assert route.verified
    assert route.weight_pct <= live
    assert route.epoch >= epoch
    if halted and STORY and "unhalt" not in _running(router, fatal):
        assert [mark.engagement for mark in route.halts] == ["k1"]
    with pytest.raises(PortError):
        router.write(router.app, RouteWrite(60, "r1", max(route.epoch - 1, 0), route.revision - 1, 60.0))


def _running(router: Fragile, fatal: int) -> str:
    """The step that was under way: an unhalt that crashed may or may not have been done."""
    counted = Fragile()
    for name, step in STORY:
        step(counted)
        if len(counted.effects) > fatal:
            return name
    return ""


def test_the_story_has_as_many_effects_as_crashes_are_tried() -> None:
    router = Fragile()
    for _, step in STORY:
        step(router)
    assert len(router.effects) <= 26
