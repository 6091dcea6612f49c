"""How the program's log lines look: JSON or text on standard error, times in UTC, and nothing like a token in them."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from api.http.note import redacted
from controller.settings import Settings

DEPTH_MAX = 4
"""How deep values of a line are searched; ours are flat."""


def configure_logs(settings: Settings, stream: TextIO | None = None) -> None:
    """Set up structlog for the whole program. Call it once, before anything logs."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    end: Any = structlog.processors.JSONRenderer() if settings.log_format == "json" else _text()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_tokens,
            end,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def _text() -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(colors=False)


def without_tokens(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last defence: nothing that looks like a token leaves, whoever logged it."""
    return {redacted(name): _clean(value, DEPTH_MAX) for name, value in line.items()}


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if depth and isinstance(value, dict):
        return {redacted(str(name)): _clean(item, depth - 1) for name, item in value.items()}
    if depth and isinstance(value, list | tuple):
        return [_clean(item, depth - 1) for item in value]
    return value if isinstance(value, int | float | bool | None) else redacted(str(value))
