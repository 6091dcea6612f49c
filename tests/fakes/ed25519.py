"""Ed25519 as RFC 8032 writes it down, for tests: slow, and not safe against somebody who measures its time."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from gates.checkpoints.note import Key

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


class Point(NamedTuple):
    """In extended coordinates."""

    x: int
    y: int
    z: int
    t: int


ZERO = Point(0, 1, 1, 0)


def add(a: Point, b: Point) -> Point:
    m, n = (a.y - a.x) * (b.y - b.x) % P, (a.y + a.x) * (b.y + b.x) % P
    c, d = 2 * a.t * b.t * D % P, 2 * a.z * b.z % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return Point(e * f % P, g * h % P, f * g % P, e * h % P)


def times(scalar: int, point: Point) -> Point:
    result = ZERO
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def recovered(y: int, sign: int) -> Point | None:
    squared = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(squared, (P + 3) // 8, P)
    if (x * x - squared) % P:
        x = x * ROOT % P
    if (x * x - squared) % P or y >= P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return Point(x, y, 1, x * y % P)


_BASE = recovered(4 * pow(5, P - 2, P) % P, 0)
assert _BASE is not None
BASE = _BASE


def packed(point: Point) -> bytes:
    inverse = pow(point.z, P - 2, P)
    x, y = point.x * inverse % P, point.y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def unpacked(raw: bytes) -> Point | None:
    number = int.from_bytes(raw, "little")
    return recovered(number & (2**255 - 1), number >> 255)


def hashed(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


class TestSigner:
    """A key made of a seed, behind the port."""

    __test__ = False

    def __init__(self, name: str, seed: bytes) -> None:
        digest = hashlib.sha512(seed).digest()
        self._scalar = int.from_bytes(digest[:32], "little") & ~7 & (2**254 - 1) | 2**254
        self._prefix = digest[32:]
        self.key = Key(name, packed(times(self._scalar, BASE)))

    def sign(self, text: bytes) -> bytes:
        nonce = hashed(self._prefix, text) % ORDER
        point = packed(times(nonce, BASE))
        return point + ((nonce + hashed(point, self.key.public, text) * self._scalar) % ORDER).to_bytes(32, "little")


def verify(public: bytes, text: bytes, signature: bytes) -> bool:
    if len(public) != 32 or len(signature) != 64:
        return False
    point, key, scalar = unpacked(signature[:32]), unpacked(public), int.from_bytes(signature[32:], "little")
    if point is None or key is None or scalar >= ORDER:
        return False
    left, right = times(scalar, BASE), add(point, times(hashed(signature[:32], public, text) % ORDER, key))
    return packed(left) == packed(right)
