"""A migration plan as a value: exactly what runs, where, and in which state of the schema, pinned by one digest.
Titles, times and approvals stand outside. Nothing is looked up or run here."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from gates.canonical import canonical
from gates.grades import Grade
from gates.migrations.model import Phase

PREFIX = b"migration-plan/v1\0"
"""What is hashed begins so, so that no other document can ever have the digest of a plan."""


class Crash(Enum):
    """What is done about a step during which the executor ended."""

    ROLLED_BACK = "rolled back: the server undoes the open transaction, and the ledger says whether it was committed"
    PROBE = "probe: a query says whether it is done, half done or not begun, before anything else"


@dataclass(frozen=True, slots=True)
class Session:
    """How the connection is set while the plan runs. Each setting is read back before the first statement."""

    role: str
    search_path: str
    time_zone: str = "UTC"
    standard_conforming_strings: str = "on"
    client_encoding: str = "UTF8"
    lock_timeout_ms: int = 2_000
    statement_timeout_ms: int = 900_000


@dataclass(frozen=True, slots=True)
class Target:
    """Which database, so that neither a clone nor a promoted replica is taken for it."""

    id: str
    host: str
    port: int
    tls_identity: str
    database: str
    database_oid: int
    system_identifier: str
    timeline: int
    server_version_num: int
    is_primary: bool


@dataclass(frozen=True, slots=True)
class Schema:
    """Fingerprints of the catalog and of the framework's version table, before the plan and after it."""

    before: str
    after: str
    version_before: str
    version_after: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the text came from, and for which release it is."""

    repository: str
    commit: str
    path: str
    file_sha256: str
    renderer: str
    release: str
    artefact: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class Tools:
    """Who graded and rehearsed it. Other rules or another parser may see another plan in the same bytes."""

    build: str
    rules: str
    parser: str
    parser_library_sha256: str
    shadow_version: str
    evidence: str


@dataclass(frozen=True, slots=True)
class PlannedStatement:
    """One statement as it will be sent. ``group`` is None when it runs outside any transaction."""

    sql: bytes
    kind: str
    group: int | None
    grade: Grade
    lock: str
    objects: tuple[str, ...]
    crash: Crash
    row_bound: int | None = None
    probe_before: str = ""
    probe_after: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql).hexdigest()


@dataclass(frozen=True, slots=True)
class Check:
    """A query that only reads, and what it must answer."""

    sql: str
    expected: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What the executor keeps, beyond the time-outs of the session."""

    total_s: int = 3_600
    blocked_sessions: int = 5
    """More waiting behind the plan, and the running statement is cancelled."""
    lock_attempts: int = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """Any byte of it changed is another plan, which needs an approval of its own."""

    statements: tuple[PlannedStatement, ...]
    session: Session
    target: Target
    schema: Schema
    origin: Origin
    tools: Tools
    grade: Grade
    findings: tuple[str, ...]
    limits: Limits
    undo: tuple[PlannedStatement, ...]
    checks: tuple[Check, ...]
    nonce: str
    """Drawn by whoever proposes it: the same migration proposed twice is two plans, each to be run once."""

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(PREFIX + canonical(document(self))).hexdigest()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan with what is said about it. Only the plan is pinned."""

    plan: Plan
    title: str
    comment: str = ""


def document(value: Any) -> Any:
    """A plan as canonical JSON takes it: bytes as base64 beside their digest, no numbers but whole ones."""
    if is_dataclass(value):
        told = {each.name: document(getattr(value, each.name)) for each in fields(value)}
        return told | ({"sha256": value.sha256} if isinstance(value, PlannedStatement) else {})
    if isinstance(value, tuple):
        return [document(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    assert value is None or isinstance(value, str | int), f"{type(value).__name__} has no place in a plan"
    return value
