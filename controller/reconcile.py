"""One pass over one release: load, observe, decide, check, commit, act. It holds no policy and no schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from controller.act import act, act_at_rest, lower_first
from controller.core.check import Violation
from controller.core.decide import Decision, decide
from controller.core.effects import Ensure, Lower, effects, rest_effects
from controller.core.model import IntentKind, Observation, Phase, Release
from controller.core.moves import ENDED
from controller.core.scene import CARRIES
from controller.observe import look, observe, observe_rest, see_the_rest
from controller.ports import (
    Commit,
    Conflict,
    Fenced,
    Message,
    PortError,
    Ports,
    StoredApplication,
    Unavailable,
    Unknown,
)
from gates.kill import KillAnswerKind

AGAIN_S = 0.05
"""After a conflict: read again soon, but let the other writer finish."""
STORE_DOWN_S = 1.0
"""How often a release is looked at while the store is down; only moves back to stable are made then."""
CACHED_RELEASES_MAX = 10_000
"""Releases remembered for the time the store is down. One is about 4 KB."""

MessagesOf = Callable[[Release, Release], tuple[Message, ...]]


def no_messages(_before: Release, _after: Release) -> tuple[Message, ...]:
    return ()


class Reconciler:
    """The loop's step. One release is passed by one worker at a time; the caller sees to that."""

    def __init__(self, ports: Ports, epoch: int, messages_of: MessagesOf = no_messages) -> None:
        self._ports = ports
        self.epoch = epoch
        self._messages_of = messages_of
        self._last: dict[str, Release] = {}
        self._parked: dict[str, int] = {}
        self._fenced: dict[str, str] = {}

    def last_seen(self, release_id: str) -> Release | None:
        """The release as of the last pass, for the doors that must work while the store is down."""
        return self._last.get(release_id)

    def recall(self) -> tuple[tuple[str, float], ...]:
        """Take every release that has not ended into memory, and return each with its wake-up time, due or not: the
        clock may have been set back. For the start, before the doors open: a kill has to cover the routes these
        releases were started on, and an abort to find them while the store is down. Raises Unavailable."""
        found = tuple(self._ports.store.due(float("inf"), CACHED_RELEASES_MAX))
        for release_id, _ in found:
            try:
                release = self._ports.store.release(release_id)
            except Unavailable:
                raise
            except PortError as error:
                self._ports.log("release_not_known", release_id=release_id, trouble=str(error), page=True)
                continue
            if release is not None:
                self._remember(release)
        return found

    def running(self) -> tuple[Release, ...]:
        return tuple(release for release in list(self._last.values()) if release.phase not in ENDED)

    @property
    def parked(self) -> frozenset[str]:
        return frozenset(self._parked)

    def run(self, release_id: str) -> float | None:
        """One pass. Returns when to look again, or None when the release needs no more. Raises Fenced."""
        ports, now_s = self._ports, self._ports.clock.now_s()
        try:
            release = ports.store.release(release_id)
            predecessor = self._predecessor(release) if release is not None else None
        except PortError as error:
            return self._without_store(release_id, now_s, error)
        if release is None or release.phase in ENDED:
            self._last.pop(release_id, None)
            self._parked.pop(release_id, None)
            return None
        if self._parked.get(release_id) == release.revision:
            return None
        self._parked.pop(release_id, None)
        self._remember(release)
        seen = look(ports, release, self.epoch)
        self._page_fence(release.app.name, seen)
        if not _must_go_back(release, seen):
            seen = see_the_rest(ports, release, seen, predecessor)
        decision = self._decide(release, seen)
        if decision is None:
            return None if release_id in self._parked else now_s + AGAIN_S
        return self._commit_and_act(release, seen, decision)

    def _predecessor(self, release: Release | None) -> str | None:
        if release is None or release.phase is not Phase.PENDING:
            return None
        others = [r for r in self._ports.store.active(release.app.name) if r.id != release.id]
        return next((r.id for r in others if r.phase is not Phase.PENDING or r.superseded_by == release.id), None)

    def _decide(self, release: Release, seen: Observation) -> Decision | None:
        """The decision, or None when there is none to act on: changed meanwhile, or parked."""
        ports = self._ports
        try:
            return decide(release, seen, ports.clock.now_s(), self.epoch)
        except Violation as violation:
            current = self._reread(release.id)
            if current is None or current.revision != release.revision:
                return None
            self._parked[release.id] = release.revision
            ports.log("release_parked", release_id=release.id, trouble=str(violation), page=True)
            return None

    def _reread(self, release_id: str) -> Release | None:
        try:
            return self._ports.store.release(release_id)
        except PortError:
            return None

    def _commit_and_act(self, release: Release, seen: Observation, decision: Decision) -> float | None:
        ports, after = self._ports, decision.release
        if _goes_back(release, after, seen):
            marked = effects(after, seen, ports.clock.now_s())
            self._log_troubles(after, lower_first(ports, after, seen, marked, self.epoch).troubles)
        if decision.changed:
            try:
                self._commit(release, decision)
            except (Conflict, Unknown):
                return ports.clock.now_s() + AGAIN_S
            except Fenced:
                raise
            except PortError as error:
                ports.log("store_down", release_id=release.id, trouble=str(error))
                return ports.clock.now_s() + STORE_DOWN_S
            after = replace(after, revision=release.revision + 1)
        self._remember(after)
        self._log_decision(release, after)
        acted = act(ports, after, seen, effects(after, seen, ports.clock.now_s()), self.epoch)
        self._log_troubles(after, acted.troubles)
        moved = after.phase is not release.phase or after.weight_pct != release.weight_pct
        return ports.clock.now_s() + AGAIN_S if moved and after.phase not in ENDED else decision.wake_at_s

    def _commit(self, before: Release, decision: Decision) -> None:
        after = decision.release
        application = self._application_after(before, after)
        self._ports.store.commit(
            Commit(
                records=decision.records,
                epoch=self.epoch,
                release=after,
                application=application,
                messages=self._messages_of(before, after),
            )
        )

    def _application_after(self, before: Release, after: Release) -> StoredApplication | None:
        """What the application keeps of this step: the version that serves, or what was learned of its pods."""
        promoted = after.phase is Phase.SUCCEEDED and before.phase is not Phase.SUCCEEDED
        learned = after.judge.calibration if before.judge is None and after.judge is not None else None
        if not promoted and learned is None:
            return None
        stored = self._ports.store.application(after.app.name)
        if stored is None:
            return None
        if promoted:
            return replace(stored, stable_version=after.canary)
        return replace(stored, calibration=learned) if stored.calibration != learned else None

    def _without_store(self, release_id: str, now_s: float, error: PortError) -> float | None:
        """The store is down: nothing goes toward the canary; harm still takes traffic back to stable, marked."""
        ports, release = self._ports, self._last.get(release_id)
        ports.log("store_down", release_id=release_id, trouble=str(error))
        if release is None or release.phase in ENDED:
            return now_s + STORE_DOWN_S
        seen = observe(ports, release, self.epoch, None)
        decision = self._decide(release, seen)
        if decision is None:
            return now_s + STORE_DOWN_S
        after = decision.release
        if _goes_back(release, after, seen):
            back = [e for e in effects(after, seen, now_s) if isinstance(e, Lower)]
            self._log_troubles(after, act(ports, after, seen, back, self.epoch).troubles)
            ports.log("lowered_without_store", release_id=release_id, code=after.reason.code, trouble=after.reason.text)
        elif after.phase is release.phase:
            self._last[release_id] = replace(release, judge=after.judge)
        return now_s + STORE_DOWN_S

    def rest(self, name: str) -> bool:
        """Keep an application without a release at rest; False when it was not, or could not be seen.

        Raises Fenced; other trouble is logged and tried again.
        """
        ports = self._ports
        try:
            stored = ports.store.application(name)
            if stored is None or stored.deleted or ports.store.active(name):
                return True
        except PortError:
            return False
        seen = observe_rest(ports, stored.app, self.epoch)
        self._page_fence(name, seen)
        wanted = rest_effects(seen, stored.stable_version, stored.app.keeps_stable)
        acted = act_at_rest(ports, stored.app, wanted, self.epoch)
        for trouble in (*acted.troubles, *(text for _, text in seen.troubles)):
            ports.log("application_trouble", application=name, trouble=trouble)
        moved = any(not isinstance(one, Ensure) for one in wanted)
        return not (acted.troubles or seen.troubles or moved)

    def _page_fence(self, application: str, seen: Observation) -> None:
        """Once, when a note alone begins to hold one application; and again when the note is another one."""
        text = seen.trouble("fence", "")
        if text and self._fenced.get(application) != text:
            self._ports.log("application_fenced", application=application, trouble=text, page=True)
        if text:
            self._fenced[application] = text
        else:
            self._fenced.pop(application, None)

    def _remember(self, release: Release) -> None:
        if release.phase in ENDED:
            self._last.pop(release.id, None)
            return
        if len(self._last) >= CACHED_RELEASES_MAX and release.id not in self._last:
            self._last.pop(next(iter(self._last)))
        self._last[release.id] = release

    def _log_decision(self, before: Release, after: Release) -> None:
        if before.phase is not after.phase or before.weight_pct != after.weight_pct:
            self._ports.log(
                "release_moved",
                release_id=after.id,
                application=after.app.name,
                phase=after.phase.value,
                weight_pct=after.weight_pct,
                code=after.reason.code,
                text=after.reason.text,
            )

    def _log_troubles(self, release: Release, troubles: tuple[str, ...]) -> None:
        for trouble in troubles:
            self._ports.log("effect_failed", release_id=release.id, trouble=trouble)


def _must_go_back(release: Release, seen: Observation) -> bool:
    """Whether the first look is enough: a person or a kill says so, or the route still has what it must not have."""
    if release.intent is not None and release.intent.kind is IntentKind.ABORT:
        return True
    may_move = release.phase in (Phase.PREPARING, *CARRIES)
    killed = may_move and seen.kill.kind in (KillAnswerKind.REVERT, KillAnswerKind.HALT)
    live = seen.route.live_pct if seen.route is not None else None
    return killed or (release.weight_pct == 0 and live is not None and live > 0 and release.phase is not Phase.PENDING)


def _goes_back(before: Release, after: Release, seen: Observation) -> bool:
    """Whether the decision takes traffic off the canary, or the route still has some that should be gone."""
    live = seen.route.live_pct if seen.route else None
    return after.weight_pct == 0 and (before.weight_pct > 0 or live is None or live > 0)
