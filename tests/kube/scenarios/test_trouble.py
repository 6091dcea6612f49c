"""Scenarios 16, 24 to 26, 28, 30, 33 to 37, 39 and 40: pods, scaling, hands, metrics and controllers that fail."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Outcome, Role
from controller.core.check import Violation
from controller.core.model import IntentKind, Phase
from controller.ports import Fenced, Unavailable
from tests.fakes.metrics import Trouble
from tests.kube.cluster import builders
from tests.kube.scenarios.conftest import Make
from tests.kube.scenarios.kits import CANARY, STABLE, HttpRouteKit, IngressNginxKit, Kit
from tests.kube.scenarios.stage import NEW, OLD, Stage, image_of

scenario = pytest.mark.scenario


@scenario(16)
def test_one_crashing_pod_of_several_does_not_stop_the_judgement(make: Make) -> None:
    stage = make(steps=(10, 45), max_weight_pct=50)
    stage.deploy()
    stage.until(lambda: len(stage.running(Role.CANARY)) >= 2)
    stage.until_live(45)
    stage.errors[NEW] = 0.3
    victim = next(pod for pod in stage.cluster.pods() if pod["metadata"]["name"].startswith(CANARY))
    stage.cluster.crew.kubelet.set_ready(victim, ready=False)
    stage.until_phase(Phase.ROLLED_BACK)
    assert stage.newest().reason.code in ("worse_than_stable", "breaker", "outside_slo")


@scenario(24)
def test_scaling_stable_while_paused_scales_the_canary_with_it(make: Make) -> None:
    stage = make(steps=(10, 25), max_weight_pct=25)
    stage.deploy()
    stage.until_live(10)
    stage.ask(IntentKind.PAUSE)
    stage.until_phase(Phase.PAUSED)
    for replicas in (12, 4):
        stage.cluster.patch("deployments", STABLE, {"spec": {"replicas": replicas}})
        stage.seconds(4)
        assert len(stage.running(Role.STABLE)) == replicas
        # A share of the pods needs more of them than a share of the requests.
        of = 75 if stage.kit.id == "replicas" else 100
        assert len(stage.running(Role.CANARY)) == math.ceil(replicas * 25 / of)


@scenario(25)
def test_the_share_of_a_replica_weighted_canary_rises_and_falls_as_planned(stage: Stage) -> None:
    stage.deploy()
    stage.until_live(20)
    assert stage.kit.share_pct(stage.cluster) == stage.kit.weight_pct(20) <= 20
    stage.ask(IntentKind.ABORT)
    assert stage.kit.share_pct(stage.cluster) == 0
    assert len(stage.running(Role.STABLE)) == stage.kit.replicas


@scenario(26)
def test_a_new_version_and_a_new_number_of_replicas_at_once_skip_no_step(stage: Stage) -> None:
    stage.deploy()
    stage.cluster.patch("deployments", STABLE, {"spec": {"replicas": stage.kit.replicas + 1}})
    stage.until_phase(Phase.SUCCEEDED)
    assert len(stage.rising()) == 3
    assert len(stage.running(Role.STABLE)) == stage.kit.replicas + 1


@scenario(28)
def test_the_agreed_header_reaches_the_canary_while_it_has_a_weight_and_never_after(stage: Stage, kit: Kit) -> None:
    assert not header_rules(stage, kit)
    stage.deploy()
    stage.until_live(10)
    assert header_rules(stage, kit)
    stage.ask(IntentKind.ABORT)
    assert not header_rules(stage, kit)
    stage.until_phase(Phase.ROLLED_BACK)
    stage.deploy()
    stage.until_phase(Phase.SUCCEEDED)
    assert not header_rules(stage, kit)


def header_rules(stage: Stage, kit: Kit) -> list[Any]:
    """The rules that send requests with the header to the canary alone."""
    if isinstance(kit, HttpRouteKit):
        rules = stage.cluster.get("httproutes", STABLE)["spec"]["rules"]
        return [r for r in rules if any("headers" in match for match in r.get("matches") or [])]
    if isinstance(kit, IngressNginxKit):
        found = stage.cluster.find("ingresses", kit.canary) or {"metadata": {}}
        annotations = found["metadata"].get("annotations") or {}
        carries = annotations.get("nginx.ingress.kubernetes.io/canary") == "true"
        return [v for k, v in annotations.items() if k.endswith("canary-by-header") and carries]
    routes = stage.cluster.get("virtualservices", STABLE)["spec"]["http"]
    return [r for r in routes if any("headers" in match for match in r.get("match") or [])]


@scenario(30)
def test_a_weight_edited_by_somebody_else_is_put_back_reported_and_advances_nothing(stage: Stage) -> None:
    stage.deploy()
    stage.until_live(10)
    step = stage.newest().step
    stage.kit.edit(stage.cluster, 80)
    stage.second()
    stage.second()
    assert (stage.live(), stage.newest().step) == (stage.pct(10), step)
    assert stage.records("drift")
    stage.until_phase(Phase.SUCCEEDED)


@scenario(33)
@scenario(34)
@pytest.mark.parametrize("outcome", [Outcome.NO_SERIES, Outcome.NOT_A_NUMBER, Outcome.INFINITE, Outcome.STALE])
def test_missing_and_odd_numbers_hold_and_then_follow_the_policy(stage: Stage, outcome: Outcome) -> None:
    stage.deploy()
    stage.until_live(10)
    stage.metrics.trouble[Role.CANARY] = Trouble(outcome)
    stage.seconds(6)
    assert (stage.newest().phase, stage.live()) == (Phase.PROGRESSING, stage.pct(10))
    stage.until_phase(Phase.ROLLED_BACK)
    assert stage.newest().reason.code == "no_data"


@scenario(35)
def test_metrics_that_go_and_come_back_cost_nothing_but_time(stage: Stage) -> None:
    stage.deploy()
    stage.until_live(10)
    for role in Role:
        stage.metrics.trouble[role] = Trouble(Outcome.UNREADABLE, "connection refused")
    stage.seconds(10)
    assert stage.live() == stage.pct(10)
    stage.metrics.trouble.clear()
    stage.until_phase(Phase.SUCCEEDED)


@scenario(36)
def test_without_a_decision_at_the_horizon_it_pauses_and_a_promotion_passes_one_step(make: Make) -> None:
    stage = make(max_duration_s=25.0, min_bake_s=4.0)
    stage.app = replace(stage.app, analysis=replace(stage.app.analysis, min_canary_requests=10_000_000))
    stage.store_application()
    stage.deploy()
    stage.until_live(10)
    stage.until_phase(Phase.PAUSED)
    assert stage.newest().reason.code == "inconclusive"
    step = stage.newest().step
    stage.ask(IntentKind.PROMOTE_STEP, step=step)
    stage.until_live(20)
    assert stage.newest().step == step + 1
    stage.seconds(8)
    assert (stage.newest().phase, stage.live()) == (Phase.PROGRESSING, stage.pct(20))


@scenario(37)
def test_secrets_of_the_pods_never_reach_records_logs_or_sentences(stage: Stage) -> None:
    secret = {"name": "PASSWORD", "value": "hunter2-of-the-shop"}
    container = builders.container(image_of(OLD), env=[secret])
    stage.cluster.deployment(STABLE, image_of(OLD), stage.kit.replicas, containers=[container])
    stage.cluster.rolled_out(STABLE)
    stage.deploy("bad")
    stage.until_phase(Phase.FAILED)
    told = [str(stage.told), stage.sentence(), *(record.text for record in stage.records())]
    assert not [text for text in told if secret["value"] in text]


@scenario(40)
def test_of_two_controllers_the_older_one_can_write_nothing_any_more(stage: Stage) -> None:
    stage.deploy()
    stage.until_live(10)
    older, epoch = stage.loop, stage.epoch
    release = stage.newest()
    stage.lead()
    stage.second()
    assert stage.epoch == epoch + 1
    with pytest.raises(Fenced):
        older.run(release.id)
    with pytest.raises(Fenced):
        stage.ports.router.renew(stage.app, release.id, epoch, 20.0)
    assert stage.live() == stage.pct(10)
    stage.until_phase(Phase.SUCCEEDED)


def test_a_cluster_that_cannot_be_reached_holds_and_an_abort_says_what_it_did_not_do(stage: Stage) -> None:
    stage.deploy()
    stage.until_live(10)
    stage.router.fail(Unavailable("the API server cannot be reached"), "read", "write", "lower", "renew")
    stage.seconds(3)
    assert stage.newest().step == 0
    assert "cannot be reached" in stage.sentence()
    stage.ask(IntentKind.ABORT)
    stage.router.heal()
    stage.second()
    assert stage.live() == 0


def test_no_weight_rises_on_a_canary_that_could_not_be_made_larger_and_an_abort_waits_for_nothing(make: Make) -> None:
    stage = make(steps=(10, 25, 45), max_weight_pct=50)
    stage.deploy()
    stage.until_live(10)
    spec = {"selector": {"interlock.dev/role": "canary"}, "ports": [{"port": 80}]}
    stage.cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "past"}, "spec": spec})
    stage.until(lambda: stage.newest().reason.code == "canary_unsized", 60)
    held_pct = stage.live()
    stage.seconds(20)
    assert stage.live() == held_pct in (stage.pct(10), stage.pct(25))
    assert "the Service past chooses the canary's pods" in stage.newest().reason.text
    stage.ask(IntentKind.ABORT)
    assert stage.live() == 0
    stage.until_phase(Phase.ROLLED_BACK)


def test_a_note_that_names_a_newer_leader_holds_one_application_and_no_stop(stage: Stage) -> None:
    stage.deploy()
    stage.until_live(10)
    stage.router.claim(stage.app, 999)
    stage.seconds(20)
    assert (stage.newest().phase, stage.live()) == (Phase.PROGRESSING, stage.pct(10))
    assert "carries the epoch 999" in stage.sentence()
    assert "--min-epoch 1000" in stage.sentence()
    assert [told["page"] for told in stage.told if told["event"] == "application_fenced"] == [True]
    stage.errors[NEW] = 0.5
    stage.until_phase(Phase.ROLLING_BACK)
    stage.seconds(2)
    assert stage.live() == 0


def test_a_persons_abort_takes_the_traffic_back_past_a_note_that_names_a_newer_leader(stage: Stage) -> None:
    stage.deploy()
    stage.until_live(10)
    stage.router.claim(stage.app, 999)
    stage.ask(IntentKind.ABORT)
    assert stage.live() == 0
    stage.seconds(10)
    assert stage.live() == 0
    assert stage.newest().phase is Phase.ROLLING_BACK
    assert "--min-epoch 1000" in stage.sentence()


def test_at_rest_a_note_that_names_a_newer_leader_is_told_once_and_stops_no_loop(stage: Stage) -> None:
    stage.router.claim(stage.app, 999)
    for _ in range(3):
        assert stage.loop.rest("shop") is False
    assert [told["page"] for told in stage.told if told["event"] == "application_fenced"] == [True]


def test_a_parked_release_gives_its_weight_back_once_even_when_the_cluster_is_away_at_first(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.deploy()
    stage.until_live(10)

    def broken(*_args: object) -> None:
        raise Violation("planted by the test")

    monkeypatch.setattr("controller.reconcile.decide", broken)
    stage.router.fail(Unavailable("the API server cannot be reached"), "lower")
    stage.seconds(3)
    assert stage.loop.parked == {stage.newest().id}
    assert stage.live() == stage.pct(10)
    stage.router.heal()
    stage.seconds(3)
    assert stage.live() == 0
    lowered: list[object] = []
    stage.router.watch("lower", lambda *args: lowered.append(args))
    stage.seconds(3)
    assert lowered == []
    monkeypatch.undo()
    stage.lead()
    stage.until_live(10)
    stage.until_phase(Phase.SUCCEEDED)
