"""The kill switch on four paths: the order it takes them in, and honest answers when any of them is broken."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.model import Application
from controller.core.targets import HaproxyRoute
from controller.ports import Page, Unavailable, Unknown
from controller.runtime import killswitch as module
from controller.runtime import lanes
from controller.runtime.killswitch import Engaged
from controller.runtime.lanes import EFFECTIVE, FAILED, PENDING
from gates.kill import KillAnswerKind, Target, Verb, answer, parse_scope
from tests.unit.core.build import a_release
from tests.unit.runtime.switch_stage import DOWN, SwitchStage, renamed

FLEET = parse_scope("fleet")
SHOP = Target("production", "shop", "shop-1")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[SwitchStage]:
    made = SwitchStage(tmp_path)
    yield made
    made.switch.close()


def states(engaged: Engaged) -> dict[str, str]:
    return {path.path: path.state for path in engaged.paths}


def kind(stage: SwitchStage) -> KillAnswerKind:
    return answer(stage.switch.state(), SHOP).kind


def test_it_latches_in_memory_then_on_the_routes_then_in_the_file_then_in_the_store(stage: SwitchStage) -> None:
    seen: list[tuple[str, bool, bool, bool, list[int | None]]] = []

    def look(where: str) -> None:
        file, store = bool(stage.kill_file.read().engaged), bool(stage.memory_store.kills().engaged)
        weights = [stage.weight(app) for app in stage.apps]
        seen.append((where, kind(stage) is KillAnswerKind.REVERT, file, store, weights))

    stage.apps = [stage.shop]
    stage.router.watch("halt", lambda *_args: look("route"))
    stage.file.watch("engage", lambda *_args: look("file"))
    stage.store.watch("commit", lambda *_args: look("store"))
    stage.switch.engage(Verb.REVERT, FLEET, "ann")
    assert seen == [
        ("route", True, False, False, [20]),
        ("file", True, False, False, [0]),
        ("store", True, True, False, [0]),
    ]


def test_with_everything_well_the_answer_is_effective_on_every_path(stage: SwitchStage) -> None:
    engaged = stage.switch.engage(Verb.REVERT, FLEET, "ann", "bad day")
    assert engaged.effective
    assert states(engaged) == dict.fromkeys(("memory", "route:shop", "route:pay", "file", "store"), EFFECTIVE)
    assert [stage.weight(app) for app in stage.apps] == [0, 0]
    assert stage.memory_store.kills().engaged == stage.kill_file.read().engaged == (engaged.engagement,)
    (record,) = stage.memory_store.audit(Page())
    assert (record.draft.type, record.draft.actor, record.draft.late) == ("kill_engaged", "ann", False)
    assert record.draft.numbers["route:shop"] == EFFECTIVE


def test_a_halt_keeps_the_weight_and_lets_nothing_rise(stage: SwitchStage) -> None:
    assert stage.switch.engage(Verb.HALT, FLEET, "ann").effective
    assert stage.weight(stage.shop) == 20
    assert stage.halts(stage.shop) != []


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ("fleet", ["shop", "pay"]),
        ("environment:production", ["shop"]),
        ("environment:staging", ["pay"]),
        ("application:pay", ["pay"]),
        ("application:unknown", []),
        ("release:shop-1", ["shop"]),
        ("release:unknown", []),
    ],
)
def test_which_routes_a_scope_covers(stage: SwitchStage, scope: str, covered: list[str]) -> None:
    assert [app.name for app in stage.switch.covered(parse_scope(scope))] == covered
    engaged = stage.switch.engage(Verb.REVERT, parse_scope(scope), "ann")
    assert [app.name for app in stage.apps if stage.weight(app) == 0] == covered
    assert engaged.effective


@pytest.mark.parametrize("scope", ["fleet", "environment:production", "application:shop", "release:shop-1"])
def test_an_edit_during_a_release_does_not_take_its_route_out_of_a_kill(stage: SwitchStage, scope: str) -> None:
    stage.running = [a_release(id="shop-1", app=stage.shop)]
    edited = replace(stage.shop, environment="staging", router=HaproxyRoute("/run/guard.sock", "shop-new"))
    stage.fake_router.add(edited)
    stage.apps[0] = edited
    stage.switch.engage(Verb.REVERT, parse_scope(scope), "ann")
    assert stage.weight(stage.shop) == 0


def test_two_routes_of_one_application_are_told_apart_in_the_answer(stage: SwitchStage) -> None:
    stage.running = [a_release(id="shop-1", app=stage.shop), a_release(id="shop-2", app=stage.shop)]
    edited = replace(stage.shop, router=HaproxyRoute("/run/guard.sock", "shop-new"))
    stage.fake_router.add(edited)
    stage.apps[0] = edited
    engaged = stage.switch.engage(Verb.REVERT, parse_scope("application:shop"), "ann")
    assert [p.path for p in engaged.paths if p.path.startswith("route:")] == ["route:shop", "route:shop@shop"]
    assert stage.halts(edited) == stage.halts(stage.shop) == [engaged.engagement.id]


def test_without_its_routes_a_kill_is_not_called_effective_but_is_latched_everywhere_else(stage: SwitchStage) -> None:
    stage.router.fail(DOWN, "halt")
    engaged = stage.switch.engage(Verb.REVERT, parse_scope("application:shop"), "ann")
    assert not engaged.effective
    assert states(engaged) == {"memory": EFFECTIVE, "route:shop": FAILED, "file": EFFECTIVE, "store": EFFECTIVE}
    assert kind(stage) is KillAnswerKind.REVERT


@pytest.mark.parametrize(("file_down", "store_down", "effective"), [(1, 0, True), (0, 1, True), (1, 1, False)])
def test_one_durable_path_is_enough_and_none_is_not(
    stage: SwitchStage, file_down: int, store_down: int, effective: bool
) -> None:
    stage.file.fail(Unavailable("no space"), *["engage"] * file_down)
    stage.store.fail(DOWN, *["commit"] * store_down)
    engaged = stage.switch.engage(Verb.REVERT, FLEET, "ann")
    assert engaged.effective is effective
    assert states(engaged)["file"] == (FAILED if file_down else EFFECTIVE)
    assert states(engaged)["store"] == (FAILED if store_down else EFFECTIVE)
    assert [stage.weight(app) for app in stage.apps] == [0, 0]
    assert kind(stage) is KillAnswerKind.REVERT


def test_with_every_path_broken_the_answer_says_so_and_memory_still_holds(stage: SwitchStage) -> None:
    stage.router.fail(DOWN, "halt")
    stage.file.fail(DOWN, "engage")
    stage.store.fail(DOWN, "commit", "kills")
    stage.lookup_error = DOWN
    engaged = stage.switch.engage(Verb.REVERT, parse_scope("release:shop-1"), "ann")
    assert not engaged.effective
    assert states(engaged) == {"memory": EFFECTIVE, "route:*": FAILED, "file": FAILED, "store": FAILED}
    assert kind(stage) is KillAnswerKind.REVERT


def test_not_knowing_which_routes_are_covered_keeps_nothing_from_being_written_down(stage: SwitchStage) -> None:
    stage.lookup_error = DOWN
    engaged = stage.switch.engage(Verb.REVERT, parse_scope("release:shop-1"), "ann")
    assert states(engaged) == {"memory": EFFECTIVE, "route:*": FAILED, "file": EFFECTIVE, "store": EFFECTIVE}
    assert not engaged.effective


def test_a_bug_in_one_route_does_not_keep_the_others_from_being_stopped(stage: SwitchStage) -> None:
    broken = renamed(stage.shop, "no such backend")
    stage.apps.insert(0, broken)

    def bug(app: Application, *_rest: object) -> None:
        if app is broken:
            raise TypeError("a bug")

    stage.router.watch("halt", bug)
    engaged = stage.switch.engage(Verb.REVERT, FLEET, "ann")
    assert states(engaged)["route:no such backend"] == FAILED
    assert next(p.text for p in engaged.paths if p.state == FAILED) == "TypeError: a bug"
    assert [stage.weight(stage.shop), stage.weight(stage.pay)] == [0, 0]


def test_a_proxy_that_does_not_follow_is_not_called_effective(stage: SwitchStage) -> None:
    stage.fake_router.haproxy.up = False
    engaged = stage.switch.engage(Verb.REVERT, parse_scope("application:shop"), "ann")
    assert not engaged.effective
    stage.fake_router.haproxy.up = True
    stage.fake_router.tick()
    assert stage.weight(stage.shop) == 0


def test_a_route_that_answers_late_is_pending_and_holds_up_no_other(
    stage: SwitchStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave = threading.Event()
    monkeypatch.setattr(module, "ROUTE_WAIT_S", 0.05)
    stage.router.watch("halt", lambda app, *_rest: leave.wait(5) if app.name == "pay" else None)
    engaged = stage.switch.engage(Verb.REVERT, FLEET, "ann")
    assert states(engaged)["route:pay"] == PENDING
    assert states(engaged)["route:shop"] == EFFECTIVE
    assert not engaged.effective
    leave.set()


def hung() -> Unknown:
    error = Unknown("the answer of the guard was lost: timed out")
    error.__cause__ = TimeoutError("timed out")
    return error


def test_a_hung_guard_holds_up_neither_the_other_guards_nor_the_answer(
    stage: SwitchStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty routes of one guard hang, each for long; the answer must not wait for them one after the other."""
    others = [renamed(stage.shop, f"far-{number}", "/run/far.sock") for number in range(30)]
    stage.apps = [*others, stage.shop, stage.pay]
    leave, tried = threading.Event(), threading.Semaphore(0)

    def hang(app: Application, *_rest: object) -> None:
        if app.haproxy.guard == "/run/far.sock":
            tried.release()
            if not leave.is_set():
                raise hung()

    stage.router.watch("halt", hang)
    engaged = stage.switch.engage(Verb.REVERT, FLEET, "ann")
    assert [stage.weight(stage.shop), stage.weight(stage.pay)] == [0, 0]
    assert {states(engaged)[f"route:{app.name}"] for app in others} == {PENDING}
    assert not engaged.effective


