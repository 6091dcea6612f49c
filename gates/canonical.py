"""One byte string for one JSON value (RFC 8785), and its digest. Nothing else serialises what is hashed or signed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import rfc8785

Json: TypeAlias = "None | bool | int | float | str | Sequence[Json] | Mapping[str, Json]"


def canonical(value: Json) -> bytes:
    """The RFC 8785 bytes of ``value``. Raises ValueError for NaN, infinities and integers beyond 2**53."""
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise ValueError(f"not representable as canonical JSON: {error}") from error


def digest(value: Json) -> str:
    """``sha256:`` and the hex digest of the canonical bytes."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()
