"""Proves every minute that a kill would work: each source takes a scratch engagement, tells of it and lets it go, and
each guard or cluster answers. It writes no route, and nothing of it is ever engaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.core.model import Application
from controller.ports import Commit, PortError, Ports, Unavailable
from controller.runtime.killfile import KillFile
from controller.runtime.killswitch import KillSwitch
from controller.runtime.lanes import EFFECTIVE, FAILED, PathAnswer
from gates.audit import Draft
from gates.kill import Engagement, KillAnswerKind, KillState, Scope, ScopeKind, Target, Verb, answer, union

PERIOD_S = 60.0
RECORD_EVERY_S = 3600.0
"""Between two records of the same result. A change of it is recorded at once."""
SCRATCH_FILE = "kill-self-test"
NAME = "self-test"
TARGET = Target(NAME, NAME)


@dataclass(frozen=True, slots=True)
class SelfTested:
    """One run. ``paths`` as in the answer to a kill: what is effective here would have been effective there."""

    at_s: float
    took_s: float
    paths: tuple[PathAnswer, ...]

    @property
    def ok(self) -> bool:
        return all(path.state == EFFECTIVE for path in self.paths)

    @property
    def text(self) -> str:
        bad = [f"{path.path}: {path.text}" for path in self.paths if path.state != EFFECTIVE]
        none = "" if any(path.path.startswith("route:") for path in self.paths) else "; no route is registered yet"
        tried = f"{', '.join(path.path for path in self.paths)} in {1000 * self.took_s:.0f} ms"
        return "; ".join(bad) or tried + none


class SelfTest:
    """One run at a time; the schedule sees to that. ``directory`` is that of the kill file."""

    def __init__(self, ports: Ports, directory: Path, applications: Callable[[], Sequence[Application]]) -> None:
        self._store, self._router, self._state = ports.store, ports.router, ports.kills
        self._clock, self._log = ports.clock, ports.log
        self._file, self._applications = directory / SCRATCH_FILE, applications
        self._last: SelfTested | None = None
        self._recorded: tuple[float, bool] | None = None

    def last(self) -> SelfTested | None:
        """The newest run; None before the first."""
        return self._last

    def run(self) -> SelfTested:
        begun_s, at_s = self._clock.monotonic_s(), self._clock.now_s()
        scratch = Engagement(f"k-{NAME}", Verb.REVERT, Scope(ScopeKind.APPLICATION, NAME), NAME, at_s, "self-test")
        paths = (
            _tried("memory", lambda: self._memory(scratch)),
            _tried("file", lambda: self._filed(scratch)),
            _tried("store", lambda: self._stored(scratch)),
            *self._routes(),
        )
        done = SelfTested(at_s, self._clock.monotonic_s() - begun_s, paths)
        self._tell(done)
        self._last = done
        return done

    def _memory(self, scratch: Engagement) -> None:
        """The sources as they are, with the scratch among them, stop its target; released, it does not."""
        state = self._state()
        if not state.readable:
            raise Unavailable(state.trouble)
        held = union((state, KillState((scratch,))))
        _require(answer(held, TARGET).kind is KillAnswerKind.REVERT, "an engagement does not stop its target")
        freed = union((held, KillState(released=frozenset({scratch.id}))))
        _require(scratch.id not in answer(freed, TARGET).ids, "a released engagement stops its target")

    def _filed(self, scratch: Engagement) -> None:
        """In a file of its own beside the real one, on the same disk: fsynced, read, released, read, removed."""
        file = KillFile(self._file)
        try:
            self._file.unlink(missing_ok=True)
            file.engage(scratch)
            _require(scratch in file.read().engaged, "what was written to the file is not read from it")
            file.release(scratch.id)
            _require(not file.read().engaged, "what was released in the file is engaged there")
            self._file.unlink()
        except OSError as error:
            raise Unavailable(f"the directory of the kill file: {error.strerror}") from error

    def _stored(self, scratch: Engagement) -> None:
        self._store.rehearse_kill(scratch)
        state = self._store.kills()
        if not state.readable:
            raise Unavailable(state.trouble)

    def _routes(self) -> list[PathAnswer]:
        """One route of each guard, and of the cluster: whoever answers for it would take a stop too."""
        first = {app.router.owner: app for app in reversed(self._applications())}
        return [_tried(f"route:{app.name}", lambda app=app: self._router.read(app)) for app in first.values()]  # type: ignore[misc]

    def _tell(self, done: SelfTested) -> None:
        before = self._recorded
        changed = before is None or before[1] != done.ok
        if before is not None and not changed and done.at_s - before[0] < RECORD_EVERY_S:
            return
        if changed and not done.ok:
            self._log("kill_self_test_failed", trouble=done.text, page=True)
        word = "passed" if done.ok else "FAILED"
        draft = Draft("kill_self_test", done.at_s, NAME, f"self-test of the kill switch {word}: {done.text}"[:1000])
        try:
            self._store.commit(Commit(records=(draft,)))
        except PortError as error:
            self._log("kill_self_test_not_recorded", trouble=str(error))
            return
        self._recorded = (done.at_s, done.ok)


def _tried(path: str, run: Callable[[], object]) -> PathAnswer:
    try:
        run()
    except PortError as error:
        return PathAnswer(path, FAILED, str(error)[:300])
    return PathAnswer(path, EFFECTIVE)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Unavailable(otherwise)


@dataclass(frozen=True, slots=True)
class Stop:
    """The kill switch and its proof."""

    switch: KillSwitch
    self_test: SelfTest
