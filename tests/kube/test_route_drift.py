"""Somebody else's hand in a route: corrected, counted, and never taken for progress. Scenario 30, and the habits of
taking live weights for state, of resetting them on any change, of GitOps tools that write everything anew."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from controller.core.targets import RouteKind
from controller.guard.model import LOST_ID
from controller.ports import Conflict, Halted
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw
from tests.kube.route_kits import (
    KITS,
    ROUTE,
    STABLE,
    STABLE_PODS,
    Gateway,
    Istio,
    Nginx,
    Replicas,
    Traefik,
    endpoint_slice,
)
from tests.kube.route_stage import ABORT, KILL, RouteStage, staged

OWN = (RouteKind.INGRESS, RouteKind.ENDPOINT_SLICE)


@pytest.fixture(params=KITS, ids=lambda kit: kit.kind.value)
def stage(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[RouteStage]:
    with staged(cluster, request.param) as stage:
        yield stage


def strip(stage: RouteStage) -> None:
    """As a tool does that puts its own version in the place of what is there."""
    stage.cluster.patch(stage.kit.plural, stage.kit.carrier, {"metadata": {"annotations": {ROUTE: None}}})


@pytest.mark.parametrize("edited_pct", [50, 0])
def test_a_weight_set_by_hand_is_seen_advances_nothing_and_is_put_back(stage: RouteStage, edited_pct: int) -> None:
    before = stage.at(10)
    stage.kit.edit(stage.cluster, edited_pct)
    seen = stage.router.read(stage.app)
    assert (seen.weight_pct, seen.live_pct, seen.revision, seen.release_id) == (10, edited_pct, before.revision, "r1")
    assert not seen.verified
    assert seen.trouble
    assert seen.drift_count == 0
    after = stage.write(seen, 10)
    assert (after.weight_pct, after.live_pct, after.drift_count) == (10, 10, 1)
    assert after.revision > before.revision
    assert round(stage.share_pct) == 10
    again = stage.write(after, 10)
    assert again.drift_count == 1


def test_a_weight_set_by_hand_at_rest_goes_back_to_stable_and_is_counted(stage: RouteStage) -> None:
    stage.router.claim(stage.app, 1)
    stage.router.lower(stage.app, ABORT, 1)
    stage.kit.edit(stage.cluster, 50)
    seen = stage.router.read(stage.app)
    assert (seen.weight_pct, seen.live_pct) == (0, 50)
    after = stage.router.lower(stage.app, ABORT, 1)
    assert (after.live_pct, after.drift_count, stage.share_pct) == (0, 1, 0)


def test_a_halt_puts_a_weight_set_by_hand_down_as_well(stage: RouteStage) -> None:
    stage.at(10)
    stage.kit.edit(stage.cluster, 50)
    after = stage.router.halt(stage.app, KILL, revert=False)
    assert (after.weight_pct, after.live_pct, after.halts) == (10, 10, (KILL,))
    assert round(stage.share_pct) == 10
    stage.kit.edit(stage.cluster, 50)
    after = stage.router.halt(stage.app, KILL, revert=True)
    assert (after.live_pct, stage.share_pct) == (0, 0)


def test_a_stripped_annotation_belongs_to_nobody_until_it_is_claimed_again(stage: RouteStage) -> None:
    before = stage.at(10)
    strip(stage)
    seen = stage.router.read(stage.app)
    assert (seen.epoch, seen.release_id, seen.weight_pct) == (0, None, 0)
    assert not seen.verified
    with pytest.raises(Conflict):
        stage.write(before, 10)
    claimed = stage.router.claim(stage.app, 1)
    assert claimed.drift_count == 1
    after = stage.write(claimed, 10)
    assert (after.weight_pct, after.live_pct, after.release_id) == (10, 10, "r1")
    assert after.revision > before.revision, "a writer that remembers the old numbers loses"


def test_a_stripped_annotation_does_not_let_go_of_a_kill(stage: RouteStage) -> None:
    stage.at(10)
    stage.router.halt(stage.app, KILL, revert=True)
    strip(stage)
    assert stage.router.claim(stage.app, 1).halts == (KILL,)


def test_going_back_works_on_a_stripped_object_as_well(stage: RouteStage) -> None:
    stage.at(10)
    strip(stage)
    after = stage.router.lower(stage.app, ABORT, 1)
    assert (after.live_pct, after.mark, after.epoch, stage.share_pct) == (0, ABORT, 1, 0)


@pytest.mark.parametrize("text", ["", "nonsense", '{"epoch": 1}'])
def test_an_annotation_that_cannot_be_read_holds_the_route_until_a_person_takes_it_away(
    stage: RouteStage, text: str
) -> None:
    stage.at(10)
    stage.cluster.patch(stage.kit.plural, stage.kit.carrier, {"metadata": {"annotations": {ROUTE: text}}})
    claimed = stage.router.claim(stage.app, 1)
    assert [mark.engagement for mark in claimed.halts] == [LOST_ID]
    with pytest.raises(Halted):
        stage.write(claimed, 10)
    assert stage.router.lower(stage.app, ABORT, 1).live_pct == 0
    strip(stage)
    assert stage.write(stage.router.claim(stage.app, 1), 10).live_pct == 10


def test_an_object_of_ours_that_somebody_deleted_is_nothing_and_comes_back_when_it_is_claimed(
    stage: RouteStage,
) -> None:
    if stage.kit.kind not in OWN:
        return  # a user's object is told as missing, see the weights
    stage.at(10)
    stage.cluster.delete(stage.kit.plural, stage.kit.carrier)
    seen = stage.router.read(stage.app)
    assert (seen.epoch, seen.weight_pct, seen.live_pct) == (0, 0, 0)
    claimed = stage.router.claim(stage.app, 1)
    assert claimed.drift_count == 1
    assert stage.write(claimed, 10).live_pct == 10


NGINX = "nginx.ingress.kubernetes.io/"
EDITS: dict[RouteKind, list[Raw]] = {
    RouteKind.HTTP_ROUTE: [{"spec": {"hostnames": ["other.test"]}}],
    RouteKind.GRPC_ROUTE: [{"spec": {"hostnames": ["other.test"]}}],
    RouteKind.VIRTUAL_SERVICE: [{"spec": {"hosts": ["other.test"], "tcp": None}}],
    RouteKind.INGRESS: [{"metadata": {"annotations": {f"{NGINX}canary-of-nobody": "x"}}}],
    RouteKind.TRAEFIK_SERVICE: [{"spec": {"weighted": {"sticky": {"cookie": {"name": "another"}}}}}],
    RouteKind.ENDPOINT_SLICE: [],
}


def test_whatever_else_somebody_changes_the_weights_stay_and_nothing_is_written(stage: RouteStage) -> None:
    """Flagger's routers put the weights back to their start on any other difference, in every phase."""
    route = stage.at(10)
    labels: Raw = {"metadata": {"labels": {"of": "others"}, "annotations": {"of": "others"}}}
    for edit in (labels, *EDITS[stage.kit.kind]):
        stage.cluster.patch(stage.kit.plural, stage.kit.carrier, edit)
        before = len(stage.calls())
        seen = stage.router.read(stage.app)
        assert (seen.weight_pct, seen.live_pct, seen.drift_count, seen.trouble) == (10, 10, 0, "")
        assert stage.write(route, 10).live_pct == 10
        assert stage.writes(before) == []
        assert round(stage.share_pct) == 10


