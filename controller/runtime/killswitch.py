"""The kill switch: engage, list, release. It stops traffic before it writes anything down, and answers for each path
separately. It never releases by itself: no time-out, restart or error does."""

from __future__ import annotations

import re
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, replace

from controller.core.model import Application, Mark, Release
from controller.ports import Clock, Commit, PortError, Router, Store, Unavailable, Unknown
from controller.runtime.killfile import KillFile
from controller.runtime.lanes import EFFECTIVE, FAILED, PENDING, Lanes, PathAnswer
from gates.audit import Draft
from gates.kill import Engagement, KillState, Scope, ScopeKind, Target, Verb, covers, parse_scope, union

ROUTE_WAIT_S = 5.0
"""How long an answer waits for the routes; what is not done by then is reported as pending and goes on."""

ID_PREFIX = "k-"
KILL_MARKS = (ID_PREFIX, "guard:overflow")
"""How the marks begin that a person releases here: kills, and what a guard keeps of more halts than it can hold."""
SILENT_READS = 2
"""Routes of one guard that may fail to answer before a search for forgotten kills passes over that guard."""

SAID = re.compile(r"kill \S+ \((halt|revert)\) over (fleet|(?:environment|application|release):\S+) by ")
EVERY_ROUTE = "route:*"
"""The path of all covered routes, while it cannot be said which they are."""


@dataclass(frozen=True, slots=True)
class Engaged:
    """The honest answer. ``effective`` needs memory, one durable path, and every covered route."""

    engagement: Engagement
    paths: tuple[PathAnswer, ...]

    @property
    def effective(self) -> bool:
        if any(p.state != EFFECTIVE for p in self.paths if p.path == "memory"):
            return False
        durable = any(p.state == EFFECTIVE for p in self.paths if p.path in ("file", "store"))
        routes = [p.state == EFFECTIVE for p in self.paths if p.path.startswith("route:")]
        return durable and all(routes)


Log = Callable[..., None]


