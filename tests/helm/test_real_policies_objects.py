"""The policies about objects on a real API server: what is guarded, what is ours, and the latch of the kill."""

from __future__ import annotations

import copy

import pytest

from tests.helm.chart import Raw
from tests.helm.policy_stage import (
    DEPLOYMENTS,
    HOME,
    OWN_KINDS,
    PLACE,
    SWITCHES,
    Stage,
    deleted,
    deployment,
    killed,
    own,
    switch,
    unlatched,
)
from tests.helm.real import refused, resource_of, until
from tests.kube.cluster.client import Client

pytestmark = [pytest.mark.real, pytest.mark.timeout(60), pytest.mark.xdist_group("helm")]

# ---- Deployments during a kill


def test_during_a_kill_only_the_controller_rolls_a_guarded_deployment(calm: Stage) -> None:
    calm.put(deployment("shop"))
    killed(calm)
    told = calm.to(calm.person, deployment("shop", image="new"))
    assert told is not None
    assert "nothing new is rolled out" in told
    assert calm.to(calm.controller, deployment("shop", image="new")) is None
    assert calm.to(calm.kubernetes, deployment("shop", image="new")) is None
    assert calm.to(calm.breaker, deployment("shop", image="new")) is None


def test_during_a_kill_a_paused_deployment_may_not_be_resumed_by_others(calm: Stage) -> None:
    waiting, resumed = deployment("shop"), deployment("shop")
    waiting["spec"]["paused"], resumed["spec"]["paused"] = True, False
    gone = copy.deepcopy(resumed)
    gone["spec"]["paused"] = None
    calm.put(waiting)
    killed(calm)
    assert "resumed" in (calm.to(calm.person, resumed) or "")
    assert "resumed" in (calm.to(calm.person, gone) or "")
    assert calm.to(calm.person, waiting | {"spec": waiting["spec"] | {"replicas": 3}}) is None
    for client in (calm.controller, calm.kubernetes, calm.breaker):
        assert calm.to(client, resumed) is None
    calm.put(deployment("shop"))
    assert calm.to(calm.person, waiting) is None, "pausing rolls nothing"


@pytest.mark.parametrize("where", ["labels", "annotations"])
@pytest.mark.parametrize("value", [None, "books"])
def test_during_a_kill_the_mark_that_guards_a_deployment_stays(calm: Stage, where: str, value: str | None) -> None:
    """Without it the next write would roll."""
    body = deployment("shop", marked=False)
    body["metadata"][where] = {"interlock.dev/application": "shop", "example": "old"}
    calm.put(body)
    killed(calm)
    changed = copy.deepcopy(body)
    changed["metadata"][where]["interlock.dev/application"] = value
    assert "marks" in (calm.to(calm.person, changed) or "")
    assert calm.to(calm.controller, changed) is None
    other = copy.deepcopy(body)
    other["metadata"][where]["example"] = "new"
    assert calm.to(calm.person, other) is None


def test_during_a_kill_a_deployment_is_not_marked_as_another_application(calm: Stage) -> None:
    body = deployment("shop", marked=False)
    body["metadata"]["labels"] = {"interlock.dev/application": "shop"}
    calm.put(body)
    killed(calm, "application:shop")
    changed = copy.deepcopy(body)
    changed["metadata"]["annotations"] = {"interlock.dev/application": "books"}
    assert "marks" in (calm.to(calm.person, changed) or "")


def test_during_a_kill_a_guarded_deployment_is_deleted_by_kubernetes_and_the_controller_alone(calm: Stage) -> None:
    """A new one of that name could have any template."""
    body, free = deployment("shop"), deployment("books", marked=False)
    calm.put(body)
    calm.put(free)
    assert deleted(calm.person, body) is None, "without a kill it is its owner's"
    killed(calm)
    assert "deleted" in (deleted(calm.person, body) or "")
    assert deleted(calm.person, free) is None
    collector = calm.cluster.acting("system:serviceaccount:kube-system:namespace-controller", "system:masters")
    for client in (calm.controller, calm.kubernetes, calm.breaker, collector):
        assert deleted(client, body) is None


