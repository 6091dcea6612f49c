"""With ``trigger: deployment`` a change of the template is one release: not twice, not again after it failed, and back
when it is taken back; also over restarts and answers that were lost."""

from __future__ import annotations

import pytest

from controller.adapters.kube.resources.following import AGAIN_S
from controller.adapters.kube.resources.objects import ReleaseObject
from controller.core.model import IntentKind, Phase, Reason
from controller.ports import Refused, Unavailable, Unknown
from controller.wishes import Submission
from tests.unit.kube_resources.following_stage import ME, follow, noted, ready, template
from tests.unit.kube_resources.memory import SHOP, spec
from tests.unit.kube_resources.stage import V1, V2, V3, Stage, in_http


@pytest.fixture
def shop(stage: Stage) -> Stage:
    follow(stage)
    return stage


def test_a_change_of_the_template_is_one_release_by_the_object(shop: Stage) -> None:
    template(shop, V2)
    assert shop.releases() == [V2]
    assert shop.newest().actor == ME
    assert noted(shop) == [V2]
    shop.beat(100)
    assert shop.releases() == [V2]


def test_a_change_that_was_there_before_the_object_is_a_release_too(stage: Stage) -> None:
    stage.world.template["shop"] = V2
    stage.cluster.roll(SHOP, paused=True)
    stage.cluster.put(document=spec(trigger="deployment"))
    stage.settle()
    assert stage.releases() == [V2]


def test_a_promoted_template_is_done(shop: Stage) -> None:
    template(shop, V2)
    shop.move(shop.newest().id, Phase.PROMOTING)
    shop.move(shop.newest().id, Phase.SUCCEEDED)
    shop.settle()
    assert ready(shop)[0] == "Serving"
    assert noted(shop) == [V2, ""]
    shop.beat(100)
    assert shop.releases() == [V2]


@pytest.mark.parametrize("phase", [Phase.ROLLED_BACK, Phase.FAILED])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_template_that_did_not_make_it_is_not_tried_again_by_itself(
    shop: Stage, phase: Phase, restarted: bool
) -> None:
    template(shop, V2)
    shop.move(shop.newest().id, phase, Reason("errors", "errors: canary 9 %, stable 1 %"))
    if restarted:
        shop.restart()
    shop.beat(200)
    assert shop.releases() == [V2]
    reason, message = ready(shop)
    assert reason == "NotPromoted"
    assert "errors: canary 9 %, stable 1 %. The Deployment stays paused on its old pods" in message


def test_the_next_template_after_a_failed_one_is_tried(shop: Stage) -> None:
    template(shop, V2)
    shop.move(shop.newest().id, Phase.ROLLED_BACK)
    template(shop, V3)
    assert shop.releases() == [V2, V3]


@pytest.mark.parametrize("restarted", [False, True])
def test_the_same_template_is_tried_again_after_it_was_taken_back(shop: Stage, restarted: bool) -> None:
    template(shop, V2)
    shop.move(shop.newest().id, Phase.ROLLED_BACK)
    template(shop, None)
    assert noted(shop) == [V2, ""]
    if restarted:
        shop.restart()
    template(shop, V2)
    assert shop.releases() == [V2, V2]


def test_a_template_that_we_put_back_ourselves_is_not_tried_again_when_a_tool_applies_it_again(shop: Stage) -> None:
    """On the way back from a promotion stable's template is put back; Git still holds the other one."""
    template(shop, V2)
    release = shop.newest()
    shop.move(release.id, Phase.PROMOTING)
    shop.settle()
    shop.move(release.id, Phase.ROLLING_BACK)
    shop.move(release.id, Phase.ROLLED_BACK)
    for _ in range(3):
        template(shop, None)
        template(shop, V2)
    shop.restart()
    template(shop, None)
    template(shop, V2)
    assert shop.releases() == [V2]
    assert ready(shop)[0] == "NotPromoted"
    template(shop, V3)
    assert shop.releases() == [V2, V3]


def test_a_person_may_retry_what_failed(shop: Stage) -> None:
    template(shop, V2)
    failed = shop.newest()
    shop.move(failed.id, Phase.FAILED)
    shop.settle()
    shop.plain.retry(failed.id, "ann")
    shop.settle()
    assert ready(shop)[0] == "ReleaseRunning"
    shop.move(shop.newest().id, Phase.ROLLED_BACK)
    shop.beat(100)
    assert shop.releases() == [V2, V2]


