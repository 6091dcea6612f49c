"""A node: what it looks at, that a release and the rest of its application take turns, and that a fence ends it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from analysis.model import Role
from api.http.views import ready_view
from controller.core.model import Phase
from controller.ports import Commit, Message, Refused, Store, Unavailable
from controller.runtime.directory import Directory
from controller.runtime.node import REST, Node
from controller.runtime.selftest import SelfTest, Stop
from controller.wishes import Submission
from gates.kill import Verb, parse_scope
from tests.unit.behaviour.world import NEW, OLD, World
from tests.unit.core.build import a_cluster_app, a_release

WAIT_S = 5.0


class Receiver:
    def __init__(self) -> None:
        self.taken: list[str] = []

    def deliver(self, message: Message) -> None:
        self.taken.append(message.kind)


@dataclass
class Stage:
    world: World
    node: Node
    receiver: Receiver


def node_of(world: World, receiver: Receiver) -> Node:
    directory = Directory(cast(Store, world.store), world.loop.last_seen)
    ports = world.ports
    self_test = SelfTest(ports, world.kill_file._path.parent, directory.applications)
    stop = Stop(world.switch, self_test)
    return Node(ports, world.epoch, stop, world.loop, directory, receiver, workers=2)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    world, receiver = World(tmp_path), Receiver()
    made = Stage(world, node_of(world, receiver), receiver)
    yield made
    made.world.switch.close()


def until_written(world: World, kind: str) -> None:
    waited = threading.Event()
    for _ in range(500):
        if world.records(kind):
            return
        waited.wait(0.01)
    raise AssertionError(f"no record of {kind}")


def test_a_started_node_takes_up_what_is_due_and_stops_within_its_bound(stage: Stage) -> None:
    stage.world.deploy()
    stage.node.start()
    until_written(stage.world, "phase")
    stage.node.stop()
    assert stage.world.newest().phase is not Phase.PENDING


def test_a_node_that_starts_knows_the_kills_of_before(stage: Stage) -> None:
    engaged = stage.world.switch.engage(Verb.HALT, parse_scope("fleet"), "ann").engagement
    stage.world.lead()
    fresh = node_of(stage.world, stage.receiver)
    fresh.start()
    fresh.stop()
    (stage.world.kill_file._path).unlink()
    assert stage.world.switch.state().engaged == (engaged,)


def test_a_node_that_starts_after_the_clock_was_set_back_still_knows_what_is_not_due_yet(stage: Stage) -> None:
    stage.world.deploy()
    stage.world.clock.utc_s -= 3_600
    stage.node._sweep()
    assert stage.node._queue.depth() == 0
    stage.node._take_up()
    assert stage.node._queue.depth() == 1


@pytest.fixture
def restarted(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A new process right after its start: its doors are open, and no pass was made yet. A release runs, and the
    application names another backend now: a controller of the first days took such an edit."""
    world = stage.world
    world.deploy()
    world.until_live(10)
    world.app = replace(world.app, router=replace(world.app.haproxy, backend="elsewhere"))
    world.fake_router.add(world.app)
    stored = world.memory.application("shop")
    assert stored is not None
    world.memory.commit(Commit(application=replace(stored, app=world.app)))
    world.switch.close()
    world.lead()
    stage.node = node_of(world, stage.receiver)
    for part in (stage.node._queue, stage.node._schedule):
        monkeypatch.setattr(part, "start", lambda: None)
    stage.node.start()
    return stage


def test_a_kill_right_after_a_restart_covers_the_route_that_a_running_release_was_started_on(restarted: Stage) -> None:
    world = restarted.world
    engaged = world.switch.engage(Verb.REVERT, parse_scope("application:shop"), "ann")
    assert {path.path for path in engaged.paths} >= {"route:shop", "route:shop@shop"}
    assert world.fake_router.read(world.newest().app).live_pct == 0


def test_a_node_that_starts_goes_on_past_a_release_that_cannot_be_read(stage: Stage) -> None:
    stage.world.deploy()
    stage.world.store.fail(Refused("planted by the test: a damaged row"), "release")
    stage.node._take_up()
    assert stage.world.told[-1]["event"] == "release_not_known"
    assert stage.node._queue.depth() == 1


def test_a_node_does_not_start_on_a_store_that_cannot_say_what_runs(stage: Stage) -> None:
    stage.world.deploy()
    stage.world.store.fail(Unavailable("planted by the test"), "release")
    with pytest.raises(Unavailable):
        stage.node._take_up()


def test_the_release_of_a_kill_wakes_what_it_covered_and_nothing_else(stage: Stage) -> None:
    release = stage.world.deploy()
    stage.node._run(release.id)
    for scope, woken in (("application:other", 0), ("application:shop", 1)):
        engaged = stage.world.switch.engage(Verb.REVERT, parse_scope(scope), "ann").engagement
        stage.node._run(release.id)
        stage.world.switch.release(engaged.id, "ann", "all well")
        assert stage.node._queue.depth() == woken


def test_health_names_every_heartbeat(stage: Stage) -> None:
    health = stage.node.health()
    assert [beat.name for beat in health.beats] == ["sweep", "rest", "outbox", "kill_sync", "kill_self_test", "prune"]
    assert (health.healthy, health.epoch) == (True, stage.world.epoch)


def test_the_sweep_brings_every_due_release_and_every_application_to_the_queue(stage: Stage) -> None:
    stage.world.deploy()
    stage.node._sweep()
    assert stage.node._queue.depth() == 1
    stage.node._sweep_rest()
    assert stage.node._queue.depth() == 2
    stage.node._sweep()
    assert stage.node._queue.depth() == 2


