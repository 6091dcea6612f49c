"""The evidence on a terminal: the table of causes, and the curves from nothing to a decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.cli.proof import LOWEST, cause_rows, curve, curves
from api.cli.shapes import Cause, EvidencePoint, Proof
from tests.api.cli_stub import StubController, Terminal, ok, release_json

ID = "shop-0a1b2c3d4e"
RELEASE = f"/v1/releases/{ID}"
LEVELS = "_.-=+*#@"
ERRORS = Cause("errors", 214.2, 214, 0.001, 812.0, 37.0, 15_204.0, 12.0, 0.1147)
POINTS = tuple(EvidencePoint(f"2026-11-21T12:00:{5 * n:02d}Z", 10.0 ** (n - 2), 1.0) for n in range(6))
PROOF = Proof(1_000.0, 111.0, 1_000, 1.0, 20.0, (ERRORS,), POINTS)


def test_a_cause_is_one_line_with_both_sides_the_margin_and_the_odds() -> None:
    assert cause_rows(PROOF) == [
        ("errors", "37 of 812 (4.56 %)", "12 of 15,204 (0.0789 %)", "0.115 %", "214", "214", "0.001 of 20")
    ]


def test_a_latency_names_its_bound_and_a_gauge_shows_values() -> None:
    slow = replace(ERRORS, metric="latency", above_s=0.25, one_in=None)
    gauge = Cause("queue", 0.5, None, 1.0, canary_value=3.0)
    rows = cause_rows(replace(PROOF, causes=(slow, gauge)))
    assert (rows[0][0], rows[0][5]) == ("latency above 0.25 s", "-")
    assert rows[1][:4] == ("queue", "3", "no value", "-")


def test_a_metric_without_requests_says_so() -> None:
    silent = replace(ERRORS, canary_requests=0.0, canary_bad=0.0, allowed_pct=None)
    assert cause_rows(replace(PROOF, causes=(silent,)))[0][1] == "no requests"


def test_the_curves_rise_in_powers_of_ten_and_reach_the_top_only_at_a_decision() -> None:
    harm, safe = curves(PROOF, LEVELS)
    assert harm == "harm _.=*#@ 1,000 of 111 needed, at most 1 in 1,000 over 25s"
    assert safe == "safe ++++++ 1 of 20 needed"


def test_a_curve_of_one_point_is_no_curve() -> None:
    assert curves(replace(PROOF, series=POINTS[:1]), LEVELS) == []


@pytest.mark.parametrize(("value", "sign"), [(0.0, "_"), (LOWEST, "_"), (110.9, "#"), (111.0, "@"), (1e300, "@")])
def test_the_ends_of_the_scale(value: float, sign: str) -> None:
    assert curve([("2026-11-21T12:00:00Z", value), ("2026-11-21T12:00:05Z", value)], 111.0, LEVELS) == 2 * sign


def test_times_that_do_not_rise_are_shown_one_by_one() -> None:
    same = [("2026-11-21T12:00:00Z", 0.0), ("2026-11-21T12:00:00Z", 1e9)]
    assert curve(same, 111.0, LEVELS) == "_@"
    assert curve([("2026-11-21T12:00:09Z", 0.0), ("2026-11-21T12:00:00Z", 1e9)], 111.0, LEVELS) == "_@"


def test_a_cell_without_a_point_shows_the_one_before_it() -> None:
    times = ("2026-11-21T12:00:00Z", "2026-11-21T12:00:30Z", "2026-11-21T12:00:40Z")
    assert curve(list(zip(times, (0.0, 1e9, 0.0), strict=True)), 111.0, LEVELS) == "___"
    assert curve(list(zip(times, (0.0, 0.0, 1e9), strict=True)), 111.0, LEVELS) == "__@"


def test_explain_shows_what_the_evidence_rests_on() -> None:
    cause = {
        "metric": "errors",
        "evidence": 3.2,
        "one_in": 3,
        "promotion": 0.4,
        "canary_bad": 2,
        "canary_requests": 90,
        "stable_bad": 5,
        "stable_requests": 4_000,
        "allowed_pct": 0.17,
        "weight": 0.9,
    }
    series = [{"at": f"2026-11-21T12:00:0{n}Z", "harm": 1.0 + n, "safe": 1.0, "breaker": 1.0} for n in (0, 5)]
    proof = {
        "harm": 3.0,
        "harm_needed": 111.1,
        "one_in": 3,
        "safe": 0.4,
        "safe_needed": 20.0,
        "causes": [cause],
        "series": series,
    }
    answer = {
        "release": ID,
        "phase": "progressing",
        "explain": "it bakes.",
        "reason": {},
        "left_s": 5.0,
        "proof": proof,
    }
    stub = StubController().on("GET", RELEASE, ok(release_json())).on("GET", f"{RELEASE}/explain", ok(answer))
    lines = Terminal(stub).run("explain", ID).stdout.splitlines()
    assert lines[0] == "it bakes."
    assert "2 of 90 (2.22 %)" in lines[2]
    assert lines[3].startswith("harm ")
    assert lines[3].endswith("3 of 111 needed, at most 1 in 3 over 5s")
    assert len(lines) == 5