class KillSwitch:
    """Memory, file, store and the routes themselves: any one of them engaged is enough."""

    def __init__(
        self,
        store: Store,
        router: Router,
        file: KillFile,
        clock: Clock,
        applications: Callable[[], Sequence[Application]],
        application_of: Callable[[str], Application | None],
        log: Log,
        running: Callable[[], Sequence[Release]] = tuple,
    ) -> None:
        self._store, self._router, self._file, self._clock, self._log = store, router, file, clock, log
        self._applications, self._application_of, self._running = applications, application_of, running
        self._lock = threading.Lock()
        self._memory = KillState()
        self._wake: Callable[[str], None] = lambda _id: None
        self._pool = Lanes()

    def wakes(self, wake: Callable[[str], None]) -> None:
        """What to call with each running release that a released kill has covered: it may go on at once."""
        self._wake = wake

    def state(self) -> KillState:
        """The union of every source. A store that cannot be read makes it unreadable: hold."""
        try:
            stored = self._store.kills()
        except PortError as error:
            stored = KillState(readable=False, trouble=f"the store cannot be read: {error}")
        return union((self._memory, self._file.read(), stored))

    def engage(self, verb: Verb, scope: Scope, actor: str, reason: str = "") -> Engaged:
        """Latch first in memory, then on the routes, then in the file and the store. Needs no reason."""
        identifier = ID_PREFIX + secrets.token_hex(5)
        engagement = Engagement(identifier, verb, scope, actor, self._clock.now_s(), reason[:1000])
        with self._lock:
            self._memory = union((self._memory, KillState((engagement,))))
        self._log("kill_engaged", kill=engagement.id, verb=verb.value, scope=str(scope), actor=actor, page=True)
        routes = self._halt_routes(engagement)
        durable = (
            self._try("file", lambda: self._file.engage(engagement)),
            self._try("store", lambda: self._record(engagement, routes)),
        )
        memory = PathAnswer("memory", EFFECTIVE)
        if identifier in self.state().released:
            memory = PathAnswer("memory", FAILED, "somebody found it on a route and released it meanwhile: press again")
        return Engaged(engagement, (memory, *routes, *durable))

    def release(self, engagement_id: str, actor: str, reason: str) -> Engagement:
        """A separate decision. Raises KeyError for an unknown id and PortError when it cannot be recorded.

        Once the store holds it, it is done: a file that misses it only keeps it engaged while the store is unreadable.
        """
        known = {e.id: e for e in self.state().engaged}
        engagement = known.get(engagement_id) or {e.id: e for e in self.orphans()}[engagement_id]
        draft = Draft(
            "kill_released",
            self._clock.now_s(),
            actor,
            f"kill {engagement_id} over {engagement.scope} released: {reason[:800]}",
            numbers={"kill": engagement_id},
        )
        if engagement_id not in {e.id for e in self._store.kills().engaged}:
            # Engaged while the store was down: what it did is put on record before it is over.
            self._record(engagement, (), late=True)
        self._store.commit(Commit(records=(draft,), release_kill=engagement_id))
        with self._lock:
            self._memory = union((self._memory, KillState(released=frozenset({engagement_id}))))
        self._try("file", lambda: self._file.release(engagement_id))
        self._log("kill_released", kill=engagement_id, actor=actor)
        for release in self._running():
            if covers(engagement.scope, _target(release)):
                self._wake(release.id)
        return engagement

    def orphans(self) -> tuple[Engagement, ...]:
        """Kills that only a route remembers: their process died before it could write them down. They hold, and are
        released like any other."""
        found: dict[str, Engagement] = {}
        silent: Counter[str] = Counter()
        for app in self.covered(Scope(ScopeKind.FLEET)):
            if silent[app.router.owner] >= SILENT_READS:
                continue
            try:
                # What a watch told last is enough: such a kill waits on its route until somebody finds it.
                route = self._router.read(app, hint=True, lease=False)
            except PortError:
                silent[app.router.owner] += 1
                continue
            for mark in route.halts:
                if mark.engagement is not None and mark.engagement.startswith(KILL_MARKS):
                    verb, scope = _said(mark, app, route.weight_pct)
                    orphan = Engagement(mark.engagement, verb, scope, "unknown", self._clock.now_s(), mark.text)
                    found.setdefault(orphan.id, orphan)
        # Read after the routes: a kill that is being engaged now is in memory before it is on any route.
        state = self.state()
        known = {e.id for e in state.engaged} | state.released
        return tuple(orphan for key, orphan in found.items() if key not in known)

    def load(self) -> None:
        """Take what the other sources hold into memory, once at the start, so that one of them may fail later."""
        state = self.state()
        with self._lock:
            self._memory = union((self._memory, KillState(state.engaged, state.released)))
        self._try("file", self._file.compact)

    def sync(self) -> int:
        """Bring what a source missed while it was down into it, marked late. Returns how many entries that were."""
        orphans = self.orphans()
        try:
            stored = self._store.kills()
        except PortError:
            return 0
        # Only now is it known that none of them was released: the search may have been unable to read the store.
        self._adopt([kill for kill in orphans if kill.id not in stored.released])
        filed = self._file.read()
        known = {e.id for e in stored.engaged} | stored.released
        done = 0
        for engagement in (e for e in union((self._memory, filed)).engaged if e.id not in known):
            done += self._try("store", lambda e=engagement: self._record(e, (), late=True)).state == EFFECTIVE  # type: ignore[misc]
        if filed.readable:
            kept = {e.id for e in filed.engaged} | filed.released
            for engagement in (e for e in union((self._memory, stored)).engaged if e.id not in kept):
                done += self._try("file", lambda e=engagement: self._file.engage(e)).state == EFFECTIVE  # type: ignore[misc]
            for engagement in (e for e in filed.engaged if e.id in stored.released):
                done += self._try("file", lambda e=engagement: self._file.release(e.id)).state == EFFECTIVE  # type: ignore[misc]
        return done

    def _adopt(self, orphans: Sequence[Engagement]) -> None:
        """Kills that only a route remembers are engaged like any other from now on: listed, recorded, releasable."""
        if not orphans:
            return
        with self._lock:
            self._memory = union((self._memory, KillState(tuple(orphans))))
        for kill in orphans:
            self._log("kill_found", kill=kill.id, verb=kill.verb.value, scope=str(kill.scope), page=True)

    def covered(self, scope: Scope) -> list[Application]:
        """The applications whose routes an engagement over ``scope`` writes, each route once.

        A running release keeps the application it was started with: an edit since then moves neither its route nor its
        environment, so both are covered.
        """
        targets = [(app, Target(app.environment, app.name)) for app in self._applications()]
        if scope.kind is ScopeKind.RELEASE:
            app = self._application_of(scope.name)
            targets = [(app, Target(app.environment, app.name, scope.name))] if app is not None else []
        targets += [(r.app, _target(r)) for r in self._running()]
        found: dict[tuple[str, str], Application] = {}
        for app, target in targets:
            if covers(scope, target):
                found.setdefault(_key(app), app)
        return list(found.values())

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _halt_routes(self, engagement: Engagement) -> tuple[PathAnswer, ...]:
        try:
            apps = self.covered(engagement.scope)
        except PortError as error:
            self._log("kill_path_failed", path=EVERY_ROUTE, trouble=str(error))
            return (PathAnswer(EVERY_ROUTE, FAILED, f"which routes are covered cannot be read: {error}"),)
        text = f"kill {engagement.id} ({engagement.verb.value}) over {engagement.scope} by {engagement.actor}"
        mark = Mark(None, "killed", text, engagement.id)
        revert = engagement.verb is Verb.REVERT

        paths = _paths(apps)

        def halt(app: Application) -> PathAnswer:
            if engagement.id in self._memory.released:
                return PathAnswer(paths[_key(app)], EFFECTIVE, "released meanwhile")
            return self._try(paths[_key(app)], lambda: _verified(self._router, app, mark, revert))

        if len(apps) == 1:
            # The usual press of the button: no thread stands between it and the route, and none is waited for.
            only = halt(apps[0])
            if only.again:
                self._pool.submit(halt, apps[0])
            return (only,)
        futures = {paths[_key(app)]: self._pool.submit(halt, app) for app in apps}
        done, _ = wait(futures.values(), timeout=ROUTE_WAIT_S)
        answers = {path: future.result() if future in done else None for path, future in futures.items()}
        late = "its guard has not answered yet, still trying"
        return tuple(answer or PathAnswer(path, PENDING, late) for path, answer in answers.items())

    def _record(self, engagement: Engagement, routes: Sequence[PathAnswer], late: bool = False) -> None:
        text = f"kill ({engagement.verb.value}) over {engagement.scope}: {engagement.reason or 'no reason given'}"
        draft = Draft("kill_engaged", engagement.at_s, engagement.actor, text, late=late)
        numbers = {"kill": engagement.id, "scope": str(engagement.scope), **{p.path: p.state for p in routes}}
        self._store.commit(Commit(records=(replace(draft, numbers=numbers),), engage=engagement))

    def _try(self, path: str, attempt: Callable[[], None]) -> PathAnswer:
        try:
            attempt()
        except Exception as error:  # noqa: BLE001  even a bug in one path must not keep the others from being written
            trouble = str(error) if isinstance(error, PortError) else f"{type(error).__name__}: {error}"
            self._log("kill_path_failed", path=path, trouble=trouble)
            state = PENDING if isinstance(error.__cause__, TimeoutError) else FAILED
            return PathAnswer(path, state, trouble, again=isinstance(error, Unavailable | Unknown))
        return PathAnswer(path, EFFECTIVE)


