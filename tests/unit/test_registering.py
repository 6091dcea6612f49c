"""Registering an application: what a kill covers at once, and what survives a deletion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from controller.commands import Commands
from controller.core.model import ProcessesTarget
from tests.unit.behaviour.world import OLD, World


def commands_of(world: World, told: list[str]) -> Commands:
    return Commands(world.ports, lambda _id: None, lambda: 1, registered=lambda: told.append("registered"))


def test_whoever_must_know_of_a_new_application_is_told_before_register_returns(tmp_path: Path) -> None:
    world, told = World(tmp_path), list[str]()
    commands_of(world, told).register(replace(world.app, name="fresh"), "me")
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
