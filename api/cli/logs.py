"""Where the log of `interlock serve` goes: to stderr, by a thread of its own. It decides nothing about its lines."""

from __future__ import annotations

import contextlib
import io
import logging
import queue
import threading
from collections.abc import Iterator
from typing import TextIO, cast

LINES_MAX = 10_000
"""Lines that may wait for a slow reader, some 10 MB; more are dropped, since the audit record is what counts."""
CLOSE_S = 2.0
BEATS = "apscheduler.scheduler"
"""It warns of every beat that is left out because the one before still runs. Health tells which heartbeat is late."""


class QueuedLines(io.TextIOBase):
    """A text stream that a thread of its own writes on: a stuck stderr must not hold up a kill."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=LINES_MAX)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(text)
        return len(text)

    def flush(self) -> None:
        """The thread flushes behind every piece."""

    def finish(self) -> None:
        """Write what waits, for a moment at most."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while (text := self._lines.get()) is not None:
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(text)
                self._stream.flush()


@contextlib.contextmanager
def lines_to(stream: TextIO) -> Iterator[TextIO]:
    """The stream for the log, which also takes what libraries warn of, for as long as the block runs."""
    lines = QueuedLines(stream)
    handler = logging.StreamHandler(lines)
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    logging.getLogger(BEATS).setLevel(logging.ERROR)
    try:
        yield cast("TextIO", lines)
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger(BEATS).setLevel(logging.NOTSET)
        lines.finish()
