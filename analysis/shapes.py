"""Single values of Prometheus' JSON: a sample, a number, a bound. What does not fit is an Odd; nothing is repaired."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from operator import gt

from analysis.samples import Outcome, Point, Series

ROUNDING = 1e-6  # of a count; counters are whole numbers, so more than rounding is a real difference


class Odd(Exception):
    """A shape that no reading is made of."""

    def __init__(self, outcome: Outcome, text: str) -> None:
        super().__init__(text)
        self.outcome, self.text = outcome, text


def samples_of(values: Sequence[object]) -> tuple[Point, ...]:
    """A counter's samples, oldest first. As it almost always is in one go; what is odd is looked at one by one, so that
    it is named."""
    if all(type(pair) is list and len(pair) == 2 for pair in values):
        try:
            points = tuple([Point(float(at_s), float(value)) for at_s, value in values])  # type: ignore[misc, has-type]
        except (TypeError, ValueError):
            points = ()
        if points and _plain(points):
            return points
    return in_order([point_of(value) for value in values])


def _plain(points: Sequence[Point]) -> bool:
    """Finite, in order and not negative; NaN is none of it."""
    last_s = -math.inf
    for point in points:
        if not (last_s < point.at_s < math.inf and 0 <= point.value < math.inf):
            return False
        last_s = point.at_s
    return True


def point_of(pair: object, signed: bool = False) -> Point:
    """A pair of time and value. Counters are never negative."""
    if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
        raise Odd(Outcome.NOT_A_VECTOR, "a sample is not a pair of time and value")
    at_s, value = number_of(pair[0]), number_of(pair[1])
    if math.isnan(value) or not math.isfinite(at_s):
        raise Odd(Outcome.NOT_A_NUMBER, "a sample is NaN")
    if math.isinf(value):
        raise Odd(Outcome.INFINITE, "a sample is infinite")
    if value < 0 and not signed:
        raise Odd(Outcome.NOT_A_NUMBER, "a sample is negative, so this is not a counter")
    return Point(at_s, value)


def number_of(text: object) -> float:
    try:
        return float(text)  # type: ignore[arg-type]  # whatever it is, float() says whether it is a number
    except (TypeError, ValueError):
        raise Odd(Outcome.NOT_A_NUMBER, "a sample is not a number") from None


def in_order(points: list[Point]) -> tuple[Point, ...]:
    if any(later.at_s <= earlier.at_s for earlier, later in itertools.pairwise(points)):
        raise Odd(Outcome.NOT_A_VECTOR, "samples are not in the order of time")
    return tuple(points)


def check_cumulative(buckets: Iterable[Series]) -> None:
    """The buckets of one classic histogram, lowest bound first: each holds those below it, in every sample. Raises Odd.

    Samples of different times are not compared.
    """
    read = [(one.le, [point.at_s for point in one.points], [point.value for point in one.points]) for one in buckets]
    for (low, low_s, lower), (high, high_s, upper) in itertools.pairwise(read):
        if low_s != high_s:
            shared = dict(zip(high_s, upper, strict=True))
            upper = [shared.get(at_s, value) for at_s, value in zip(low_s, lower, strict=True)]
        if not any(map(gt, lower, upper)):
            continue
        if any(below > above + ROUNDING * max(1.0, below) for below, above in zip(lower, upper, strict=True)):
            text = f"its buckets are not cumulative: more requests up to {low:g} than up to {high:g}"
            raise Odd(Outcome.UNREADABLE, f"{text}; repair what exports them")


def bound_of(text: object) -> float | None:
    if text is None:
        return None
    try:
        bound = float(str(text))
    except ValueError:
        raise Odd(Outcome.NOT_A_VECTOR, "a bucket's bound le is not a number") from None
    if math.isnan(bound):
        raise Odd(Outcome.NOT_A_VECTOR, "a bucket's bound le is NaN")
    return bound
