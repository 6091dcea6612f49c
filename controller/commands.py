"""What the doors may ask for. A command loads, asks the core, and commits a fact; only an abort also writes the route,
because a move back to stable waits for nothing. It authenticates nobody: the actor is given."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

from controller.core.intents import CALLED, hear
from controller.core.model import Application, Intent, IntentKind, Mark, Phase, Reason, Release
from controller.core.moves import ENDED
from controller.fencing import newest_of
from controller.ports import Answered, Commit, Conflict, Fenced, PortError, Ports, StoredApplication, Unavailable
from controller.registering import Alone, Registering, committed_by_leader
from controller.versions import resolved, taken_over
from controller.wishes import (
    CONFLICT_TRIES,
    AnswerOf,
    ApplicationAnswerOf,
    Done,
    Rejected,
    Submission,
    drafted,
    known_application,
    tried,
)
from gates.audit import Draft
from gates.kill import KillAnswerKind, Target, answer


def new_release_id(application: str) -> str:
    return f"{application}-{secrets.token_hex(5)}"


class Commands:
    """The write side of every door."""

    def __init__(
        self,
        ports: Ports,
        wake: Callable[[str], None],
        epoch: Callable[[], int],
        last_seen: Callable[[str], Release | None] = lambda _id: None,
        new_id: Callable[[str], str] = new_release_id,
        registered: Callable[[], None] = lambda: None,
        leading: Callable[[], bool] = lambda: True,
        alone: Alone = nullcontext,
    ) -> None:
        self._ports, self._wake, self._epoch = ports, wake, epoch
        self._last_seen, self._new_id, self._leading = last_seen, new_id, leading
        self._registering = Registering(ports, epoch, registered, self._require_leading, alone)

    def register(
        self, app: Application, actor: str, revision: int | None = None, answer_of: ApplicationAnswerOf | None = None
    ) -> StoredApplication:
        """Register or change an application. A running release keeps the application it started with.

        What is no longer named is given back first, at rest only. Raises Rejected when that cannot be, when
        ``revision`` is given and is not the stored one, or when something of it belongs to another application.
        """
        return self._registering.register(app, actor, revision, answer_of)

    def unregister(self, name: str, actor: str, answered: Answered | None = None) -> None:
        """Forget an application, and give back what it runs on as it serves now. Refused while a release is running."""
        self._registering.unregister(name, actor, answered)

    def submit(self, wish: Submission, answer_of: AnswerOf | None = None) -> Done:
        """Start a release, or refuse and say why.

        Deploying the version that stable runs while a canary is out reverts: the running release is aborted.
        """
        self._require_leading()
        wish = replace(
            wish, version=resolved(self._ports, known_application(self._ports.store, wish.application), wish.version)
        )
        with self._registering.busy(wish.application):
            return tried(wish.application, lambda: self._submit_once(wish, answer_of))

    def _submit_once(self, wish: Submission, answer_of: AnswerOf | None) -> Done:
        stored = known_application(self._ports.store, wish.application)
        app = stored.app
        self._require_no_kill(app)
        running = next((r for r in self._ports.store.active(app.name) if r.superseded_by is None), None)
        if running is not None and wish.version == running.stable and wish.retry_of is None:
            why = f"stable already runs {wish.version}"
            return self.intend(running.id, IntentKind.ABORT, wish.actor, why, answer_of=answer_of)
        if running is not None and not wish.replace:
            text = f"{running.id} of {app.name} is {running.phase.value}: wait, abort it, or deploy with replace"
            raise Rejected("active_release", text, release=running.id)
        serves = taken_over(self._ports, stored) if running is None else stored
        if running is None and wish.version == serves.stable_version:
            raise Rejected("already_stable", f"{app.name} already runs {wish.version} on all instances")
        release = self._new(wish, serves)
        records = [self._draft("requested", wish.actor, f"deploy {wish.version} of {app.name}", release=release)]
        if serves is not stored:
            text = f"{app.name} was found running {serves.stable_version}, deployed by somebody else"
            records.insert(0, self._draft("taken_over", wish.actor, text, app=app))
        old = None
        if running is not None:
            intent = Intent(IntentKind.ABORT, wish.actor, release.created_at_s, f"superseded by {release.id}")
            self._take_back(running.id, intent)
            old = replace(running, intent=intent, superseded_by=release.id, wake_at_s=intent.at_s)
            records.append(self._draft("superseded", wish.actor, intent.reason, release=running))
        done = Done(replace(release, revision=1), f"{release.id} is accepted")
        answered = answer_of(done) if answer_of else None
        # With the application as it was read: nobody has changed or deleted it meanwhile.
        commit = Commit(records=tuple(records), release=old, create=release, application=serves, answered=answered)
        committed_by_leader(self._ports, self._epoch(), commit)
        for woken in (running, release):
            if woken is not None:
                self._wake(woken.id)
        return done

    def retry(self, release_id: str, actor: str, answer_of: AnswerOf | None = None) -> Done:
        """A new release of the same version, from step 0 with fresh evidence."""
        old = self.release(release_id)
        if old.phase not in ENDED:
            raise Rejected(
                "active_release", f"{old.id} is still {old.phase.value}: only an ended release can be retried"
            )
        if old.phase is Phase.SUCCEEDED:
            raise Rejected("already_stable", f"{old.id} succeeded: there is nothing to retry")
        return self.submit(Submission(old.app.name, old.canary, actor, retry_of=old.id), answer_of)

    def intend(
        self,
        release_id: str,
        kind: IntentKind,
        actor: str,
        reason: str = "",
        step: int | None = None,
        answer_of: AnswerOf | None = None,
    ) -> Done:
        """Record a person's wish. An abort takes traffic back first, whether or not the store can record it."""
        if kind not in (IntentKind.ABORT, IntentKind.PAUSE):
            self._require_leading()
        intent = Intent(kind, actor, self._ports.clock.now_s(), reason, step)
        trouble: PortError | None = None
        for _ in range(CONFLICT_TRIES):
            # On every try: the conflict may have been the first weight.
            stuck = self._take_back(release_id, intent) if kind is IntentKind.ABORT else None
            try:
                return self._record_intent(release_id, intent, answer_of)
            except Conflict as conflict:
                trouble = conflict
            except PortError as error:
                return self._undurable(release_id, intent, error, stuck)
        raise Rejected("conflict", f"{release_id} keeps changing ({trouble}): try again")

    def _record_intent(self, release_id: str, intent: Intent, answer_of: AnswerOf | None) -> Done:
        release = self.release(release_id)
        heard = hear(release, intent)
        if heard.refused:
            raise Rejected("not_possible", heard.text, phase=release.phase.value)
        if heard.release is None:
            return Done(release, heard.text)
        text = f"{CALLED[intent.kind]} by {intent.actor}" + (f": {intent.reason}" if intent.reason else "")
        record = self._draft("intent", intent.actor, text, release=release, wish=intent.kind.value)
        now_s = self._ports.clock.now_s()
        after = replace(heard.release, wake_at_s=now_s)
        done = Done(replace(after, revision=release.revision + 1), heard.text)
        answered = answer_of(done) if answer_of else None
        self._ports.store.commit(Commit(records=(record,), release=after, answered=answered))
        self._wake(release.id)
        return done

    def _take_back(self, release_id: str, intent: Intent) -> PortError | None:
        """Traffic first. A trouble here is not the end: the recorded abort drives the route on every pass."""
        try:
            release = self.known(release_id)
        except PortError as error:
            return error
        if release is None or release.phase in ENDED or release.weight_pct == 0:
            return None
        mark = Mark(
            release.id, "aborted", f"aborted by {intent.actor}" + (f": {intent.reason}" if intent.reason else "")
        )
        try:
            self._lower(release.app, mark)
        except PortError as error:
            self._ports.log("abort_route_pending", release_id=release_id, trouble=str(error))
            return error
        return None

    def _lower(self, app: Application, mark: Mark) -> None:
        """A person's abort is no leader's write: on a node that was overtaken it goes under the epoch of the route."""
        router = self._ports.router
        try:
            router.lower(app, mark, self._epoch())
        except Fenced:
            router.lower(app, mark, newest_of(router.read(app)))

    def _undurable(self, release_id: str, intent: Intent, error: PortError, stuck: PortError | None) -> Done:
        """The store is down. An abort stands if the route carries it; what reached nothing is never called done."""
        release = self._last_seen(release_id)
        if release is None or intent.kind is not IntentKind.ABORT or release.weight_pct == 0:
            raise error
        if stuck is not None:
            text = f"{release_id} is NOT aborted: neither its route ({stuck}) nor the store ({error}) can be reached"
            raise Unavailable(f"{text}; use the kill switch") from error
        text = (
            f"traffic of {release_id} was sent back to stable; the abort is recorded when the store is back ({error})"
        )
        return Done(release, text, durable=False)

    def known(self, release_id: str) -> Release | None:
        """The release from memory if it is running, else from the store: a stop does not wait for a slow disk."""
        return self._last_seen(release_id) or self._ports.store.release(release_id)

    def release(self, release_id: str) -> Release:
        release = self._ports.store.release(release_id)
        if release is None:
            raise Rejected("unknown_release", f"there is no release {release_id[:80]!r}")
        return release

    def _require_leading(self) -> None:
        if not self._leading():
            text = "this controller no longer leads, a newer one does: nothing was started; see /readyz"
            raise Rejected("not_leading", text)

    def _require_no_kill(self, app: Application) -> None:
        said = answer(self._ports.kills(), Target(app.environment, app.name))
        if said.kind is not KillAnswerKind.NONE:
            raise Rejected("killed", f"no deploy of {app.name}: {said.text}", kill=", ".join(said.ids))

    def _new(self, wish: Submission, stored: StoredApplication) -> Release:
        now_s = self._ports.clock.now_s()
        return Release(
            id=self._new_id(wish.application),
            app=stored.app,
            stable=stored.stable_version,
            canary=wish.version,
            phase=Phase.PENDING,
            actor=wish.actor,
            created_at_s=now_s,
            entered_at_s=now_s,
            reason=Reason("accepted", f"accepted from {wish.actor}"),
            retry_of=wish.retry_of,
            wake_at_s=now_s,
        )

    def _draft(
        self, kind: str, actor: str, text: str, release: Release | None = None, app: Application | None = None, **n: str
    ) -> Draft:
        return drafted(self._ports.clock.now_s(), kind, actor, text, release, app, **n)
