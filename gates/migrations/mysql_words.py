"""Cuts MySQL text into words and statements. It refuses what the server reads and a person does not: executable
comments, optimizer hints, client commands."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKENS = re.compile(
    r"""(?P<space>\s+)
    |(?P<executable>/\*[!+M].*?(?:\*/|\Z))
    |(?P<comment>/\*.*?\*/|--(?=\s|\Z)[^\n]*|\#[^\n]*)
    |(?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
    |(?P<quoted>`(?:[^`]|``)+`)
    |(?P<word>[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<mark>[(),;=.*<>+-])""",
    re.VERBOSE | re.DOTALL,
)


class Unclear(Exception):
    """The text is why it cannot be read with certainty."""


@dataclass(frozen=True, slots=True)
class Word:
    """``shape`` is string, quoted, word, number or mark; a bare word is in upper case in ``text``."""

    shape: str
    text: str


@dataclass(frozen=True, slots=True)
class Statement:
    text: str
    words: tuple[Word, ...]

    @property
    def bare(self) -> tuple[str, ...]:
        """Keywords and marks as they are; a name as NAME, a literal as LITERAL."""
        shapes = {"quoted": "NAME", "string": "LITERAL", "number": "LITERAL"}
        return tuple(shapes.get(word.shape, word.text) for word in self.words)


def statements_of(text: str) -> tuple[Statement, ...]:
    """Raises Unclear for what is read differently under other settings of server or client."""
    found: list[Statement] = []
    words: list[Word] = []
    start = position = 0
    while position < len(text):
        match = _TOKENS.match(text, position)
        if match is not None and match[0] == "-" and text[position : position + 2] == "--":
            raise Unclear("two dashes begin a comment only with white space after them")
        if match is None:
            raise Unclear(f"the sign {text[position]!r} is not expected here")
        word = _word(match)
        position = match.end()
        if word is not None and word.text == ";" and word.shape == "mark":
            found.append(Statement(text[start : match.start()].strip(), tuple(words)))
            words, start = [], position
        elif word is not None:
            words.append(word)
    found.append(Statement(text[start:].strip(), tuple(words)))
    return tuple(each for each in found if each.words)


def _word(match: re.Match[str]) -> Word | None:
    shape, text = str(match.lastgroup), match[0]
    if shape in ("space", "comment"):
        return None
    if shape == "executable":
        raise Unclear("the server runs what stands in /*! */ and heeds /*+ */: neither may be in a migration")
    if shape == "string" and "\\" in text:
        raise Unclear("what a backslash means depends on the server's sql_mode")
    if shape == "word" and text.upper() == "DELIMITER":
        raise Unclear("DELIMITER is a command of a client, not SQL")
    return Word(shape, text.upper() if shape == "word" else text)
