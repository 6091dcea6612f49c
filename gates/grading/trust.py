"""Which facts about a step are believed: safety only from the controller's own checks, while they are fresh enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gates.grading.facts import Facts, StepError, read, read_partly
from gates.grading.kinds import Group, kind_of
from gates.grading.vocabulary import SAFETY_BLOCKS, VOCABULARY, Field, Role, Shape


class Source(StrEnum):
    """Where a fact comes from. CALLER may raise a grade and never lower it."""

    CALLER = "caller"
    REGISTRY = "registry"  # environments and applications as registered
    PLAN = "plan"
    GUARDS = "guards"  # the state of canary, rollback and breaker
    SELF_TEST = "self-test"  # of the kill switch
    REHEARSAL = "rehearsal"  # the log of exercised ways back
    CHANGES = "changes"  # changed files of the release range
    PARSER = "parser"
    DRY_RUN = "dry-run"
    HISTORY = "history"
    FILE = "file"  # a batch file, whose facts count as verified


AGE_MAX_S: dict[Source, float] = {
    Source.SELF_TEST: 180.0,  # three missed self-tests
    Source.GUARDS: 120.0,  # a guard that has not reported for two sweeps
    Source.DRY_RUN: 300.0,  # the world moves on
    Source.REGISTRY: 3600.0,
    Source.CHANGES: 3600.0,
    Source.PLAN: 86_400.0,
    Source.REHEARSAL: 300.0,  # of reading the log; how long ago the exercise was is a fact of its own
    Source.HISTORY: 300.0,
    Source.PARSER: 3600.0,
    Source.FILE: float("inf"),
}
"""Seconds after which what a source said no longer lowers anything."""


@dataclass(frozen=True, slots=True)
class Sourced:
    """One verified fact: its path as in ``guards.canary``, who says so, and how long ago it was seen."""

    path: str
    value: Any
    source: Source
    age_s: float


@dataclass(frozen=True, slots=True)
class Believed:
    """``dropped`` says, per fact, why it was not believed."""

    facts: Facts
    dropped: tuple[str, ...] = ()


def believe(asked: Mapping[str, Any], verified: tuple[Sourced, ...]) -> Believed:
    """Merge a caller's step with what the controller knows. Raises StepError, also on a word it does not know."""
    given = read_partly(asked)
    if given.unknown:
        raise StepError(f"unknown: {', '.join(given.unknown[:5])[:200]}; leave it out or check its spelling")
    values, dropped = _from_caller(given)
    for one in verified:
        field = VOCABULARY[one.path]
        if field.role is Role.SAFETY and one.age_s > AGE_MAX_S.get(one.source, 0.0):
            dropped.append(f"{one.path}: seen {one.age_s:.0f} s ago by {one.source.value}, which is too old")
        elif field.role is Role.RISK:
            values[one.path] = _worse(field, values.get(one.path), one.value)
        else:
            if values.get(one.path, one.value) != one.value:
                values["contradictions"] = (*values.get("contradictions", ()), one.path)
            values[one.path] = one.value
    return Believed(read(_nested(values)), tuple(dropped))


def _from_caller(given: Facts) -> tuple[dict[str, Any], list[str]]:
    """What is left of a caller's word: what it wants, and what speaks against it. The actor is the credential's."""
    dropped = [f"{path}: only the controller's own check counts" for path in given.values if _lowers(path)]
    values = {path: value for path, value in given.values.items() if not _lowers(path)}
    values = {path: value for path, value in values.items() if not _says_nothing(path, value)}
    if given.has("migration") and kind_of(given.text("kind")).group is not Group.SQL:
        values["contradictions"] = (*given.texts("contradictions"), "migration")
    return values, dropped


def _says_nothing(path: str, value: Any) -> bool:
    """A risk that the caller denies is a risk that nobody looked at. Its own name for itself counts as little."""
    return (VOCABULARY[path].role is Role.RISK and value is False) or path.startswith("actor.")


def _lowers(path: str) -> bool:
    """Whether a caller's word on it is dropped. A block of evidence is dropped whole."""
    block = path.split(".")[0]
    return VOCABULARY[path].role is Role.SAFETY or block in SAFETY_BLOCKS


def _worse(field: Field, said: Any, seen: Any) -> Any:
    """Of two statements about a risk, the one that raises more."""
    if said is None:
        return seen
    if field.shape is Shape.FLAG:
        return said or seen
    if field.shape is Shape.NUMBER:
        return min(said, seen) if field.lower_is_worse else max(said, seen)
    if field.shape is Shape.TEXTS:
        both = [*((said,) if isinstance(said, str) else said), *((seen,) if isinstance(seen, str) else seen)]
        return tuple(dict.fromkeys(both))
    return max(str(said), str(seen))


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Back to the shape of a document, so that what was believed can be digested and replayed."""
    document: dict[str, Any] = {}
    for path, value in values.items():
        plain = list(value) if isinstance(value, tuple) else value
        block, _, name = path.partition(".")
        if name:
            document.setdefault(block, {})[name] = plain
        else:
            document[block] = plain
    return document
