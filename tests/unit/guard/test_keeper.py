"""The order of disk and proxy, and what the guard does when either of them refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from analysis.model import Role
from controller.adapters.endpoints import Endpoint
from controller.core.model import Mark
from controller.guard.keeper import Keeper
from controller.guard.model import MAX_POOLS, MAX_ROUTES, Pool, ProxyTrouble, Saved, Shown, World
from controller.guard.wire import encode_line, parse
from controller.ports import Fenced, Halted, Refused, RouteWrite, Unknown
from tests.contract.router_fixtures import application
from tests.fakes.router import FakeRouter, MemoryHaproxy
from tests.unit.guard.fragile import Fragile, write

KILL = Mark("r1", "kill", "pressed", "k1")
ABORT = Mark("r1", "abort", "aborted")


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


def test_a_weight_asked_for_after_a_start_without_haproxy_is_pushed_when_it_is_back() -> None:
    router = Fragile()
    router.claim(router.app, 1)
    router.haproxy.up = False
    router.restart()
    revision = router.read(router.app).revision
    router.write(router.app, RouteWrite(20, "r1", 1, revision, 60.0))
    router.haproxy.up = True
    router.tick()
    assert router.live == 20


def test_a_write_downward_that_the_disk_refused_is_down_and_unknown() -> None:
    router = Fragile()
    router.claim(router.app, 1)
    write(router, router.app, 20)
    router.disk_full = True
    with pytest.raises(Unknown):
        write(router, router.app, 10)
    assert router.live == 10


def test_the_count_of_drift_survives_a_restart() -> None:
    router = Fragile()
    router.claim(router.app, 1)
    router.haproxy.run("set weight shop/canary 9")
    router.tick()
    router.restart()
    assert router.read(router.app).drift_count == 1


def test_a_pool_that_was_emptied_by_a_reload_counts_it_once() -> None:
    router = Fragile()
    router.set_endpoints(router.app, Role.CANARY, [Endpoint("10.0.0.1", 80)], 1)
    router.haproxy.reload()
    router.tick()
    router.tick()
    (pool,) = router.ask("", {"op": "status"})["pools"]
    assert (pool["drift_count"], pool["applied"]) == (1, True)


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
