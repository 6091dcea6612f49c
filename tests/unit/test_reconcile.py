"""One pass: what is committed before what is done, and what a pass does about each kind of trouble."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller import reconcile as module
from controller.core.check import Violation
from controller.core.model import IntentKind, Phase
from controller.ports import Commit, Conflict, Fenced, StoredApplication, Unavailable, Unknown
from controller.reconcile import AGAIN_S, STORE_DOWN_S, Reconciler, no_messages
from tests.unit.behaviour.world import NEW, OLD, World
from tests.unit.core.build import a_release

DOWN = Unavailable("planted by the test")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def canary_at(world: World, weight_pct: int) -> str:
    release = world.deploy()
    world.until_live(weight_pct)
    return release.id


def in_s(world: World, wake_at_s: float | None) -> float | None:
    return None if wake_at_s is None else round(wake_at_s - world.clock.now_s(), 3)


def test_state_record_and_message_are_one_transaction_before_the_route_is_raised(world: World) -> None:
    order: list[str] = []
    world.router.watch("write", lambda _app, write: order.append(f"write {write.weight_pct}"))
    world.store.watch("commit", lambda commit: order.append(kind_of(commit)))
    world.deploy()
    world.until_live(10)
    rise = order.index("commit 10")
    assert order[rise + 1] == "write 10"
    assert world.records("weight")[0].numbers["to_pct"] == 10


def kind_of(commit: Commit) -> str:
    return f"commit {commit.release.weight_pct}" if commit.release is not None else "commit"


def test_traffic_goes_back_before_the_commit_that_says_so(world: World) -> None:
    canary_at(world, 20)
    world.errors[NEW] = 0.9
    order: list[str] = []
    world.router.watch("lower", lambda *_args: order.append("lower"))
    world.store.watch("commit", lambda commit: order.append(commit.release.phase.value))
    world.until_phase(Phase.ROLLING_BACK)
    assert order.index("lower") < order.index("rolling_back")


def test_a_release_nobody_knows_or_that_has_ended_is_not_looked_at_again(world: World) -> None:
    assert world.loop.run("shop-9") is None
    release_id = canary_at(world, 10)
    world.ask(IntentKind.ABORT)
    world.until_phase(Phase.ROLLED_BACK)
    assert world.loop.run(release_id) is None
    assert world.loop.last_seen(release_id) is None
    assert world.loop.running() == ()


def test_after_a_move_the_next_look_comes_at_once(world: World) -> None:
    release_id = world.deploy().id
    assert in_s(world, world.loop.run(release_id)) == AGAIN_S
    assert [r.id for r in world.loop.running()] == [release_id]


@pytest.mark.parametrize(
    ("error", "again_s"), [(Conflict("x"), AGAIN_S), (Unknown("x"), AGAIN_S), (DOWN, STORE_DOWN_S)]
)
def test_a_commit_that_did_not_surely_happen_does_nothing_and_reads_again(
    world: World, error: Exception, again_s: float
) -> None:
    world.second()
    release_id = world.deploy().id
    world.store.fail(error, "commit")
    before = world.route()
    assert in_s(world, world.loop.run(release_id)) == again_s
    assert world.route().revision == before.revision
    world.store.heal()
    world.until_phase(Phase.SUCCEEDED)


def test_a_commit_whose_answer_was_lost_is_read_and_not_repeated(world: World) -> None:
    release_id = world.deploy().id
    lost = iter([Unknown("the answer was lost")])

    def lose(_commit: Commit) -> None:
        error = next(lost, None)
        if error is not None:
            raise error

    world.store.after("commit", lose)
    world.loop.run(release_id)
    assert world.release(release_id).phase is Phase.PREPARING
    world.until_phase(Phase.SUCCEEDED)
    assert [r.numbers["to_phase"] for r in world.records("phase")][:2] == ["preparing", "progressing"]


@pytest.mark.parametrize("call", ["commit", "read", "claim", "write", "renew", "ensure"])
def test_a_fenced_controller_stops_whatever_it_was_doing(world: World, call: str) -> None:
    release_id = world.deploy().id
    if call != "write":
        world.until_live(10)
    if call == "claim":
        world.lead()
    before = world.live()
    for port in (world.store, world.router, world.workload):
        port.fail(Fenced("a newer leader"), call)
    with pytest.raises(Fenced):
        world.seconds(3)
    assert world.release(release_id).phase in (Phase.PREPARING, Phase.PROGRESSING)
    assert world.live() == before


def test_a_fenced_commit_of_a_rollback_still_leaves_traffic_on_stable(world: World) -> None:
    canary_at(world, 20)
    world.errors[NEW] = 0.9
    world.store.watch("commit", lambda commit: fence(commit))
    with pytest.raises(Fenced):
        world.seconds(20)
    assert world.live() == 0


def fence(commit: Commit) -> None:
    if commit.release is not None and commit.release.phase is Phase.ROLLING_BACK:
        raise Fenced("a newer leader")


def violated(*_args: Any) -> Any:
    raise Violation("weight within the step and the cap (I1)")


def test_a_violation_parks_the_release_and_pages_and_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_id = canary_at(world, 10)
    with monkeypatch.context() as broken:
        broken.setattr(module, "decide", violated)
        assert world.loop.run(release_id) is None
    assert world.loop.parked == {release_id}
    parked = next(told for told in world.told if told["event"] == "release_parked")
    assert (parked["release_id"], parked["page"]) == (release_id, True)
    assert world.loop.run(release_id) is None
    world.seconds(int(world.app.canary.lease_s) + 2)
    assert world.live() == 0


def test_a_parked_release_is_looked_at_again_when_a_person_acts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    release_id = canary_at(world, 10)
    with monkeypatch.context() as broken:
        broken.setattr(module, "decide", violated)
        world.loop.run(release_id)
    world.ask(IntentKind.ABORT)
    world.until_phase(Phase.ROLLED_BACK)
    assert world.loop.parked == frozenset()


def test_a_parked_release_that_ended_otherwise_is_not_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    release_id = canary_at(world, 10)
    with monkeypatch.context() as broken:
        broken.setattr(module, "decide", violated)
        world.loop.run(release_id)
    ended = replace(world.release(release_id), phase=Phase.ROLLED_BACK)
    world.memory.commit(Commit(release=ended))
    assert world.loop.run(release_id) is None
    assert world.loop.parked == frozenset()


def test_a_violation_on_a_release_that_changed_meanwhile_is_no_bug_but_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_id = canary_at(world, 10)

    def decide_late(*_args: Any) -> Any:
        world.ask(IntentKind.PAUSE)
        raise Violation("old release, new observation")

    monkeypatch.setattr(module, "decide", decide_late)
    assert in_s(world, world.loop.run(release_id)) == AGAIN_S
    assert world.loop.parked == frozenset()


def test_a_violation_that_cannot_be_confirmed_is_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    release_id = canary_at(world, 10)

    def decide_blind(*_args: Any) -> Any:
        world.store.fail(DOWN, "release")
        raise Violation("perhaps")

    monkeypatch.setattr(module, "decide", decide_blind)
    assert in_s(world, world.loop.run(release_id)) == AGAIN_S
    assert world.loop.parked == frozenset()


def test_with_the_store_away_a_healthy_canary_is_left_alone_and_its_evidence_goes_on(world: World) -> None:
    release_id = canary_at(world, 10)
    world.store.fail(DOWN, "release")
    before = world.loop.last_seen(release_id)
    world.clock.advance(1.0)
    world.metrics.scrape(world.clock.now_s())
    assert in_s(world, world.loop.run(release_id)) == STORE_DOWN_S
    after = world.loop.last_seen(release_id)
    assert before is not None
    assert after is not None
    assert (after.phase, world.live(), after.weight_pct) == (Phase.PROGRESSING, 10, 10)
    assert after.judge != before.judge


@pytest.mark.parametrize("known", [True, False])
def test_with_the_store_away_a_release_never_seen_or_ended_is_only_asked_for_again(world: World, known: bool) -> None:
    release_id = world.deploy().id
    if known:
        world.loop._remember(replace(world.release(release_id), phase=Phase.FAILED))
    world.store.fail(DOWN, "release")
    before = world.route()
    assert in_s(world, world.loop.run(release_id)) == STORE_DOWN_S
    assert world.route() == before


def test_with_the_store_away_a_violation_moves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    release_id = canary_at(world, 10)
    world.store.fail(DOWN, "release")
    monkeypatch.setattr(module, "decide", violated)
    assert in_s(world, world.loop.run(release_id)) == STORE_DOWN_S
    assert world.live() == 10


def test_with_the_store_away_a_phase_that_would_move_without_lowering_does_not_move(world: World) -> None:
    release_id = world.deploy().id
    world.turn()
    world.turn()
    world.fake_workload.tick(5)
    world.store.fail(DOWN, "release", "active")
    world.loop.run(release_id)
    seen = world.loop.last_seen(release_id)
    assert seen is not None
    assert (seen.phase, world.live()) == (Phase.PREPARING, 0)
    world.store.heal()
    world.turn()
    assert world.newest().phase is Phase.PROGRESSING


def test_what_is_remembered_for_a_store_outage_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHED_RELEASES_MAX", 2)
    for name in ("a", "b", "c"):
        world.loop._remember(replace(a_release(), id=name))
    world.loop._remember(replace(a_release(), id="c"))
    assert [r.id for r in world.loop.running()] == ["b", "c"]


def test_success_makes_the_new_version_stable_in_the_same_transaction(world: World) -> None:
    commits: list[Commit] = []
    world.deploy()
    world.store.watch("commit", commits.append)
    world.until_phase(Phase.SUCCEEDED)
    last = commits[-1]
    assert last.release is not None
    assert last.application is not None
    assert (last.release.phase, last.application.stable_version) == (Phase.SUCCEEDED, NEW)
    assert [commit for commit in commits[:-1] if commit.application is not None] == []


def test_a_failed_effect_is_logged_and_derived_again(world: World) -> None:
    canary_at(world, 10)
    world.workload.fail(DOWN, "ensure")
    world.second()
    failed = [told["trouble"] for told in world.told if told["event"] == "effect_failed"]
    assert failed == ["ensure: planted by the test"] * 2
    world.workload.heal()
    world.until_phase(Phase.SUCCEEDED)


@pytest.mark.parametrize("call", ["application", "active"])
def test_at_rest_with_the_store_away_nothing_is_touched(world: World, call: str) -> None:
    world.store.fail(DOWN, call)
    world.fake_router.haproxy.run("set weight shop/canary 100")
    world.loop.rest("shop")
    assert (world.live() or 0) > 0


def test_an_application_that_was_deleted_or_has_a_release_is_not_kept_at_rest(world: World) -> None:
    calls: list[object] = []
    world.workload.watch("ensure", lambda *args: calls.append(args))
    world.loop.rest("nobody")
    stored = world.memory.application("shop")
    assert stored is not None
    world.memory.commit(Commit(application=replace(stored, deleted=True)))
    world.loop.rest("shop")
    stored = world.memory.application("shop")
    assert stored is not None
    world.memory.commit(Commit(application=StoredApplication(world.app, OLD, stored.revision)))
    world.deploy()
    world.loop.rest("shop")
    assert calls == []


def test_trouble_at_rest_is_logged_and_the_rest_is_done(world: World) -> None:
    world.fake_router.guard_up = False
    world.loop.rest("shop")
    told = [one for one in world.told if one["event"] == "application_trouble"]
    assert len(told) == 1
    assert told[0]["application"] == "shop"


def test_without_receivers_a_reconciler_sends_nothing(world: World) -> None:
    assert no_messages(a_release(), a_release(Phase.PAUSED)) == ()
    quiet = Reconciler(world.ports, world.epoch)
    release_id = world.deploy().id
    quiet.run(release_id)
    assert world.memory.outbox_due(world.clock.now_s() + 1e6, 10) == []
