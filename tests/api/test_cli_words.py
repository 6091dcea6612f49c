"""Times, durations, texts and shapes: what people read, and what an answer must hold to be read at all."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from rich.console import Console

from api.cli import shapes
from api.cli.card import LOG_COLUMNS, card, change_key, log_line
from api.cli.outcome import outcome_of
from api.cli.output import Output
from api.cli.words import clean, cut, moment, parse_duration_s, share, stamp
from api.http import schemas, schemas_kill
from tests.api.cli_stub import START_S, release_json, rolled_back, succeeded


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90.0), ("90s", 90.0), ("5m", 300.0), ("1h30m", 5400.0), ("2d", 172_800.0), (" 1.5H ", 5400.0), ("0s", 0.0)],
)
def test_durations_are_read(text: str, expected: float) -> None:
    assert parse_duration_s(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "5x", "-5s", "m5", "5m 30", "1e3", "nan", "inf"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration_s(text)


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def use(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield use
    monkeypatch.undo()
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process can be changed on POSIX only")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("UTC", "2026-11-21 12:00:00 UTC"),
        ("CET-1", "2026-11-21 12:00:00 UTC (13:00:00 +01:00)"),
        ("IST-5:30", "2026-11-21 12:00:00 UTC (17:30:00 +05:30)"),
        ("NZDT-13", "2026-11-21 12:00:00 UTC (11-22 01:00:00 +13:00)"),
        ("EST5", "2026-11-21 12:00:00 UTC (07:00:00 -05:00)"),
    ],
)
def test_times_are_in_utc_with_the_local_zone_beside_it(zone: Any, name: str, expected: str) -> None:
    zone(name)
    assert moment("2026-11-21T12:00:00Z") == expected
    assert moment(START_S) == expected


def test_a_time_that_is_none_is_shown_as_it_came() -> None:
    assert moment("yesterday") == "yesterday"
    assert moment(None) == "never"
    assert stamp(START_S) == "2026-11-21T12:00:00Z"


@pytest.mark.parametrize("letter", ["\x1b", "\x07", "\x00", "\x9b", "\u202e", "\u2066", "\ud800"])
def test_letters_that_steer_a_terminal_are_taken_out(letter: str) -> None:
    assert clean(f"a{letter}b") == "a�b"


def test_a_text_stays_on_one_line() -> None:
    assert clean(" a\r\n\tb ") == "a b"


def test_a_missing_percentage_is_never_shown_as_0() -> None:
    assert share(None) == "no data"
    assert share(0.0) == "0 %"
    assert share(0.0515) == "0.0515 %"


PAIRS = [
    (shapes.Release, schemas.ReleaseView),
    (shapes.Reason, schemas.ReasonView),
    (shapes.Verdict, schemas.VerdictView),
    (shapes.Metric, schemas.MetricView),
    (shapes.Evidence, schemas.EvidenceView),
    (shapes.Intent, schemas.IntentView),
    (shapes.Want, schemas.WantView),
    (shapes.Action, schemas.ActionView),
    (shapes.Explanation, schemas.ExplainView),
    (shapes.Application, schemas.ApplicationView),
    (shapes.Kill, schemas_kill.KillView),
    (shapes.KillPath, schemas_kill.KillPathView),
    (shapes.KillEngaged, schemas_kill.KillEngagedView),
    (shapes.KillList, schemas_kill.KillListView),
    (shapes.KillReleased, schemas_kill.KillReleasedView),
    (shapes.Record, schemas.RecordView),
    (shapes.AuditCheck, schemas.AuditCheckView),
    (shapes.Token, schemas.TokenView),
    (shapes.TokenSecret, schemas.TokenSecretView),
]


@pytest.mark.parametrize(("shape", "view"), PAIRS, ids=[shape.__name__ for shape, _ in PAIRS])
def test_every_field_that_is_read_is_one_that_the_controller_writes(shape: Any, view: Any) -> None:
    assert {entry.name for entry in fields(shape)} <= set(view.model_fields)


def test_a_newer_controller_may_send_more() -> None:
    data = release_json() | {"colour": "green"}
    assert shapes.read(shapes.Release, data).id == "shop-0a1b2c3d4e"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"weight_pct": "5"}, "weight_pct"),
        ({"weight_pct": True}, "weight_pct"),
        ({"steps": 5}, "steps"),
        ({"steps": [1, "5"]}, r"steps\[1\]"),
        ({"reason": {"code": "x"}}, r"reason\.text"),
        ({"reason": None}, "reason"),
        ({"ended": "no"}, "ended"),
    ],
)
def test_an_answer_that_does_not_fit_names_the_field(change: dict[str, Any], named: str) -> None:
    with pytest.raises(shapes.Misread, match=named):
        shapes.read(shapes.Release, release_json() | change)


@pytest.mark.parametrize("data", [None, [], {"items": 7}, "text"])
def test_a_listing_without_items_is_not_read_as_empty(data: Any) -> None:
    with pytest.raises(shapes.Misread):
        shapes.read_all(shapes.Release, data)


def release(**changes: Any) -> shapes.Release:
    return shapes.read(shapes.Release, release_json(**changes))


def test_figures_that_tick_are_no_change_and_a_new_weight_is() -> None:
    evidence = release_json()["evidence"] | {"step_canary_requests": 905.0}
    assert change_key(release()) == change_key(release(evidence=evidence))
    assert change_key(release()) != change_key(release(weight_pct=25))
    paused = {"kind": "pause", "actor": "eve", "at": "2026-11-21T12:00:00Z", "reason": "", "step": None}
    assert change_key(release()) != change_key(release(intent=paused))


def test_a_release_that_runs_has_no_outcome() -> None:
    for phase in ("pending", "preparing", "progressing", "promoting", "rolling_back"):
        assert outcome_of(release(phase=phase)) is None


def test_after_the_end_a_log_says_where_the_traffic_is_and_no_open_verdict() -> None:
    line = log_line(shapes.read(shapes.Release, succeeded()), START_S)
    assert "all traffic on 1.4.2" in line
    assert "verdict" not in line


def test_a_log_line_has_no_empty_part_and_no_metric_without_data() -> None:
    none = release_json()["evidence"]["metrics"][0] | {"metric": "latency", "canary_requests": 0, "stable_requests": 0}
    bare = log_line(release(evidence=release_json()["evidence"] | {"metrics": []}), START_S)
    empty = log_line(release(evidence=release_json()["evidence"] | {"metrics": [none]}), START_S)
    assert bare == empty
    assert "| |" not in bare
    assert not bare.endswith("| ")
    assert "| |" not in log_line(release(reason={"code": "x", "text": "", "until": None}), START_S)


def test_a_log_line_does_not_say_the_same_figures_twice() -> None:
    reason = {"code": "baking", "text": "errors: canary 3 of 1,204, stable 12 of 23,311", "until": None}
    line = log_line(release(reason=reason), START_S)
    assert line.count("errors: canary") == 1


def test_a_log_line_is_cut_at_a_word_and_keeps_the_time_left() -> None:
    reason = {"code": "baking", "text": "word " * 80, "until": "2026-11-21T12:01:35.000Z"}
    line = log_line(release(reason=reason), START_S)
    assert len(line) <= LOG_COLUMNS
    assert line.endswith("word…; 1m 35s left")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [(20, "one two three"), (13, "one two three"), (12, "one two…"), (8, "one two…"), (2, "o…")],
)
def test_a_text_is_cut_at_a_word(columns: int, expected: str) -> None:
    assert cut("one two three", columns) == expected


def test_the_card_of_an_ended_release_has_stopped_counting() -> None:
    shown = [_drawn(shapes.read(shapes.Release, rolled_back()), START_S + later_s) for later_s in (0, 3_600)]
    assert shown[0] == shown[1]
    assert "took" in shown[0]
    assert "newest sample" not in shown[0]
    assert "newest sample" in _drawn(release(), START_S)


def _drawn(shown: shapes.Release, at_s: float) -> str:
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as captured:
        console.print(card(shown, at_s, Output(False, console)))
    return captured.get()
