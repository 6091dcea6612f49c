"""How often and how fast a write is tried again, always after a new read. It sends nothing."""

from __future__ import annotations

from collections.abc import Callable

from controller.adapters.kube.errors import Busy
from controller.adapters.kube.watching import chance
from controller.ports import Clock, PortError, Unavailable, Unknown

TRIES_MAX = 5
"""For a write that meets other writers. Then the next pass looks again."""

STOP_TRIES_MAX = 20
"""For a stop: somebody else's writes, at any pace that one object can take, leave a gap within these."""

UNREACHED_MAX = 3
"""Tries of a stop at a server that cannot be reached. Whoever stops comes again."""

STOP_S = 5.0
"""After which nothing is tried again here, but answered."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.004, 0.05
BUSY_PAUSE_S = 0.25
"""The longest a stop waits on the word of a server that has too much to do."""


class Tries:
    """Of one change to one object. ``stops``: it takes traffic off a canary, so it is tried for longer."""

    def __init__(self, clock: Clock, wait: Callable[[float], None], stops: bool) -> None:
        self._clock, self._wait, self._stops = clock, wait, stops
        self._until_s = clock.monotonic_s() + STOP_S
        self.count = self._unreached = 0
        self.unknown: Unknown | None = None

    def failed(self, error: PortError) -> None:
        """Wait until the next try. Raises when there is none: what was sent without an answer may be done, whatever
        went wrong after it."""
        self.count += 1
        self._unreached += isinstance(error, Unavailable)
        if isinstance(error, Unknown):
            self.unknown = error
        over = (
            self.count >= (STOP_TRIES_MAX if self._stops else TRIES_MAX) or self._clock.monotonic_s() >= self._until_s
        )
        if over or not self._may_come_back(error):
            raise self.unknown or error
        self._pause(error)

    def _may_come_back(self, error: PortError) -> bool:
        """A server that has too much to do answers at once, so a stop may ask it often."""
        if not isinstance(error, Unavailable):
            return True
        return self._stops and (isinstance(error, Busy) or self._unreached < UNREACHED_MAX)

    def _pause(self, error: PortError) -> None:
        """Twice as long each time and half of it by chance, so that two writers do not meet for ever."""
        pause_s = min(FIRST_PAUSE_S * 2.0 ** (self.count - 1), LONGEST_PAUSE_S) * (0.5 + 0.5 * chance())
        self._wait(max(pause_s, min(error.retry_after_s, BUSY_PAUSE_S)) if isinstance(error, Busy) else pause_s)
