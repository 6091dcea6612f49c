"""What the store holds is shown on the objects, soon but not at once, only when it changed, and never read back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from analysis.judge import new_state
from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.resources.mirrors import KEPT
from controller.adapters.kube.resources.visiting import WORDING_S, WRITE_S
from controller.core.model import Phase, Reason
from controller.ports import Refused, Unavailable
from tests.unit.kube_resources.memory import SHOP
from tests.unit.kube_resources.stage import V2, Stage, in_http


def labels_of(application: str) -> Raw:
    return {"app.kubernetes.io/managed-by": "interlock", "interlock.dev/application": application}


@pytest.fixture
def shop(stage: Stage) -> Stage:
    stage.cluster.put()
    stage.settle()
    return stage


def test_a_release_is_followed_from_its_beginning_to_its_end(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.settle()
    assert (shop.status()["phase"], shop.status()["canaryVersion"]) == ("pending", V2)
    shop.move(release.id, Phase.PREPARING)
    shop.move(release.id, Phase.PROGRESSING, step=0, weight_pct=5)
    shop.settle()
    assert (shop.status()["phase"], shop.status()["weightPct"], shop.status()["step"]) == ("progressing", 5, 0)
    assert shop.condition("Progressing")["status"] == "True"
    shop.move(release.id, Phase.PROMOTING, weight_pct=0)
    shop.move(release.id, Phase.SUCCEEDED)
    shop.settle()
    status = shop.status()
    assert (status["phase"], status["stableVersion"], status["releaseId"]) == ("succeeded", V2, release.id)
    assert "canaryVersion" not in status
    assert shop.condition("Ready")["reason"] == "Serving"


def test_a_rollback_is_told_with_its_reason(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.move(release.id, Phase.ROLLED_BACK, Reason("errors", "errors: canary 9 %, stable 1 %"))
    shop.settle()
    assert shop.condition("Ready")["status"] == "False"
    assert "rolled back: errors: canary 9 %" in shop.condition("Ready")["message"]


def test_a_release_has_an_object_that_belongs_to_the_application(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.settle()
    seen = shop.cluster.mirror["web", release.id]
    assert seen.owners[0]["uid"] == shop.cluster.objects[SHOP].uid
    assert (seen.spec["version"], seen.status["phase"], seen.application) == (V2, "pending", "shop")
    shop.move(release.id, Phase.PREPARING)
    shop.settle()
    assert shop.cluster.mirror["web", release.id].status["phase"] == "preparing"


def test_only_the_newest_releases_have_objects(shop: Stage) -> None:
    made = []
    for number in range(KEPT + 3):
        made.append(shop.deploy(f"shop:{number + 2}").release.id)
        shop.move(made[-1], Phase.ROLLED_BACK)
        shop.settle()
    assert set(shop.cluster.mirror) == {("web", name) for name in made[-KEPT:]}


def test_an_edit_of_a_release_object_is_put_back_and_changes_no_release(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.settle()
    before = shop.cluster.mirror["web", release.id]
    shop.cluster.edit_release(release.id, spec={"version": "evil"}, status={"phase": "succeeded"}, labels={})
    shop.settle()
    assert shop.cluster.mirror["web", release.id] == before
    assert shop.newest().phase is Phase.PENDING


def test_a_release_object_with_another_applications_label_is_put_right_and_not_lost(stage: Stage) -> None:
    for name in ("shop", "a-till"):
        stage.cluster.put(("web", name), in_http(name))
    stage.settle()
    release = stage.deploy(V2).release
    stage.settle()
    before = stage.cluster.mirror["web", release.id]
    stage.cluster.edit_release(release.id, labels=labels_of("a-till"))
    stage.settle()
    assert stage.cluster.mirror["web", release.id] == before
    assert stage.writes("remove_release") == []


def test_a_release_object_that_is_not_ours_is_left_alone(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.settle()
    theirs = replace(
        shop.cluster.mirror["web", release.id], name="theirs", labels={"interlock.dev/application": "shop"}
    )
    shop.cluster.mirror["web", "theirs"] = theirs
    shop.restart()
    shop.settle()
    assert shop.cluster.mirror["web", "theirs"] == theirs


def test_a_release_object_that_somebody_deleted_comes_back(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.settle()
    shop.cluster.mirror.clear()
    shop.cluster.put()
    shop.settle()
    assert ("web", release.id) in shop.cluster.mirror


def test_a_release_object_that_no_release_is_behind_goes(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.settle()
    fake = replace(shop.cluster.mirror["web", release.id], name="shop-fake")
    shop.cluster.mirror["web", "shop-fake"] = fake
    shop.cluster.put()
    shop.settle()
    assert set(shop.cluster.mirror) == {("web", release.id)}


def test_nothing_is_written_while_nothing_changes(shop: Stage) -> None:
    shop.deploy(V2)
    shop.settle()
    before = len(shop.writes())
    shop.beat(200)
    assert len(shop.writes()) == before


def test_a_status_that_somebody_else_wrote_is_put_back(shop: Stage) -> None:
    seen = shop.cluster.objects[SHOP]
    shop.cluster.show(seen, {"phase": "invented", "weightPct": 50, "conditions": []})
    shop.settle()
    assert "phase" not in shop.status()
    assert shop.condition("Accepted")["status"] == "True"


def test_writes_of_one_status_are_some_seconds_apart(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.beat()
    times: list[float] = []
    shop.api.watch("show", lambda *_: times.append(shop.clock.monotonic_s()))
    for weight in range(1, 20):
        shop.move(release.id, Phase.PROGRESSING, weight_pct=weight)
        shop.clock.advance(0.5)
        shop.bridge.sync()
    assert len(times) >= 3
    assert min(later - sooner for sooner, later in pairwise(times)) >= WRITE_S
    shop.settle()
    assert shop.status()["weightPct"] == 19


def test_counts_in_a_sentence_are_shown_now_and_then_only(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.settle()
    before = len(shop.writes())
    beats = 45
    for number in range(beats):
        shop.reword(release.id, f"counted {number}")
        shop.beat()
    written = len(shop.writes()) - before
    assert 4 <= written <= 4 * beats / WORDING_S + 2
    assert shop.cluster.mirror["web", release.id].status["reason"].startswith("counted ")


def test_a_verdict_that_only_counts_on_is_shown_now_and_then_only(shop: Stage) -> None:
    """Also when something else has made us look."""
    release = shop.deploy(V2).release
    shop.move(release.id, Phase.PROGRESSING, judge=new_state(shop.clock.now_s()))
    shop.settle()
    before = len(shop.writes("show"))
    for number in range(45):
        shop.reword(release.id, f"{number} of 500 requests")
        shop.cluster.put()
        shop.beat()
    told = [patch for _, _, patch in shop.writes("show")[before:]]
    assert 4 <= len(told) <= 45 * 4 / WORDING_S + 2
    assert {name for patch in told for name in patch} == {"verdictText"}


def test_what_had_to_wait_is_written_without_another_reason(shop: Stage) -> None:
    shop.cluster.is_mirrored = False
    release = shop.deploy(V2).release
    shop.beat()
    shop.move(release.id, Phase.PREPARING)
    shop.clock.advance(0.5)
    shop.bridge.sync()
    assert shop.status()["phase"] == "pending"
    shop.beat()
    assert shop.status()["phase"] == "preparing"


def test_an_edit_of_the_words_of_a_release_that_ended_is_put_back_at_once(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.move(release.id, Phase.ROLLED_BACK, Reason("errors", "too many errors"))
    shop.settle()
    before = shop.cluster.mirror["web", release.id]
    for _ in range(3):
        shop.cluster.edit_release(release.id, status={**before.status, "reason": "all is well"})
        shop.beat()
        assert shop.cluster.mirror["web", release.id] == before


def test_the_last_words_of_a_release_are_shown_at_once(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.settle()
    shop.move(release.id, Phase.FAILED, Reason("never_ready", "0 of 1 canary instances are ready"))
    shop.beat()
    assert shop.cluster.mirror["web", release.id].status["reason"] == "0 of 1 canary instances are ready"


def test_a_kill_is_shown_while_it_holds_the_application(shop: Stage) -> None:
    shop.kill()
    shop.settle()
    assert "kill k1 (revert) is engaged over fleet by ann" in shop.status()["kill"]
    shop.kill(False)
    shop.settle()
    assert "kill" not in shop.status()


def test_a_kill_of_a_release_that_has_ended_holds_nobody(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.kill(scope=f"release:{release.id}")
    shop.settle()
    assert "is engaged over release" in shop.status()["kill"]
    shop.move(release.id, Phase.ROLLED_BACK)
    shop.settle()
    assert "kill" not in shop.status()


def test_a_status_that_may_not_be_written_keeps_nothing_else_from_being_done(shop: Stage) -> None:
    shop.api.fail(Refused("a Role must allow patch on applications/status"), "show")
    release = shop.deploy(V2).release
    shop.beat(200)
    assert ("web", release.id) in shop.cluster.mirror
    told = [fields for event, fields in shop.logged if event == "resource_trouble"]
    assert [one["trouble"] for one in told] == ["a Role must allow patch on applications/status"]
    shop.api.heal()
    shop.beat(100)
    assert shop.status()["phase"] == "pending"


def test_what_is_refused_again_and_again_is_tried_ever_more_rarely(shop: Stage) -> None:
    tries: list[float] = []
    shop.api.watch("show", lambda *_: tries.append(shop.clock.monotonic_s()))
    shop.api.fail(Refused("no"), "show")
    shop.kill()
    shop.beat(500)
    gaps = [later - sooner for sooner, later in pairwise(tries)]
    assert 5 <= len(tries) <= 20
    assert gaps[-1] >= 290


def test_release_objects_that_may_not_be_written_leave_the_status_alone(shop: Stage) -> None:
    shop.api.fail(Refused("a Role must allow create on releases"), "create_release")
    shop.deploy(V2)
    shop.beat(5)
    assert shop.status()["phase"] == "pending"


def test_an_api_server_that_is_away_is_not_asked_for_every_application(stage: Stage) -> None:
    for number in range(20):
        stage.cluster.put(("web", f"app-{number}"), in_http(f"app-{number}"))
    tries: list[str] = []
    stage.api.watch("hold", lambda seen: tries.append(seen.name))
    stage.api.fail(Unavailable("the API server cannot be reached"), "hold")
    stage.beat()
    assert len(tries) == 3
    stage.api.heal()
    stage.beat(20)
    assert all(stage.registered(f"app-{number}") is not None for number in range(20))


def test_an_application_without_an_object_has_release_objects_that_nobody_owns(stage: Stage) -> None:
    stage.register(in_http("shop", name="shop", namespace="web"))
    release = stage.deploy(V2).release
    stage.settle()
    assert stage.cluster.mirror["web", release.id].owners == ()
    stage.move(release.id, Phase.ROLLED_BACK)
    stage.settle()
    assert stage.cluster.mirror["web", release.id].status["phase"] == "rolled_back"
    stage.plain.unregister("shop", "ci")
    stage.settle()
    assert stage.cluster.mirror == {}


def test_release_objects_that_were_left_behind_go_after_a_restart(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.settle()
    left = replace(shop.cluster.mirror["web", release.id], name="gone-1", labels=labels_of("gone"))
    shop.cluster.mirror["web", "gone-1"] = left
    shop.restart()
    shop.settle()
    assert set(shop.cluster.mirror) == {("web", release.id)}


def test_applications_outside_of_the_watched_namespaces_are_left_alone(stage: Stage) -> None:
    stage.register(in_http("shop", name="shop", namespace="elsewhere"))
    stage.deploy(V2)
    stage.settle()
    assert stage.writes() == []


@pytest.mark.parametrize("reason", ["stale", "not leading"])
def test_nothing_is_done_on_doubtful_knowledge_or_by_a_node_that_was_overtaken(stage: Stage, reason: str) -> None:
    stage.cluster.is_fresh, stage.leads = reason != "stale", reason != "not leading"
    stage.cluster.put()
    stage.beat(5)
    assert stage.writes() == []
    stage.cluster.is_fresh = stage.leads = True
    stage.settle()
    assert stage.condition("Accepted")["status"] == "True"


def test_release_objects_wait_until_they_are_known_as_they_are(shop: Stage) -> None:
    shop.cluster.is_mirrored = False
    shop.deploy(V2)
    shop.settle()
    assert shop.writes("create_release") == []
    assert shop.status()["phase"] == "pending"
    shop.cluster.is_mirrored = True
    shop.beat()
    assert len(shop.writes("create_release")) == 1
