"""What the client library would lose of an answer: its size, its duration, its warnings. It interprets no samples."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import requests
from urllib3.exceptions import HTTPError

ANSWER_MAX = 16 * 1024 * 1024  # bytes: 500 series with a minute of one-second samples are about one million
CHUNK = 65_536  # bytes
SAID_MAX = 200  # characters of the other side's words that are passed on


class BadAnswer(Exception):
    """Prometheus gave no answer that can be used. ``dead`` means that asking on in this pass would only cost time."""

    def __init__(self, text: str, dead: bool = False) -> None:
        super().__init__(text)
        self.text, self.dead = text, dead


class Transient(BadAnswer):
    """Trouble that may be gone a moment later."""


class Listener:
    """A response hook of one session. It reads the body itself, within a size and a time that the library lacks."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until_s = 0.0
        self.status = 0
        self.warnings = ""
        self.said = ""

    def begin(self, limit_s: float) -> None:
        """Call before each query."""
        self._until_s = self._monotonic() + limit_s
        self.status, self.warnings, self.said = 0, "", ""

    def __call__(self, response: requests.Response, **_: Any) -> None:
        self.status = response.status_code
        body = self._body(response)
        response._content, response._content_consumed = body, True  # type: ignore[attr-defined]  # as .content does
        try:
            answer = json.loads(body)
        except ValueError:  # the library finds out in its own way
            return
        if isinstance(answer, Mapping):
            self.warnings = _spoken(answer.get("warnings"))
            self.said = f": {_spoken([answer['error']])}" if answer.get("error") else ""

    def _body(self, response: requests.Response) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            try:
                part = response.raw.read1(CHUNK, decode_content=True)
            except (HTTPError, OSError):
                raise Transient("Prometheus broke off in the middle of its answer", dead=True) from None
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
            if size > ANSWER_MAX:
                response.close()
                raise BadAnswer(f"Prometheus' answer is larger than {ANSWER_MAX:,} bytes; add labels to the selector")
            if self._monotonic() > self._until_s:
                response.close()
                raise BadAnswer("Prometheus' answer came too slowly", dead=True)


def _spoken(texts: object) -> str:
    """The other side's words, cut to a length and to one printable line."""
    if not isinstance(texts, list):
        return ""
    line = "; ".join(str(text) for text in texts)[:SAID_MAX]
    return "".join(character if character.isprintable() else " " for character in line)
