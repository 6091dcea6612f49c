"""Registers, changes and forgets applications. What an application no longer names is given back first, all traffic on
stable, while no pass over it runs; it starts and ends no release."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from controller.core.left import Left, left_by
from controller.core.model import Application
from controller.ports import Answered, Commit, Conflict, Fenced, Page, PortError, Ports, StoredApplication
from controller.wishes import (
    ApplicationAnswerOf,
    Rejected,
    drafted,
    known_application,
    moves_of,
    registered_over,
    require_own_route,
    tried,
)

Alone = Callable[[str], AbstractContextManager[object]]
"""Keeps the controller's own passes away from one application."""


class Registering:
    """``leading`` raises Rejected on a node that was overtaken. ``busy`` is for whoever commits an application."""

    def __init__(
        self,
        ports: Ports,
        epoch: Callable[[], int],
        registered: Callable[[], None],
        require_leading: Callable[[], None],
        alone: Alone,
    ) -> None:
        self._ports, self._epoch, self._registered = ports, epoch, registered
        self._require_leading, self._alone = require_leading, alone
        self._busy: dict[str, threading.RLock] = {}
        self._claiming = threading.Lock()
        """Held from the look at what others have to the commit that takes it: two never get the same route."""

    @contextmanager
    def busy(self, name: str) -> Iterator[None]:
        """One command at a time on a registered application: a release that starts while something is given back would
        make the edit meet a conflict after the fact. Passes never wait here."""
        with self._busy.setdefault(name, threading.RLock()):
            yield

    def register(
        self, app: Application, actor: str, revision: int | None, answer_of: ApplicationAnswerOf | None
    ) -> StoredApplication:
        return tried(app.name, lambda: self._register_once(app, actor, revision, answer_of))

    def _register_once(
        self, app: Application, actor: str, revision: int | None, answer_of: ApplicationAnswerOf | None
    ) -> StoredApplication:
        stored = self._ports.store.application(app.name)
        found = stored.revision if stored else 0
        if revision is not None and revision != found:
            raise Rejected("conflict", f"application {app.name} is at revision {found}, not {revision}: read it again")
        standing = stored is not None and not stored.deleted
        if stored is not None and standing and stored.app == app:
            return stored
        left = left_by(stored.app, app) if stored is not None and standing else Left()
        if stored is not None and not left.nothing:
            self._require_own_route(app)
            return self._exchange(stored, app, left, actor, answer_of)
        registered = self._commit(stored, app, actor, answer_of)
        self._registered()
        return registered

    def _exchange(
        self,
        stored: StoredApplication,
        app: Application,
        left: Left,
        actor: str,
        answer_of: ApplicationAnswerOf | None,
    ) -> StoredApplication:
        """Give back, then commit. Done again after a crash between the two it comes to the same end."""
        self._require_leading()
        with self.busy(app.name), self._alone(app.name):
            if self._ports.store.application(app.name) != stored:
                raise Conflict(f"application {app.name} has changed meanwhile")
            self._require_at_rest(app.name)
            self._give_back(app.name, left)
            registered = self._commit(stored, app, actor, answer_of, f"; given back: {left.label}")
        self._registered()
        self._once_more(stored.app)
        return registered

    def _require_at_rest(self, name: str) -> None:
        active = self._ports.store.active(name)
        if active:
            text = (
                f"the target or the routes of {name} cannot change while release {active[0].id} is running: "
                "wait for its end, or abort it"
            )
            raise Rejected("active_release", text, release=active[0].id)

    def _give_back(self, name: str, left: Left) -> None:
        try:
            give_back(self._ports, left)
        except Conflict:
            raise
        except PortError as error:
            text = f"what {name} no longer names ({left.label}) cannot be given back, and nothing was registered"
            raise Rejected("not_given_back", f"{text}: {error}") from error

    def _once_more(self, before: Application) -> None:
        """Until it was told of the edit, a kill still covered what was left, and may have written its halt there."""
        try:
            with self.busy(before.name), self._alone(before.name):
                now = self._ports.store.application(before.name)
                if now is None or now.deleted or self._ports.store.active(before.name):
                    return
                with self._claiming:
                    left = self._without_those_of_others(left_by(before, now.app), before.name)
                    give_back(self._ports, left)
        except PortError as error:
            self._ports.log("left_behind", application=before.name, trouble=str(error))

    def _without_those_of_others(self, left: Left, name: str) -> Left:
        """What somebody else has registered since is theirs, with whatever is on it."""
        others = [app for app in self._applications() if app.name != name]

        def taken(part: Application) -> bool:
            return any(moves_of(part) & moves_of(other) for other in others)

        return Left(
            routes=left.routes if left.routes is not None and not taken(left.routes) else None,
            workload=left.workload if left.workload is not None and not taken(left.workload) else None,
        )

    def _commit(
        self,
        stored: StoredApplication | None,
        app: Application,
        actor: str,
        answer_of: ApplicationAnswerOf | None,
        told: str = "",
    ) -> StoredApplication:
        after = registered_over(stored, app) if stored else StoredApplication(app)
        kind = "application_changed" if stored else "application_registered"
        text = f"{app.name} in {app.environment}{told}"
        record = drafted(self._ports.clock.now_s(), kind, actor, text, app=app)
        registered = replace(after, revision=(stored.revision if stored else 0) + 1)
        answered = answer_of(registered) if answer_of else None
        with self._claiming:
            self._require_own_route(app)
            commit = Commit(records=(record,), application=after, answered=answered)
            committed_by_leader(self._ports, self._epoch(), commit)
        return registered

    def unregister(self, name: str, actor: str, answered: Answered | None) -> None:
        known_application(self._ports.store, name)
        self._require_leading()
        # Its own passes would put back what is given back here.
        with self.busy(name), self._alone(name):
            tried(name, lambda: self._unregister_once(name, actor, answered))

    def _unregister_once(self, name: str, actor: str, answered: Answered | None) -> None:
        stored = known_application(self._ports.store, name)
        active = self._ports.store.active(name)
        if active:
            raise Rejected("active_release", f"{active[0].id} is still running: abort it first", release=active[0].id)
        give_back(self._ports, Left(stored.app, stored.app))
        record = drafted(self._ports.clock.now_s(), "application_deleted", actor, name, app=stored.app)
        gone = replace(stored, deleted=True)
        committed_by_leader(self._ports, self._epoch(), Commit(records=(record,), application=gone, answered=answered))

    def _require_own_route(self, app: Application) -> None:
        for other in self._applications():
            require_own_route(app, other)

    def _applications(self) -> Iterator[Application]:
        after = ""
        while page := self._ports.store.applications(Page(after, 500)):
            yield from (one.app for one in page)
            after = page[-1].app.name


def committed_by_leader(ports: Ports, epoch: int, commit: Commit) -> None:
    """Commit what only a leader may begin. Raises Rejected on a node that was overtaken without its knowing, and what
    the store raises."""
    try:
        ports.store.commit(replace(commit, epoch=epoch))
    except Fenced as fenced:
        text = f"this controller no longer leads ({fenced}): nothing was done; ask the one that does, see /readyz"
        raise Rejected("not_leading", text) from fenced


def give_back(ports: Ports, left: Left) -> None:
    """Traffic first, but not before the workload was looked at: a route that is given back while its Deployment cannot
    be loses its halts, and the next pass claims it again. Done already is done. Raises PortError."""
    if left.workload is not None:
        ports.workload(left.workload).require_forgettable(left.workload)
    if left.routes is not None:
        ports.router.forget(left.routes)
    if left.workload is not None:
        ports.workload(left.workload).forget(left.workload)
