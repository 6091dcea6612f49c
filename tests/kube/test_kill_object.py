"""The kill switch as the cluster's admission policies see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from controller.adapters.clock import SystemClock
from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.cluster import home_of
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.killswitch import (
    CANARIES_MAX,
    LOOK_S,
    OUR_CANARIES,
    OURS,
    SCOPES_MAX,
    KillObject,
    joined,
    showing,
    shown,
)
from controller.adapters.kube.kinds import KILL_SWITCH
from controller.core.model import Application
from controller.core.targets import KubernetesRoute, RouteKind, RouteObject
from gates.kill import NAME as SCOPE_NAME
from gates.kill import Engagement, KillState, Scope, ScopeKind, Verb, parse_scope
from tests.fakes.clock import ManualClock
from tests.kube.cluster.cluster import Cluster
from tests.unit.core.build import an_app

SHOP = Engagement("k-1", Verb.REVERT, Scope(ScopeKind.APPLICATION, "shop"), "ann", 1_790_000_000.0)
BOOKS = replace(SHOP, id="k-3", scope=Scope(ScopeKind.APPLICATION, "books"))
FLEET = replace(SHOP, id="k-2", scope=Scope(ScopeKind.FLEET))


@pytest.fixture
def api(cluster: Cluster) -> Iterator[KubeApi]:
    made = connect(KubeSettings(kubeconfig=str(cluster.kubeconfig)), SystemClock())
    yield made
    made.close()


def test_nothing_is_made_before_the_first_kill_and_a_released_one_is_shown_as_over(
    cluster: Cluster, api: KubeApi
) -> None:
    mirror = KillObject(api, cluster.namespace, ManualClock())
    mirror.show(KillState())
    assert cluster.find("killswitches", "interlock") is None
    mirror.show(KillState((SHOP,)))
    spec = cluster.get("killswitches", "interlock")["spec"]
    assert (spec["engaged"], spec["scopes"], spec["since"]) == (True, ["application:shop"], "2026-09-21T14:13:20Z")
    mirror.show(KillState())
    assert cluster.get("killswitches", "interlock")["spec"] == {"engaged": False}


def test_what_is_shown_already_costs_no_call(cluster: Cluster, api: KubeApi) -> None:
    mirror = KillObject(api, cluster.namespace, ManualClock())
    mirror.show(KillState((SHOP,)))
    before = len(cluster.calls())
    for _ in range(5):
        mirror.show(KillState((SHOP,)))
    assert len(cluster.calls()) == before


def test_what_somebody_engaged_by_hand_stays_so_until_they_release_it(cluster: Cluster, api: KubeApi) -> None:
    body = {"apiVersion": "interlock.dev/v1alpha1", "kind": "KillSwitch", "metadata": {"name": "interlock"}}
    cluster.apply({**body, "spec": {"engaged": True, "scopes": ["application:pay"], "reason": "by hand"}})
    KillObject(api, cluster.namespace, ManualClock()).show(KillState())
    assert cluster.get("killswitches", "interlock")["spec"]["reason"] == "by hand"
    mirror = KillObject(api, cluster.namespace, ManualClock())
    mirror.show(KillState((SHOP,)))
    assert cluster.get("killswitches", "interlock")["spec"]["scopes"] == ["application:pay", "application:shop"]
    mirror.show(KillState())
    assert cluster.get("killswitches", "interlock")["spec"]["engaged"] is True


def by_hand(api: KubeApi, namespace: str, **spec: object) -> None:
    api.patch(KILL_SWITCH, namespace, "interlock", {"spec": {"engaged": True, **spec}})


def test_after_a_kill_of_ours_one_by_hand_outlives_a_restart_of_the_controller(cluster: Cluster, api: KubeApi) -> None:
    mirror = KillObject(api, cluster.namespace, ManualClock())
    mirror.show(KillState((SHOP,)))
    mirror.show(KillState())
    assert OURS not in (cluster.get("killswitches", "interlock")["metadata"].get("annotations") or {})
    by_hand(api, cluster.namespace, scopes=["application:pay"], reason="checkout is down")
    KillObject(api, cluster.namespace, ManualClock()).show(KillState())
    spec = cluster.get("killswitches", "interlock")["spec"]
    assert spec == {"engaged": True, "scopes": ["application:pay"], "reason": "checkout is down"}


@pytest.mark.parametrize("restarted", [False, True])
def test_a_scope_that_somebody_adds_to_our_kill_stays_when_ours_is_released(
    cluster: Cluster, api: KubeApi, *, restarted: bool
) -> None:
    mirror = KillObject(api, cluster.namespace, ManualClock())
    mirror.show(KillState((SHOP, BOOKS)))
    by_hand(api, cluster.namespace, scopes=["application:books", "application:pay", "application:shop"])
    if restarted:
        mirror = KillObject(api, cluster.namespace, ManualClock())
    mirror.show(KillState((SHOP,)))
    assert cluster.get("killswitches", "interlock")["spec"]["scopes"] == ["application:pay", "application:shop"]
    mirror.show(KillState())
    spec = cluster.get("killswitches", "interlock")["spec"]
    assert (spec["engaged"], spec["scopes"]) == (True, ["application:pay"])


def test_everything_by_hand_on_top_of_our_kill_stays(cluster: Cluster, api: KubeApi) -> None:
    mirror = KillObject(api, cluster.namespace, ManualClock())
    mirror.show(KillState((FLEET,)))
    by_hand(api, cluster.namespace, scopes=[])
    mirror.show(KillState())
    assert cluster.get("killswitches", "interlock")["spec"] == {
        "engaged": True, "scopes": ["fleet"], "since": "2026-09-21T14:13:20Z",
    }  # fmt: skip


def test_a_kill_that_was_left_by_a_former_controller_and_is_over_is_shown_as_over(
    cluster: Cluster, api: KubeApi
) -> None:
    KillObject(api, cluster.namespace, ManualClock()).show(KillState((SHOP,)))
    KillObject(api, cluster.namespace, ManualClock()).show(KillState())
    assert cluster.get("killswitches", "interlock")["spec"] == {"engaged": False}


def test_an_object_that_is_lost_or_let_go_during_a_kill_is_shown_again_within_a_minute(
    cluster: Cluster, api: KubeApi
) -> None:
    clock = ManualClock()
    mirror = KillObject(api, cluster.namespace, clock)
    mirror.show(KillState((SHOP,)))
    before = len(cluster.calls())
    clock.advance(LOOK_S - 1)
    mirror.show(KillState((SHOP,)))
    assert len(cluster.calls()) == before, "not more often"
    clock.advance(1)
    mirror.show(KillState((SHOP,)))
    assert len(cluster.calls()) == before + 1, "what is as it was is not written again"
    api.delete(KILL_SWITCH, cluster.namespace, "interlock")
    clock.advance(LOOK_S)
    mirror.show(KillState((SHOP,)))
    assert cluster.get("killswitches", "interlock")["spec"]["scopes"] == ["application:shop"]
    api.patch(KILL_SWITCH, cluster.namespace, "interlock", {"spec": {"engaged": False}})
    clock.advance(LOOK_S)
    mirror.show(KillState((SHOP,)))
    assert cluster.get("killswitches", "interlock")["spec"]["engaged"] is True


def test_while_nothing_is_engaged_nobody_looks(cluster: Cluster, api: KubeApi) -> None:
    clock = ManualClock()
    mirror = KillObject(api, cluster.namespace, clock)
    mirror.show(KillState())
    before = len(cluster.calls())
    clock.advance(10 * LOOK_S)
    mirror.show(KillState())
    assert len(cluster.calls()) == before


def test_a_fenced_controller_shows_nothing(cluster: Cluster, api: KubeApi) -> None:
    leading = [False]
    mirror = KillObject(api, cluster.namespace, ManualClock())
    beat = showing(mirror, lambda: KillState((SHOP,)), lambda: leading[0], lambda *_, **__: None)
    beat()
    assert cluster.find("killswitches", "interlock") is None
    leading[0] = True
    beat()
    assert cluster.get("killswitches", "interlock")["spec"]["engaged"] is True


def test_every_name_that_a_kill_may_have_is_shown(cluster: Cluster, api: KubeApi) -> None:
    names = ("EU-West", "a.", "a" * 127)
    kills = tuple(replace(SHOP, id=name, scope=Scope(ScopeKind.ENVIRONMENT, name)) for name in names)
    KillObject(api, cluster.namespace, ManualClock()).show(KillState(kills))
    assert cluster.get("killswitches", "interlock")["spec"]["scopes"] == sorted(f"environment:{n}" for n in names)


def test_the_definition_of_the_kind_takes_the_names_that_a_kill_may_have() -> None:
    kinds = yaml.safe_load_all((Path(__file__).parent / "crds" / "interlock.yaml").read_text())
    (found,) = (one for one in kinds if one["spec"]["names"]["kind"] == "KillSwitch")
    spec = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    items = spec["properties"]["scopes"]["items"]
    assert items["pattern"] == f"^(fleet|(environment|application|release):{SCOPE_NAME.pattern})$"


def test_what_cannot_be_said_in_the_object_is_everything() -> None:
    odd = replace(SHOP, id="k-9", scope=Scope(ScopeKind.APPLICATION, "a b"))
    assert shown(KillState((SHOP, odd)))["scopes"] == ["fleet"]


def test_scopes_of_somebody_else_are_kept_as_long_as_there_is_room() -> None:
    wanted = shown(KillState((SHOP,)))

    def held(count: int) -> tuple[list[str], list[str]]:
        theirs = sorted(f"application:a{n}" for n in range(count))
        spec, ours, _ = joined({"metadata": {}, "spec": {"engaged": True, "scopes": theirs}}, wanted)
        assert count == SCOPES_MAX or set(theirs) < set(spec["scopes"])
        return spec["scopes"], ours

    assert held(SCOPES_MAX - 1)[1] == ["application:shop"]
    assert held(SCOPES_MAX) == (["fleet"], [])


def test_doubt_and_too_much_are_everything() -> None:
    assert shown(KillState(readable=False)) == {"engaged": True, "scopes": ["fleet"]}
    assert shown(KillState((SHOP, FLEET)))["scopes"] == ["fleet"]
    many = tuple(replace(SHOP, id=f"k-{n}", scope=Scope(ScopeKind.APPLICATION, f"a{n}")) for n in range(SCOPES_MAX + 1))
    assert shown(KillState(many))["scopes"] == ["fleet"]
    assert len(shown(KillState(many[1:]))["scopes"]) == SCOPES_MAX


def test_home_is_the_namespace_of_the_pod_and_nowhere_else(tmp_path: Path) -> None:
    assert home_of(KubeSettings(in_cluster=True, service_account=str(tmp_path))) == ""
    (tmp_path / "namespace").write_text("interlock\n")
    assert home_of(KubeSettings(in_cluster=True, service_account=str(tmp_path))) == "interlock"
    assert home_of(KubeSettings(kubeconfig="/k", service_account=str(tmp_path))) == ""


def guarded(name: str, environment: str = "production", namespace: str = "web") -> Application:
    router = KubernetesRoute(namespace, name, f"{name}-next", (RouteObject(RouteKind.HTTP_ROUTE, name),))
    return replace(an_app(), name=name, environment=environment, router=router)


APPLICATIONS = (guarded("shop"), guarded("books", "staging"), guarded("shop-eu", namespace="eu"), an_app())


@pytest.mark.parametrize(
    ("scope", "canaries"),
    [
        ("fleet", {"web/shop-next", "web/books-next", "eu/shop-eu-next"}),
        ("environment:staging", {"web/books-next"}),
        ("application:shop", {"web/shop-next"}),
        ("release:shop-eu-0a1b2c3d4e", {"web/shop-next", "eu/shop-eu-next"}),
        ("application:pay", set()),
    ],
)
def test_the_canaries_that_a_kill_covers_are_named(scope: str, canaries: set[str]) -> None:
    """A release's name may be that of two applications: on doubt both are."""
    said = shown(KillState((replace(SHOP, scope=parse_scope(scope)),)), APPLICATIONS)
    assert said.get("canaries", {}) == dict.fromkeys(canaries, True)


