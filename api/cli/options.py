"""Arguments and flags that several commands share, so that one word means one thing everywhere. Words only."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli.session import Usage
from api.cli.words import parse_duration_s

SHARED_PANEL = "Connection and output"


def flag(name: str, text: str, panel: str | None = None) -> Any:
    """An option without a value."""
    return typer.Option(name, help=text, metavar="", rich_help_panel=panel)


def option(name: str, metavar: str, text: str, panel: str | None = None, **bounds: Any) -> Any:
    """An option with a value, shown as ``metavar``."""
    return typer.Option(name, help=text, metavar=metavar, rich_help_panel=panel, **bounds)


def argument(metavar: str, text: str) -> Any:
    return typer.Argument(metavar=metavar, help=text, show_default=False)


APPLICATION = Annotated[str, argument("APP", "Name of the application.")]
NAME = Annotated[str, argument("RELEASE|APP", "A release, or an application: its newest release is meant.")]
REASON = Annotated[str, option("--reason", "TEXT", "Why, for the record.", show_default=False)]
WAIT = Annotated[bool, flag("--wait", "Wait for the end and exit with the outcome.")]
TIMEOUT = Annotated[
    str,
    option(
        "--timeout",
        "TIME",
        "How long to wait, as in 90s, 30m, 2h; a bare number is seconds. The release goes on after it (exit code 6).",
    ),
]
KEEP_WAITING = Annotated[
    bool, flag("--keep-waiting", "Wait on through a pause or a halt instead of ending with 7 or 8.")
]
LIMIT = Annotated[int, option("--limit", "N", "How many to show.", min=1, max=200)]

AS_JSON = Annotated[bool, flag("--json", "Print JSON and nothing else on stdout.", SHARED_PANEL)]
URL = Annotated[str | None, option("--url", "URL", "Address of the controller (INTERLOCK_URL).", SHARED_PANEL)]
TOKEN_FILE = Annotated[
    str | None,
    option("--token-file", "FILE", "File with the token (INTERLOCK_TOKEN_FILE, INTERLOCK_TOKEN).", SHARED_PANEL),
]
CA_FILE = Annotated[
    str | None,
    option("--ca-file", "FILE", "Authority of the controller's certificate (INTERLOCK_CA_FILE).", SHARED_PANEL),
]
REQUEST_TIMEOUT = Annotated[float | None, option("--request-timeout", "SECONDS", "For one request.", SHARED_PANEL)]
IDEMPOTENCY_KEY = Annotated[
    str | None,
    option("--idempotency-key", "KEY", "A repetition under the same key does nothing new.", SHARED_PANEL),
]


def timeout_s_of(text: str) -> float:
    """Raises Usage for what is no duration, or none worth waiting for."""
    try:
        seconds = parse_duration_s(text)
    except ValueError as error:
        raise Usage(str(error)) from error
    if seconds <= 0:
        raise Usage("a time must be longer than 0")
    return seconds
