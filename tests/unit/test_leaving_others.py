"""An edit gives back what is its own: routes of others stay theirs, and who no longer leads does nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.commands import Commands
from controller.core.model import Application
from controller.core.targets import KubernetesRoute, RouteKind, RouteObject
from controller.ports import Commit, StoredApplication
from controller.wishes import Rejected, Submission
from tests.unit.core.build import an_app
from tests.unit.test_leaving_behind import FEWER, ONE, ROUTE, TARGET, TILL, TWO, Desk, desk

__all__ = ["desk"]

THREE = RouteObject(RouteKind.HTTP_ROUTE, "three")
SWAPPED = replace(TILL, router=replace(ROUTE, objects=(TWO, THREE)))
KIOSK = replace(an_app(), name="kiosk", target=replace(TARGET, deployment="kiosk"))


def kiosk(*objects: RouteObject) -> Application:
    return replace(KIOSK, router=KubernetesRoute("web", "kiosk", "kiosk-canary", objects))


def test_a_route_that_another_one_registers_while_something_is_given_back_stays_that_one_s(desk: Desk) -> None:
    desk.world.router.watch("forget", lambda _app: desk.commands.register(kiosk(THREE), "bob"))
    refusal = desk.refused(SWAPPED)
    assert (refusal.code, refusal.facts["application"]) == ("route_taken", "kiosk")
    assert desk.stored.app == TILL


def test_of_two_who_register_one_route_at_the_same_moment_one_gets_it(desk: Desk) -> None:
    both, codes = threading.Barrier(2), list[str]()

    def register(name: str) -> None:
        both.wait(5)
        try:
            desk.commands.register(replace(kiosk(THREE), name=name), "bob")
            codes.append("registered")
        except Rejected as rejected:
            codes.append(rejected.code)

    threads = [threading.Thread(target=register, args=(f"kiosk-{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(codes) == ["registered", "route_taken"]


def test_what_another_one_registered_meanwhile_is_not_given_back_once_more(desk: Desk) -> None:
    told = desk.done.append
    registering = Commands(
        desk.world.ports,
        lambda _id: None,
        lambda: desk.world.epoch,
        registered=lambda: (told("told"), desk.world.memory.commit(Commit(application=StoredApplication(kiosk(ONE)))))[
            0
        ],
        alone=desk._alone,
    )
    registering.register(FEWER, "ann")
    assert desk.done.count("routes") == 1


def test_a_node_that_was_overtaken_forgets_nothing(desk: Desk) -> None:
    desk.leads = False
    with pytest.raises(Rejected) as refusal:
        desk.commands.unregister("till", "ann")
    assert (refusal.value.code, desk.given) == ("not_leading", [])


@pytest.mark.parametrize("command", ["register", "unregister", "submit"])
def test_a_node_that_was_overtaken_without_knowing_it_commits_nothing(desk: Desk, command: str) -> None:
    old = desk.commands
    ways: dict[str, Callable[[], object]] = {
        "register": lambda: old.register(kiosk(THREE), "ann"),
        "unregister": lambda: old.unregister("till", "ann"),
        "submit": lambda: old.submit(Submission("till", "v2", "ci")),
    }
    desk.world.memory.lead("another", 0.0)
    with pytest.raises(Rejected) as refusal:
        ways[command]()
    assert refusal.value.code == "not_leading"
    assert desk.stored.app == TILL
    assert not desk.stored.deleted
    assert not desk.world.memory.active("till")