def test_during_a_kill_a_guarded_deployment_may_be_scaled(calm: Stage) -> None:
    calm.put(deployment("shop"))
    killed(calm)
    assert calm.to(calm.person, deployment("shop", replicas=5)) is None


def test_during_a_kill_other_deployments_roll(calm: Stage) -> None:
    calm.put(deployment("books", marked=False))
    killed(calm)
    assert calm.to(calm.person, deployment("books", image="new", marked=False)) is None


def test_a_kill_over_one_application_holds_its_deployment_alone(calm: Stage) -> None:
    calm.put(deployment("shop"))
    calm.put(deployment("cart"))
    killed(calm, "application:shop")
    assert calm.to(calm.person, deployment("cart", image="new")) is None
    assert calm.to(calm.person, deployment("shop", image="new")) is not None


# ---- what is ours


@pytest.mark.parametrize("kind", OWN_KINDS)
def test_what_the_controller_made_is_written_by_nobody_else(calm: Stage, kind: str) -> None:
    body = own(kind)
    assert "Interlock's" in (calm.to(calm.person, body) or ""), "nobody makes one in its name"
    calm.put(body)
    assert "Interlock's" in (calm.to(calm.person, own(kind, example="changed")) or "")
    assert "Interlock's" in (deleted(calm.person, body) or "")
    stripped = own(kind)
    stripped["metadata"]["labels"] = {"app.kubernetes.io/managed-by": None}
    assert "Interlock's" in (calm.to(calm.person, stripped) or ""), "the label cannot be taken off first"


@pytest.mark.parametrize("kind", OWN_KINDS)
def test_kubernetes_own_controllers_and_break_glass_reach_it(calm: Stage, kind: str) -> None:
    calm.put(own(kind))
    for client in (calm.kubernetes, calm.breaker):
        assert calm.to(client, own(kind, example="changed")) is None
        assert deleted(client, own(kind)) is None


@pytest.mark.parametrize("kind", sorted(OWN_KINDS.keys() - {"ConfigMap", "Secret", "ControllerRevision"}))
def test_the_controller_reaches_it(calm: Stage, kind: str) -> None:
    calm.put(own(kind))
    assert calm.to(calm.controller, own(kind, example="changed")) is None
    assert deleted(calm.controller, own(kind)) is None


@pytest.mark.parametrize("kind", ["ConfigMap", "ControllerRevision"])
def test_the_controller_makes_and_removes_copies_and_never_changes_one(calm: Stage, kind: str) -> None:
    assert calm.to(calm.controller, own(kind, "copy")) is None
    calm.put(own(kind))
    assert deleted(calm.controller, own(kind)) is None
    assert "cannot patch" in (calm.to(calm.controller, own(kind, example="changed")) or "")


def test_the_size_of_a_canary_is_the_controllers_also_by_its_scale(calm: Stage) -> None:
    body = own("Deployment", "ours")
    marks = {"interlock.dev/application": "shop", "interlock.dev/role": "canary"}
    body["spec"]["selector"]["matchLabels"] = body["spec"]["template"]["metadata"]["labels"] = marks
    calm.put(body)
    calm.put(deployment("shop"))

    def scaled(client: Client, name: str) -> str | None:
        return refused(lambda: client.patch(DEPLOYMENTS, PLACE, name, {"spec": {"replicas": 7}}, "scale", dryRun="All"))

    until(lambda: scaled(calm.person, "ours") is not None, "the policy is in force")
    assert "Interlock's" in (scaled(calm.person, "ours") or "")
    assert scaled(calm.person, "shop") is None
    for client in (calm.controller, calm.kubernetes, calm.breaker):
        assert scaled(client, "ours") is None


def test_the_status_of_a_release_is_the_controllers(calm: Stage) -> None:
    body = own("Release")
    calm.put(body)
    kind = resource_of(body)
    patch = {"status": {"phase": "succeeded"}}

    def told(client: Client) -> str | None:
        return refused(lambda: client.patch(kind, PLACE, "ours", patch, "status", dryRun="All"))

    assert "Interlock's" in (told(calm.person) or "")
    assert told(calm.controller) is None