def test_a_switch_that_cannot_be_read_names_every_canary() -> None:
    assert len(shown(KillState(readable=False), APPLICATIONS)["canaries"]) == 3


def test_more_canaries_than_it_may_hold_are_every_one_of_the_usual_form() -> None:
    many = [usual(guarded(f"a{n}")) for n in range(CANARIES_MAX)]
    assert len(shown(KillState((FLEET,)), many)["canaries"]) == CANARIES_MAX
    assert shown(KillState((FLEET,)), [*many, guarded("shop")])["canaries"] == {"*": True, "web/shop-next": True}


def usual(app: Application) -> Application:
    assert isinstance(app.router, KubernetesRoute)
    return replace(app, router=replace(app.router, canary_service=f"{app.name}-canary"))


def test_odd_names_without_end_fill_the_object_and_no_more() -> None:
    many = [guarded(f"a{n}") for n in range(CANARIES_MAX + 1)]
    said = shown(KillState((FLEET,)), many)["canaries"]
    assert len(said) == CANARIES_MAX
    assert "*" in said


@pytest.mark.parametrize(("theirs", "shortened"), [(CANARIES_MAX - 1, False), (CANARIES_MAX, True)])
def test_canaries_of_somebody_else_are_kept_as_long_as_there_is_room(theirs: int, *, shortened: bool) -> None:
    wanted = shown(KillState((SHOP, BOOKS)), [usual(guarded("shop")), usual(guarded("books"))])
    named = {f"web/a{n}-canary": True for n in range(theirs - 1)} | {"web/odd": True}
    found = {"metadata": {}, "spec": {"engaged": True, "scopes": ["application:pay"], "canaries": named}}
    spec, _, ours = joined(found, wanted)
    assert spec["canaries"] == {"web/odd": True, "*": True} if shortened else {**named, "*": True}
    assert ours == ({} if shortened else {"*": True})


