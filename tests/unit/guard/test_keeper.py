"""The order of disk and proxy, and a crash before and after every single effect of a long story."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from analysis.model import Role
from controller.adapters.endpoints import Endpoint
from controller.core.model import Application, Mark
from controller.guard.keeper import Keeper
from controller.guard.model import MAX_POOLS, MAX_ROUTES, Pool, ProxyTrouble, Saved, Shown, World
from controller.guard.wire import encode_line, parse
from controller.ports import Fenced, Halted, PortError, Refused, RouteWrite, Unknown
from tests.contract.router_fixtures import application
from tests.fakes.router import FakeRouter, MemoryHaproxy

KILL = Mark("r1", "kill", "pressed", "k1")
ABORT = Mark("r1", "abort", "aborted")

T = TypeVar("T")


class Crash(BaseException):
    """The process is gone at this point. Not an Exception, so that nothing can handle it."""


class Fragile(FakeRouter):
    """Notes every effect, and dies at the one numbered ``fatal``, before or after it happened."""

    def __init__(self, fatal: int | None = None, after: bool = False) -> None:
        self.effects: list[str] = []
        self.fatal = fatal
        self.after = after
        super().__init__(lambda: 1_000.0)
        proxy_push = self.haproxy.push

        def push(backend: str, commands: tuple[str, ...]) -> Shown:
            if not commands:
                return proxy_push(backend, ())
            return self._effect("proxy", lambda: proxy_push(backend, commands))

        self.haproxy.push = push  # type: ignore[method-assign]
        self.app = application()
        self.add(self.app)

    def _save(self, saved: Saved) -> None:
        self._effect("disk", lambda: super(Fragile, self)._save(saved))

    def _effect(self, name: str, do: Callable[[], T]) -> T:
        number = len(self.effects)
        self.effects.append(name)
        if number == self.fatal and not self.after:
            raise Crash
        done = do()
        if number == self.fatal:
            raise Crash
        return done

    @property
    def live(self) -> float:
        return self.haproxy.share_pct("shop")


def write(router: FakeRouter, app: Application, weight_pct: int, epoch: int = 1) -> None:
    router.write(app, RouteWrite(weight_pct, "r1", epoch, router.read(app).revision, 60.0))


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


@pytest.mark.parametrize(
    ("step", "effects"),
    [
        (lambda r: write(r, r.app, 30), ["disk", "proxy"]),
        (lambda r: write(r, r.app, 10), ["proxy", "disk"]),
        (lambda r: r.lower(r.app, ABORT, 1), ["proxy", "disk"]),
        (lambda r: r.halt(r.app, KILL, revert=True), ["proxy", "disk"]),
        (lambda r: r.halt(r.app, KILL, revert=False), ["disk"]),
        (lambda r: r.claim(r.app, 2), ["disk"]),
        (lambda r: r.read(r.app), []),
        (lambda r: r.renew(r.app, "r1", 1, 60.0), []),
        (lambda r: r.renew(r.app, "r1", 1, 30.0), ["disk"]),
    ],
)
def test_down_is_proxy_first_and_up_is_disk_first(step: Callable[[Fragile], object], effects: list[str]) -> None:
    router = Fragile()
    router.claim(router.app, 1)
    write(router, router.app, 20)
    router.effects.clear()
    step(router)
    assert router.effects == effects


def test_a_halt_that_only_reached_memory_is_saved_by_the_loop_as_soon_as_the_disk_is_back() -> None:
    router = Fragile()
    router.claim(router.app, 1)
    write(router, router.app, 20)
    router.disk_full = True
    with pytest.raises(Unknown, match="could not save"):
        router.halt(router.app, KILL, revert=True)
    assert router.live == 0
    with pytest.raises(Halted):
        write(router, router.app, 5)
    router.disk_full = False
    router.tick()
    router.restart()
    assert router.read(router.app).halts == (KILL,)


def test_a_lease_that_runs_out_on_a_full_disk_still_lowers() -> None:
    now = [0.0]
    router = FakeRouter(lambda: now[0])
    app = application()
    router.add(app)
    router.claim(app, 1)
    write(router, app, 20)
    router.disk_full, now[0] = True, 61.0
    router.tick()
    assert router.haproxy.share_pct("shop") == 0
    assert ("unsaved" in {event for event, _ in router.events}) is True


def test_a_weight_that_haproxy_could_not_be_given_is_pushed_later_and_is_no_drift() -> None:
    router = Fragile()
    router.claim(router.app, 1)
    revision = router.read(router.app).revision
    router.haproxy.up = False
    route = router.write(router.app, RouteWrite(20, "r1", 1, revision, 60.0))
    assert (route.weight_pct, route.live_pct) == (20, None)
    assert "refused" in route.trouble
    router.haproxy.up = True
    router.tick()
    assert router.live == 20
    assert router.read(router.app).drift_count == 0


def test_a_claim_of_a_route_fences_its_pools_before_they_are_filled_again() -> None:
    router = Fragile()
    router.claim(router.app, 5)
    with pytest.raises(Fenced):
        router.set_endpoints(router.app, Role.STABLE, [Endpoint("10.0.0.1", 80)], 4)


NOTHING = Saved()


def keeper(saved: Saved = NOTHING, proxy: MemoryHaproxy | None = None) -> Keeper:
    def ignore(*_: object, **__: object) -> None:
        """Neither disk nor log matter here."""

    return Keeper(saved, proxy or MemoryHaproxy(), ignore, lambda: World(0.0), ignore)


def ask(guard: Keeper, **body: object) -> dict[str, object]:
    return guard.handle(parse(encode_line(body)))


def test_routes_and_pools_are_limited() -> None:
    proxy = MemoryHaproxy()
    pools = tuple(Pool(f"p{number}") for number in range(MAX_POOLS))
    guard = keeper(Saved(pools=pools), proxy)
    proxy.add_pool("one_more", 2)
    answer = ask(guard, op="endpoints", backend="b", pool="one_more", epoch=1, endpoints=[])
    assert "at most" in str(answer["text"])
    for number in range(MAX_ROUTES):
        proxy.add_switch(f"b{number}")
        assert ask(guard, op="read", backend=f"b{number}")["ok"]
    proxy.add_switch("one_more_route")
    assert "at most" in str(ask(guard, op="read", backend="one_more_route")["text"])


def test_status_tells_of_every_route_and_pool() -> None:
    router = Fragile()
    router.claim(router.app, 1)
    router.set_endpoints(router.app, Role.CANARY, [Endpoint("10.0.0.1", 80, True)], 1)
    status = router.ask("", {"op": "status"})
    assert [route["backend"] for route in status["routes"]] == ["shop"]
    assert [pool["endpoints"] for pool in status["pools"]] == [["10.0.0.1:80 drain"]]
    assert (status["lost"], status["unsaved"]) == (False, False)


def test_after_a_lost_record_every_new_route_is_born_halted_until_it_is_trusted() -> None:
    proxy = MemoryHaproxy()
    proxy.add_switch("shop")
    proxy.running["shop"]["canary"] = proxy.running["shop"]["canary"].__class__("canary", "-", 0, 2, 0, 70)
    guard = keeper(Saved(lost=True), proxy)
    assert ask(guard, op="claim", backend="shop", epoch=1)["ok"]
    assert proxy.share_pct("shop") == 0
    raised = {"op": "write", "backend": "shop", "weight_pct": 1, "release_id": "r", "epoch": 1, "lease_s": 9}
    assert ask(guard, **raised, revision=1)["error"] == "halted"
    assert ask(guard, op="trust")["lost"] is False
    assert ask(guard, **raised, revision=2)["ok"]


def test_a_pool_whose_addresses_haproxy_refuses_is_unknown_and_says_why() -> None:
    router = Fragile()
    refusing = router.haproxy.run

    def run(command: str) -> str:
        return "Invalid addr" if " addr " in command else refusing(command)

    router.haproxy.run = run  # type: ignore[method-assign]
    with pytest.raises(Unknown, match="Invalid addr"):
        router.set_endpoints(router.app, Role.CANARY, [Endpoint("10.0.0.1", 80)], 1)


def test_a_pool_that_haproxy_lacks_is_refused_and_not_recorded() -> None:
    router = Fragile()
    del router.haproxy.running["shop_canary"]
    with pytest.raises(Refused):
        router.set_endpoints(router.app, Role.CANARY, [], 1)
    with pytest.raises(Refused):
        router.endpoint_states(router.app, Role.CANARY)
    assert router.ask("", {"op": "status"})["pools"] == []


def test_a_route_whose_backend_vanished_is_trouble_and_others_go_on() -> None:
    proxy = MemoryHaproxy()
    for backend in ("a", "b"):
        proxy.add_switch(backend)
    guard = keeper(proxy=proxy)
    for backend in ("a", "b"):
        assert ask(guard, op="claim", backend=backend, epoch=1)["ok"]
    del proxy.running["a"]
    proxy.run("set weight b/canary 5")
    guard.tick()
    assert proxy.share_pct("b") == 0
    status = ask(guard, op="status")
    assert isinstance(status["routes"], list)
    assert "no backend a" in status["routes"][0]["trouble"]


def test_a_push_that_fails_in_the_middle_of_a_correction_keeps_the_count_of_drift() -> None:
    router = Fragile()
    router.claim(router.app, 1)
    router.haproxy.run("set weight shop/canary 9")
    push = router.haproxy.push

    def fail(backend: str, commands: tuple[str, ...]) -> Shown:
        if commands:
            raise ProxyTrouble("gone in the middle")
        return push(backend, commands)

    router.haproxy.push = fail  # type: ignore[method-assign]
    router.tick()
    router.haproxy.push = push  # type: ignore[method-assign]
    router.tick()
    route = router.read(router.app)
    assert (route.drift_count, route.live_pct) == (1, 0)
