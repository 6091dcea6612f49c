"""Which version a wish means, and what serves already where somebody else deployed: asked of a workload that knows."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from controller.core.model import Application, IntentKind
from controller.ports import Refused, Unavailable
from controller.wishes import Rejected
from tests.fakes.trouble import Troubled
from tests.fakes.workload import FakeWorkload
from tests.unit.behaviour.world import World

FOUND, NEXT = "web:1@sha256:aa", "web:2@sha256:bb"


class Pinning(FakeWorkload):
    """A workload that pins versions and finds one that serves already, as a cluster's does."""

    def __init__(self) -> None:
        super().__init__()
        self.found: str | None = FOUND

    def resolve(self, app: Application, version: str) -> str:
        if version == "away":
            raise Unavailable("the registry does not answer")
        if version == "typo":
            raise Refused("there is no image web:typo")
        return version if "@" in version else f"web:{version}@sha256:bb"

    def running(self, app: Application) -> str | None:
        if self.found == "gone":
            raise Refused("there is no Deployment web/shop")
        return self.found


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, stable=None)
    made.fake_workload = Pinning()
    made.workload = Troubled(made.fake_workload)
    return made


def pinning(world: World) -> Pinning:
    return cast(Pinning, world.fake_workload)


def test_what_serves_already_becomes_stable_and_what_runs_is_pinned(world: World) -> None:
    release = world.deploy("2")
    assert (release.stable, release.canary) == (FOUND, NEXT)
    stored = world.memory.application("shop")
    assert stored is not None
    assert stored.stable_version == FOUND
    (record,) = world.records("taken_over")
    assert record.text == f"shop was found running {FOUND}, deployed by somebody else"


def test_what_somebody_else_deployed_since_is_what_the_next_release_starts_from(world: World) -> None:
    first = world.deploy("2")
    world.ask(IntentKind.ABORT)
    world.until(lambda: not world.memory.active("shop"))
    pinning(world).found = "web:9@sha256:cc"
    second = world.deploy("3")
    assert (first.stable, second.stable) == (FOUND, "web:9@sha256:cc")


def test_asking_for_what_serves_already_by_its_tag_is_nothing_to_do(world: World) -> None:
    pinning(world).found = NEXT
    with pytest.raises(Rejected, match="already runs") as caught:
        world.deploy("2")
    assert caught.value.code == "already_stable"


@pytest.mark.parametrize(("version", "code"), [("typo", "invalid_version"), ("a b", "invalid_version")])
def test_a_version_that_does_not_exist_starts_nothing(world: World, version: str, code: str) -> None:
    with pytest.raises(Rejected) as caught:
        world.deploy(version)
    assert caught.value.code == code
    assert not world.memory.active("shop")


def test_a_registry_that_is_away_starts_nothing_and_says_so(world: World) -> None:
    with pytest.raises(Unavailable, match="registry"):
        world.deploy("away")
    assert not world.memory.active("shop")


def test_a_target_that_is_not_there_starts_nothing(world: World) -> None:
    pinning(world).found = "gone"
    with pytest.raises(Rejected, match="no Deployment") as caught:
        world.deploy("2")
    assert caught.value.code == "target_missing"
