"""What a pass of one release costs: counting, the judge alone, parsing, and fetching from a server on loopback.

Processor time, the best of several rounds: what is measured is the work and not the neighbours.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from analysis.advance import absorb
from analysis.figures import figures
from analysis.judge import judge, new_state
from analysis.model import AnalysisSpec, JudgeState, Readings, Role
from analysis.prometheus import PrometheusMetrics
from analysis.read import reading_from, selectors_of
from analysis.rules import RULES, View
from analysis.spec import parse_analysis
from analysis.tally import gather
from tests.contract.metrics_stub import Handler, stub

PASSES = 240
ROUNDS = 15
PODS = {Role.CANARY: 1, Role.STABLE: 3}
BOUNDS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")
SHARES = (0.0, 0.01, 0.1, 0.5, 0.88, 0.98, 0.997, 1.0, 1.0, 1.0, 1.0, 1.0)
START_S = 1_000_000.0
WINDOW = 24  # scrapes in an answer: two minutes of five seconds


def four_metrics() -> AnalysisSpec:
    def counter(name: str) -> dict[str, object]:
        total, bad = f'{name}_total{{v="$version"}}', f'{name}_bad{{v="$version"}}'
        return {"name": name, "total": [total], "bad": [bad], "sloBadFraction": 0.01}

    counters = [counter(name) for name in ("errors", "checkout")]
    latency = [
        {"name": name, "buckets": [f'{name}_bucket{{v="$version"}}'], "slow": 0.5, "sloBadFraction": 0.01}
        for name in ("latency", "search")
    ]
    metrics = {"prometheus": "http://127.0.0.1:9", "counters": counters, "latency": latency}
    return parse_analysis(metrics, {"warmup": 0, "latency": {"warmup": 0}, "settle": 0})


def answer(selector: str, role: Role, upto: int) -> list[dict[str, Any]]:
    """``data.result`` of a range selector after so many scrapes."""
    found = []
    for pod in range(PODS[role]):
        name = f"{role.value}-{pod}"
        labels = {"v": role.value, "instance": name, "pod": name, "job": "shop", "method": "GET"}
        parts = (
            list(zip(BOUNDS, SHARES, strict=True))
            if "_bucket" in selector
            else [("", 0.003 if "_bad" in selector else 1.0)]
        )
        for bound, share in parts:
            values = [
                [START_S + 5 * scrape, str(round(50 * scrape * share))] for scrape in range(max(0, upto - WINDOW), upto)
            ]
            found.append({"metric": labels | ({"le": bound} if bound else {}), "values": values})
    return found


def readings_of(spec: AnalysisSpec, upto: int) -> Readings:
    at_s = START_S + 5 * (upto - 1)
    items = [reading_from(text, role, answer(text, role, upto), None) for text in selectors_of(spec) for role in Role]
    return Readings(at_s, tuple(items))


def best_us(call: Callable[[int], object], count: int) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        begun_s = time.process_time()
        for number in range(count):
            call(number)
        best = min(best, time.process_time() - begun_s)
    return 1e6 * best / count


def run() -> Mapping[str, object]:
    spec = four_metrics()
    states: list[JudgeState] = []
    passes: list[Readings] = []
    state = new_state(START_S)
    for number in range(2, PASSES):
        readings = readings_of(spec, number)
        states.append(state)
        passes.append(readings)
        state, verdict = judge(spec, state, readings, readings.at_s, 25.0)
    late = list(zip(states, passes, strict=True))[-40:]
    gathered = [gather(spec, before, readings) for before, readings in late]

    def alone(number: int) -> object:
        before, readings = late[number]
        after = absorb(spec, before, readings, gathered[number], readings.at_s, 25.0)
        view = View(spec, after, (), figures(spec, after), readings.at_s)
        return next(said for rule in RULES if (said := rule(view)) is not None)

    judge_us = best_us(alone, len(late))
    texts = [json.dumps(answer(text, role, PASSES)) for text in selectors_of(spec) for role in Role]
    return {
        "metrics": 4,
        "series": sum(len(item.series) for item in passes[-1].items),
        "verdict": verdict.code,
        "judge_alone_us": round(judge_us),
        "counting_us": round(best_us(lambda n: gather(spec, *late[n]), len(late))),
        "whole_pass_us": round(best_us(lambda n: judge(spec, *late[n], late[n][1].at_s, 25.0), len(late))),
        "parsing_us": round(best_us(lambda _: [json.loads(text) for text in texts] and readings_of(spec, PASSES), 5)),
        "fetching_ms": round(fetching_ms(spec), 1),
        "cores_for_5000_releases_every_5_s_judge_alone": round(5000 * judge_us / 5e6, 2),
    }


def fetching_ms(spec: AnalysisSpec) -> float:
    """Wall time of all queries of one release that nobody shares, on loopback."""

    def reply(handler: Handler) -> None:
        query = parse_qs(urlsplit(handler.path).query)["query"][0]
        role = Role.CANARY if 'v="v2"' in query else Role.STABLE
        handler.send_json(
            {"status": "success", "data": {"resultType": "matrix", "result": answer(query, role, PASSES)}}
        )

    door = PrometheusMetrics(time.monotonic, lambda _: None)
    best = float("inf")
    with stub(reply) as server:
        asked = replace(spec, prometheus_url=server.url)
        for _ in range(5):
            begun_s = time.monotonic()
            door.read(asked, {Role.STABLE: "v1", Role.CANARY: "v2"}, "shop", START_S + 5 * PASSES)
            best = min(best, time.monotonic() - begun_s)
    door.close()
    return 1000 * best
