"""The schemas of Application and Release on a real API server: what it takes, what it refuses, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.adapters.kube.resources import mirrors, shown
from controller.adapters.kube.resources.shown import Picture, Said
from controller.core.model import Phase
from controller.core.moves import ENDED
from controller.spec import InvalidDocument, application_from
from tests.helm.chart import Raw
from tests.helm.documents import BAD, GOOD, STRICTER, UNKNOWN, Change, application, document
from tests.helm.real import Cluster, refused
from tests.kube.cluster.raw import Resource
from tests.unit.core.build import T0, a_cluster_app, a_release

pytestmark = [pytest.mark.real, pytest.mark.timeout(60), pytest.mark.xdist_group("helm")]

APPLICATIONS = Resource("interlock.dev", "v1alpha1", "applications", "Application")
RELEASES = Resource("interlock.dev", "v1alpha1", "releases", "Release")
NAMESPACE = "schemas"
RUNNING = [phase for phase in Phase if phase not in ENDED]


@pytest.fixture(scope="session")
def shelf(cluster: Cluster) -> Cluster:
    cluster.namespace(NAMESPACE)
    return cluster


def tried(shelf: Cluster, body: Raw, validation: str = "Strict") -> str | None:
    return refused(
        lambda: shelf.admin.create(APPLICATIONS, NAMESPACE, body, dryRun="All", fieldValidation=validation)
    )  # fmt: skip


def read(text: Raw) -> str | None:
    """What the product's own reader says against the document."""
    try:
        application_from(text)
    except InvalidDocument as error:
        return str(error)
    return None


@pytest.mark.parametrize("change", GOOD.values(), ids=GOOD)
def test_a_good_application_is_taken_by_the_schema_and_by_the_product(shelf: Cluster, change: Change) -> None:
    assert tried(shelf, application(change)) is None
    assert read(document(change)) is None


@pytest.mark.parametrize("name", BAD)
def test_a_bad_application_is_refused_by_the_schema_and_by_the_product(shelf: Cluster, name: str) -> None:
    assert tried(shelf, application(BAD[name])) is not None
    if name != "another_name":
        assert read(document(BAD[name])) is not None


@pytest.mark.parametrize("change", STRICTER.values(), ids=STRICTER)
def test_a_few_ways_to_write_a_duration_are_for_files_alone(shelf: Cluster, change: Change) -> None:
    assert tried(shelf, application(change)) is not None
    assert read(document(change)) is None


@pytest.mark.parametrize("change", UNKNOWN.values(), ids=UNKNOWN)
def test_a_field_that_is_not_in_the_schema_is_an_error_when_kubectl_asks(shelf: Cluster, change: Change) -> None:
    told = tried(shelf, application(change))
    assert told is not None
    assert "unknown field" in told


@pytest.mark.parametrize("name", ["a" * 63, "a", "shop-2"])
def test_the_objects_name_may_be_any_that_an_application_may_have(shelf: Cluster, name: str) -> None:
    assert tried(shelf, application({}, name)) is None
    assert read(document({}, name)) is None


@pytest.mark.parametrize("name", ["a" * 64, "shop.web"])
def test_a_name_that_no_application_may_have_is_refused_with_what_may(shelf: Cluster, name: str) -> None:
    told = tried(shelf, application({}, name))
    assert told is not None
    assert "1 to 63 lower-case letters, digits and dashes" in told
    assert read(document({}, name)) is not None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("two_routers", "name exactly one of gatewayApi, istio, ingressNginx, traefik and replicas"),
        ("steps_that_fall", "steps must rise strictly"),
        ("a_first_step_of_eleven", "the first step must be at most 10 %"),
        ("a_step_above_max_weight", "lower it or raise maxWeight"),
        ("a_lease_of_two_polls", "lease must be at least 3 times poll"),
        ("a_lease_shorter_than_a_slow_pass", "at least 12 s and 2 times poll"),
        ("bakes_that_do_not_fit", "raise it or lower minBake"),
        ("a_deployment_too_long_for_a_canary", "Set canaryName"),
        ("another_name", "remove spec.name"),
        ("a_selector_that_compares_nothing", "add $role or $version to a label"),
        ("a_drain_of_hours", "must be at least 0 s and at most 3600 s"),
        ("a_duration_without_a_unit", "write for example 500ms, 30s, 5m or 1h30m"),
        ("a_prometheus_with_a_password", "without credentials"),
    ],
)
def test_a_refusal_says_what_to_do(shelf: Cluster, name: str, says: str) -> None:
    assert says in (tried(shelf, application(BAD[name])) or "")


def test_a_refusal_does_not_repeat_a_password(shelf: Cluster) -> None:
    assert "secret" not in (tried(shelf, application(BAD["a_prometheus_with_a_password"])) or "secret")


def test_a_service_that_is_called_as_the_canary_would_be_is_refused(shelf: Cluster) -> None:
    told = tried(shelf, application({"target.kubernetes.service": "shop-canary"}))
    assert told is not None
    assert "must be another name" in told


