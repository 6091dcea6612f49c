"""The audit record as JSON lines and back. A line that is not understood is said, never skipped."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gates.audit import VERSION, Draft, Record, body
from gates.canonical import canonical

LINE_CHARS_MAX = 1_000_000
"""A record is some kilobytes; what is longer is not one."""

_FIELDS: dict[str, tuple[type, ...]] = {
    "v": (int,),
    "seq": (int,),
    "prev": (str,),
    "hash": (str,),
    "type": (str,),
    "at_us": (int,),
    "actor": (str,),
    "text": (str,),
    "release_id": (str, type(None)),
    "application": (str, type(None)),
    "environment": (str, type(None)),
    "epoch": (int, type(None)),
    "numbers": (dict,),
    "late": (bool,),
}


@dataclass(frozen=True, slots=True)
class NoteLine:
    """A signed note as it stands in an export: ``kind`` is checkpoint or rotation."""

    kind: str
    note: str


class LineError(ValueError):
    """A line that is no part of an export."""


def export(records: Iterable[Record], notes: Iterable[NoteLine] = ()) -> Iterator[str]:
    """One line for each record, in order, then one for each note. Line breaks are the writer's."""
    for record in records:
        yield _dumped({"record": {**body(record.seq, record.prev, record.draft), "hash": record.hash}})
    for note in notes:
        assert note.kind in _NOTES, note.kind
        yield _dumped({note.kind: note.note})


def parse_line(line: str) -> Record | NoteLine:
    """Read one line of an export. Raises LineError: a field more, less or of another type is not overlooked."""
    if len(line) > LINE_CHARS_MAX:
        raise LineError(f"longer than {LINE_CHARS_MAX} characters")
    try:
        read = json.loads(line, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise LineError(f"not JSON: {str(error)[:100]}") from None
    if not isinstance(read, dict) or len(read) != 1:
        raise LineError("not an object with the one key record, checkpoint or rotation")
    ((kind, value),) = read.items()
    if kind in _NOTES and isinstance(value, str):
        return NoteLine(kind, value)
    if kind == "record" and isinstance(value, dict):
        return _record(value)
    raise LineError(f"an unknown kind of line: {str(kind)[:40]!r}")


_NOTES = ("checkpoint", "rotation")


def _record(value: dict[str, Any]) -> Record:
    if set(value) != set(_FIELDS):
        odd = sorted(set(value) ^ set(_FIELDS))
        raise LineError(f"a record with other fields than it has: {', '.join(odd)[:200]}")
    for name, types in _FIELDS.items():
        if type(value[name]) not in types:
            raise LineError(f"{name} is {type(value[name]).__name__}")
    if value["v"] != VERSION:
        raise LineError(f"version {value['v']}; this program reads {VERSION}")
    at_s = value["at_us"] / 1e6 if abs(value["at_us"]) < 2**53 else math.nan
    if value["seq"] < 1 or not value["prev"].startswith("sha256:") or math.isnan(at_s):
        raise LineError("its number, its time or its link is not one")
    try:
        canonical(value["numbers"])
        canonical([value[name] for name in _FIELDS if name != "numbers"])
    except (ValueError, RecursionError):
        raise LineError("it holds what no record can") from None
    draft = Draft(
        value["type"],
        at_s,
        value["actor"],
        value["text"],
        value["release_id"],
        value["application"],
        value["environment"],
        value["epoch"],
        value["numbers"],
        value["late"],
    )
    return Record(value["seq"], value["prev"], draft, value["hash"])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that is there twice would be read as one thing by us and as another by somebody else."""
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a key is there twice")
    return read


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _dumped(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