def test_a_newer_template_takes_the_place_of_the_one_that_is_being_tried(shop: Stage) -> None:
    template(shop, V2)
    first = shop.newest()
    template(shop, V3)
    assert shop.releases() == [V2, V3]
    old = shop.memory.release(first.id)
    assert old is not None
    assert old.superseded_by == shop.newest().id


def test_a_newer_template_takes_the_place_of_a_persons_release(shop: Stage) -> None:
    shop.deploy(V2)
    template(shop, V3)
    assert shop.releases() == [V2, V3]


def test_a_template_that_is_taken_back_in_the_middle_aborts_its_release(shop: Stage) -> None:
    template(shop, V2)
    release = shop.move(shop.newest().id, Phase.PROGRESSING, weight_pct=5, step=0)
    template(shop, None)
    intent = shop.newest().intent
    assert intent is not None
    assert (intent.kind, intent.actor) == (IntentKind.ABORT, ME)
    assert shop.world.lowered == [f"aborted by {ME}: the template of the Deployment web/shop is stable's again"]
    shop.move(release.id, Phase.ROLLED_BACK)
    shop.beat(50)
    assert shop.releases() == [V2]
    template(shop, V2)
    assert shop.releases() == [V2, V2]


def test_a_template_that_comes_back_while_its_release_still_goes_back_is_tried_again(shop: Stage) -> None:
    template(shop, V2)
    template(shop, None)
    template(shop, V2)
    assert shop.releases() == [V2, V2]


def test_a_persons_release_is_not_aborted_for_a_template_that_is_stables(shop: Stage) -> None:
    shop.deploy(V2)
    shop.cluster.roll(SHOP)
    shop.beat(50)
    assert shop.records("intent") == []


def test_a_promotion_that_begins_while_the_template_is_read_is_not_taken_for_a_revert(shop: Stage) -> None:
    """The template is stable's because it is being made so; the release is looked at after it."""
    template(shop, V2)
    release = shop.newest()

    def promoted(*_given: object) -> None:
        shop.world.template["shop"] = None
        shop.move(release.id, Phase.PROMOTING)
        shop.workload.heal()

    shop.workload.watch("pending_version", promoted)
    shop.cluster.roll(SHOP)
    shop.beat(10)
    assert shop.records("intent") == []
    assert shop.newest().phase is Phase.PROMOTING


def test_a_kill_holds_the_template_and_its_release_follows_when_it_is_released(shop: Stage) -> None:
    shop.kill()
    template(shop, V2)
    assert shop.releases() == []
    reason, message = ready(shop)
    assert reason == "Killed"
    assert message.startswith("the changed template of the Deployment shop is not deployed: no deploy of shop: kill k1")
    shop.kill(False)
    shop.beat(2)
    assert shop.releases() == [V2]


def test_what_is_refused_is_tried_again_after_a_while_and_not_on_every_beat(shop: Stage) -> None:
    tries: list[Submission] = []
    shop.commands.watch("submit", tries.append)
    shop.workload.fail(Refused("there is no image shop:2"), "resolve")
    template(shop, V2)
    assert ready(shop)[0] == "InvalidVersion"
    shop.beat(50)
    assert len(tries) <= 50 * 4 / AGAIN_S + 2
    shop.workload.heal()
    shop.beat(10)
    assert shop.releases() == [V2]


def test_a_template_that_was_refused_is_still_tried_after_a_persons_release(shop: Stage) -> None:
    def refuse(_app: object, version: str) -> None:
        if version == V2:
            raise Refused("there is no image shop:2")

    shop.workload.watch("resolve", refuse)
    template(shop, V2)
    shop.move(shop.deploy(V3, actor="ann").release.id, Phase.ROLLED_BACK)
    shop.workload.heal()
    shop.beat(10)
    assert shop.releases() == [V3, V2]


def test_a_template_with_stables_own_version_says_so(shop: Stage) -> None:
    template(shop, V1)
    assert shop.releases() == []
    assert ready(shop)[0] == "AlreadyStable"


def test_a_template_that_cannot_be_read_is_told(shop: Stage) -> None:
    shop.workload.fail(Refused("the template has no container called main"), "pending_version")
    shop.cluster.roll(SHOP)
    shop.settle()
    assert ready(shop) == ("TemplateRefused", "the template has no container called main")


def test_a_workload_that_is_away_changes_nothing_that_is_shown(shop: Stage) -> None:
    template(shop, V2)
    shop.move(shop.newest().id, Phase.ROLLED_BACK)
    shop.settle()
    before = shop.status()
    shop.workload.fail(Unavailable("the API server cannot be reached"), "pending_version")
    shop.cluster.roll(SHOP)
    shop.beat(10)
    assert shop.status() == before
    shop.workload.heal()
    template(shop, V3)
    shop.beat(10)
    assert shop.releases() == [V2, V3]


