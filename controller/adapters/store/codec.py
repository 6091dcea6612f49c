"""Frozen dataclasses to JSON text and back, strictly: what does not fit is refused, never guessed. No SQL here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, SchemaSerializer

from controller.adapters.store.errors import Corrupt
from controller.adapters.store.schema import FORMAT
from controller.core.explain import counted
from controller.core.model import Release
from controller.ports import Message, Refused, StoredApplication
from gates.audit import Draft
from gates.canonical import Json
from gates.kill import Engagement

T = TypeVar("T")

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Of one stored JSON text. A release with all its evidence takes some 10 KB; more is a runaway, not a release."""

REMEMBERED_MAX = 4096
"""Texts of applications whose value is kept. One takes some 10 KB."""

_SCALARS = frozenset({int, float, str, bool, type(None)})


class Codec(Generic[T]):
    """Writes and reads one type. ``table`` names it in errors."""

    def __init__(self, kind: type[T], table: str) -> None:
        self._table = table
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)
        self._serializer = SchemaSerializer(
            _keeping_infinity(self._adapter.core_schema), {"ser_json_inf_nan": "constants"}
        )

    def encode(self, value: T, key: str) -> str:
        """The JSON text of ``value``. Raises ValueError for what could not be read back, which is a bug of ours."""
        try:
            raw = self._serializer.to_json(value, warnings="error")
        except PydanticSerializationError:  # its text would show the value
            what = "a value of another type than its field, or text that is not Unicode"
            raise ValueError(f"{self._table} {key!r} is not written: it holds {what}") from None
        if len(raw) > MAX_BODY_BYTES:
            raise Refused(f"{self._table} {key!r} takes {len(raw)} bytes; at most {MAX_BODY_BYTES} are stored")
        return raw.decode()

    def decode(self, stored_format: object, text: str, key: str) -> T:
        if stored_format != FORMAT:
            why = f"it has format {stored_format!r} and this version of Interlock reads format {FORMAT}"
            raise Corrupt(self._table, key, why)
        try:
            return self._adapter.validate_json(text, strict=True, extra="forbid")
        except (ValidationError, TypeError, ValueError) as error:
            raise Corrupt(self._table, key, _first_trouble(error)) from None


def _keeping_infinity(schema: Any) -> Any:
    """``schema`` with each dataclass told to write NaN and infinities as such.

    By default they become null, which nobody can read back, and evidence is infinite when a thing is impossible. The
    classes themselves cannot say so: they know nothing of how they are stored.
    """
    if isinstance(schema, list):
        return [_keeping_infinity(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: part if name == "metadata" else _keeping_infinity(part) for name, part in schema.items()}
    if schema.get("type") == "dataclass":
        kept["config"] = {**schema.get("config", {}), "ser_json_inf_nan": "constants"}
    return kept


def _first_trouble(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the text"
        return f"{counted(error.error_count(), 'fault')}, the first at {place}: {first['msg']}"
    return f"not a text: {type(error).__name__}"


class RememberingCodec(Codec[T]):
    """For what is read far more often than it changes: the same text gives the same frozen value, decoded once."""

    def __init__(self, kind: type[T], table: str) -> None:
        super().__init__(kind, table)
        self._decoded = lru_cache(REMEMBERED_MAX)(super().decode)

    def decode(self, stored_format: object, text: str, key: str) -> T:
        return self._decoded(stored_format, text, key)


class Codecs:
    """All codecs of the store, built once: building them takes tens of milliseconds, using them microseconds."""

    def __init__(self) -> None:
        self.release = Codec(Release, "releases")
        self.application = RememberingCodec(StoredApplication, "applications")
        self.engagement = Codec(Engagement, "kills")
        self.message = Codec(Message, "outbox")


def encode_numbers(numbers: Mapping[str, Json]) -> str:
    """Plain JSON that keeps every float's last digit; the canonical form would turn 1e16 into an integer."""
    return json.dumps(dict(numbers), separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def decode_numbers(text: str) -> dict[str, Any]:
    numbers = json.loads(text)
    if not isinstance(numbers, dict):
        raise ValueError("numbers is not an object")
    return numbers


def keepable(text: str) -> str:
    """``text`` without the one character that not every database keeps. What the world says of itself may hold it, and
    must not keep a record from being written."""
    return text.replace("\x00", "\ufffd")


def settled(draft: Draft) -> Draft:
    """``draft`` as every store gives it back: whole microseconds, and numbers nobody else can change any more."""
    return Draft(
        type=draft.type,
        at_s=at_s(at_us(draft.at_s)),
        actor=keepable(draft.actor),
        text=keepable(draft.text),
        release_id=draft.release_id,
        application=draft.application,
        environment=draft.environment,
        epoch=draft.epoch,
        numbers=_settled_numbers(draft.numbers),
        late=draft.late,
    )


def _settled_numbers(numbers: Mapping[str, Json]) -> dict[str, Any]:
    if all(type(value) in _SCALARS for value in numbers.values()):
        return dict(numbers)
    return decode_numbers(encode_numbers(numbers))


def at_us(seconds: float) -> int:
    return round(seconds * 1e6)


def at_s(microseconds: int) -> float:
    return microseconds / 1e6
