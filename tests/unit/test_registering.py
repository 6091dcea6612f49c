"""Registering an application: what a kill covers at once, and what survives a deletion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from controller.commands import Commands
from controller.core.model import IntentKind, Phase
from controller.core.targets import ProcessesTarget
from controller.ports import Commit
from controller.wishes import Rejected, Submission
from tests.unit.behaviour.world import NEW, OLD, World


def commands_of(world: World, told: list[str]) -> Commands:
    return Commands(world.ports, lambda _id: None, lambda: 1, registered=lambda: told.append("registered"))


def once(world: World, when: Callable[[Commit], bool], rival: Callable[[], object]) -> None:
    """Right before the first commit like that lands, a rival's whole command does."""
    met: list[Commit] = []

    def look(commit: Commit) -> None:
        if when(commit) and not met:
            met.append(commit)
            rival()

    world.store.watch("commit", look)


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


def test_a_submission_in_the_moment_of_a_deletion_finds_no_application(tmp_path: Path) -> None:
    world = World(tmp_path)
    once(world, lambda commit: commit.create is not None, lambda: world.commands.unregister("shop", "me"))
    with pytest.raises(Rejected, match="register it first") as refused:
        world.deploy()
    assert refused.value.code == "unknown_application"
    assert world.memory.active("shop") == []


def test_a_deletion_in_the_moment_of_a_submission_finds_the_release(tmp_path: Path) -> None:
    world = World(tmp_path)
    once(world, lambda commit: commit.application is not None, world.deploy)
    with pytest.raises(Rejected, match="still running: abort it first") as refused:
        world.commands.unregister("shop", "me")
    assert refused.value.code == "active_release"
    [release] = world.memory.active("shop")
    world.until_phase(Phase.SUCCEEDED)
    assert world.stable_version() == release.canary


def test_a_release_starts_with_the_application_as_it_is_in_that_moment(tmp_path: Path) -> None:
    world = World(tmp_path)
    edited = replace(world.app, canary=replace(world.app.canary, steps=(5, 10)))
    once(world, lambda commit: commit.create is not None, lambda: world.commands.register(edited, "me"))
    assert world.deploy().app == edited


def test_an_edit_without_a_revision_that_meets_a_submission_is_made_all_the_same(tmp_path: Path) -> None:
    world = World(tmp_path)
    edited = replace(world.app, canary=replace(world.app.canary, steps=(5, 10)))
    once(world, lambda commit: commit.application is not None, world.deploy)
    registered = world.commands.register(edited, "me")
    assert registered == world.memory.application("shop")
    assert registered.app == edited


def test_an_edit_with_a_revision_that_meets_a_submission_says_to_read_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    stored = world.memory.application("shop")
    assert stored is not None
    once(world, lambda commit: commit.application is not None, world.deploy)
    with pytest.raises(Rejected, match="read it again"):
        world.commands.register(replace(world.app, environment="staging"), "me", revision=stored.revision)


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
