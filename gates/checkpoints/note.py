"""A checkpoint as a signed note: which log, how many records, which head. Signing is a port: no key is held here.

The text is the one that other tools for transparency logs write (C2SP signed-note and tlog-checkpoint).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

ED25519 = b"\x01"
KEY_BYTES, SIGNATURE_BYTES, KEY_ID_BYTES = 32, 64, 4
NOTE_CHARS_MAX = 4_000
SIGNATURES_MAX = 8
"""Our own, the key before it, and a few witnesses."""
SIZE_DIGITS_MAX = 15
_SIGNED_BY = "\u2014 "
_NAME = re.compile(r"[^\s+\u2014]{1,100}")
_HEAD = "sha256:"


class Signer(Protocol):
    """What signs. The key stays behind it."""

    @property
    def key(self) -> Key: ...

    def sign(self, text: bytes) -> bytes: ...


class Verify(Protocol):
    """Ed25519: whether ``signature`` is ``public``'s over ``text``. Raises nothing, whatever it is given."""

    def __call__(self, public: bytes, text: bytes, signature: bytes) -> bool: ...


class NoteError(ValueError):
    """The text is no note, or no key. It is then worth nothing, and says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key under a name, as people hand it on."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"


def parse_key(text: str) -> Key:
    """Read ``NAME+ID+KEY``. Raises NoteError: the id is a checksum, so that a slip of the pen is seen."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = _decoded(encoded)
    if not _NAME.fullmatch(name) or len(raw) != 1 + KEY_BYTES or raw[:1] != ED25519:
        raise NoteError(f"{text[:40]!r} is no Ed25519 key of the form NAME+ID+KEY")
    key = Key(name, raw[1:])
    if key.id.hex() != key_id.lower():
        raise NoteError(f"the id in {text[:40]!r} is not the one of that name and key")
    return key


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first ``size`` records of the log ``origin`` end with the hash ``head``."""

    origin: str
    size: int
    head: str

    @property
    def body(self) -> str:
        root = base64.b64encode(bytes.fromhex(self.head.removeprefix(_HEAD))).decode()
        return f"{self.origin}\n{self.size}\n{root}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A body and who signed it; whether they did is asked of ``signed_by``."""

    body: str
    signatures: tuple[Signature, ...]

    def signed_by(self, keys: Iterable[Key], verify: Verify) -> tuple[Key, ...]:
        """The keys of ``keys`` whose signature is there and right."""
        text = self.body.encode()
        return tuple(
            key
            for key in keys
            if any(
                one.name == key.name and one.key_id == key.id and verify(key.public, text, one.signature)
                for one in self.signatures
            )
        )


def sign(body: str, *signers: Signer) -> str:
    """The note over ``body`` with a signature of each."""
    assert body.endswith("\n"), "a body ends with a line break"
    assert 0 < len(signers) <= SIGNATURES_MAX, len(signers)
    lines = [_line(signer, body.encode()) for signer in signers]
    return body + "\n" + "".join(lines)


def _line(signer: Signer, text: bytes) -> str:
    signature = signer.sign(text)
    assert len(signature) == SIGNATURE_BYTES, len(signature)
    return f"{_SIGNED_BY}{signer.key.name} {base64.b64encode(signer.key.id + signature).decode()}\n"


def parse_note(text: str) -> Note:
    """Read a note. Raises NoteError; nothing in it is believed yet."""
    body, blank, tail = text.rpartition("\n\n")
    lines = tail.splitlines()
    if len(text) > NOTE_CHARS_MAX or not blank or not 0 < len(lines) <= SIGNATURES_MAX or not tail.endswith("\n"):
        raise NoteError("not a signed note: a text, an empty line, and at least one signature")
    return Note(body + "\n", tuple(_signature(line) for line in lines))


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_SIGNED_BY).partition(" ")
    raw = _decoded(encoded)
    if not line.startswith(_SIGNED_BY) or not space or not _NAME.fullmatch(name):
        raise NoteError(f"{line[:40]!r} is no signature line")
    if len(raw) != KEY_ID_BYTES + SIGNATURE_BYTES:
        raise NoteError(f"the signature of {name} has a wrong length")
    return Signature(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


def parse_checkpoint(body: str) -> Checkpoint:
    """Read the body of a note as a checkpoint. Raises NoteError."""
    lines = body.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0]:
        raise NoteError("a checkpoint has three lines: the log, the number of records, the head")
    origin, size, root = lines[:3]
    raw = _decoded(root)
    plain = size.isascii() and size.isdigit() and len(size) <= SIZE_DIGITS_MAX and str(int(size)) == size
    if not plain or len(raw) != hashlib.sha256().digest_size:
        raise NoteError("a checkpoint's number of records or its head cannot be read")
    return Checkpoint(origin, int(size), _HEAD + raw.hex())


def rotation(origin: str, old: Signer, new: Signer) -> str:
    """The note in which the old key hands over to the new one, and the new one agrees."""
    return sign(f"{origin}\nkey\n{new.key}\n", old, new)


def parse_rotation(body: str) -> tuple[str, Key]:
    """The log and its next key. Raises NoteError."""
    lines = body.split("\n")
    if len(lines) != 4 or lines[3] or lines[1] != "key":
        raise NoteError("a rotation has three lines: the log, the word key, the next key")
    return lines[0], parse_key(lines[2])


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
