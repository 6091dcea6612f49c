"""How many connections may be open and for how long they may say nothing, so that silent ones keep no kill out. It
refuses nobody while a connection that waits can be closed instead, and it reads no request."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from controller.settings import is_loopback

IDLE_S = 10
"""From the opening, or the last answer, to a whole request header. Also the longest TLS handshake."""
BODY_S = 15.0
"""From a whole header to a whole body: more than the application allows, which answers 408 first."""
FILES_MAX = 65_536
"""The soft limit of open files is raised to the hard one, but not above this: tables of the kernel grow with it."""
OPEN_MAX = 8_192
"""Connections at once. One costs about 30 KB."""
RESERVE = 96
"""Open files kept for the store, the routes, Prometheus and the logs; a quarter of all when that is more."""
OPEN_MIN = 16
LOG_S = 10.0
"""A full house is logged at most this often."""
NO_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def raise_file_limit() -> int:
    """Allow this process as many open files as it may have, within FILES_MAX. Returns the limit that holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


def open_max(files: int) -> int:
    """How many connections fit below a limit of ``files`` open files."""
    return max(OPEN_MIN, min(OPEN_MAX, files - max(RESERVE, files // 4)))


class Connection(socket.socket):
    """An accepted socket that tells when it is closed."""

    def watch(self, source: str, closed: Callable[[int, str], None]) -> None:
        self._number, self._source, self._told = self.fileno(), source, closed

    def close(self) -> None:
        open_before = self.fileno() >= 0
        super().close()
        if open_before:
            self._told(self._number, self._source)


class Keeper:
    """Knows every open connection and which of them only wait. Used by the thread of the event loop alone."""

    def __init__(self, most: int) -> None:
        self._most, self._most_of_one = most, max(8, most // 4)
        self._enders: dict[int, Callable[[], None]] = {}
        self._sources: dict[int, str] = {}
        self._counts: Counter[str] = Counter()
        self._deadlines_s: dict[int, float] = {}
        """Of those that wait for a request, the longest waiting first. What is not here is being answered."""
        self._ending: set[int] = set()
        self._sweeping = False
        self._log_after_s = 0.0

    def __len__(self) -> int:
        return len(self._sources)

    def full(self) -> bool:
        return len(self._sources) >= self._most

    def full_for(self, source: str) -> bool:
        """One address may hold a quarter; this machine may hold everything, as all users of a proxy look like that."""
        return not is_loopback(source) and self._counts[source] >= self._most_of_one

    def opened(self, connection: Connection, source: str) -> None:
        number = connection.fileno()
        connection.watch(source, self._closed)
        self._sources[number] = source
        self._counts[source] += 1
        # Until a protocol says better, as in a TLS handshake: the other side then looks gone, which ends the transport.
        self._enders[number] = lambda: _shut(connection)
        self.waits(number, IDLE_S)

    def known(self, number: int, end: Callable[[], None]) -> None:
        self._enders[number] = end

    def waits(self, number: int, for_s: float) -> None:
        if number not in self._sources or number in self._ending:
            return
        self._deadlines_s.pop(number, None)
        loop = asyncio.get_running_loop()
        self._deadlines_s[number] = loop.time() + for_s
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(1.0, self._sweep, loop)

    def answers(self, number: int) -> None:
        self._deadlines_s.pop(number, None)

    def make_room(self, source: str | None = None) -> bool:
        """Close the connection that waits longest, of ``source`` if given. False when none waits and none is ending."""
        found = next((n for n in self._deadlines_s if source is None or self._sources[n] == source), None)
        if source is None and self._ending:
            return True
        if found is None:
            return False
        self._end(found)
        self.say("connections_full")
        return True

    def say(self, event: str) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._log_after_s:
            self._log_after_s = now_s + LOG_S
            structlog.get_logger("interlock.http").warning(event, open=len(self._sources), most=self._most)

    def _end(self, number: int) -> None:
        del self._deadlines_s[number]
        self._ending.add(number)
        self._enders[number]()

    def _closed(self, number: int, source: str) -> None:
        self._ending.discard(number)
        self._deadlines_s.pop(number, None)
        del self._enders[number], self._sources[number]
        self._counts[source] -= 1
        if not self._counts[source]:
            del self._counts[source]

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = loop.time()
        for number in [number for number, deadline_s in self._deadlines_s.items() if deadline_s <= now_s]:
            self._end(number)
        self._sweeping = bool(self._deadlines_s)
        if self._sweeping:
            loop.call_later(1.0, self._sweep, loop)


class Listener(socket.socket):
    """A listening socket that accepts within the keeper's limits. The event loop takes BlockingIOError for "later"."""

    keeper: Keeper
    _spare: int | None = None

    def accept(self) -> tuple[socket.socket, Any]:
        if self.keeper.full() and self.keeper.make_room():
            raise BlockingIOError  # what was closed is gone when the loop asks again
        try:
            raw, address = super().accept()
        except OSError as error:
            if error.errno not in NO_FILES:
                raise
            self._without_files()
            raise BlockingIOError from None
        self._keep_spare()
        source = str(address[0])
        crowded = self.keeper.full_for(source) and not self.keeper.make_room(source)
        if self.keeper.full() or crowded:
            raw.close()
            self.keeper.say("connection_refused")
            raise BlockingIOError
        connection = Connection(raw.family, raw.type, raw.proto, fileno=raw.detach())
        self.keeper.opened(connection, source)
        return connection, address

    def close(self) -> None:
        super().close()
        self._drop_spare()

    def _without_files(self) -> None:
        """Make room, or answer one caller with a close: a loop that cannot accept would only spin and log."""
        self.keeper.say("no_open_files_left")
        if self.keeper.make_room():
            return
        self._drop_spare()
        with contextlib.suppress(OSError):
            super().accept()[0].close()
        self._keep_spare()

    def _keep_spare(self) -> None:
        if self._spare is None:
            with contextlib.suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _drop_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol, which tells the keeper when a request is whole and when it is answered."""

    def __init__(self, keeper: Keeper, **given: Any) -> None:
        super().__init__(**given)
        self._keeper, self._number, self._told = keeper, -1, "waits"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._number = transport.get_extra_info("socket").fileno()
        self._keeper.known(self._number, transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._tell()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._told = "answered"
        self._tell()

    def _tell(self) -> None:
        """Only what changed: bytes that trickle in must not move the deadline."""
        state = "answers"
        if self.cycle is None or self.cycle.response_complete:
            state = "waits"
        elif self.cycle.more_body:
            state = "receives"
        if state == self._told:
            return
        self._told = state
        if state == "answers":
            self._keeper.answers(self._number)
        else:
            self._keeper.waits(self._number, IDLE_S if state == "waits" else BODY_S)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
