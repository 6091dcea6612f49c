"""A step as checked facts: reads a JSON object within limits, names what it does not know, and judges nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gates.canonical import Json
from gates.grading.vocabulary import BLOCKS, SAFETY_BLOCKS, VOCABULARY, Role, Shape

DEPTH_MAX = 8
"""Levels of nesting. Real steps nest three deep; an attacker's may nest until the reader dies."""
VALUES_MAX = 20_000
"""Values in one step: the changed files of a very big release, and no more."""
TEXT_MAX = 100_000
"""Characters of one text; the longest honest one is an SQL statement."""
NUMBER_MAX = 1e15
"""Beyond this, whole numbers are no longer exact in JSON, and no count of rows is that big."""
KIND_MAX = 100
"""Characters of a step's kind."""


class StepError(ValueError):
    """The document is no step. The text names the field and says what to write."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a step states. ``unknown`` are the paths the grader has no word for."""

    document: Mapping[str, Json]
    values: Mapping[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def has(self, path: str) -> bool:
        assert path in VOCABULARY or path in BLOCKS, path
        return path in self.values or any(name.startswith(path + ".") for name in self.values)

    def flag(self, path: str) -> bool | None:
        assert VOCABULARY[path].shape is Shape.FLAG, path
        value = self.values.get(path)
        assert value is None or isinstance(value, bool)
        return value

    def number(self, path: str) -> float | None:
        assert VOCABULARY[path].shape is Shape.NUMBER, path
        value = self.values.get(path)
        assert value is None or isinstance(value, int | float)
        return value

    def text(self, path: str) -> str:
        """In small letters without spaces around, so that spelling cannot slip past a rule; empty when absent."""
        assert VOCABULARY[path].shape is Shape.TEXT, path
        return str(self.values.get(path, "")).strip().lower()

    def texts(self, path: str) -> tuple[str, ...]:
        assert VOCABULARY[path].shape is Shape.TEXTS, path
        value = self.values.get(path, ())
        return (value,) if isinstance(value, str) else tuple(value)

    def any(self, path: str) -> Any:
        assert VOCABULARY[path].shape is Shape.ANY, path
        return self.values.get(path)


def read(document: object) -> Facts:
    """Check and flatten a step. Raises StepError; an unknown word is no error, it is kept and rounds up."""
    found = read_partly(document)
    _complete(found.values)
    return found


def read_partly(document: object) -> Facts:
    """The same for a step to which the controller still adds who asks for it."""
    if not isinstance(document, Mapping):
        raise StepError('a step is a JSON object, as in {"kind": "deploy", ...}')
    _check_size(document)
    values: dict[str, Any] = {}
    unknown: list[str] = []
    for path, value in _flat(document):
        if value is None:
            continue
        known = VOCABULARY.get(path)
        if known is None:
            unknown.append(path)
        else:
            values[path] = _checked(path, known.shape, value)
    if values.get("confidence", 0) > 1:
        raise StepError("confidence must be a number from 0 to 1")
    return Facts(document, values, tuple(unknown))


def _complete(values: Mapping[str, Any]) -> None:
    kind = values.get("kind")
    if not isinstance(kind, str) or not kind.strip():
        raise StepError('kind is missing: say what the step does, as in "deploy"')
    if len(kind) > KIND_MAX:
        raise StepError(f"kind has {len(kind)} characters; at most {KIND_MAX} are read")
    if not str(values.get("actor.id", "")).strip():
        raise StepError("actor.id is missing: a step without an authenticated actor is refused")


def _flat(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if name not in BLOCKS or name in VOCABULARY:
            yield name, value
        elif isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", part) for inner, part in value.items())
        elif name == "trifecta" and value is True:
            yield from ((path, True) for path in VOCABULARY if path.startswith("trifecta."))
        elif value is not None:
            raise StepError(f"{name} must be an object, not {type(value).__name__}")


def _checked(path: str, shape: Shape, value: Any) -> Any:
    if shape is Shape.ANY:
        return value
    if shape is Shape.NUMBER:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= NUMBER_MAX
    elif shape is Shape.TEXTS:
        fits = isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(v, str) for v in value))
    else:
        fits = isinstance(value, bool if shape is Shape.FLAG else str)
    if not fits:
        raise StepError(f"{path} must be {shape.value}, not {str(value)[:60]!r}")
    return tuple(value) if isinstance(value, list) else value


def _check_size(document: Mapping[str, Any]) -> None:
    """Walks without recursion, so that a deep document cannot end the process."""
    seen, waiting = 0, [(document, 1)]
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if seen > VALUES_MAX:
            raise StepError(f"the step has more than {VALUES_MAX} values; split it")
        if depth > DEPTH_MAX:
            raise StepError(f"the step is nested deeper than {DEPTH_MAX} levels")
        if isinstance(value, Mapping):
            if not all(isinstance(name, str) for name in value):
                raise StepError("the names of fields must be texts")
            waiting += [(part, depth + 1) for part in value.values()]
        elif isinstance(value, list | tuple):
            waiting += [(part, depth + 1) for part in value]
        elif isinstance(value, str) and len(value) > TEXT_MAX:
            raise StepError(f"a text has {len(value)} characters; at most {TEXT_MAX} are read")
        elif isinstance(value, float) and not math.isfinite(value):
            raise StepError("a number is not finite")


def rounds_up(path: str) -> bool:
    """Whether an unknown word must be taken for the worst. In a block of evidence it simply is no evidence."""
    return path.split(".")[0] not in SAFETY_BLOCKS


def is_safety(path: str) -> bool:
    return path in VOCABULARY and VOCABULARY[path].role is Role.SAFETY
