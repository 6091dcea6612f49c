"""The status that people see: what is true of the newest release and of the object, and what is written when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.resources.shown import (
    TEXT_CHARS_MAX,
    Picture,
    Said,
    camel,
    is_wording,
    merge_patch,
    status_of,
    time_text,
)
from controller.core.model import Phase, Reason
from tests.unit.core.build import T0, a_cluster_app, a_release

OK = Said(True, "Registered", "registered as application shop")
RUNNING = a_release(Phase.PROGRESSING, app=a_cluster_app())
BACK = a_release(Phase.ROLLED_BACK, app=a_cluster_app(), reason=Reason("errors", "errors: canary 9 %, stable 1 %"))
DONE = a_release(Phase.SUCCEEDED, app=a_cluster_app(), weight_pct=0)


def picture(**parts: Any) -> Picture:
    return replace(Picture(3, OK, stable_version="v1"), **parts)


def condition(status: Raw, name: str) -> tuple[str, str, str]:
    found = next(one for one in status["conditions"] if one["type"] == name)
    return found["status"], found["reason"], found["message"]


def test_a_running_release_is_told_with_its_phase_its_weight_and_its_versions() -> None:
    status = status_of(picture(newest=RUNNING, kill="kill k1 is engaged"), {}, T0)
    assert {name: status[name] for name in status if name != "conditions"} == {
        "observedGeneration": 3,
        "phase": "progressing",
        "weightPct": 10,
        "step": 0,
        "verdict": "watching",
        "verdictText": "some reason",
        "since": "1970-01-12T13:46:40Z",
        "releaseId": "shop-1",
        "stableVersion": "v1",
        "canaryVersion": "v2",
        "kill": "kill k1 is engaged",
    }


def test_what_is_not_known_is_left_out_and_not_shown_as_nothing() -> None:
    status = status_of(Picture(1, OK), {}, T0)
    assert set(status) == {"observedGeneration", "conditions"}


@pytest.mark.parametrize(
    ("parts", "ready"),
    [
        ({}, ("True", "Serving", "v1 serves all traffic")),
        ({"stable_version": None}, ("True", "NothingReleased", "no release has been made yet")),
        ({"newest": DONE}, ("True", "Serving", "v1 serves all traffic")),
        ({"newest": RUNNING}, ("False", "ReleaseRunning", "release shop-1 of v2: progressing")),
        (
            {"newest": BACK},
            ("False", "RolledBack", "release shop-1 of v2: rolled back: errors: canary 9 %, stable 1 %"),
        ),
        ({"newest": BACK, "held": Said(False, "NotPromoted", "it stays")}, ("False", "NotPromoted", "it stays")),
        ({"held": Said(False, "Killed", "a kill")}, ("False", "Killed", "a kill")),
        ({"accepted": Said(False, "InvalidSpec", "mistakes")}, ("False", "NotAccepted", "mistakes")),
        ({"newest": RUNNING, "leaving": "waiting"}, ("False", "Deleting", "waiting")),
    ],
)
def test_ready_means_that_what_was_asked_for_last_is_what_serves(
    parts: dict[str, Any], ready: tuple[str, str, str]
) -> None:
    assert condition(status_of(picture(**parts), {}, T0), "Ready") == ready


def test_progressing_says_where_the_newest_release_is() -> None:
    assert condition(status_of(picture(newest=RUNNING), {}, T0), "Progressing")[:2] == ("True", "Progressing")
    assert condition(status_of(picture(newest=BACK), {}, T0), "Progressing")[:2] == ("False", "RolledBack")
    assert condition(status_of(picture(), {}, T0), "Progressing")[:2] == ("False", "NothingReleased")


def test_the_time_of_a_condition_changes_only_when_its_status_does() -> None:
    first = status_of(picture(), {}, T0)
    later = status_of(picture(newest=RUNNING, generation=4), first, T0 + 60)
    times = {one["type"]: one["lastTransitionTime"] for one in later["conditions"]}
    assert times == {"Ready": time_text(T0 + 60), "Accepted": time_text(T0), "Progressing": time_text(T0 + 60)}
    assert {one["observedGeneration"] for one in later["conditions"]} == {4}
    again = status_of(picture(newest=replace(RUNNING, phase=Phase.PAUSED), generation=4), later, T0 + 90)
    assert condition(again, "Progressing")[1] == "Paused"
    assert {one["lastTransitionTime"] for one in again["conditions"]} == {time_text(T0), time_text(T0 + 60)}


@pytest.mark.parametrize("before", [{"conditions": None}, {"conditions": "x"}, {"conditions": [3, {}]}, {}])
def test_a_status_that_somebody_spoiled_is_written_anew(before: Raw) -> None:
    assert status_of(picture(), before, T0)["conditions"][0]["lastTransitionTime"] == time_text(T0)


def test_a_condition_does_not_change_with_every_request_that_is_counted() -> None:
    first = status_of(picture(newest=RUNNING), {}, T0)
    counted = replace(RUNNING, reason=Reason("because", "some other words"))
    later = status_of(picture(newest=counted), first, T0 + 5)
    assert merge_patch(first, later) == {"verdictText": "some other words"}
    assert is_wording(merge_patch(first, later))


def test_a_patch_holds_what_differs_and_takes_away_what_is_no_longer_true() -> None:
    assert merge_patch({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 4}) == {"b": 4, "c": None}
    assert merge_patch({"a": 1}, {"a": 1}) == {}


def test_more_than_wording_is_not_wording_and_neither_is_nothing() -> None:
    assert is_wording({"reason": "x", "verdictText": "y"})
    assert not is_wording({"weightPct": 5, "verdictText": "y"})
    assert not is_wording({})


def test_a_text_is_cut_before_the_schema_would_refuse_the_whole_status() -> None:
    long = replace(BACK, reason=Reason("errors", "x" * 5_000))
    status = status_of(picture(newest=long, kill="k" * 9_000), {}, T0)
    assert len(status["kill"]) == TEXT_CHARS_MAX
    assert len(condition(status, "Ready")[2]) == TEXT_CHARS_MAX


def test_reasons_are_written_as_conditions_have_them() -> None:
    assert [camel(one) for one in ("rolled_back", "killed", "already_stable")] == [
        "RolledBack",
        "Killed",
        "AlreadyStable",
    ]
