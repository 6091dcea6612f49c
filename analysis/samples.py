"""What was read: raw samples by series, query and role, with an outcome for each. Data only; it reads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Which side of the comparison a series belongs to."""

    STABLE = "stable"
    CANARY = "canary"


class Outcome(StrEnum):
    """What came back for one query and one role. Only OK carries series; none of the others ever means "fine"."""

    OK = "ok"
    NO_SERIES = "no_series"
    NOT_A_NUMBER = "not_a_number"
    INFINITE = "infinite"
    TOO_MANY_SERIES = "too_many_series"
    STALE = "stale"
    NOT_A_VECTOR = "not_a_vector"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Point:
    """One raw sample: scrape time in seconds since the epoch, and the counter's value."""

    at_s: float
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """The raw samples of one series, oldest first. ``key`` is its label set as canonical text.

    ``source`` names the scraped target: series of one source share their scrapes. ``le`` is a bucket's upper bound;
    with ``floor``, its lower one, the bucket counts only what lies between, as native histograms do. ``pod`` is the
    instance that served the requests, where the labels tell.
    """

    key: str
    points: tuple[Point, ...]
    le: float | None = None
    source: str = ""
    floor: float | None = None
    pod: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """The answer to one query for one role: ``metric`` is the selector as the spec has it.

    ``text`` says what went wrong, for people.
    """

    metric: str
    role: Role
    outcome: Outcome
    series: tuple[Series, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Readings:
    """All answers of one pass, read at one fixed time ``at_s``."""

    at_s: float
    items: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class GateStats:
    """What was asked of one Prometheus since the start: queries sent and their seconds, those that failed, those not
    sent, readings that were shared."""

    server: str
    queries: int = 0
    seconds: float = 0.0
    failed: int = 0
    refused_budget: int = 0
    refused_breaker: int = 0
    shared: int = 0
    is_open: bool = False
