"""Who is looked at when: what changed, what is due, what is being deleted first; and nobody without a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.adapters.kube.resources.bridge import BEAT_S as BEAT_LONGEST_S
from controller.adapters.kube.resources.bridge import SWEEP_S
from controller.adapters.kube.resources.visiting import WORDING_S
from controller.ports import Conflict, Refused, Unavailable
from tests.unit.kube_resources.memory import SHOP, spec
from tests.unit.kube_resources.stage import V2, Stage, in_http

BEAT_S = 4.0


@pytest.fixture
def shop(stage: Stage) -> Stage:
    stage.cluster.put()
    stage.settle()
    return stage


def looks(stage: Stage) -> list[str]:
    """Every look at an application begins with what is registered."""
    seen: list[str] = []
    stage.store.watch("application", seen.append)
    return seen


def test_nobody_is_looked_at_while_nothing_changes(shop: Stage) -> None:
    shop.beat()
    seen = looks(shop)
    shop.beat(int(SWEEP_S / BEAT_S) - 10)
    assert seen == []


def test_a_running_release_is_looked_at_as_often_as_its_words_are_shown(shop: Stage) -> None:
    shop.deploy(V2)
    shop.settle()
    seen = looks(shop)
    shop.beat(60)
    assert 60 * BEAT_S / WORDING_S - 2 <= len(seen) <= 60 * BEAT_S / WORDING_S + 2


def test_a_change_that_nobody_hinted_at_is_found_by_the_sweep(shop: Stage) -> None:
    before = shop.cluster.objects[SHOP]
    shop.cluster.objects[SHOP] = replace(before, spec=spec(canary={"steps": [1]}), generation=2)
    shop.beat(3)
    assert shop.status()["observedGeneration"] == 1
    shop.beat(int(SWEEP_S / BEAT_S) + 2)
    assert shop.status()["observedGeneration"] == 2


def test_a_change_of_one_application_is_no_reason_to_look_at_the_others(stage: Stage) -> None:
    for number in range(30):
        stage.cluster.put(("web", f"app-{number}"), in_http(f"app-{number}"))
    stage.settle()
    seen = looks(stage)
    stage.cluster.put(("web", "app-7"), {**in_http("app-7"), "canary": {"steps": [1]}})
    stage.beat(3)
    assert set(seen) == {"app-7"}


def test_a_deployment_that_starts_no_releases_is_no_reason_to_look(shop: Stage) -> None:
    seen = looks(shop)
    shop.cluster.roll(SHOP)
    shop.beat(3)
    assert seen == []


def test_what_is_being_deleted_comes_first(stage: Stage) -> None:
    """It may have traffic to take back, and the beat may end before everybody's turn."""
    for name in ("a", "b", "c", "d", "zoo"):
        stage.cluster.put(("web", name), in_http(name))
    stage.settle()
    for name in ("a", "b", "c", "d"):
        stage.cluster.put(("web", name), {**in_http(name), "canary": {"steps": [1]}})
    stage.cluster.delete(("web", "zoo"))
    stage.store.fail(Unavailable("the store is down"), "application")
    seen = looks(stage)
    stage.beat()
    assert seen == ["zoo", "a", "b"]


def test_a_trouble_that_was_over_and_comes_again_is_told_again_and_tried_soon(shop: Stage) -> None:
    for number in (1, 2):
        shop.api.fail(Refused("no"), "show")
        shop.cluster.put(document=spec(canary={"steps": [number]}))
        shop.beat(20)
        shop.api.heal()
        shop.beat(100)
        assert shop.status()["observedGeneration"] == number + 1
    assert len([1 for event, _ in shop.logged if event == "resource_trouble"]) == 2


def test_a_write_that_met_another_one_is_tried_again_without_a_word(shop: Stage) -> None:
    shop.api.fail(Conflict("the object is not as it was read"), "show")
    shop.cluster.put(document=spec(canary={"steps": [1]}))
    shop.beat(3)
    shop.api.heal()
    shop.beat(5)
    assert shop.status()["observedGeneration"] == 2
    assert shop.logged == []


def test_an_api_server_that_hangs_is_waited_for_once_in_a_look(shop: Stage) -> None:
    calls: list[str] = []
    for name in ("show", "create_release"):
        shop.api.watch(name, lambda *_given, name=name: calls.append(name))
        shop.api.fail(Unavailable("no answer in 8 s"), name)
    shop.deploy(V2)
    shop.beat()
    assert calls == ["show"]
    shop.api.heal()
    shop.beat(10)
    assert shop.status()["phase"] == "pending"
    assert len(shop.cluster.mirror) == 1


def test_a_beat_that_has_worked_long_enough_leaves_the_rest_to_the_next(stage: Stage) -> None:
    for number in range(10):
        stage.cluster.put(("web", f"app-{number}"), in_http(f"app-{number}"))
    stage.api.watch("hold", lambda *_: stage.clock.advance(BEAT_LONGEST_S / 2))
    stage.beat()
    assert sum(stage.registered(f"app-{number}") is not None for number in range(10)) == 2
    stage.beat(20)
    assert all(stage.registered(f"app-{number}") is not None for number in range(10))


def test_who_changes_all_the_time_does_not_keep_the_others_waiting(stage: Stage) -> None:
    stage.cluster.put(("web", "quiet"), in_http("quiet"))
    stage.store.watch("application", lambda *_: stage.clock.advance(BEAT_LONGEST_S))
    for _ in range(8):
        for name in ("busy-1", "busy-2"):
            stage.cluster.put(("web", name), in_http(name))
        stage.beat()
    assert stage.memory.application("quiet") is not None


def test_a_store_that_cannot_be_read_is_seen_by_health_and_no_hint_is_lost(shop: Stage) -> None:
    shop.store.fail(Unavailable("the store is down"), "audit")
    shop.cluster.put(document=spec(canary={"steps": [1]}))
    with pytest.raises(Unavailable):
        shop.beat()
    shop.store.heal()
    shop.beat(2)
    assert shop.status()["observedGeneration"] == 2


def test_a_namespace_that_cannot_be_watched_keeps_nobody_else_waiting_and_loses_nothing(stage: Stage) -> None:
    stage.cluster.put()
    stage.cluster.put(("other", "till"), in_http("till"))
    stage.settle()
    stage.cluster.stale.add("other")
    release = stage.deploy(V2, application="till").release
    stage.cluster.put(("web", "new"), in_http("new"))
    stage.beat(100)
    assert stage.registered("new") is not None
    assert "phase" not in stage.status(("other", "till"))
    stage.cluster.stale.clear()
    stage.beat(2)
    assert stage.status(("other", "till"))["releaseId"] == release.id


def test_records_of_more_than_one_page_are_all_heard(shop: Stage) -> None:
    release = shop.deploy(V2).release
    for _ in range(700):
        shop.move(release.id, shop.newest().phase)
    shop.deploy("shop:3", replace=True)
    shop.beat(5)
    assert shop.status()["releaseId"] == shop.newest().id
