"""What only real parts can show: exact shares of real requests, a guard killed at any moment, locks, a lost record."""

from __future__ import annotations

import random
import stat
import string
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from analysis.model import Role
from controller.adapters.endpoints import Endpoint
from controller.core.model import Mark
from controller.guard import ask
from controller.ports import Halted, PortError, RouteWrite
from tests.contract.router_fixtures import ROOT, RealWorld, eventually, real
from tests.contract.router_traffic import CountingServer, fetch_many

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]


@pytest.fixture
def world() -> Iterator[RealWorld]:
    with real() as world:
        yield world


@pytest.fixture
def shop(world: RealWorld) -> Iterator[RealWorld]:
    """The world with one instance of each version behind it."""
    servers = {role: CountingServer(role.value) for role in Role}
    world.router.claim(world.app, 1)
    for role, server in servers.items():
        world.router.set_endpoints(world.app, role, [Endpoint("127.0.0.1", server.port)], 1)
    yield world
    for server in servers.values():
        server.close()


def write(world: RealWorld, weight_pct: int, lease_s: float = 60.0) -> None:
    route = world.router.read(world.app)
    world.router.write(world.app, RouteWrite(weight_pct, "r1", route.epoch, route.revision, lease_s))


def serve(world: RealWorld, count: int, clients: int = 4) -> Counter[str]:
    with ThreadPoolExecutor(clients) as pool:
        bodies = pool.map(lambda _: fetch_many(world.port, count // clients), range(clients))
        return Counter(body for some in bodies for body in some)


def test_one_percent_of_ten_thousand_requests_is_one_hundred(shop: RealWorld) -> None:
    write(shop, 1)
    served = serve(shop, 10_000)
    assert sum(served.values()) == 10_000
    assert abs(served["canary"] - 100) <= 1
    assert served["stable"] + served["canary"] == 10_000


def test_zero_percent_is_no_request_at_all(shop: RealWorld) -> None:
    assert serve(shop, 2_000) == {"stable": 2_000}


@pytest.mark.parametrize("weight_pct", [50, 37])
def test_other_shares_are_exact_as_well(shop: RealWorld, weight_pct: int) -> None:
    write(shop, weight_pct)
    assert abs(serve(shop, 1_000)["canary"] - 10 * weight_pct) <= 1


def test_after_a_halt_returns_not_one_new_request_reaches_the_canary(shop: RealWorld) -> None:
    write(shop, 50)
    assert serve(shop, 200)["canary"] == 100
    shop.router.halt(shop.app, Mark(None, "kill", "stop", "k1"), revert=True)
    assert serve(shop, 1_000) == {"stable": 1_000}


def test_a_canary_pool_without_a_ready_server_falls_back_to_stable(shop: RealWorld) -> None:
    write(shop, 50)
    shop.router.set_endpoints(shop.app, Role.CANARY, [], 1)
    assert serve(shop, 400) == {"stable": 400}


def test_no_request_fails_while_haproxy_reloads_and_gets_its_weights_again(shop: RealWorld) -> None:
    write(shop, 50)
    shop.reload_haproxy()
    eventually(lambda: shop.servers("shop")["canary"].weight == 50)
    eventually(lambda: shop.servers("shop_stable")["s1"].admin == "ready")
    assert serve(shop, 400) == {"stable": 200, "canary": 200}


@pytest.mark.parametrize("seed", range(4))
def test_a_guard_killed_at_any_moment_never_raises_and_never_forgets_an_acknowledged_halt(
    world: RealWorld, seed: int
) -> None:
    chance = random.Random(seed)
    for epoch in range(1, 6):
        route = world.router.claim(world.app, epoch)
        kills = frozenset(mark.engagement or "" for mark in route.halts)
        world.router.unhalt(world.app, kills, epoch)
        caller = Caller(world, epoch, chance.randrange(1 << 30))
        caller.start()
        time.sleep(chance.uniform(0.0, 0.08))
        world.kill_guard()
        caller.join(10)
        live = world.servers("shop")["canary"].weight
        assert live in caller.possible
        world.start_guard()
        after = world.router.read(world.app)
        assert after.weight_pct <= live
        assert after.live_pct == after.weight_pct
        assert caller.acknowledged <= {mark.engagement for mark in after.halts}
        assert after.epoch == epoch
        if caller.acknowledged:
            assert (live, after.weight_pct) == (0, 0)


class Caller(threading.Thread):
    """Writes up and down and at last halts, until the guard is gone. Notes what may be true after that."""

    def __init__(self, world: RealWorld, epoch: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.world = world
        self.epoch = epoch
        self.chance = random.Random(seed)
        self.possible = {world.router.read(world.app).weight_pct}
        self.acknowledged: set[str] = set()

    def run(self) -> None:
        with suppress(PortError):
            for _ in range(self.chance.randrange(1, 60)):
                self._write(self.chance.randrange(0, 101))
            self._halt()
            while True:
                with suppress(Halted):
                    self._write(100)
                    self.acknowledged.add("a write went through a halt")
                self.possible = {0}

    def _write(self, weight_pct: int) -> None:
        route = self.world.router.read(self.world.app)
        if not self.acknowledged:
            self.possible = {route.weight_pct, weight_pct}
        self.world.router.write(self.world.app, RouteWrite(weight_pct, "r1", self.epoch, route.revision, 60))

    def _halt(self) -> None:
        self.possible |= {0}
        engagement = f"kill-{self.epoch}"
        self.world.router.halt(self.world.app, Mark("r1", "kill", "stop", engagement), revert=True)
        self.acknowledged.add(engagement)
        self.possible = {0}


def test_a_second_guard_on_the_same_record_or_socket_exits_with_one_clear_line(world: RealWorld) -> None:
    other_state = [*world.guard_command()]
    other_state[other_state.index("--state") + 1] = str(world.directory / "other")
    for command in (world.guard_command(), other_state):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert "another guard holds" in done.stderr
    assert world.router.read(world.app).verified


def test_a_second_guard_on_the_same_haproxy_exits_with_one_clear_line(world: RealWorld) -> None:
    command = world.guard_command()
    command[command.index("--state") + 1] = str(world.directory / "other")
    command[command.index("--listen") + 1] = str(world.directory / "other.sock")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "another guard owns HAProxy" in done.stderr


def test_a_file_in_the_place_of_the_socket_is_not_touched(world: RealWorld) -> None:
    path = world.directory / "notes.txt"
    path.write_text("mine")
    command = world.guard_command()
    command[command.index("--listen") + 1] = str(path)
    command[command.index("--state") + 1] = str(world.directory / "other")
    command[command.index("--haproxy") + 1] = str(world.directory / "another.sock")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 1
    assert "not a socket" in done.stderr
    assert path.read_text() == "mine"


def test_only_the_guards_own_user_may_open_its_socket_and_its_record(world: RealWorld) -> None:
    write_modes = [world.directory / "guard.sock", world.state / "guard.json", world.state]
    world.router.claim(world.app, 1)
    assert [stat.S_IMODE(path.stat().st_mode) & 0o077 for path in write_modes] == [0, 0, 0]


def test_sigterm_leaves_the_weights_and_takes_the_socket_away(world: RealWorld) -> None:
    world.router.claim(world.app, 1)
    write(world, 30)
    assert world.stop_guard() == 0
    assert world.servers("shop")["canary"].weight == 30
    assert not (world.directory / "guard.sock").exists()


def test_a_damaged_record_is_kept_aside_and_its_routes_go_to_zero_until_someone_trusts_them(
    world: RealWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    world.router.claim(world.app, 1)
    write(world, 30)
    world.kill_guard()
    record = world.state / "guard.json"
    damaged = record.read_text().replace('"weight_pct":30', '"weight_pct":90')
    record.write_text(damaged)
    world.start_guard()
    assert world.servers("shop")["canary"].weight == 0
    assert (world.state / "guard.json.corrupt-0").read_text() == damaged
    assert "RECORD LOST" in (world.directory / "guard.log").read_text()
    route = world.router.claim(world.app, 2)
    assert [mark.engagement for mark in route.halts] == ["guard:state-lost"]
    with pytest.raises(Halted):
        world.router.write(world.app, RouteWrite(1, "r1", 2, route.revision, 60))
    assert ask.main([str(world.directory / "guard.sock"), "trust"]) == 0
    capsys.readouterr()
    write(world, 1)
    assert world.servers("shop")["canary"].weight == 1


def test_a_person_can_halt_and_release_from_a_terminal(world: RealWorld, capsys: pytest.CaptureFixture[str]) -> None:
    world.router.claim(world.app, 1)
    write(world, 30)
    path = str(world.directory / "guard.sock")
    assert ask.main([path, "halt", "shop", "--id", "night", "--reason", "smoke"]) == 0
    assert world.servers("shop")["canary"].weight == 0
    assert '"engagement": "night"' in capsys.readouterr().out
    assert ask.main([path, "unhalt", "shop", "--id", "night"]) == 0
    assert world.router.read(world.app).halts == ()
    assert ask.main([path, "read", "nowhere"]) == 1
    assert ask.main([str(world.directory / "absent.sock"), "status"]) == 5


def test_a_balancing_that_cannot_give_the_share_is_reported_and_never_verified(world: RealWorld) -> None:
    world.cfg.write_text(
        world.cfg.read_text().replace("balance roundrobin\n    server stable", "balance source\n    server stable")
    )
    world.reload_haproxy()
    route = world.router.claim(world.app, 1)
    route = world.router.write(world.app, RouteWrite(5, "r1", 1, route.revision, 60))
    assert not route.verified
    assert "static LB algorithm" in route.trouble


def test_a_third_server_in_the_switch_makes_the_share_unverifiable(world: RealWorld) -> None:
    text = world.cfg.read_text().replace(
        "canary.sock weight 0\n", "canary.sock weight 0\n    server extra 127.0.0.1:1\n"
    )
    world.cfg.write_text(text)
    world.reload_haproxy()
    route = world.router.read(world.app)
    assert route.live_pct is None
    assert not route.verified
    assert "whole percentage" in route.trouble


def test_the_configuration_in_the_docs_is_the_one_the_tests_run() -> None:
    template = Path(__file__).with_name("router_haproxy.cfg").read_text()
    shown = string.Template(template).substitute(directory="/run/haproxy", port="8080").partition("\n")[2]
    assert f"```haproxy\n{shown}```" in (ROOT / "docs" / "haproxy.md").read_text()
