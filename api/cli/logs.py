"""The log output of `interlock serve`: one line per event on stderr, as JSON or as text. It decides nothing about what
is logged."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Iterator
from typing import Any, TextIO

import structlog

LINES_MAX = 10_000
"""Lines that may wait for a slow reader, some 10 MB; more are dropped, since the audit record is what counts."""
CLOSE_S = 2.0


class QueuedLines:
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
        """The thread flushes behind every line."""

    def close(self) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while (text := self._lines.get()) is not None:
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(text)
                self._stream.flush()


@contextlib.contextmanager
def logging_to(stream: TextIO, level: str, form: str) -> Iterator[None]:
    """Send structlog and the standard library's warnings to ``stream`` for as long as the block runs."""
    lines = QueuedLines(stream)
    number = getattr(logging, level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    renderer: Any = structlog.processors.JSONRenderer()
    if form == "text":
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="at")
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=lines),  # type: ignore[arg-type]
    )
    handler = logging.StreamHandler(lines)
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[meta, renderer]))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        structlog.reset_defaults()
        lines.close()
