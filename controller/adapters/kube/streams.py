"""The lines of one watch, as events. A doubtful line ends the stream with an error; it opens and repeats nothing."""

from __future__ import annotations

import http.client
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from controller.adapters.kube.errors import Call, failure, unanswered
from controller.adapters.kube.kinds import Raw
from controller.ports import PortError

LINE_BYTES_MAX = 4 * 1024 * 1024
"""One object, which etcd bounds at 1.5 MiB, with room for its encoding."""

READ_BYTES = 64 * 1024

EVENTS = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK"})


class EventStream(Iterator[Raw]):
    """Iterates over events until the server ends the stream. Raises Gone or another Unavailable, never None."""

    def __init__(self, call: Call, response: BaseHTTPResponse) -> None:
        self._call, self._response = call, response
        self._rest = bytearray()
        self._lines: deque[bytes] = deque()
        self._interrupted = threading.Event()

    def __next__(self) -> Raw:
        try:
            while not self._lines:
                if self._interrupted.is_set() or not self._fill():
                    raise StopIteration
            return self._event(self._lines.popleft())
        except (StopIteration, PortError):
            self.close()
            raise

    def interrupt(self) -> None:
        """From any thread: whoever waits for the next event gets the end of the stream at once."""
        self._interrupted.set()
        with suppress(RuntimeError, ValueError, OSError):  # it has ended by itself
            self._response.shutdown()

    def close(self) -> None:
        """By the thread that reads, when it is done before the stream is. The connection is not used again."""
        self._response.close()

    def _fill(self) -> bool:
        """Wait for bytes and cut them into lines; False at the end."""
        try:
            part = self._response.read1(READ_BYTES)
        except (HTTPError, OSError, ValueError, AttributeError, http.client.HTTPException) as error:
            if self._interrupted.is_set():
                return False
            raise unanswered(self._call, f"the stream broke: {type(error).__name__}") from error
        if not part:
            if self._rest and not self._interrupted.is_set():
                raise unanswered(self._call, "the stream ended inside an event")
            return False
        self._rest += part
        if b"\n" in part:
            *lines, rest = self._rest.split(b"\n")
            self._lines.extend(bytes(line) for line in lines if line.strip())
            self._rest = rest
        if len(self._rest) > LINE_BYTES_MAX:
            raise unanswered(self._call, f"an event is larger than {LINE_BYTES_MAX // 1024} KiB")
        return True

    def _event(self, line: bytes) -> Raw:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            raise unanswered(self._call, "a line of the stream is not JSON") from None
        kind = event.get("type") if isinstance(event, dict) else None
        told = event.get("object") if isinstance(event, dict) else None
        if kind == "ERROR" and isinstance(told, dict):
            code = told.get("code")
            raise failure(self._call, code if isinstance(code, int) else 500, None, json.dumps(told).encode())
        if kind not in EVENTS or not isinstance(told, dict) or not _version(told):
            raise unanswered(self._call, "a line of the stream is no event")
        return {"type": kind, "object": told}


def _version(told: Raw) -> bool:
    meta = told.get("metadata")
    return isinstance(meta, dict) and isinstance(meta.get("resourceVersion"), str)