def test_a_rule_that_the_user_adds_gets_the_weight_too(cluster: Cluster) -> None:
    with staged(cluster, Gateway(RouteKind.HTTP_ROUTE, "httproutes")) as stage:
        route = stage.at(10)
        rules = stage.user()["spec"]["rules"]
        added = {
            "matches": [{"path": {"type": "Exact", "value": "/new"}}],
            "backendRefs": [{"name": STABLE, "port": 80}],
        }
        cluster.patch("httproutes", STABLE, {"spec": {"rules": [added, *rules]}})
        seen = stage.router.read(stage.app)
        assert (seen.live_pct, seen.verified) == (None, False)
        assert "rule 1 of HTTPRoute" in seen.trouble
        assert stage.write(route, 10).live_pct == 10
        assert [one.get("weight") for one in stage.user()["spec"]["rules"][0]["backendRefs"]] == [90, 10]


def test_a_canary_taken_out_by_hand_is_put_in_again(cluster: Cluster) -> None:
    with staged(cluster, Istio()) as stage:
        route = stage.at(10)
        http = stage.user()["spec"]["http"]
        http[1]["route"] = [{key: one[key] for key in one if key != "weight"} for one in http[1]["route"][:1]]
        cluster.patch("virtualservices", STABLE, {"spec": {"http": http}})
        assert stage.router.read(stage.app).live_pct == 0
        assert (stage.write(route, 10).live_pct, stage.share_pct) == (10, 10)


