"""What is written down about a decision: which records, with which figures, and which are late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.model import IntentKind, Phase, Reason, Release
from controller.core.record import drafts, numbers_of
from gates.canonical import canonical
from tests.unit.core.build import HARM, T0, a_mark, a_release, a_route, a_verdict, an_intent, scene_of

AT_10 = a_release()
AT_20 = replace(AT_10, step=1, weight_pct=20, reason=Reason("verdict_allows", "all well; next weight 20 %"))
BACK = a_release(Phase.ROLLING_BACK, reason=Reason(HARM.code, HARM.text), weight_pct=0)


def types(before: Release, after: Release, **seen: object) -> list[str]:
    return [draft.type for draft in drafts(before, after, scene_of(before, 5, **seen), 3)]  # type: ignore[arg-type]


def test_nothing_is_written_when_only_the_waiting_went_on() -> None:
    assert types(AT_10, replace(AT_10, reason=replace(AT_10.reason, text="other words", until_s=1.0))) == []


def test_a_new_reason_is_written_once() -> None:
    assert types(AT_10, replace(AT_10, reason=Reason("route_unreadable", "no answer"))) == ["reason"]


def test_a_rise_is_written_with_its_authority_and_the_figures() -> None:
    verdict = a_verdict(numbers=(("errors_canary", 1.23456789), ("errors_worse", float("nan")), ("x", float("inf"))))
    weight = next(d for d in drafts(AT_10, AT_20, scene_of(AT_10, 5, verdict), 3) if d.type == "weight")
    assert (weight.actor, weight.at_s, weight.epoch, weight.late) == ("controller", T0 + 5, 3, False)
    assert (weight.release_id, weight.application, weight.environment) == ("shop-1", "shop", "production")
    assert weight.numbers == {
        "verdict": "ok",
        "verdict_code": "healthy",
        "errors_canary": 1.234568,
        "errors_worse": "nan",
        "x": "inf",
        "authority": "verdict_allows",
        "from_pct": 10,
        "to_pct": 20,
        "step": 1,
    }
    assert canonical(weight.numbers)


def test_a_fall_is_a_lower_whatever_its_reason() -> None:
    assert types(AT_10, BACK) == ["weight", "phase"]
    weight, phase = drafts(AT_10, BACK, scene_of(AT_10, 5, HARM), 3)
    assert weight.numbers["authority"] == "lower"
    assert (phase.numbers["from_phase"], phase.numbers["to_phase"]) == ("progressing", "rolling_back")
    assert (phase.numbers["code"], phase.text) == (HARM.code, HARM.text)


@pytest.mark.parametrize(
    ("after", "route", "late"),
    [
        (BACK, a_route(0, mark=a_mark()), True),
        (BACK, a_route(0, mark=a_mark(release_id="shop-0")), False),
        (BACK, a_route(10), False),
        (BACK, None, False),
        (a_release(Phase.HALTED), a_route(0, mark=a_mark()), True),
        (replace(AT_10, weight_pct=0, step=-1), a_route(0, mark=a_mark("lease_expired")), False),
    ],
)
def test_a_record_that_follows_the_route_is_marked_late(after: Release, route: object, late: bool) -> None:
    written = drafts(AT_10, after, scene_of(AT_10, 5, route=route), 3)
    assert {draft.late for draft in written} == {late}


def test_a_bypass_is_written_with_the_person_and_the_reason() -> None:
    bypass = an_intent(IntentKind.PROMOTE_STEP, "bob", "hotfix")
    before = replace(AT_10, bypassed=(an_intent(IntentKind.PROMOTE_STEP, "ann"),))
    after = replace(AT_20, bypassed=(*before.bypassed, bypass))
    written = drafts(before, after, scene_of(before, 5), 3)
    assert [d.type for d in written] == ["bypass", "weight", "reason"]
    assert written[0].text == "bob passed the evidence (one-step promotion): hotfix"


def test_a_bypass_without_a_reason_says_so() -> None:
    after = replace(AT_20, bypassed=(an_intent(IntentKind.PROMOTE_STEP),))
    assert drafts(AT_10, after, scene_of(AT_10, 5), 3)[0].text.endswith("no reason given")


@pytest.mark.parametrize(("count", "seen", "kinds"), [(0, 0, []), (2, 0, ["drift"]), (2, 2, [])])
def test_drift_is_written_once(count: int, seen: int, kinds: list[str]) -> None:
    before = replace(AT_10, drift_seen=seen)
    assert types(before, before, route=a_route(10, drift_count=count)) == kinds


@pytest.mark.parametrize(("count", "told"), [(1, "(1 time)"), (3, "(3 times)")])
def test_drift_says_how_often_the_route_was_put_back(count: int, told: str) -> None:
    written = drafts(AT_10, AT_10, scene_of(AT_10, 5, route=a_route(10, drift_count=count)), None)
    assert written[0].text.endswith(told)


def test_drift_of_a_route_without_canary_traffic_is_not_news() -> None:
    preparing = a_release(Phase.PREPARING)
    assert types(preparing, preparing, route=a_route(0, drift_count=4)) == []


def test_the_end_is_one_record_and_no_reason_beside_it() -> None:
    after = a_release(Phase.ROLLED_BACK, weight_pct=0, reason=Reason("errors", "too many errors"))
    assert types(a_release(Phase.ROLLING_BACK), after) == ["phase"]
    assert types(after, replace(after, reason=Reason("other", "words"))) == []


def test_a_record_is_bounded() -> None:
    after = replace(AT_10, reason=Reason("long", "x" * 5_000))
    assert len(drafts(AT_10, after, scene_of(AT_10, 5), None)[0].text) == 1_000


def test_without_a_verdict_there_are_no_figures() -> None:
    assert numbers_of(None) == {}
