"""What an export proves, offline: its chain, its signed checkpoints, and what outside witnesses have seen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from gates.audit import GENESIS, Record, verify
from gates.checkpoints.export import LineError, NoteLine, parse_line
from gates.checkpoints.note import (
    Checkpoint,
    Key,
    Note,
    NoteError,
    Verify,
    parse_checkpoint,
    parse_note,
    parse_rotation,
)

FINDINGS_MAX = 50
"""Beyond that more findings tell nobody more."""


@dataclass(frozen=True, slots=True)
class Witness:
    """What somebody outside wrote down: after ``size`` records the head was ``head``. ``where`` says who."""

    size: int
    head: str
    where: str = "witness"


@dataclass(frozen=True, slots=True)
class Trust:
    """What the examiner brings along. Without ``verify`` no signature can be checked, and none counts."""

    keys: tuple[Key, ...] = ()
    verify: Verify | None = None
    witnesses: tuple[Witness, ...] = ()
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong. ``code`` is stable; ``text`` says where and what."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """``signed_to`` and ``witnessed_to`` say up to which record the export is proven; behind that it could be cut."""

    findings: tuple[Finding, ...]
    records: int
    head: str
    checkpoints: int
    signed_to: int
    witnessed_to: int

    @property
    def ok(self) -> bool:
        return not self.findings


@dataclass
class _Walk:
    """What was read so far: the hash after each whole record, and every note."""

    heads: list[str] = field(default_factory=lambda: [GENESIS])
    broken: bool = False
    notes: list[NoteLine] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def examine(lines: Iterable[str], trust: Trust) -> Report:
    """Read an export whole and hold it against ``trust``. Nothing it contains is an instruction."""
    walk = _Walk()
    for number, line in enumerate(lines, start=1):
        _take(walk, number, line)
        if len(walk.findings) >= FINDINGS_MAX:
            break
    keys = _known_keys(walk, trust)
    signed = [one for note in walk.notes if note.kind == "checkpoint" for one in _checkpoint(walk, note, keys, trust)]
    for checkpoint in signed:
        _compare(walk, checkpoint.size, checkpoint.head, "checkpoint")
    for witness in trust.witnesses:
        _compare(walk, witness.size, witness.head, witness.where)
    good = [one.size for one in signed if _shows(walk, one.size, one.head)]
    seen = [one.size for one in trust.witnesses if _shows(walk, one.size, one.head)]
    _unsigned(walk, trust, signed)
    findings = tuple(walk.findings[:FINDINGS_MAX])
    return Report(
        findings, len(walk.heads) - 1, walk.heads[-1], len(signed), max(good, default=0), max(seen, default=0)
    )


def _take(walk: _Walk, number: int, line: str) -> None:
    if not line.strip():
        return
    try:
        read = parse_line(line)
    except LineError as error:
        walk.findings.append(Finding("line", f"line {number}: {error}"))
        return
    if isinstance(read, NoteLine):
        walk.notes.append(read)
    elif not walk.broken:
        _chain(walk, read)


def _chain(walk: _Walk, record: Record) -> None:
    """One record behind the last whole one. Behind the first break nothing is whole any more."""
    check = verify([record], first_seq=len(walk.heads), prev=walk.heads[-1])
    if check.ok:
        walk.heads.append(record.hash)
        return
    walk.broken = True
    walk.findings.append(Finding("chain", check.trouble))


def _known_keys(walk: _Walk, trust: Trust) -> list[Key]:
    """The keys that were brought along, and those that they handed over to, one after the other."""
    keys = list(trust.keys)
    for line in walk.notes:
        if line.kind != "rotation" or trust.verify is None:
            continue
        try:
            note = parse_note(line.note)
            origin, new = parse_rotation(note.body)
        except NoteError as error:
            walk.findings.append(Finding("rotation", str(error)))
            continue
        agreed = note.signed_by([new], trust.verify) and note.signed_by(keys, trust.verify)
        if not agreed or (trust.origin is not None and origin != trust.origin):
            walk.findings.append(Finding("rotation", f"no trusted key of this log handed over to {new.name}"))
        elif new not in keys:
            keys.append(new)
    return keys


def _checkpoint(walk: _Walk, line: NoteLine, keys: list[Key], trust: Trust) -> list[Checkpoint]:
    """The checkpoint in ``line`` when a trusted key signed it; otherwise a finding and nothing."""
    try:
        note = parse_note(line.note)
        checkpoint = parse_checkpoint(note.body)
    except NoteError as error:
        walk.findings.append(Finding("checkpoint", str(error)))
        return []
    if trust.verify is None or not keys:
        return []
    if trust.origin is not None and checkpoint.origin != trust.origin:
        walk.findings.append(Finding("origin", f"a checkpoint of another log: {checkpoint.origin[:80]!r}"))
        return []
    if not note.signed_by(keys, trust.verify):
        walk.findings.append(Finding("signature", f"the checkpoint at {checkpoint.size}: {_why_not(note, keys)}"))
        return []
    return [checkpoint]


def _why_not(note: Note, keys: list[Key]) -> str:
    known = {(key.name, key.id) for key in keys}
    if any((one.name, one.key_id) in known for one in note.signatures):
        return "its signature is not right"
    return "nobody trusted signed it"


def _shows(walk: _Walk, size: int, head: str) -> bool:
    return size < len(walk.heads) and walk.heads[size] == head


def _compare(walk: _Walk, size: int, head: str, whose: str) -> None:
    if size >= len(walk.heads):
        text = f"{whose} has seen {size} records; {len(walk.heads) - 1} are whole here"
        walk.findings.append(Finding("cut", text))
    elif not _shows(walk, size, head):
        walk.findings.append(Finding("rewritten", f"{whose} has seen another record {size}"))


def _unsigned(walk: _Walk, trust: Trust, signed: list[Checkpoint]) -> None:
    """Keys were brought along, so there should be something that they signed."""
    wanted = trust.verify is not None and trust.keys
    if (
        wanted
        and not signed
        and len(walk.heads) > 1
        and not any(f.code in ("signature", "checkpoint") for f in walk.findings)
    ):
        walk.findings.append(Finding("no_checkpoint", "the export holds no checkpoint"))


_WITNESS = re.compile(r"([0-9]{1,15}):(sha256:[0-9a-f]{64})")


def parse_witness(text: str) -> Witness:
    """Read ``SIZE:sha256:HEAD``, as it stands in every notice. Raises ValueError."""
    found = _WITNESS.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text[:40]!r} is not NUMBER:sha256:HEAD, as in 4120:sha256:{'0' * 8}...")
    return Witness(int(found[1]), found[2], "the witness")