def in_phase(shelf: Cluster, name: str, phase: str) -> None:
    shelf.put(application({}, name) | {"metadata": {"name": name, "namespace": NAMESPACE}})
    shelf.admin.patch(APPLICATIONS, NAMESPACE, name, {"status": {"phase": phase, "weightPct": 5}}, "status")


@pytest.mark.parametrize("phase", RUNNING)
@pytest.mark.parametrize("field", ["deployment", "service", "canaryName"])
def test_what_is_deployed_cannot_change_while_a_release_runs(shelf: Cluster, phase: Phase, field: str) -> None:
    name = f"running-{phase.value.replace('_', '-')}-{field.lower()}"
    in_phase(shelf, name, phase.value)
    patch = {"spec": {"target": {"kubernetes": {field: "other"}}}}
    told = refused(lambda: shelf.admin.patch(APPLICATIONS, NAMESPACE, name, patch))
    assert told is not None
    assert "cannot change while a release is running" in told


@pytest.mark.parametrize("phase", sorted(ENDED))
def test_it_may_change_between_releases(shelf: Cluster, phase: Phase) -> None:
    name = f"ended-{phase.value.replace('_', '-')}"
    in_phase(shelf, name, phase.value)
    patch = {"spec": {"target": {"kubernetes": {"deployment": "other"}}}}
    shelf.admin.patch(APPLICATIONS, NAMESPACE, name, patch)


def test_the_plan_may_change_at_any_time_since_a_running_release_keeps_its_own(shelf: Cluster) -> None:
    in_phase(shelf, "replanned", "progressing")
    patch = {"spec": {"canary": {"steps": [2, 4]}, "router": {"gatewayApi": {"httpRoute": "web"}}}}
    told = shelf.admin.patch(APPLICATIONS, NAMESPACE, "replanned", patch)
    assert told["spec"]["canary"]["steps"] == [2, 4]
    assert told["metadata"]["generation"] == 2


def test_the_status_is_written_apart_from_the_spec(shelf: Cluster) -> None:
    in_phase(shelf, "apart", "progressing")
    shelf.admin.patch(APPLICATIONS, NAMESPACE, "apart", {"status": {"weightPct": 99}})
    assert shelf.admin.get(APPLICATIONS, NAMESPACE, "apart")["status"]["weightPct"] == 5


STABLE, CANARY = "example/shop:1.0", "example/shop:2.0"
RUNNING_RELEASE = replace(
    a_release(Phase.PROGRESSING, app=a_cluster_app(), step=1, weight_pct=5),
    id="shop-0a1b2c3d4e",
    stable=STABLE,
    canary=CANARY,
)


def test_the_status_that_the_product_writes_is_kept_whole_and_kubectl_shows_it(shelf: Cluster) -> None:
    shelf.put(application({}, "shown") | {"metadata": {"name": "shown", "namespace": NAMESPACE}})
    accepted = Said(True, "Registered", "registered as application shop")
    wanted = shown.status_of(Picture(1, accepted, RUNNING_RELEASE, STABLE, kill="k-1 over fleet"), {}, T0)
    patch = {"status": wanted}
    told = shelf.admin.patch(APPLICATIONS, NAMESPACE, "shown", patch, "status", fieldValidation="Strict")
    assert told["status"] == wanted, "nothing of it was pruned"
    columns = columns_of(shelf, "applications", "shown")
    assert columns["Name"] == "shown"
    assert [columns[name] for name in ("Phase", "Weight", "Verdict")] == ["progressing", 5, "watching"]
    assert columns["Since"]
    assert [columns[name] for name in ("Stable", "Canary", "Ready")] == [STABLE, CANARY, "False"]


@pytest.mark.parametrize("phase", Phase)
def test_a_release_that_the_product_mirrors_is_kept_whole(shelf: Cluster, phase: Phase) -> None:
    name = f"shop-{list(Phase).index(phase):010x}"
    release = replace(RUNNING_RELEASE, id=name, phase=phase)
    body = mirrors.body_of(release, None)
    asked = {"fieldValidation": "Strict"}
    made = shelf.admin.create(RELEASES, NAMESPACE, body, **asked)
    assert made["spec"] == body["spec"]
    wanted = mirrors.status_of(release)
    told = shelf.admin.patch(RELEASES, NAMESPACE, name, {"status": wanted}, "status", **asked)
    assert told["status"] == wanted
    columns = columns_of(shelf, "releases", name)
    assert [columns[title] for title in ("Application", "Phase", "Weight", "Version", "Stable")] == [
        "shop", phase.value, 5, CANARY, STABLE,
    ]  # fmt: skip
    assert columns["Since"]


def columns_of(shelf: Cluster, plural: str, name: str) -> Raw:
    """As kubectl get has them, which lets the server make the table."""
    table = shelf.table(f"/apis/interlock.dev/v1alpha1/namespaces/{NAMESPACE}/{plural}/{name}")
    titles = [column["name"] for column in table["columnDefinitions"]]
    return dict(zip(titles, table["rows"][0]["cells"], strict=True))
