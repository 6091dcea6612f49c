"""Looks at the bytes of a migration before any parser does. What a person cannot see, or reads in another order than
the server does, is refused; nothing is repaired."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

MAX_BYTES = 256 * 1024
"""A migration is read by a person; a quarter of a mebibyte is some 5,000 lines."""

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cn", "Zl", "Zp"})
_LINE_CONTROLS = frozenset("\n\t")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a text is refused before it is parsed."""

    rule: str
    reason: str
    remedy: str


def read_text(raw: bytes) -> str | Unreadable:
    """The text of ``raw``, or why it must not be read at all."""
    if len(raw) > MAX_BYTES:
        return Unreadable("text.too-big", f"it has {len(raw)} bytes, {MAX_BYTES} are allowed", "split the migration")
    try:
        text = raw.decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        return Unreadable("text.encoding", f"it is not UTF-8 from byte {error.start} on", "save the file as UTF-8")
    return _first_forbidden(text) or text


def _first_forbidden(text: str) -> Unreadable | None:
    line = 1
    for position, letter in enumerate(text):
        if letter == "\n":
            line += 1
        elif letter == "\r":
            if text[position + 1 : position + 2] != "\n":
                return _forbidden("text.bare-cr", letter, line, "a carriage return alone ends a comment for the server")
        elif letter in _BIDI:
            return _forbidden("text.bidi", letter, line, "it changes the order in which the text is shown")
        elif letter not in _LINE_CONTROLS and unicodedata.category(letter) in _FORBIDDEN_CATEGORIES:
            return _forbidden("text.invisible", letter, line, "it cannot be seen by a reviewer")
    return None


def _forbidden(rule: str, letter: str, line: int, why: str) -> Unreadable:
    reason = f"line {line} holds the character U+{ord(letter):04X}: {why}"
    return Unreadable(rule, reason, "remove it; inside data write it as an escape, such as E'\\u200B'")


def shown(text: str) -> str:
    """``text`` with every letter beyond ASCII as an escape, so that two look-alike names look different."""
    return "".join(letter if letter.isascii() else f"\\u{{{ord(letter):04X}}}" for letter in text)


def is_plain_name(name: str) -> bool:
    """Whether a name is written in one script, without letters that look like those of another.

    ASCII is plain; so is a word wholly of letters of one other script. Marks without width are not.
    """
    scripts = {_script(letter) for letter in name if not (letter.isascii() and not letter.isalpha())}
    return len(scripts) <= 1 and "" not in scripts and not (name.isascii() is False and scripts <= _LOOK_ALIKES)


_LOOK_ALIKES = frozenset({"CYRILLIC", "GREEK", "FULLWIDTH", "MATHEMATICAL", "ARMENIAN", "CHEROKEE"})
"""Scripts whose letters are mistaken for Latin ones, so that even a whole word of them may pose as another name."""


def _script(letter: str) -> str:
    if not unicodedata.category(letter).startswith("L"):
        return ""
    return unicodedata.name(letter, " ").split(" ", maxsplit=1)[0]
