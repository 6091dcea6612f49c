"""With ``trigger: deployment`` the Deployment is kept paused; never amid a roll-out, and never against ourselves."""

from __future__ import annotations

import pytest

from controller.core.model import Phase
from controller.ports import Conflict
from tests.unit.kube_resources.following_stage import follow, ready, template
from tests.unit.kube_resources.memory import SHOP, spec
from tests.unit.kube_resources.stage import V2, Stage


@pytest.fixture
def shop(stage: Stage) -> Stage:
    follow(stage)
    return stage


def test_the_deployment_is_paused_when_its_application_is_registered(shop: Stage) -> None:
    assert shop.cluster.deployments[SHOP].paused
    assert len(shop.writes("pause")) == 1
    assert ready(shop)[0] == "NothingReleased"


def test_a_deployment_is_not_paused_without_the_trigger(stage: Stage) -> None:
    stage.cluster.roll(SHOP)
    stage.cluster.put()
    stage.settle()
    assert stage.writes("pause") == []
    assert stage.world.asked == 0


def test_a_deployment_that_rolls_out_is_paused_at_its_end_and_not_in_the_middle(stage: Stage) -> None:
    stage.cluster.roll(SHOP, settled=False)
    stage.cluster.put(document=spec(trigger="deployment"))
    stage.settle()
    assert stage.writes("pause") == []
    assert ready(stage) == (
        "RollingByItself",
        "the Deployment shop is not paused and rolls out by itself; it is paused at its end",
    )
    stage.cluster.roll(SHOP, settled=True)
    stage.settle()
    assert stage.cluster.deployments[SHOP].paused
    assert ready(stage)[0] == "NothingReleased"


def test_a_deployment_that_somebody_lets_go_is_paused_again(shop: Stage) -> None:
    shop.cluster.roll(SHOP, paused=False)
    shop.settle()
    assert shop.cluster.deployments[SHOP].paused


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.ROLLING_BACK, Phase.HALTED])
def test_a_deployment_that_we_let_roll_ourselves_is_not_paused(shop: Stage, phase: Phase) -> None:
    template(shop, V2)
    shop.move(shop.newest().id, phase)
    reads: list[object] = []
    shop.api.watch("unpaused", lambda *place: reads.append(place))
    shop.cluster.roll(SHOP, paused=False)
    shop.settle()
    assert not shop.cluster.deployments[SHOP].paused
    assert reads == []


def test_a_promotion_that_begins_while_we_look_is_not_paused(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.settle()
    shop.api.after("unpaused", lambda *_: shop.move(release.id, Phase.PROMOTING))
    shop.cluster.roll(SHOP, paused=False)
    shop.beat()
    assert not shop.cluster.deployments[SHOP].paused


def test_a_deployment_that_is_just_being_given_up_is_not_paused_again(shop: Stage) -> None:
    shop.api.after("unpaused", lambda *_: shop.plain.unregister("shop", "ci"))
    shop.cluster.roll(SHOP, paused=False)
    shop.cluster.objects.clear()
    shop.beat(10)
    assert not shop.cluster.deployments[SHOP].paused


def test_a_pause_keeps_no_release_waiting(shop: Stage) -> None:
    shop.locked.clear()
    shop.cluster.roll(SHOP, paused=False)
    shop.settle()
    assert shop.locked == ["shop"]
    shop.deploy(V2)
    shop.cluster.roll(SHOP, paused=False)
    shop.settle()
    assert shop.cluster.deployments[SHOP].paused
    assert shop.locked == ["shop"]


def test_a_pause_that_meets_another_change_looks_again(shop: Stage) -> None:
    shop.api.fail(Conflict("it has changed"), "pause")
    shop.cluster.roll(SHOP, paused=False)
    shop.beat(3)
    shop.api.heal()
    shop.settle()
    assert shop.cluster.deployments[SHOP].paused


def test_a_missing_deployment_is_told_until_it_is_there(stage: Stage) -> None:
    stage.cluster.put(document=spec(trigger="deployment"))
    stage.settle()
    assert ready(stage) == ("DeploymentMissing", "there is no Deployment shop in namespace web")
    stage.cluster.roll(SHOP)
    stage.settle()
    assert ready(stage)[0] == "NothingReleased"
