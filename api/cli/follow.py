"""Follows a release until it ends, or until it makes no sense to wait on. It only reads; the release needs nobody to
watch it, so a lost connection is waited out and a Ctrl-C ends the watching, never the release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.cli.exits import Exit
from api.cli.outcome import Outcome, interrupted, outcome_of, timed_out
from api.cli.session import Session, at
from api.cli.shapes import Release, read
from api.cli.views import View, view_for
from api.client import Problem, Reply, Request, Unreachable
from controller.core.explain import duration

POLL_S = 1.0
"""A weight lives for many seconds; one small read a second is far below the rate limit."""
BACK_OFF_S = (1.0, 2.0, 4.0, 8.0)
"""Then every 8 s: a controller that comes back is seen soon, one that is down is not hammered."""
RECONNECT_S = 300.0
"""A restart takes seconds and a new leader at most minutes; after that the pipeline should hear of it."""
SKEW_S = 2.0
"""The answer's time is cut to a second and is a moment old; a larger difference is a clock that is wrong."""
ABORT_SEEN_S = 10.0
"""A controller that works acts on an abort within a second or two."""
WAITABLE = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Watch:
    """Which release, and when to stop. ``wanted`` is the version the user wants to see serving."""

    release_id: str
    wanted: str | None = None
    timeout_s: float | None = None
    keep_waiting: bool = False
    aborting: bool = False
    """An abort was just recorded: what the release looked like before it is no news."""


def follow(session: Session, watch: Watch, first: Any = None) -> Exit:
    """Show ``watch`` until it is over; the exit code is its outcome. ``first`` is its JSON when it is already known."""
    view = view_for(session.out)
    follower = _Follower(session, watch, view)
    try:
        outcome = follower.run(first)
    except KeyboardInterrupt:
        outcome = interrupted(watch.release_id)
    except Unreachable as error:
        outcome = Outcome(Exit.UNREACHABLE, "unreachable", error.text)
    finally:
        view.close()
    view.end(outcome, session.pace.now_s())
    return outcome.code


class _Follower:
    def __init__(self, session: Session, watch: Watch, view: View) -> None:
        self._session, self._watch, self._view = session, watch, view
        self._started_s = session.pace.monotonic_s()
        self._lost_s: float | None = None
        self._last: Release | None = None

    def run(self, first: Any) -> Outcome:
        reply = Reply(200, first, None) if first is not None else self._poll()
        failures = 0
        while True:
            if reply is not None:
                failures = 0
                outcome = self._shown(reply)
                if outcome is not None:
                    return outcome
            else:
                failures += 1
            pause_s = POLL_S if not failures else BACK_OFF_S[min(failures, len(BACK_OFF_S)) - 1]
            left_s = self._left_s()
            if left_s is not None and left_s <= 0:
                return timed_out(self._last, self._watch.release_id, duration(self._watch.timeout_s or 0))
            self._session.pace.wait(pause_s if left_s is None else min(pause_s, left_s))
            reply = self._poll()

    def _shown(self, reply: Reply) -> Outcome | None:
        release = read(Release, reply.data)
        self._last = release
        if not self._stale(release):
            self._view.show(release, reply.data, self._moment_s(reply))
        return outcome_of(release, self._watch.wanted, self._watch.keep_waiting)

    def _stale(self, release: Release) -> bool:
        """Whether it has yet to follow the abort. After a while it is shown all the same, for it may be stuck."""
        waited_s = self._session.pace.monotonic_s() - self._started_s
        back = release.ended or release.phase == "rolling_back"
        return self._watch.aborting and not back and waited_s < ABORT_SEEN_S

    def _moment_s(self, reply: Reply) -> float:
        """The controller's clock where ours is wrong; else ours, because theirs comes in whole seconds."""
        now_s = self._session.pace.now_s()
        wrong = reply.at_s is not None and abs(reply.at_s - now_s) > SKEW_S
        return reply.at_s if wrong and reply.at_s is not None else now_s

    def _poll(self) -> Reply | None:
        """One read, never repeated by the client, because this loop is the retry. None: not now, wait and try again."""
        try:
            reply = self._session.client.once(Request("GET", at("releases", self._watch.release_id)))
        except Unreachable as error:
            self._lost(error.text, error)
            return None
        except Problem as problem:
            if problem.status not in WAITABLE:
                raise
            self._lost(problem.detail, problem)
            return None
        if self._lost_s is not None:
            away = duration(self._session.pace.monotonic_s() - self._lost_s)
            self._view.trouble(f"the controller answers again after {away}", self._session.pace.now_s())
            self._lost_s = None
        return reply

    def _lost(self, text: str, error: Exception) -> None:
        now_s = self._session.pace.monotonic_s()
        if self._lost_s is None:
            self._lost_s = now_s
            waiting = f"{text}; the release goes on without us, trying again for {duration(RECONNECT_S)}"
            self._view.trouble(waiting, self._session.pace.now_s())
        elif now_s - self._lost_s > RECONNECT_S:
            gone = f"no answer for {duration(RECONNECT_S)}: {text}. {self._watch.release_id} may go on: look later with"
            raise Unreachable(f"{gone} `interlock watch {self._watch.release_id}`") from error

    def _left_s(self) -> float | None:
        if self._watch.timeout_s is None:
            return None
        return self._watch.timeout_s - (self._session.pace.monotonic_s() - self._started_s)
