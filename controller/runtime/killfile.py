"""The kill switch's own file: an fsynced journal of engagements beside the store, readable when the store is not.
It latches; it never forgets an engagement that no line releases."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from controller.ports import Unavailable
from gates.kill import Engagement, KillState, Verb, parse_scope

LINE_BYTES_MAX = 4096
"""One line is one engagement; a reason is cut to fit."""
COMPACT_LINES = 1000
"""Above this the file is written anew at the start: a line for each kill that is engaged and each released id."""


class KillFile:
    """A journal of JSON lines. A damaged line makes the whole source unreadable, which holds everything."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._cached: tuple[tuple[int, int, int], KillState] | None = None

    def read(self) -> KillState:
        """The journal's state. Costs one stat while nothing changed."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return KillState()
        except OSError as error:
            return KillState(readable=False, trouble=f"the kill file cannot be read: {error.strerror}")
        key = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        cached = self._cached
        if cached is not None and cached[0] == key:
            return cached[1]
        try:
            state = _replay(self._path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError) as error:
            text = f"the kill file is damaged ({error}): repair or remove it by hand, everything holds until then"
            return KillState(readable=False, trouble=text)
        self._cached = (key, state)
        return state

    def compact(self) -> None:
        """Drop the words of released kills from a long file, never their ids. A damaged file is left as it is.

        Raises Unavailable when it cannot be written; the file is then the one it was.
        """
        with self._lock:
            state = self.read()
            try:
                if not state.readable or self._path.read_bytes().count(b"\n") <= COMPACT_LINES:
                    return
                lines = [_release_line(name) for name in sorted(state.released)]
                lines += [_engage_line(engagement) for engagement in state.engaged]
                _replace(self._path, b"".join(_encoded(line) for line in lines))
            except FileNotFoundError:
                return
            except OSError as error:
                raise Unavailable(f"the kill file cannot be written: {error.strerror}") from error

    def engage(self, engagement: Engagement) -> None:
        """Durable when it returns. Raises Unavailable when the file cannot be written."""
        self._append(_engage_line(engagement))

    def release(self, engagement_id: str) -> None:
        self._append(_release_line(engagement_id))

    def _append(self, line: dict[str, Any]) -> None:
        data = _encoded(line)
        assert len(data) <= LINE_BYTES_MAX * 2, "a kill line is bounded by its fields"
        with self._lock:
            try:
                fresh = not self._path.exists()
                descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    _cut_torn_tail(self._path, descriptor)
                    _write_all(descriptor, data)
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                if fresh:
                    _fsync_directory(self._path.parent)
            except OSError as error:
                raise Unavailable(f"the kill file cannot be written: {error.strerror}") from error


def _engage_line(engagement: Engagement) -> dict[str, Any]:
    return {
        "op": "engage",
        "id": engagement.id,
        "verb": engagement.verb.value,
        "scope": str(engagement.scope),
        "actor": engagement.actor[:200],
        "at_s": engagement.at_s,
        "reason": engagement.reason[:1000],
    }


def _release_line(engagement_id: str) -> dict[str, Any]:
    return {"op": "release", "id": engagement_id}


def _encoded(line: dict[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _replace(path: Path, data: bytes) -> None:
    """The old file or the new one, whatever happens, and the new one is durable when this returns."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)
    _fsync_directory(path.parent)


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    if written != len(data):
        raise OSError(28, "the disk is full")


def _cut_torn_tail(path: Path, descriptor: int) -> None:
    """A crash in an append leaves half a line that was never acknowledged; it must not glue to the next."""
    size = os.fstat(descriptor).st_size
    if size == 0:
        return
    with path.open("rb") as file:
        file.seek(max(0, size - LINE_BYTES_MAX * 2))
        tail = file.read()
    if not tail.endswith(b"\n"):
        os.ftruncate(descriptor, size - len(tail.rpartition(b"\n")[2]))


def _fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replay(data: bytes) -> KillState:
    engaged: dict[str, Engagement] = {}
    released: set[str] = set()
    for line in _whole_lines(data):
        entry = json.loads(line)
        if entry["op"] == "release":
            released.add(str(entry["id"]))
            continue
        if entry["op"] != "engage":
            raise ValueError("unknown operation")
        scope, verb = parse_scope(entry["scope"]), Verb(entry["verb"])
        engagement = Engagement(
            str(entry["id"]), verb, scope, str(entry["actor"]), float(entry["at_s"]), str(entry.get("reason", ""))
        )
        engaged.setdefault(engagement.id, engagement)
    left = tuple(e for key, e in sorted(engaged.items()) if key not in released)
    return KillState(left, frozenset(released))


def _whole_lines(data: bytes) -> Iterator[bytes]:
    """Every complete line; a last line without its end was never acknowledged."""
    for line in data.split(b"\n")[:-1]:
        if line.strip():
            yield line