def test_an_application_at_rest_is_looked_at_under_its_own_key(stage: Stage) -> None:
    stage.world.fake_workload.instances("shop", Role.STABLE).clear()
    assert stage.node._run(REST + "shop") is None
    assert stage.world.running(Role.STABLE) == [OLD, OLD]


def test_a_release_and_the_rest_of_its_application_take_turns(stage: Stage) -> None:
    release = stage.world.deploy()
    stage.node._run(release.id)
    inside, leave = threading.Event(), threading.Event()
    order: list[str] = []

    def slow(*_args: object) -> None:
        inside.set()
        assert leave.wait(WAIT_S)

    def look(key: str, name: str) -> None:
        stage.node._run(key)
        order.append(name)

    stage.world.workload.watch("observe", slow)
    first = threading.Thread(target=look, args=(release.id, "release"))
    first.start()
    assert inside.wait(WAIT_S)
    second = threading.Thread(target=look, args=(REST + "shop", "rest"))
    second.start()
    second.join(0.05)
    assert order == []
    leave.set()
    first.join(WAIT_S)
    second.join(WAIT_S)
    assert order == ["release", "rest"]


def test_a_fenced_node_pages_looks_at_nothing_any_more_and_is_not_healthy(stage: Stage) -> None:
    release = stage.world.deploy()
    stage.world.memory.lead("rival", stage.world.clock.now_s())
    stage.world.fake_router.claim(stage.world.app, stage.world.epoch + 1)
    assert stage.node._run(release.id) is None
    fenced = [told for told in stage.world.told if told["event"] == "fenced"]
    assert len(fenced) == 1
    assert fenced[0]["page"] is True
    assert stage.node.health().healthy is False
    before = stage.world.route()
    assert stage.node._run(release.id) is None
    stage.node._sweep()
    stage.node._sweep_rest()
    assert stage.node._queue.depth() == 0
    assert stage.world.route() == before


def test_a_node_that_a_route_alone_fences_names_the_way_out(stage: Stage) -> None:
    release = stage.world.deploy()
    stage.world.fake_router.claim(stage.world.app, stage.world.epoch + 6)
    stage.node._directory.refresh()
    assert stage.node._run(release.id) is None
    remedy = stage.node.health().remedy
    assert f"--min-epoch {stage.world.epoch + 7}" in remedy
    assert stage.world.told[-1]["remedy"] == remedy
    assert any(remedy in reason for reason in ready_view(stage.node.health()).reasons)


def test_a_node_whose_store_has_a_newer_leader_is_offered_no_way_around_it(stage: Stage) -> None:
    release = stage.world.deploy()
    stage.world.memory.lead("rival", stage.world.clock.now_s())
    stage.world.fake_router.claim(stage.world.app, stage.world.epoch + 1)
    stage.node._run(release.id)
    assert stage.node.health().remedy == ""


def test_a_pass_that_crashes_pages_with_the_release(stage: Stage) -> None:
    stage.node._crashed("shop-1", ValueError("a bug"))
    assert stage.world.told[-1] == {
        "event": "pass_failed",
        "key": "shop-1",
        "trouble": "ValueError: a bug",
        "page": True,
    }


def test_the_doors_wake_the_release_they_change(stage: Stage) -> None:
    done = stage.node.doors.commands.submit(Submission("shop", NEW, "ci"))
    assert stage.node._queue.depth() == 1
    stage.node._run(done.release.id)
    assert stage.world.newest().phase is Phase.PREPARING


def test_a_new_application_is_covered_at_once_or_by_the_next_beat_when_it_cannot_be_read(stage: Stage) -> None:
    stage.node._refresh_directory()
    assert [app.name for app in stage.node._directory.applications()] == ["shop"]
    stage.world.store.fail(Unavailable("planted by the test"), "applications")
    stage.node._refresh_directory()
    assert stage.world.told[-1] == {"event": "directory_stale", "trouble": "planted by the test"}
    assert [app.name for app in stage.node._directory.applications()] == ["shop"]


def test_a_node_that_cannot_stop_in_time_says_so(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.node._schedule.start()
    monkeypatch.setattr(stage.node._queue, "stop", lambda: False)
    stage.node.stop()
    assert stage.world.told[-1]["event"] == "stop_timed_out"


def test_a_node_that_never_started_or_whose_start_failed_stops_without_a_word(stage: Stage) -> None:
    stage.world.store.fail(Unavailable("planted by the test"), "applications")
    with pytest.raises(Unavailable):
        stage.node.start()
    stage.node.stop()
    assert "stop_timed_out" not in [told["event"] for told in stage.world.told]


def test_a_hint_from_a_cluster_brings_the_application_and_its_release_at_once(stage: Stage) -> None:
    cluster = a_cluster_app()
    stage.world.app = replace(cluster, canary=stage.world.app.canary, analysis=stage.world.app.analysis)
    stage.node._resting.due((stage.world.app,), 0.0)
    stage.world.loop._remember(a_release(id="shop-9", app=stage.world.app))
    stage.node.changed("web", "elsewhere")
    assert stage.node._queue.depth() == 0
    stage.node.changed("web", "shop-canary")
    assert set(stage.node._queue._due) == {REST + "shop", "shop-9"}


def test_a_hint_during_a_look_at_an_application_at_rest_is_followed_by_another_look(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = a_cluster_app()
    node = stage.node
    node._resting.due((cluster,), 0.0)
    looks: list[int] = []

    def rest(_name: str) -> bool:
        looks.append(1)
        if len(looks) == 1:
            node.changed("web", "shop")
        else:
            done.set()
        return True

    done = threading.Event()
    monkeypatch.setattr(stage.world.loop, "rest", rest)
    node._queue.start()
    node._queue.add(REST + "shop")
    assert done.wait(WAIT_S)
    assert node._queue.stop()
    assert node._resting.due((cluster,), 0.0) == []
    assert len(looks) == 2
