"""What is known of one request while it runs, for its log line, metrics and problem answer. It holds no token."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.types import Scope

TOKEN = re.compile(r"il_[0-9a-f]{4,}_[A-Za-z0-9_-]+")
KEY = "interlock.note"


@dataclass(slots=True)
class Note:
    """``body_digest`` is the SHA-256 of method, path and body: what an Idempotency-Key stands for."""

    request_id: str
    actor: str = ""
    release_id: str = ""
    code: str = ""
    body_digest: str = ""


def note_of(request: HTTPConnection) -> Note:
    return note_in(request.scope)


def note_in(scope: Scope) -> Note:
    note = scope[KEY]
    assert isinstance(note, Note), "the outermost layer writes the note"
    return note


def redacted(text: str) -> str:
    """``text`` without anything that looks like one of our tokens."""
    return TOKEN.sub("il_***", text)