def test_both_at_a_hundred_is_half_of_the_traffic_and_corrected(cluster: Cluster) -> None:
    """What Flagger's Traefik router writes on a difference in labels, ports or annotations."""
    with staged(cluster, Traefik()) as stage:
        route = stage.at(10)
        services = [{**one, "weight": 100} for one in stage.user()["spec"]["weighted"]["services"]]
        cluster.patch("traefikservices", STABLE, {"spec": {"weighted": {"services": services}}})
        assert stage.router.read(stage.app).live_pct == 50
        assert (stage.write(route, 10).drift_count, stage.share_pct) == (1, 10)


def test_the_canary_ingress_follows_the_users_and_that_is_no_drift(cluster: Cluster) -> None:
    with staged(cluster, Nginx()) as stage:
        route = stage.at(10)
        spec = stage.user()["spec"]
        spec["rules"][0]["host"] = "moved.test"
        cluster.patch("ingresses", STABLE, {"spec": spec})
        seen = stage.router.read(stage.app)
        assert (seen.live_pct, seen.verified) == (None, False)
        after = stage.write(route, 10)
        assert (after.live_pct, after.drift_count) == (10, 0)
        assert [rule["host"] for rule in stage.raw()["spec"]["rules"]] == ["moved.test"]


def test_the_slice_follows_the_pods_and_that_is_no_drift(cluster: Cluster) -> None:
    with staged(cluster, Replicas()) as stage:
        route = stage.at(10)
        first = stage.raw()["endpoints"][0]["addresses"]
        canary = endpoint_slice("shop-canary-0", "shop-canary", "10.2.0.", 30)
        canary["endpoints"] = [one for one in canary["endpoints"] if one["addresses"] != first]
        cluster.patch("endpointslices", "shop-canary-0", {"endpoints": canary["endpoints"]})
        seen = stage.router.read(stage.app)
        assert (seen.live_pct, seen.verified) == (None, False)
        after = stage.write(route, 10)
        assert (after.live_pct, after.drift_count, after.revision) == (10, 0, route.revision)
        assert first not in [one["addresses"] for one in stage.raw()["endpoints"]]
        stable = endpoint_slice(f"{STABLE}-0", STABLE, "10.1.0.", STABLE_PODS // 3)
        cluster.patch("endpointslices", f"{STABLE}-0", {"endpoints": stable["endpoints"]})
        seen = stage.router.read(stage.app)
        assert seen.live_pct is not None
        assert seen.live_pct > 10
        assert stage.write(after, 10).live_pct == 10
        assert len(stage.raw()["endpoints"]) == 3


def test_an_old_copy_of_the_annotation_put_back_from_git_is_seen_for_what_it_is(stage: RouteStage) -> None:
    stage.at(50, epoch=1, release_id="r-old")
    old = json.dumps(stage.note())
    stage.router.lower(stage.app, ABORT, 1)
    route = stage.at(10, epoch=2)
    stage.cluster.patch(stage.kit.plural, stage.kit.carrier, {"metadata": {"annotations": {ROUTE: old}}})
    seen = stage.router.read(stage.app)
    assert (seen.epoch, seen.verified) == (1, False)
    with pytest.raises(Conflict):
        stage.write(route, 10, epoch=2)
    claimed = stage.router.claim(stage.app, 2)
    assert claimed.release_id == "r-old", "not the release that runs: it takes the route again"
    after = stage.write(claimed, 10, epoch=2)
    assert (after.weight_pct, after.live_pct, after.release_id) == (10, 10, "r1")
