"""Registering an application: what a kill covers at once, and what survives a deletion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from controller.commands import Commands
from controller.core.model import IntentKind
from controller.core.targets import ProcessesTarget
from controller.wishes import Rejected, Submission
from tests.unit.behaviour.world import NEW, OLD, World


def commands_of(world: World, told: list[str]) -> Commands:
    return Commands(world.ports, lambda _id: None, lambda: 1, registered=lambda: told.append("registered"))


def test_whoever_must_know_of_a_new_application_is_told_before_register_returns(tmp_path: Path) -> None:
    world, told = World(tmp_path), list[str]()
    fresh = replace(world.app, name="fresh", router=replace(world.app.haproxy, backend="fresh"))
    commands_of(world, told).register(fresh, "me")
    assert told == ["registered"]


def test_a_deleted_application_that_comes_back_with_another_target_has_no_version_that_serves(tmp_path: Path) -> None:
    world = World(tmp_path)
    commands = commands_of(world, [])
    commands.unregister(world.app.name, "me")
    other = replace(world.app, target=ProcessesTarget(("another", "{port}")))
    assert commands.register(other, "me").stable_version is None


def test_a_deleted_application_that_comes_back_as_it_was_still_serves_its_version(tmp_path: Path) -> None:
    world = World(tmp_path)
    commands = commands_of(world, [])
    commands.unregister(world.app.name, "me")
    assert commands.register(world.app, "me").stable_version == OLD


def test_a_backend_that_another_application_moves_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    with pytest.raises(Rejected, match="belongs to application shop") as refused:
        commands_of(world, []).register(replace(world.app, name="other"), "me")
    assert refused.value.code == "route_taken"


def test_a_controller_that_no_longer_leads_starts_nothing_and_still_stops(tmp_path: Path) -> None:
    world = World(tmp_path)
    led = Commands(world.ports, lambda _id: None, lambda: 1, leading=lambda: False)
    with pytest.raises(Rejected) as submitted:
        led.submit(Submission(world.app.name, NEW, "me"))
    with pytest.raises(Rejected) as promoted:
        led.intend("shop-1", IntentKind.PROMOTE_FULL, "me")
    assert (submitted.value.code, promoted.value.code) == ("not_leading", "not_leading")
    release = world.deploy()
    assert led.intend(release.id, IntentKind.ABORT, "me").release.id == release.id
