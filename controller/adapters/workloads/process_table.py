"""The durable record of which local processes run for one role of one application, written before and after each start.

It keeps facts on disk and nothing else: it starts, watches and stops no process.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from analysis.model import Role
from controller.core.explain import counted
from controller.ports import Refused, Unavailable

FORMAT = 1
"""Version of the file. A file of another one is refused, never guessed at."""

MAX_FILE_BYTES = 1_000_000
"""A table of a thousand instances has about 250 kB; a larger file is not one of ours."""


class State(StrEnum):
    """Where an instance is in its life. Only SERVING ones are meant to get traffic."""

    STARTING = "starting"
    SERVING = "serving"
    WAITING = "waiting"
    DRAINING = "draining"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance. ``pid`` is None between the written intent and the start, and while it waits for a restart.

    ``born`` is the boot and the start time of the process: with it a reused pid is never taken for our process.
    ``since_s`` is when it came into ``state``; ``last_end`` is how it ended the last time, in words.
    """

    id: str
    version: str
    port: int
    state: State
    since_s: float
    pid: int | None = None
    born: str | None = None
    restarts: int = 0
    last_end: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """All instances of one role. ``trouble`` is why nothing can be started at present, for people."""

    application: str
    role: Role
    format: int = FORMAT
    epoch: int = 0
    version: str | None = None
    last_port: int = 0
    trouble: str = ""
    instances: tuple[Instance, ...] = ()

    def put(self, instance: Instance) -> Table:
        """The table with ``instance`` added, or put in the place of the one with the same id."""
        if all(known.id != instance.id for known in self.instances):
            return replace(self, instances=(*self.instances, instance))
        kept = tuple(instance if known.id == instance.id else known for known in self.instances)
        return replace(self, instances=kept)

    def without(self, instance_id: str) -> Table:
        return replace(self, instances=tuple(known for known in self.instances if known.id != instance_id))


class TableFile:
    """One table on disk. A save is atomic and durable: after a crash the old or the new table is there, never half."""

    def __init__(self, path: Path, application: str, role: Role) -> None:
        self._path = path
        self._empty = Table(application=application, role=role)
        self._adapter = TypeAdapter(Table)
        self._unsaved: Table | None = None
        self._seen: tuple[tuple[int, int, int], Table] | None = None

    @property
    def path(self) -> Path:
        return self._path

    def load(self) -> Table | None:
        """The table, or None when there is none yet. Raises Refused when the file is damaged."""
        if self._unsaved is not None:
            return self._unsaved
        try:
            status = self._path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            if self._seen is not None and self._seen[0] == stamp:
                return self._seen[1]
            if status.st_size > MAX_FILE_BYTES:
                raise self._damaged(f"it has {status.st_size} bytes")
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"cannot read {self._path}: {error.strerror}") from error
        table = self._parse(raw)
        self._seen = (stamp, table)
        return table

    def save(self, table: Table) -> None:
        """Raises Unavailable; the table is then kept in memory, so that a full disk does not stop a stop."""
        if self._unsaved is None and self._seen is not None and self._seen[1] == table and self._path.exists():
            return
        self._unsaved = table
        try:
            write_atomically(self._path, self._adapter.dump_json(table, indent=1))
        except OSError as error:
            raise Unavailable(
                f"cannot write {self._path}: {error.strerror}; no instance is started until it can"
            ) from error
        self._unsaved = None
        self._seen = None
        self.load()

    def keep(self, table: Table) -> None:
        """After a failed save: go on from ``table`` instead, and try to write that the next time."""
        if self._unsaved is not None:
            self._unsaved = table

    def empty(self) -> Table:
        return self._empty

    def _parse(self, raw: bytes) -> Table:
        try:
            table = self._adapter.validate_json(raw, strict=True, extra="forbid")
        except ValidationError as error:
            raise self._damaged(f"{counted(error.error_count(), 'field')} of it cannot be read") from error
        if table.format != FORMAT:
            raise self._damaged(f"it has format {table.format}, this program reads format {FORMAT}")
        if (table.application, table.role) != (self._empty.application, self._empty.role):
            raise self._damaged(f"it belongs to {table.role} of {table.application}")
        return table

    def _damaged(self, what: str) -> Refused:
        return Refused(
            f"{self._path} is not a readable table of instances: {what}. Move it away: "
            "the instances that run are then found again by their environment and kept"
        )


def table_name(application: str, role: Role) -> str:
    """A file name for the role that holds no path separator, whatever the application is called."""
    return f"{quote(application, safe='')}.{role.value}"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file at ``path`` in one durable step. Raises OSError."""
    scratch = path.with_name(f".{path.name}.new")
    with scratch.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