def test_canaries_come_and_go_with_their_applications_and_the_kill(cluster: Cluster, api: KubeApi) -> None:
    known = [guarded("shop"), guarded("books")]
    mirror = KillObject(api, cluster.namespace, ManualClock(), lambda: known)
    mirror.show(KillState((FLEET,)))
    assert set(cluster.get("killswitches", "interlock")["spec"]["canaries"]) == {"web/shop-next", "web/books-next"}
    known.pop(0)
    mirror.show(KillState((FLEET,)))
    assert cluster.get("killswitches", "interlock")["spec"]["canaries"] == {"web/books-next": True}
    mirror.show(KillState())
    assert cluster.get("killswitches", "interlock")["spec"] == {"engaged": False}


def test_canaries_that_somebody_names_by_hand_stay_beside_ours(cluster: Cluster, api: KubeApi) -> None:
    body = {"apiVersion": "interlock.dev/v1alpha1", "kind": "KillSwitch", "metadata": {"name": "interlock"}}
    by = {"engaged": True, "scopes": ["application:pay"], "canaries": {"web/pay-canary": True}}
    cluster.apply({**body, "spec": by})
    mirror = KillObject(api, cluster.namespace, ManualClock(), lambda: APPLICATIONS)
    mirror.show(KillState((SHOP,)))
    spec = cluster.get("killswitches", "interlock")["spec"]
    assert spec["canaries"] == {"web/pay-canary": True, "web/shop-next": True}


