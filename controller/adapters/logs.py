"""Turns the controller's events into structured log lines. It configures no output; the program that runs does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog


def controller_log() -> Callable[..., None]:
    """A function of an event name and fields. ``page=True`` marks what somebody must be woken for."""
    logger: Any = structlog.get_logger("interlock.controller")

    def log(event: str, **fields: object) -> None:
        serious = bool(fields.get("page")) or "trouble" in fields
        (logger.warning if serious else logger.info)(event, **fields)

    return log
