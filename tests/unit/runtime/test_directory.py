"""The applications as last read: kept when the store is away, and never a route that belongs to another release."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from controller.core.model import Phase, Release
from controller.core.targets import HaproxyRoute
from controller.ports import Commit, Store, StoredApplication, Unavailable
from controller.runtime import directory as module
from controller.runtime.directory import Directory
from tests.fakes.store import MemoryStore
from tests.fakes.trouble import Troubled
from tests.unit.core.build import a_release, an_app

DOWN = Unavailable("planted by the test")


class Stage:
    def __init__(self) -> None:
        self.memory = MemoryStore()
        self.store = Troubled(self.memory)
        self.seen: dict[str, Release] = {}
        self.directory = Directory(cast(Store, self.store), self.seen.get)

    def register(self, *names: str) -> None:
        for name in names:
            app = an_app(name=name, router=HaproxyRoute("/run/guard.sock", name))
            self.memory.commit(Commit(application=StoredApplication(app)))

    def names(self) -> list[str]:
        return [app.name for app in self.directory.applications()]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_before_the_first_look_nothing_is_known(stage: Stage) -> None:
    stage.register("shop")
    assert stage.names() == []


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7])
def test_every_application_is_found_however_many_pages_it_takes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(module, "PAGE", 3)
    stage.register(*[f"app-{n}" for n in range(count)])
    stage.directory.refresh()
    assert stage.names() == [f"app-{n}" for n in range(count)]


def test_a_look_that_fails_keeps_what_was_known(stage: Stage) -> None:
    stage.register("shop")
    stage.directory.refresh()
    stage.store.fail(DOWN, "applications")
    with pytest.raises(Unavailable):
        stage.directory.refresh()
    assert stage.names() == ["shop"]


def test_the_application_of_a_running_release_is_known_from_memory_or_from_the_store(stage: Stage) -> None:
    stage.memory.commit(Commit(create=a_release(id="stored")))
    stage.seen["seen"] = a_release(id="seen")
    assert stage.directory.of_release("stored") == an_app()
    stage.store.fail(DOWN, "release")
    assert stage.directory.of_release("seen") == an_app()
    with pytest.raises(Unavailable):
        stage.directory.of_release("stored")


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.FAILED])
def test_a_release_that_has_ended_holds_no_route(stage: Stage, phase: Phase) -> None:
    stage.memory.commit(Commit(create=a_release(id="ended")))
    stored = stage.memory.release("ended")
    assert stored is not None
    stage.memory.commit(Commit(release=replace(stored, phase=phase)))
    assert stage.directory.of_release("ended") is None


def test_an_unknown_release_has_no_application(stage: Stage) -> None:
    assert stage.directory.of_release("nothing") is None
