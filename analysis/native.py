"""Native histograms as Prometheus' API writes them, taken apart into counters per bucket. It judges nothing.

A sample holds its populated buckets only. A bucket that is missing from a sample is empty, so each bucket becomes a
counter that is zero where it is missing; a bucket may be new at any time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.samples import Outcome, Point, Series
from analysis.shapes import Odd, in_order, number_of, point_of

Buckets = dict[tuple[float, float], float]


def buckets_of(whole: Series, samples: object) -> list[Series]:
    """The count as a bucket up to infinity, and each populated bucket with its floor."""
    if not isinstance(samples, Sequence) or isinstance(samples, str) or not samples:
        raise Odd(Outcome.NOT_A_VECTOR, "a histogram has no samples")
    read = [_sample(sample) for sample in samples]
    counts = in_order([point for point, _ in read])
    edges = sorted({edge for _, buckets in read for edge in buckets})
    found = [replace(whole, key=_keyed(whole.key, "+Inf"), points=counts, le=math.inf)]
    for low, high in edges:
        points = [Point(point.at_s, buckets.get((low, high), 0.0)) for point, buckets in read]
        key = _keyed(whole.key, f"{low!r},{high!r}")
        found.append(replace(whole, key=key, points=tuple(points), le=high, floor=low))
    return found


def _sample(sample: object) -> tuple[Point, Buckets]:
    if not isinstance(sample, Sequence) or isinstance(sample, str) or len(sample) != 2:
        raise Odd(Outcome.NOT_A_VECTOR, "a histogram's sample is not a pair of time and histogram")
    at_s, histogram = sample
    if not isinstance(histogram, Mapping) or "count" not in histogram:
        raise Odd(Outcome.NOT_A_VECTOR, "a histogram has no count")
    buckets: Buckets = {}
    for bucket in histogram.get("buckets") or ():
        low, high, count = _bucket(bucket)
        buckets[low, high] = buckets.get((low, high), 0.0) + count
    return point_of((at_s, histogram["count"])), buckets


def _bucket(bucket: object) -> tuple[float, float, float]:
    """Rule, low, high, count. What is at or below zero lies in a bucket of its own, up to the zero threshold."""
    if not isinstance(bucket, Sequence) or isinstance(bucket, str) or len(bucket) != 4:
        raise Odd(Outcome.NOT_A_VECTOR, "a histogram's bucket is not rule, bounds and count")
    low, high, count = (number_of(part) for part in bucket[1:])
    if count < 0 or high < low:
        raise Odd(Outcome.NOT_A_NUMBER, "a histogram's bucket is negative, so this is not a counter")
    return max(0.0, low), max(0.0, high), count


def _keyed(key: str, bounds: str) -> str:
    return json.dumps([key, bounds])