def test_deployments_that_are_not_known_yet_change_nothing_that_is_shown(shop: Stage) -> None:
    template(shop, V2)
    shop.move(shop.newest().id, Phase.ROLLED_BACK)
    shop.settle()
    before = shop.status()
    shop.cluster.is_guarded = False
    shop.kill()
    shop.beat(3)
    assert {**shop.status(), "kill": None} == {**before, "kill": None}


@pytest.mark.parametrize(("method", "after"), [("submit", False), ("submit", True)])
def test_a_crash_around_the_request_makes_one_release_of_it(shop: Stage, method: str, after: bool) -> None:
    def crash(*_given: object) -> None:
        raise KeyboardInterrupt

    (shop.commands.after if after else shop.commands.watch)(method, crash)
    shop.world.template["shop"] = V2
    shop.cluster.roll(SHOP)
    with pytest.raises(KeyboardInterrupt):
        shop.beat()
    shop.commands.heal()
    shop.restart()
    shop.beat(50)
    assert shop.releases() == [V2]
    assert noted(shop) == [V2]


def test_a_request_whose_answer_was_lost_is_found_on_record(shop: Stage) -> None:
    lost: list[object] = []

    def lose(*_given: object) -> None:
        lost.append(1)
        if len(lost) == 1:
            raise Unknown("the store gave no answer")

    shop.commands.after("submit", lose)
    template(shop, V2)
    shop.beat(50)
    assert shop.releases() == [V2]
    assert len(lost) == 1


def test_nothing_is_asked_while_nothing_changes(shop: Stage) -> None:
    template(shop, V2)
    shop.move(shop.newest().id, Phase.ROLLED_BACK)
    shop.settle()
    asked, writes = shop.world.asked, len(shop.writes())
    shop.beat(200)
    assert (shop.world.asked, len(shop.writes())) == (asked, writes)


def test_an_application_that_an_http_caller_registered_follows_its_deployment_as_well(stage: Stage) -> None:
    stage.register(in_http("shop", name="shop", namespace="web") | {"trigger": "deployment"})
    stage.cluster.roll(SHOP)
    stage.settle()
    assert stage.cluster.deployments[SHOP].paused
    template(stage, V2)
    assert stage.releases() == [V2]


def test_an_application_is_followed_from_its_own_namespace_only(stage: Stage) -> None:
    """Also when release objects of an earlier one of its name are left elsewhere."""
    stage.cluster.mirror["old", "shop-0"] = ReleaseObject(
        "old", "shop-0", "uid-0", {"app.kubernetes.io/managed-by": "interlock", "interlock.dev/application": "shop"}
    )
    stage.register(in_http("shop", name="shop", namespace="web") | {"trigger": "deployment"})
    stage.cluster.roll(SHOP, paused=True)
    stage.world.template["shop"] = V2
    stage.settle()
    assert (stage.releases(), stage.newest().actor) == ([V2], ME)
    assert stage.cluster.release("old", "shop-0") is None


def test_a_trigger_that_is_switched_off_gives_the_deployment_back(shop: Stage) -> None:
    shop.cluster.put(document=spec())
    shop.settle()
    assert [part for part, _ in shop.world.given_back] == ["workload", "workload"]
    template(shop, V2)
    assert shop.releases() == []


def test_a_mistake_in_the_spec_does_not_stop_what_is_registered(shop: Stage) -> None:
    shop.cluster.put(document={**spec(trigger="deployment"), "canary": {"steps": [90]}})
    shop.settle()
    template(shop, V2)
    assert shop.releases() == [V2]


def test_a_template_of_a_deployment_that_was_guarded_before_is_no_ones_now(shop: Stage) -> None:
    template(shop, V2)
    shop.move(shop.newest().id, Phase.ROLLED_BACK)
    shop.settle()
    shop.cluster.roll(("web", "till"))
    shop.cluster.put(document=spec("till", trigger="deployment"))
    shop.settle()
    assert shop.releases() == [V2, V2]
    assert [one.draft.numbers["deployment"] for one in shop.records("template_changed")] == ["web/shop", "web/till"]


def test_an_object_that_is_being_deleted_starts_nothing(shop: Stage) -> None:
    shop.router.fail(Unavailable("away"), "forget")
    shop.cluster.delete()
    template(shop, V2)
    assert shop.releases() == []
