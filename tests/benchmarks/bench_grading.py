"""What grading one step costs in processor time, beside a bare digest of the same document, turn by turn in one run."""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Sequence

from gates.grading.answer import answer, as_json
from gates.grading.facts import read
from gates.grading.rulebook import Policy
from tests.unit.grading.cases import CASES

ROUNDS = 20
WARM_UP = 2
"""Rounds that are not counted: the first ones pay for caches."""


def run() -> dict[str, object]:
    policy, steps = Policy(), [(case.step, json.dumps(case.step)) for case in CASES]
    graded: list[float] = []
    bare: list[float] = []
    for turn in range(ROUNDS + WARM_UP):
        for step, text in steps:
            one = _took_s(lambda step=step: json.dumps(as_json(answer(read(step), policy))))  # type: ignore[misc]
            other = _took_s(lambda text=text: _bare(text))  # type: ignore[misc]
            if turn >= WARM_UP:
                graded.append(one)
                bare.append(other)
    return {
        "steps": len(graded),
        "graded": _figures(graded),
        "bare": _figures(bare),
        "ratio_p50": round(statistics.median(graded) / statistics.median(bare), 1),
    }


def _bare(text: str) -> str:
    """Parse, serialise and hash: the least that anything recorded by digest must do."""
    return hashlib.sha256(json.dumps(json.loads(text), sort_keys=True).encode()).hexdigest()


def _took_s(what: Callable[[], object]) -> float:
    begun_s = time.thread_time()
    what()
    return time.thread_time() - begun_s


def _figures(times_s: Sequence[float]) -> dict[str, float]:
    ordered = sorted(times_s)
    return {
        "p50_ms": round(1e3 * statistics.median(ordered), 3),
        "p99_ms": round(1e3 * ordered[int(0.99 * len(ordered))], 3),
    }
