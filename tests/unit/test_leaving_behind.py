"""What an edit of an application no longer names is given back, whatever door it came through: traffic first, at rest,
and never for an edit that is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.commands import Commands
from controller.core.left import Left, left_by
from controller.core.model import Application, Phase
from controller.core.targets import (
    ExternalTarget,
    HaproxyRoute,
    KubernetesRoute,
    KubernetesTarget,
    ProcessesTarget,
    RouteKind,
    RouteObject,
    Trigger,
)
from controller.ports import Commit, Fenced, PortError, Refused, StoredApplication, Unavailable, Unknown
from controller.wishes import Rejected, Submission
from tests.unit.behaviour.world import World
from tests.unit.core.build import an_app

TARGET = KubernetesTarget("web", "till", "till", "till-canary")
ONE, TWO = RouteObject(RouteKind.HTTP_ROUTE, "one"), RouteObject(RouteKind.GRPC_ROUTE, "two")
ROUTE = KubernetesRoute("web", "till", "till-canary", (ONE, TWO))
TILL = replace(an_app(), name="till", target=TARGET, router=ROUTE)
FEWER = replace(TILL, router=replace(ROUTE, objects=(TWO,)))
MOVED = replace(TILL, target=replace(TARGET, deployment="till-2"))
ELSEWHERE = replace(MOVED, router=replace(ROUTE, service="till-2"))
AWAY = Unavailable("the API server cannot be reached")


class Desk:
    """Commands over a world, with everything that they do to it in order."""

    def __init__(self, world: World) -> None:
        self.world, self.done = world, list[str]()
        self.given: list[Application] = []
        self.leads = True
        self.on_lock: Callable[[], object] = lambda: None
        self.commands = self.start()
        self.watch()
        self.commands.register(TILL, "ann")
        self.done.clear()

    def watch(self) -> None:
        self.world.workload.watch("require_forgettable", lambda _app: self.done.append("asked"))
        self.world.router.watch("forget", lambda app: self._note("routes", app))
        self.world.workload.watch("forget", lambda app: self._note("workload", app))
        self.world.store.watch("commit", lambda commit: self.done.append(f"commit {commit.records[0].type}"))

    def start(self) -> Commands:
        """A new controller process."""
        return Commands(
            self.world.ports,
            lambda _id: None,
            lambda: self.world.epoch,
            registered=lambda: self.done.append("told"),
            leading=lambda: self.leads,
            alone=self._alone,
        )

    def _note(self, part: str, app: Application) -> None:
        self.done.append(part)
        self.given.append(app)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        self.done.append(f"lock {name}")
        self.on_lock()
        yield
        self.done.append("unlock")

    @property
    def stored(self) -> StoredApplication:
        stored = self.world.memory.application("till")
        assert stored is not None
        return stored

    def refused(self, app: Application = FEWER, revision: int | None = None) -> Rejected:
        with pytest.raises(Rejected) as refusal:
            self.commands.register(app, "ann", revision)
        return refusal.value

    def release(self) -> str:
        return self.commands.submit(Submission("till", "v2", "ci")).release.id

    def end(self, release_id: str) -> None:
        release = self.world.memory.release(release_id)
        assert release is not None
        self.world.memory.commit(Commit(release=replace(release, phase=Phase.ROLLED_BACK)))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(World(tmp_path))


AGAIN = ["lock till", "routes", "unlock"]


def test_a_dropped_route_is_given_back_before_the_edit_is_committed_while_no_pass_runs(desk: Desk) -> None:
    desk.commands.register(FEWER, "ann")
    assert desk.done == ["lock till", "routes", "commit application_changed", "unlock", "told", *AGAIN]
    assert [app.router for app in desk.given] == [replace(ROUTE, objects=(ONE,))] * 2
    assert desk.stored.app == FEWER
    told = desk.world.records("application_changed")[-1].text
    assert told == "till in production; given back: HTTPRoute web/one"


def test_traffic_is_given_back_before_the_deployment(desk: Desk) -> None:
    desk.commands.register(ELSEWHERE, "ann")
    assert [one for one in desk.done if one in ("routes", "workload")] == ["routes", "workload"] * 2
    assert {app.target for app in desk.given} == {TARGET}


def test_a_backend_of_haproxy_that_is_no_longer_named_is_given_back(desk: Desk) -> None:
    app = desk.world.app
    desk.commands.register(replace(app, router=replace(app.haproxy, backend="another")), "ann")
    assert [one.router for one in desk.given] == [app.router] * 2
    assert "routes" in desk.done[: desk.done.index("commit application_changed")]


@pytest.mark.parametrize(
    "after",
    [
        replace(TILL, environment="staging"),
        replace(TILL, router=replace(ROUTE, header=("x", "y"), mirror_pct=5)),
        replace(TILL, router=replace(ROUTE, objects=(ONE, TWO, RouteObject(RouteKind.INGRESS, "three")))),
        replace(TILL, target=replace(TARGET, container="main")),
    ],
)
def test_an_edit_that_leaves_nothing_behind_gives_nothing_back_and_waits_for_no_pass(
    desk: Desk, after: Application
) -> None:
    release = desk.release()
    desk.done.clear()
    desk.commands.register(after, "ann")
    assert desk.done == ["commit application_changed", "told"]
    assert desk.world.memory.active("till")[0].id == release


@pytest.mark.parametrize("after", [FEWER, MOVED, ELSEWHERE])
def test_what_a_running_release_uses_is_not_dropped_and_the_refusal_says_what_to_do(
    desk: Desk, after: Application
) -> None:
    release = desk.release()
    refusal = desk.refused(after)
    assert (refusal.code, refusal.facts) == ("active_release", {"release": release})
    assert "wait for its end, or abort it" in refusal.text
    assert (desk.given, desk.stored.app) == ([], TILL)
    desk.end(release)
    desk.commands.register(after, "ann")
    assert (bool(desk.given), desk.stored.app) == (True, after)


def test_an_edit_of_another_revision_gives_nothing_back(desk: Desk) -> None:
    assert desk.refused(revision=desk.stored.revision + 1).code == "conflict"
    assert (desk.given, desk.stored.app) == ([], TILL)


def test_an_edit_that_another_one_comes_before_gives_nothing_back(desk: Desk) -> None:
    revision = desk.stored.revision
    rival = replace(TILL, environment="staging")

    def come_before() -> None:
        desk.on_lock = lambda: None
        desk.commands.register(rival, "bob")

    desk.on_lock = come_before
    assert desk.refused(revision=revision).code == "conflict"
    assert (desk.given, desk.stored.app) == ([], rival)


def test_an_edit_that_a_release_comes_before_gives_nothing_back(desk: Desk) -> None:
    def come_before() -> None:
        desk.on_lock = lambda: None
        desk.release()

    desk.on_lock = come_before
    assert desk.refused().code == "active_release"
    assert (desk.given, desk.stored.app) == ([], TILL)


def test_a_release_does_not_start_while_something_is_given_back(desk: Desk) -> None:
    started: list[threading.Thread] = []

    def try_to_start(app: Application) -> None:
        desk.done.append("routes")
        if not started:
            started.append(threading.Thread(target=desk.release))
            started[0].start()
            started[0].join(0.2)

    desk.world.router.watch("forget", try_to_start)
    desk.commands.register(FEWER, "ann")
    started[0].join(10)
    commits = [one for one in desk.done if one.startswith("commit")]
    assert commits == ["commit application_changed", "commit requested"]
    assert desk.world.memory.active("till")[0].app == FEWER


@pytest.mark.parametrize("trouble", [AWAY, Refused("a Role must allow patch"), Unknown("no answer"), Fenced("newer")])
@pytest.mark.parametrize("part", ["router", "workload"])
def test_what_cannot_be_given_back_keeps_the_registration_and_says_why(
    desk: Desk, part: str, trouble: PortError
) -> None:
    getattr(desk.world, part).fail(trouble, "forget")
    refusal = desk.refused(ELSEWHERE)
    assert refusal.code == "not_given_back"
    assert str(trouble) in refusal.text
    assert "Deployment web/till" in refusal.text
    assert desk.stored.app == TILL
    getattr(desk.world, part).heal()
    desk.watch()
    desk.commands.register(ELSEWHERE, "ann")
    assert desk.stored.app == ELSEWHERE


@pytest.mark.parametrize(
    ("where", "method", "after"),
    [
        ("router", "forget", False),
        ("router", "forget", True),
        ("workload", "forget", False),
        ("workload", "forget", True),
        ("store", "commit", False),
        ("store", "commit", True),
    ],
)
def test_a_crash_between_giving_back_and_the_commit_comes_to_the_same_end_when_repeated(
    desk: Desk, where: str, method: str, after: bool
) -> None:
    def crash(*_given: object) -> None:
        raise KeyboardInterrupt

    troubled = getattr(desk.world, where)
    (troubled.after if after else troubled.watch)(method, crash)
    with pytest.raises(KeyboardInterrupt):
        desk.commands.register(ELSEWHERE, "ann")
    given = list(desk.given)
    troubled.heal()
    desk.watch()
    desk.commands = desk.start()
    desk.commands.register(ELSEWHERE, "ann")
    assert desk.stored.app == ELSEWHERE
    assert len(desk.world.records("application_changed")) == 1
    assert {app.target for app in (*given, *desk.given)} == {TARGET}


def test_a_node_that_was_overtaken_drops_nothing_and_still_takes_other_edits(desk: Desk) -> None:
    desk.leads = False
    assert desk.refused().code == "not_leading"
    assert (desk.given, desk.stored.app) == ([], TILL)
    edited = replace(TILL, environment="staging")
    assert desk.commands.register(edited, "ann").app == edited


def test_a_halt_that_a_kill_wrote_until_it_knew_of_the_edit_is_taken_off_once_more(desk: Desk) -> None:
    desk.commands.register(FEWER, "ann")
    assert desk.done.index("told") < len(desk.done) - 1 - desk.done[::-1].index("routes")


@pytest.mark.parametrize("meanwhile", ["a release", "named again", "deleted"])
def test_what_became_of_it_meanwhile_is_not_undone(desk: Desk, meanwhile: str) -> None:
    acts: dict[str, Callable[[], Any]] = {
        "a release": desk.release,
        "named again": lambda: desk.commands.register(TILL, "bob"),
        "deleted": lambda: desk.commands.unregister("till", "bob"),
    }
    given: list[int] = []

    def between(kind: str) -> None:
        if kind == "told" and not given:
            given.append(len(desk.given))
            acts[meanwhile]()
            given.append(len(desk.given))

    commands = Commands(
        desk.world.ports, lambda _id: None, lambda: 1, registered=lambda: between("told"), alone=desk._alone
    )
    commands.register(FEWER, "ann")
    assert given[0] == 1
    assert len(desk.given) == given[1], "nothing more after that"


def test_trouble_after_the_commit_is_told_and_refuses_nothing(desk: Desk) -> None:
    desk.world.store.after("commit", lambda _commit: desk.world.router.fail(AWAY, "forget"))
    assert desk.commands.register(FEWER, "ann").app == FEWER
    told = [one for one in desk.world.told if one["event"] == "left_behind"]
    assert [one["trouble"] for one in told] == [str(AWAY)]


def test_a_deletion_gives_everything_back_while_no_pass_runs(desk: Desk) -> None:
    desk.commands.unregister("till", "ann")
    assert desk.done == ["lock till", "asked", "routes", "workload", "commit application_deleted", "unlock"]


NOT_AT_REST = Refused("the Deployment till is paused and runs a, while its template is b")


@pytest.mark.parametrize("trouble", [NOT_AT_REST, AWAY])
@pytest.mark.parametrize(
    "act",
    [lambda commands: commands.unregister("till", "ann"), lambda commands: commands.register(ELSEWHERE, "ann")],
    ids=["delete", "edit"],
)
def test_where_the_deployment_cannot_be_given_back_the_routes_are_left_as_they_are(
    desk: Desk, act: Callable[[Commands], Any], trouble: PortError
) -> None:
    """Without its note a route is claimed anew by the next pass, and what halted it is lost."""
    desk.world.workload.fail(trouble, "require_forgettable")
    with pytest.raises((PortError, Rejected), match=str(trouble)):
        act(desk.commands)
    assert (desk.given, desk.stored.app, desk.stored.deleted) == ([], TILL, False)


def test_a_deleted_application_that_comes_back_as_another_has_nothing_to_give_back(desk: Desk) -> None:
    desk.commands.unregister("till", "ann")
    desk.given.clear()
    desk.commands.register(ELSEWHERE, "ann")
    assert desk.given == []


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (replace(TILL, router=HaproxyRoute("/run/guard.sock", "till")), Left(routes=TILL)),
        (replace(TILL, target=ExternalTarget("http://a", "http://b")), Left(workload=TILL)),
        (replace(TILL, target=replace(TARGET, trigger=Trigger.DEPLOYMENT)), Left(workload=TILL)),
        (replace(TILL, router=replace(ROUTE, only=("main",))), Left(routes=TILL)),
    ],
)
def test_an_edit_to_another_kind_or_other_rules_leaves_what_was_there(after: Application, left: Left) -> None:
    assert left_by(TILL, after) == left
    assert not left.nothing


def test_a_change_of_how_processes_are_started_leaves_nothing_behind() -> None:
    app = an_app()
    other = ProcessesTarget(("other", "{port}"))
    assert left_by(app, replace(app, target=other)).nothing
    assert left_by(app, replace(app, target=ExternalTarget("http://a", "http://b"))).label == "its former target"
