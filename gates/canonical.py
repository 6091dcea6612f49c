"""One byte string for one JSON value (RFC 8785), and its digest. Nothing else serialises what is hashed or signed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import rfc8785

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

_MAX_EXACT = 2**53 - 1
_MIN_PLAIN = 1e-4

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: Json) -> bytes:
    """The RFC 8785 bytes of ``value``. Raises ValueError for NaN, infinities and integers beyond 2**53."""
    try:
        return _ENCODER.encode(_plain(value)).encode()
    except (_Unsure, UnicodeEncodeError):
        pass
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise ValueError(f"not representable as canonical JSON: {error}") from error


def digest(value: Json) -> str:
    """``sha256:`` and the hex digest of the canonical bytes."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


class _Unsure(Exception):
    """The value holds something on which the standard library and RFC 8785 may differ."""


def _plain(value: Any) -> Any:
    """``value`` with every number in a form that the standard library writes as RFC 8785 does, three times as fast.

    Raises _Unsure for anything else: keys that sort differently in UTF-16, tiny and huge numbers, other types.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is int and -_MAX_EXACT <= value <= _MAX_EXACT:
        return value
    if kind is float:
        return _plain_float(value)
    if kind is dict and all(type(key) is str and key.isascii() for key in value):
        return {key: _plain(part) for key, part in value.items()}
    if kind is list or kind is tuple:
        return [_plain(part) for part in value]
    raise _Unsure


def _plain_float(value: float) -> float | int:
    size = abs(value)
    if not size <= _MAX_EXACT:  # also true of NaN
        raise _Unsure
    if value.is_integer():
        return int(value)
    if size < _MIN_PLAIN:
        raise _Unsure
    return value