def test_what_a_guard_did_not_take_is_tried_until_it_answers(
    stage: SwitchStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "RETRY_S", 0.01)
    tries, done = itertools.count(1), threading.Event()

    def hang(_app: Application, *_rest: object) -> None:
        if next(tries) < 4:
            raise hung()

    stage.router.watch("halt", hang)
    stage.router.after("halt", lambda *_: done.set())
    engaged = stage.switch.engage(Verb.REVERT, parse_scope("application:shop"), "ann")
    assert states(engaged)["route:shop"] == PENDING
    assert done.wait(5)
    assert stage.weight(stage.shop) == 0


def test_a_stop_that_was_released_before_its_guard_answered_is_not_written_any_more(
    stage: SwitchStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = set(threading.enumerate())
    monkeypatch.setattr(lanes, "RETRY_S", 0.01)
    stage.router.fail(hung(), "halt")
    engaged = stage.switch.engage(Verb.REVERT, parse_scope("application:shop"), "ann").engagement
    stage.switch.release(engaged.id, "ann", "")
    stage.router.heal()
    for worker in [thread for thread in threading.enumerate() if thread.name == "kill" and thread not in others]:
        worker.join(5)
        assert not worker.is_alive(), "it ends when nothing is left to try"
    assert stage.halts(stage.shop) == []


def test_a_store_that_cannot_be_read_makes_the_switch_unreadable(stage: SwitchStage) -> None:
    stage.store.fail(DOWN, "kills")
    state = stage.switch.state()
    assert (state.readable, kind(stage)) == (False, KillAnswerKind.UNREADABLE)
    assert "the store cannot be read" in state.trouble


@pytest.mark.parametrize("lost", ["file", "store", "both"])
def test_any_one_source_is_enough_to_stay_engaged(stage: SwitchStage, lost: str) -> None:
    engaged = stage.switch.engage(Verb.REVERT, FLEET, "ann").engagement
    if lost in ("file", "both"):
        (stage.path / "kill.jsonl").unlink()
    if lost in ("store", "both"):
        stage.store.fail(DOWN, "kills")
    assert engaged in stage.switch.state().engaged


def test_after_a_restart_the_file_alone_keeps_the_kill_engaged(stage: SwitchStage) -> None:
    stage.store.fail(DOWN, "commit")
    engaged = stage.switch.engage(Verb.REVERT, FLEET, "ann").engagement
    stage.store.heal()
    again = stage.start()
    again.load()
    (stage.path / "kill.jsonl").unlink()
    assert again.state().engaged == (engaged,)
    again.close()


@pytest.mark.parametrize("missed", ["file", "store"])
def test_a_source_that_missed_an_engagement_gets_it_when_it_is_back(stage: SwitchStage, missed: str) -> None:
    broken = stage.file if missed == "file" else stage.store
    broken.fail(DOWN, "engage", "commit")
    engaged = stage.switch.engage(Verb.REVERT, FLEET, "ann").engagement
    assert stage.switch.sync() == 0
    broken.heal()
    assert stage.switch.sync() == 1
    assert stage.memory_store.kills().engaged == stage.kill_file.read().engaged == (engaged,)
    late = [record.draft.late for record in stage.memory_store.audit(Page())]
    assert late == [missed == "store"]
    assert stage.switch.sync() == 0


def test_nothing_is_brought_anywhere_while_the_store_cannot_be_read(stage: SwitchStage) -> None:
    stage.file.fail(DOWN, "engage")
    stage.switch.engage(Verb.REVERT, FLEET, "ann")
    stage.file.heal()
    stage.store.fail(DOWN, "kills")
    assert stage.switch.sync() == 0
    assert stage.kill_file.read().engaged == ()


def test_a_damaged_file_is_not_written_over(stage: SwitchStage) -> None:
    stage.switch.engage(Verb.REVERT, FLEET, "ann")
    (stage.path / "kill.jsonl").write_bytes(b"nonsense\n")
    assert stage.switch.sync() == 0
    assert (stage.path / "kill.jsonl").read_bytes() == b"nonsense\n"
    assert kind(stage) is KillAnswerKind.REVERT


def test_a_release_is_written_down_and_takes_only_that_kill_back(stage: SwitchStage) -> None:
    first = stage.switch.engage(Verb.REVERT, FLEET, "ann").engagement
    second = stage.switch.engage(Verb.HALT, FLEET, "bob").engagement
    assert stage.switch.release(first.id, "carol", "fixed") == first
    assert stage.switch.state().engaged == (second,)
    assert stage.kill_file.read().engaged == stage.memory_store.kills().engaged == (second,)
    record = stage.memory_store.audit(Page(), newest_first=True)[0].draft
    assert (record.type, record.actor) == ("kill_released", "carol")
    assert record.text.endswith("released: fixed")


def test_a_release_does_not_touch_the_routes_by_itself(stage: SwitchStage) -> None:
    engaged = stage.switch.engage(Verb.REVERT, FLEET, "ann").engagement
    stage.switch.release(engaged.id, "ann", "")
    assert stage.halts(stage.shop) == [engaged.id]
    assert stage.weight(stage.shop) == 0


def test_a_release_that_cannot_be_written_down_does_not_happen(stage: SwitchStage) -> None:
    engaged = stage.switch.engage(Verb.REVERT, FLEET, "ann").engagement
    stage.store.fail(DOWN, "commit")
    with pytest.raises(Unavailable):
        stage.switch.release(engaged.id, "ann", "")
    stage.store.heal()
    assert stage.switch.state().engaged == (engaged,)
    assert stage.kill_file.read().engaged == (engaged,)


def test_a_release_that_the_file_missed_is_done_and_reaches_the_file_later(stage: SwitchStage) -> None:
    engaged = stage.switch.engage(Verb.REVERT, FLEET, "ann").engagement
    stage.file.fail(DOWN, "release")
    assert stage.switch.release(engaged.id, "ann", "") == engaged
    assert stage.switch.state().engaged == ()
    assert stage.kill_file.read().engaged == (engaged,)
    stage.file.heal()
    assert stage.switch.sync() == 1
    assert stage.kill_file.read().engaged == ()


def test_nobody_can_release_what_was_never_engaged(stage: SwitchStage) -> None:
    with pytest.raises(KeyError):
        stage.switch.release("k-nothing", "ann", "")


def test_the_log_pages_somebody_and_names_who_pressed(stage: SwitchStage) -> None:
    engaged = stage.switch.engage(Verb.REVERT, parse_scope("application:shop"), "ann").engagement
    assert stage.told[0] == {
        "event": "kill_engaged",
        "kill": engaged.id,
        "verb": "revert",
        "scope": "application:shop",
        "actor": "ann",
        "page": True,
    }


def test_a_kill_the_store_never_heard_of_is_put_on_record_before_its_release(stage: SwitchStage) -> None:
    stage.store.fail(DOWN, "commit")
    engaged = stage.switch.engage(Verb.REVERT, FLEET, "ann").engagement
    stage.store.heal()
    stage.switch.release(engaged.id, "bob", "")
    written = [(record.draft.type, record.draft.late) for record in stage.memory_store.audit(Page())]
    assert written == [("kill_engaged", True), ("kill_released", False)]
    assert stage.switch.state().engaged == ()


def test_an_engagement_that_the_file_shortened_is_still_the_same_after_a_restart(stage: SwitchStage) -> None:
    stage.switch.engage(Verb.REVERT, FLEET, "a" * 300)
    again = stage.start()
    again.load()
    stage.told.clear()
    assert again.sync() == 0
    assert stage.told == []
    again.close()