def _target(release: Release) -> Target:
    return Target(release.app.environment, release.app.name, release.id)


def _key(app: Application) -> tuple[str, str]:
    return app.router.owner, app.router.label


def _paths(apps: Sequence[Application]) -> dict[tuple[str, str], str]:
    """How the answer calls each route: by its application, and by the backend too where an application has several."""
    named: dict[tuple[str, str], str] = {}
    for app in apps:
        path = f"route:{app.name}"
        named[_key(app)] = path if path not in named.values() else f"{path}@{app.router.label}"
    return named


def _verified(router: Router, app: Application, mark: Mark, revert: bool) -> None:
    route = router.halt(app, mark, revert)
    if revert and route.live_pct != 0:
        shown = "the proxy cannot be read" if route.live_pct is None else f"the canary still has {route.live_pct} %"
        raise PortError(f"the halt is latched, but {shown}; the guard keeps trying")


def _said(mark: Mark, app: Application, weight_pct: int) -> tuple[Verb, Scope]:
    """What a kill asked for, as its mark on a route says: another process may be about to write the same down, and what
    it covers must not become less by that. A mark that does not say it holds this application."""
    said = SAID.match(mark.text)
    if said is None:
        return Verb.HALT if weight_pct else Verb.REVERT, Scope(ScopeKind.APPLICATION, app.name)
    return Verb(said[1]), parse_scope(said[2])
