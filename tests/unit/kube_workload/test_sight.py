"""Which version each instance is, who has put it there, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.adapters.kube.workload.names import TEMPLATE
from controller.adapters.kube.workload.notes import Rank, Trouble
from controller.adapters.kube.workload.seen import STOPPING_S_MAX, Deployed, PodSeen, deployed, pod
from controller.adapters.kube.workload.sight import (
    Sight,
    canary_state,
    foreign_version,
    live_version,
    running_version,
    stable_state,
)
from controller.adapters.kube.workload.versions import digest_of, with_digest
from tests.unit.kube_workload.objects import (
    BACK,
    BY_TEMPLATE,
    D1,
    D2,
    D3,
    NEW,
    OLD,
    T1,
    T2,
    T3,
    THIRD,
    V1,
    V2,
    V3,
    a_set,
    forward,
    guarded,
    raw_deployment,
    raw_set,
    sight,
    template,
    the_canary,
)

EDITED = template(V1, nodeName="elsewhere")


@pytest.mark.parametrize(
    ("stable", "foreign"),
    [
        (guarded(OLD), None),
        (guarded(OLD, BACK), None),
        (guarded(NEW, forward(D2)), None),
        (guarded(THIRD), V3),
        (guarded(THIRD, forward(D2)), V3),
        (guarded(THIRD, forward(D3)), None),
        # the canary's own version, but not by us
        (guarded(NEW), V2),
        (guarded(NEW, forward(D2, "uid-of-an-earlier-one")), V2),
        (guarded(NEW, BACK), V2),
        # our promotion taken back by hand
        (guarded(OLD, forward(D2)), V1),
        # the same image with another environment is another template
        (guarded(EDITED), with_digest(V1, digest_of(EDITED))),
    ],
)
def test_somebody_elses_change_of_stable_is_told_from_our_own(stable: Deployed, foreign: str | None) -> None:
    assert foreign_version(sight(stable, the_canary())) == foreign
    assert stable_state(sight(stable, the_canary())).foreign == foreign


@pytest.mark.parametrize(
    ("stable", "asked", "foreign"),
    [
        (guarded(OLD), None, None),
        (guarded(OLD), V1, None),
        (guarded(THIRD), V1, V3),
        (guarded(THIRD), None, None),
        (guarded(NEW, forward(D2)), V1, None),
        (guarded(OLD, BACK), V1, None),
    ],
)
def test_without_a_canary_what_was_asked_for_tells_it(stable: Deployed, asked: str | None, foreign: str | None) -> None:
    assert foreign_version(sight(stable, asked=asked)) == foreign


def test_stable_changed_before_the_canary_was_made_is_found_on_the_way_back() -> None:
    look = sight(guarded(THIRD), the_canary(THIRD, NEW, V3, V2), asked=V1)
    assert foreign_version(look) == V3
    assert foreign_version(replace(look, asked=V3)) is None


@pytest.mark.parametrize(
    ("stable", "sets", "foreign"),
    [
        (guarded(NEW, paused=True), [a_set("a", OLD, 4)], None),
        (guarded(THIRD, paused=True), [a_set("a", OLD, 4)], None),
        (guarded(NEW, forward(D2)), [a_set("a", OLD, 2), a_set("b", NEW, 2, 2)], None),
        (guarded(OLD, BACK), [a_set("a", OLD, 2), a_set("b", NEW, 2, 2)], None),
        (guarded(THIRD, forward(D2)), [a_set("a", OLD, 2), a_set("b", NEW, 2, 2)], T3),
        (guarded(THIRD, paused=True), [a_set("a", OLD, 2), a_set("b", THIRD, 2, 2)], T3),
        (guarded(NEW), [a_set("a", OLD, 4)], T2),
        (guarded(NEW, paused=True), [a_set("a", OLD, 2), a_set("b", NEW, 2, 2)], T2),
        (guarded(OLD, forward(D2)), [a_set("b", NEW, 4, 2)], T1),
    ],
)
def test_a_paused_deployments_template_is_a_wish_and_only_what_runs_counts(
    stable: Deployed, sets: list[Any], foreign: str | None
) -> None:
    assert foreign_version(sight(stable, the_canary(OLD, NEW, T1, T2), *sets, target=BY_TEMPLATE)) == foreign


def test_what_a_webhook_made_of_our_template_is_the_version_we_asked_for() -> None:
    mirrored = template("mirror.test/shop:v2")
    stable = guarded(mirrored, forward(digest_of(mirrored)))
    assert live_version(sight(stable, the_canary())) == V2
    assert live_version(sight(stable)) == V2


def test_what_runs_is_the_replica_set_with_instances_and_not_the_newest_template() -> None:
    old, again = a_set("a", OLD, 0, 5), a_set("b", NEW, 4, 2)
    look = sight(guarded(OLD, paused=True), None, old, again, target=BY_TEMPLATE)
    assert running_version(look) == T2
    assert running_version(sight(guarded(OLD), target=BY_TEMPLATE)) is None
    assert running_version(sight(guarded(OLD, paused=True))) == V1


def a_pod(owner: str, ready: bool = True, **more: Any) -> PodSeen:
    return replace(PodSeen(f"uid-of-{owner}", "", "", ready, False, True, None), **more)


def stable_of(*pods: PodSeen, deployment: Deployed | None = None, canary: Deployed | None = None) -> Sight:
    look = sight(deployment or guarded(OLD), canary, a_set("a", OLD, 4), a_set("b", NEW, 0))
    return replace(look, pods=pods)


def test_instances_are_counted_by_the_template_of_their_replica_set() -> None:
    state = stable_state(stable_of(a_pod("a"), a_pod("a"), a_pod("a", ready=False), a_pod("b"), a_pod("stranger")))
    assert (state.running, state.ready) == (((V1, 3), (V2, 1)), ((V1, 2), (V2, 1)))
    assert state.wanted == 4


def test_instances_that_end_are_no_longer_stables() -> None:
    state = stable_state(stable_of(a_pod("a"), a_pod("b", ready=False, leaving=True)))
    assert state.running == ((V1, 1),)


def test_a_deployment_that_is_not_there_never_counts_as_settled() -> None:
    state = stable_state(sight(None))
    assert not state.settled_on(V1)
    assert state.note == "there is no Deployment shop in the namespace shop: create it"


def test_a_deployment_scaled_to_nothing_never_counts_as_settled() -> None:
    state = stable_state(replace(stable_of(), guarded=guarded(OLD, replicas=0)))
    assert not state.settled_on(V1)


@pytest.mark.parametrize(
    "status",
    [
        {"observedGeneration": 2, "replicas": 4, "updatedReplicas": 4, "availableReplicas": 4},
        {"observedGeneration": 3, "replicas": 5, "updatedReplicas": 4, "availableReplicas": 4},
        {"observedGeneration": 3, "replicas": 4, "updatedReplicas": 3, "availableReplicas": 4},
        {"observedGeneration": 3, "replicas": 4, "updatedReplicas": 4, "availableReplicas": 3},
        {},
    ],
)
def test_ready_instances_are_settled_only_when_the_roll_out_is_complete(status: dict[str, int]) -> None:
    pods = [a_pod("a") for _ in range(4)]
    raw = raw_deployment()
    assert stable_state(stable_of(*pods, deployment=deployed(raw))).settled_on(V1)
    state = stable_state(stable_of(*pods, deployment=deployed({**raw, "status": status})))
    assert not state.settled_on(V1)
    assert state.note


def test_the_worst_trouble_is_noted_with_missing_capacity_and_the_last_refusal() -> None:
    pull = Trouble(Rank.IMAGE, "cannot be pulled")
    look = stable_of(a_pod("a", ready=False, trouble=pull), a_pod("a"), a_pod("a"), canary=the_canary())
    missing = "stable has 2 ready instances, and had 4 when the release began"
    assert stable_state(look, "denied").note == f"cannot be pulled; {missing}; denied"


def test_a_deployment_paused_by_its_owner_is_noted_unless_we_keep_it_paused() -> None:
    paused = guarded(OLD, paused=True)
    assert "is paused" in stable_state(sight(paused)).note
    assert "is paused" not in stable_state(sight(paused, target=BY_TEMPLATE)).note


def canary_pod(owner: str = "c", version: str = V2, **more: Any) -> PodSeen:
    return a_pod(owner, **{"application": "shop", "version": version, **more})


def canary_of(*pods: PodSeen, digest: str | None = None) -> Sight:
    canary = the_canary()
    noted = {**canary.annotations, TEMPLATE: digest} if digest is not None else dict(canary.annotations)
    one = a_set("c", NEW, 1)
    look = sight(guarded(OLD), replace(canary, annotations=noted), replace(one, owner="uid-of-shop-canary"))
    return replace(look, pods=pods)


def test_a_canarys_instances_tell_their_version_themselves() -> None:
    state = canary_state(canary_of(canary_pod(), canary_pod(ready=False), a_pod("a")))
    assert (state.wanted, state.running, state.ready) == (1, ((V2, 2),), ((V2, 1),))


def test_instances_that_end_still_count_for_a_canary_that_goes() -> None:
    gone = replace(canary_of(canary_pod(ready=False, leaving=True)), canary=None)
    assert (canary_state(gone).wanted, canary_state(gone).running_any) == (0, 1)


def test_an_edited_template_makes_another_version_of_the_canarys_instances() -> None:
    assert canary_state(canary_of(canary_pod(), digest=D2)).ready_of(V2) == 1
    state = canary_state(canary_of(canary_pod(), digest=D3))
    assert state.ready_of(V2) == 0
    assert "somebody changed the template" in state.note


def test_a_foreign_deployment_of_the_canarys_name_is_no_canary() -> None:
    foreign = replace(the_canary(), labels={"app": "shop"})
    assert canary_state(sight(guarded(OLD), foreign)).wanted == 0
    assert sight(guarded(OLD), foreign).records is None


NOW_S = 1_700_000_000.0


def ending(grace_s: int, told_s_ago: float) -> dict[str, Any]:
    at = datetime.fromtimestamp(NOW_S - told_s_ago + grace_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"metadata": {"deletionTimestamp": at, "deletionGracePeriodSeconds": grace_s}, "spec": {}}


@pytest.mark.parametrize("grace_s", [0, 30, 3_600])
def test_an_instance_that_ends_is_waited_for_but_not_for_ever(grace_s: int) -> None:
    assert pod(ending(grace_s, 5), NOW_S).counts
    assert not pod(ending(grace_s, STOPPING_S_MAX + 2), NOW_S).counts


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_instance_that_has_ended_counts_no_more(phase: str) -> None:
    ready = {"type": "Ready", "status": "True"}
    seen = pod({"metadata": {}, "status": {"phase": phase, "conditions": [ready]}}, NOW_S)
    assert not seen.counts
    assert not seen.ready


def test_the_template_of_a_replica_set_is_that_of_its_deployment() -> None:
    assert a_set("a", OLD, 1).digest == D1
    assert raw_set("a", OLD, 1)["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] == "a"
