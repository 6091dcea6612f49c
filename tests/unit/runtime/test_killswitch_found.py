"""Kills that only a route remembers: found, put on record once, listed and let go like any other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.core.model import Application, Mark
from controller.guard.model import MAX_HALTS, OVERFLOW_ID
from controller.ports import Page
from gates.kill import Verb, parse_scope
from tests.unit.runtime.switch_stage import DOWN, SwitchStage, renamed

FLEET = parse_scope("fleet")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[SwitchStage]:
    made = SwitchStage(tmp_path)
    yield made
    made.switch.close()


def orphaned(stage: SwitchStage, verb: Verb = Verb.REVERT) -> str:
    """A kill whose process died after it had written the routes, and before it could write anything else."""
    stage.file.fail(DOWN, "engage")
    stage.store.fail(DOWN, "commit")
    engaged = stage.switch.engage(verb, parse_scope("application:shop"), "ann").engagement
    stage.file.heal()
    stage.store.heal()
    stage.switch = stage.start()
    return engaged.id


@pytest.mark.parametrize("verb", list(Verb))
def test_a_kill_that_only_a_route_remembers_is_listed_and_can_be_released(stage: SwitchStage, verb: Verb) -> None:
    name = orphaned(stage, verb)
    (orphan,) = stage.switch.orphans()
    assert (orphan.id, orphan.verb, str(orphan.scope)) == (name, verb, "application:shop")
    stage.switch.release(name, "bob", "looked at it")
    assert stage.switch.orphans() == ()
    assert name in stage.switch.state().released
    types = [(record.draft.type, record.draft.late) for record in stage.memory_store.audit(Page())]
    assert types == [("kill_engaged", True), ("kill_released", False)]


def test_what_is_engaged_or_a_file_beside_the_guard_is_no_orphan(stage: SwitchStage) -> None:
    stage.switch.engage(Verb.REVERT, parse_scope("application:shop"), "ann")
    stage.fake_router.files.add("HALT")
    stage.fake_router.tick()
    assert stage.halts(stage.pay) == ["file:HALT"]
    assert stage.switch.orphans() == ()


def test_a_route_that_cannot_be_read_hides_no_orphan_of_another(stage: SwitchStage) -> None:
    name = orphaned(stage)

    def unreachable(app: Application, **_: bool) -> None:
        if app.name == "pay":
            raise DOWN

    stage.router.watch("read", unreachable)
    assert [orphan.id for orphan in stage.switch.orphans()] == [name]


def test_a_kill_that_only_a_route_remembers_is_put_on_record_late_and_once(stage: SwitchStage) -> None:
    name = orphaned(stage)
    assert stage.switch.sync() == 2
    assert stage.switch.sync() == 0
    for engaged in (stage.switch.state().engaged, stage.memory_store.kills().engaged, stage.kill_file.read().engaged):
        assert [kill.id for kill in engaged] == [name]
    assert [(r.draft.type, r.draft.late) for r in stage.memory_store.audit(Page())] == [("kill_engaged", True)]
    assert [line["kill"] for line in stage.told if line["event"] == "kill_found"] == [name]


def test_a_kill_that_is_being_engaged_right_now_is_not_taken_for_a_forgotten_one(stage: SwitchStage) -> None:
    def engage_meanwhile(_app: Application, **_: bool) -> None:
        if not stage.told:
            stage.switch.engage(Verb.HALT, FLEET, "ann")

    stage.router.watch("read", engage_meanwhile)
    assert stage.switch.orphans() == ()
    assert stage.switch.state().engaged != ()


def test_a_hung_guard_does_not_hold_up_the_search_for_every_one_of_its_routes(stage: SwitchStage) -> None:
    stage.apps = [renamed(stage.shop, f"app-{number}") for number in range(9)]
    asked: list[str] = []
    stage.router.watch("read", lambda app, **_: asked.append(app.name))
    stage.router.fail(DOWN, "read")
    assert stage.switch.orphans() == ()
    assert asked == ["app-0", "app-1"]


def test_what_a_guard_keeps_of_too_many_halts_is_found_and_let_go_by_a_person(stage: SwitchStage) -> None:
    for number in range(MAX_HALTS + 1):
        stage.fake_router.halt(stage.shop, Mark(None, "killed", "x", f"k-{number}"), True)
    held = [kill.id for kill in stage.switch.orphans() if not kill.id.startswith("k-")]
    assert held == [f"{OVERFLOW_ID}:k-{MAX_HALTS}"]
    stage.switch.sync()
    assert held[0] in {kill.id for kill in stage.memory_store.kills().engaged}
    stage.switch.release(held[0], "ann", "looked at it")
    assert held[0] in stage.switch.state().released