@pytest.mark.parametrize("restarted", [False, True])
def test_canaries_that_we_named_go_with_our_kill_while_somebody_elses_stands(
    cluster: Cluster, api: KubeApi, *, restarted: bool
) -> None:
    body = {"apiVersion": "interlock.dev/v1alpha1", "kind": "KillSwitch", "metadata": {"name": "interlock"}}
    by = {"engaged": True, "scopes": ["application:pay"], "canaries": {"web/pay-canary": True}}
    cluster.apply({**body, "spec": by})
    mirror = KillObject(api, cluster.namespace, ManualClock(), lambda: APPLICATIONS)
    mirror.show(KillState((SHOP, BOOKS)))
    assert len(cluster.get("killswitches", "interlock")["spec"]["canaries"]) == 3
    if restarted:
        mirror = KillObject(api, cluster.namespace, ManualClock(), lambda: APPLICATIONS)
    mirror.show(KillState((SHOP,)))
    found = cluster.get("killswitches", "interlock")
    assert found["spec"]["canaries"] == {"web/pay-canary": True, "web/shop-next": True}
    assert found["metadata"]["annotations"][OUR_CANARIES] == "web/shop-next"
    mirror.show(KillState())
    found = cluster.get("killswitches", "interlock")
    assert found["spec"] == {**by, "since": "2026-09-21T14:13:20Z"}
    assert OUR_CANARIES not in (found["metadata"].get("annotations") or {})


def test_of_a_kill_by_hand_that_names_no_canaries_ours_leave_none(cluster: Cluster, api: KubeApi) -> None:
    mirror = KillObject(api, cluster.namespace, ManualClock(), lambda: APPLICATIONS)
    mirror.show(KillState((SHOP,)))
    by_hand(api, cluster.namespace, scopes=["application:pay", "application:shop"])
    mirror.show(KillState())
    spec = cluster.get("killswitches", "interlock")["spec"]
    assert (spec["scopes"], spec.get("canaries")) == (["application:pay"], None)