@pytest.mark.parametrize("kind", OWN_KINDS)
def test_objects_of_others_are_not_touched_by_the_policy(calm: Stage, kind: str) -> None:
    body = own(kind, "theirs", **{"app.kubernetes.io/managed-by": "Helm"})
    assert calm.to(calm.person, body) is None


# ---- the latch itself


def latch(client: Client, change: Raw) -> str | None:
    return refused(lambda: client.patch(SWITCHES, HOME, "interlock", change, dryRun="All"))


def test_whoever_may_write_it_engages_a_kill(calm: Stage) -> None:
    for client in (calm.person, calm.controller):
        assert latch(client, {"spec": {"engaged": True, "scopes": ["application:shop"]}}) is None
    calm.breaker.delete(SWITCHES, HOME, "interlock")
    for client in (calm.person, calm.controller):
        assert refused(lambda client=client: client.create(SWITCHES, HOME, switch(), dryRun="All")) is None  # type: ignore[misc]


@pytest.mark.parametrize("spec", [{"engaged": False}, {"scopes": ["application:cart"]}])
def test_a_kill_is_let_go_by_the_controller_or_by_breaking_the_glass(calm: Stage, spec: Raw) -> None:
    calm.kill("application:shop")
    assert "released by interlock unkill" in (latch(calm.person, {"spec": spec}) or "")
    assert latch(calm.controller, {"spec": spec}) is None
    assert latch(calm.breaker, {"spec": spec}) is None


@pytest.mark.parametrize("scopes", [["fleet"], ["application:cart", "application:shop"], [], None])
def test_its_scopes_may_grow(calm: Stage, scopes: list[str] | None) -> None:
    calm.kill("application:shop")
    assert latch(calm.person, {"spec": {"scopes": scopes}}) is None


def test_kubernetes_own_take_it_back_only_with_its_namespace(calm: Stage) -> None:
    calm.kill("application:shop")
    for change in ({"engaged": False}, {"scopes": ["application:cart"]}):
        assert latch(calm.kubernetes, {"spec": change}) is not None
        for client in (calm.controller, calm.breaker):
            assert latch(client, {"spec": change}) is None
    assert unlatched(calm.kubernetes) is None


@pytest.mark.parametrize(("kind", "told"), [("scopes", "application:shop"), ("canaries", "shop/shop-canary")])
def test_what_the_controller_may_release_is_written_by_the_controller_alone(calm: Stage, kind: str, told: str) -> None:
    calm.kill("application:shop")
    forged = {"metadata": {"annotations": {f"interlock.dev/controller-{kind}": told}}}
    assert "the controller's" in (latch(calm.person, forged) or "")
    assert latch(calm.controller, forged) is None


def test_a_kill_over_everything_cannot_shrink_to_a_part(calm: Stage) -> None:
    calm.kill()
    assert latch(calm.person, {"spec": {"scopes": ["application:shop"]}}) is not None


def test_what_does_not_matter_to_it_may_be_changed(calm: Stage) -> None:
    calm.kill()
    assert latch(calm.person, {"metadata": {"labels": {"example": "yes"}}, "spec": {"reason": "the fire"}}) is None


def test_an_engaged_kill_is_taken_away_by_nobody(calm: Stage) -> None:
    calm.kill()
    assert "released by interlock unkill" in (unlatched(calm.person) or "")
    assert unlatched(calm.breaker) is None
    calm.no_kill()
    assert unlatched(calm.person) is None


def test_another_object_of_that_kind_says_nothing(calm: Stage) -> None:
    for name, place in (("interlock", PLACE), ("another", HOME)):
        body = switch() | {"metadata": {"name": name, "namespace": place}}
        calm.put(body)
        assert calm.to(calm.person, body | {"spec": {"engaged": False}}) is None
        calm.breaker.delete(SWITCHES, place, name)


@pytest.mark.parametrize("scope", ["", "everything", "application:", "application:-shop", "release: x", "fleet "])
def test_a_scope_that_is_none_is_refused(calm: Stage, scope: str) -> None:
    assert latch(calm.person, {"spec": {"engaged": True, "scopes": [scope]}}) is not None
