"""Application documents: what is accepted becomes exactly that application, and every mistake is named."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from analysis.model import (
    AnalysisSpec,
    Breaker,
    Ceiling,
    CounterQuery,
    GaugeQuery,
    LatencyQuery,
    Margins,
    Policy,
    RoleName,
    Traffic,
)
from controller.core.model import Application, CanaryPlan, Overload
from controller.core.targets import (
    ExternalTarget,
    HaproxyRoute,
    KubernetesRoute,
    KubernetesTarget,
    ProcessesTarget,
    RouteObject,
)
from controller.documents import DEPTH_MAX, DOCUMENT_BYTES_MAX, DocumentError, load_document
from controller.spec import InvalidDocument, application_document, application_from, parse_application
from tests.unit.applications import applications

EXAMPLE = """
name: shop
environment: production
target:
  processes:
    command: [python, -m, shop, --port, "{port}", --version, "{version}"]
    replicas: 4
    environment: {MODE: fast}
router:
  haproxy: {guard: /run/interlock/guard.sock, backend: shop, stablePool: shop_stable, canaryPool: shop_canary}
canary: {steps: [1, 5, 10, 25, 50], minBake: 5m, maxWeight: 50}
metrics:
  prometheus: http://127.0.0.1:9090
  preset: generic
analysis: {alpha: 0.01}
"""


def a_document(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(EXAMPLE)
    return document | changes


def mistakes(document: object) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as caught:
        application_from(document)
    return dict(caught.value.mistakes)


def test_the_example_becomes_the_application_it_describes() -> None:
    app = parse_application(EXAMPLE)
    assert (app.name, app.environment, app.owns_instances) == ("shop", "production", True)
    assert isinstance(app.target, ProcessesTarget)
    assert app.target.replicas == 4
    assert app.target.environment == (("MODE", "fast"),)
    assert app.canary == CanaryPlan(steps=(1, 5, 10, 25, 50))
    assert app.router == HaproxyRoute(
        "/run/interlock/guard.sock", "shop", stable_pool="shop_stable", canary_pool="shop_canary"
    )
    assert app.analysis.alpha == 0.01


def test_json_and_bytes_read_the_same_as_yaml() -> None:
    text = json.dumps(a_document())
    assert parse_application(text) == parse_application(text.encode()) == parse_application(EXAMPLE)


def test_an_external_application_proves_its_versions_or_says_that_it_does_not() -> None:
    addresses = {"stableHealthUrl": "http://127.0.0.1:1/s", "canaryHealthUrl": "https://h/c"}
    router = {"haproxy": {"guard": "/g", "backend": "b"}}

    def document(**more: object) -> dict[str, Any]:
        return a_document(target={"external": {**addresses, **more}}, router=router)

    assert "also the old one" in mistakes(document())["target.external"]
    assert "give one of them" in mistakes(document(versionField="v", assumeVersion=True))["target.external"]
    app = application_from(document(assumeVersion=True))
    assert application_document(app)["target"]["external"]["assumeVersion"] is True
    assert application_from(application_document(app)) == app


def test_an_external_application_needs_its_two_health_addresses() -> None:
    external = {"stableHealthUrl": "http://127.0.0.1:1/s", "canaryHealthUrl": "https://h/c", "versionField": "version"}
    app = application_from(
        a_document(target={"external": external}, router={"haproxy": {"guard": "/g", "backend": "b"}})
    )
    assert app.target == ExternalTarget("http://127.0.0.1:1/s", "https://h/c", "version")
    assert not app.owns_instances
    assert "canaryHealthUrl" in str(mistakes(a_document(target={"external": {"stableHealthUrl": "http://h"}})))


@pytest.mark.parametrize("written", ["1e-3", "1.0e-3", "1E-3", "0.001"])
def test_a_number_with_an_exponent_is_a_number(written: str) -> None:
    assert parse_application(EXAMPLE.replace("alpha: 0.01", f"alpha: {written}")).analysis.alpha == 0.001


def test_prod_is_production() -> None:
    assert application_from(a_document(environment="prod")).environment == "production"


def plan(**changes: Any) -> dict[str, Any]:
    return a_document(canary={"steps": [1, 5], **changes})


BLOCK = {"guard": "/g", "backend": "shop"}
CLUSTER = {"namespace": "web", "deployment": "shop", "service": "shop"}


def in_cluster(**changes: Any) -> dict[str, Any]:
    return a_document(target={"kubernetes": CLUSTER | changes}, router={"gatewayApi": {"httpRoute": "shop"}})


@pytest.mark.parametrize(
    ("router", "objects"),
    [
        ({"gatewayApi": {"httpRoute": "a", "grpcRoutes": ["b"]}}, (("HTTPRoute", "a"), ("GRPCRoute", "b"))),
        ({"istio": {"virtualServices": ["a", "b"]}}, (("VirtualService", "a"), ("VirtualService", "b"))),
        ({"ingressNginx": {"ingress": "a"}}, (("Ingress", "a"),)),
        ({"traefik": {"traefikService": "a"}}, (("TraefikService", "a"),)),
        ({"replicas": {}}, (("EndpointSlice", "shop-interlock-canary"),)),
    ],
)
def test_each_router_of_a_cluster_names_its_objects(router: Any, objects: tuple[tuple[str, str], ...]) -> None:
    app = application_from(in_cluster() | {"router": router})
    assert isinstance(app.router, KubernetesRoute)
    assert tuple((one.kind, one.name) for one in app.router.objects) == objects
    assert (app.router.service, app.router.canary_service) == ("shop", "shop-canary")
    assert application_from(application_document(app)) == app


@pytest.mark.parametrize(
    ("document", "place", "text"),
    [
        (a_document(colour="red"), "colour", "no such field"),
        (a_document(name="Shop"), "name", "lower-case"),
        (a_document(name="-shop"), "name", "lower-case"),
        (a_document(name="s" * 64), "name", "1 to 63"),
        (a_document(name=""), "name", "1 to 63"),
        (a_document(name=5), "name", "string"),
        (a_document(environment="my env"), "environment", "lower-case"),
        (a_document(onRollbackImpossible="hold"), "", "onRollbackImpossible is not supported by this version"),
        (a_document(target={"kubernetes": {}}), "target.kubernetes.namespace", "missing"),
        (a_document(target={"kubernetes": CLUSTER}), "", "target.kubernetes needs gatewayApi"),
        (a_document(router={"replicas": {}}), "", "target.processes and target.external need haproxy"),
        (a_document(router={"kubernetes": {}}), "router", "use gatewayApi, istio"),
        (a_document(router={"gatewayApi": {}}), "router.gatewayApi", "name at least one route"),
        (a_document(router={"istio": {"virtualServices": ["a", "a"]}}), "router.istio", "named twice"),
        (a_document(router={"istio": {"virtualService": "Shop"}}), "router.istio.virtualService", "lower-case"),
        (
            a_document(router={"gatewayApi": {"grpcRoute": "shop", "cookie": "pin"}}),
            "router.gatewayApi",
            "cannot match cookies",
        ),
        (a_document(router={"traefik": {"traefikService": "s"}, "replicas": {}}), "router", "exactly one of"),
        (a_document(trigger="deployment"), "", "needs target.kubernetes"),
        (in_cluster(canaryName="shop"), "target.kubernetes", "another name"),
        (a_document(canary={"steps": [5], "overload": {"stableReady": 0}}), "canary.overload.stableReady", "greater"),
        (a_document(canary={"steps": [5], "overload": {"wait": "11m"}}), "canary.overload.wait", "less than"),
        (a_document(canary={"steps": [5], "overload": {"then": "hold"}}), "canary.overload.then", "no such field"),
        (in_cluster(service="shop-canary"), "target.kubernetes", "another name"),
        (in_cluster(deployment="s" * 60), "target.kubernetes", "Set canaryName"),
        (in_cluster(service="shop.web"), "target.kubernetes.service", "lower-case"),
        (a_document(router={}), "router", "exactly one of"),
        (a_document(router={"haproxy": BLOCK | {"guard": "guard.sock"}}), "router.haproxy.guard", "beginning with /"),
        (a_document(router={"haproxy": BLOCK | {"guard": "/" + "g" * 107}}), "router.haproxy.guard", "107 bytes"),
        (
            a_document(router={"haproxy": BLOCK | {"backend": "a b"}}),
            "router.haproxy.backend",
            "HAProxy's configuration",
        ),
        (a_document(router={"haproxy": BLOCK | {"canaryServer": "stable"}}), "router.haproxy", "two servers"),
        (a_document(router={"haproxy": BLOCK | {"stablePool": "p"}}), "router.haproxy", "or neither"),
        (
            a_document(router={"haproxy": BLOCK | {"stablePool": "p", "canaryPool": "p"}}),
            "router.haproxy",
            "two backends",
        ),
        (plan(steps=[]), "canary.steps", "at least 1"),
        (plan(steps=list(range(1, 22))), "canary.steps", "at most 20"),
        (plan(steps=[1, 5, 5]), "canary", "rise strictly"),
        (plan(steps=[5, 1]), "canary", "rise strictly"),
        (plan(steps=[0, 5]), "canary.steps.0", "greater than or equal to 1"),
        (plan(steps=[5, 101], maxWeight=100), "canary.steps.1", "less than or equal to 100"),
        (plan(steps=[1.5]), "canary.steps.0", "integer"),
        (plan(steps=["1"]), "canary.steps.0", "integer"),
        (plan(steps=[True]), "canary.steps.0", "integer"),
        (plan(steps=[11, 20]), "canary", "at most 10 %"),
        (plan(steps=[1, 51]), "canary", "above maxWeight (50 %)"),
        (plan(maxWeight=101), "canary.maxWeight", "100"),
        (plan(minBake="-5m"), "canary.minBake", "duration"),
        (plan(minBake=0), "canary.minBake", "greater than 0"),
        (plan(minBake="soon"), "canary.minBake", "not a duration"),
        (plan(minBake=float("nan")), "canary.minBake", "endless"),
        (plan(minBake="20h"), "canary", "do not fit into maxDuration"),
        (plan(lease="10s", poll="5s"), "canary", "3 times poll (15 s)"),
        (plan(lease="12s", poll="1s"), "canary", "at least 12 s and 2 times poll (14 s)"),
        (plan(lease="2h"), "canary.lease", "3600"),
        (plan(min_bake="5m"), "canary.min_bake", "no such field"),
        (plan(baseline="yes"), "canary.baseline", "boolean"),
        (plan(baseline=True), "", "canary.baseline needs target.kubernetes"),
        (a_document(metrics={"preset": "generic"}), "metrics.prometheus", "missing"),
        (a_document(metrics={"prometheus": "http://127.0.0.1:9090"}), "", "nothing counts failed requests"),
        (a_document(analysis={"alpha": 2}), "analysis.alpha", "0.2"),
        (a_document(target={"processes": {"command": []}}), "target.processes.command", "at least 1"),
        (a_document(target={"processes": {"command": "serve"}}), "target.processes.command", "list"),
        (a_document(target={"processes": {"command": ["a\0b"]}}), "target.processes.command.0", "pattern"),
        (a_document(target={"processes": {"command": ["serve", "80"]}}), "target.processes.command", "write {port}"),
        (
            a_document(target={"processes": {"command": ["a"], "ports": [2_000, 1_500]}}),
            "target.processes.ports",
            "LOWEST",
        ),
        (a_document(target={"processes": {"command": ["a"], "ports": [80, 90]}}), "target.processes.ports.0", "1024"),
        (
            a_document(target={"processes": {"command": ["a"], "healthPath": "healthz"}}),
            "target.processes.healthPath",
            "^/",
        ),
        (a_document(target={"processes": {"command": ["a"], "replicas": 0}}), "target.processes.replicas", "1"),
        (
            a_document(target={"external": {"stableHealthUrl": "ftp://h", "canaryHealthUrl": "http://h"}}),
            "target.external.stableHealthUrl",
            "http://HOST",
        ),
        (
            a_document(target={"external": {"stableHealthUrl": "http://h", "canaryHealthUrl": "http://u:p@h"}}),
            "target.external.canaryHealthUrl",
            "credentials",
        ),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_a_mistake_is_named_with_its_place_and_what_to_do(document: Any, place: str, text: str) -> None:
    found = mistakes(document)
    assert place in found, found
    assert text in found[place]


def test_pools_belong_to_processes() -> None:
    external = {"stableHealthUrl": "http://h/s", "canaryHealthUrl": "http://h/c", "assumeVersion": True}
    assert "belong to target.processes" in mistakes(a_document(target={"external": external}))[""]


def test_every_mistake_is_named_at_once() -> None:
    found = mistakes(a_document(name="Shop", colour="red", canary={"steps": [0]}))
    assert {"name", "colour", "canary.steps.0"} <= set(found)


def test_no_mistake_repeats_a_value_that_may_be_secret() -> None:
    document = a_document(
        target={"processes": {"command": ["a"], "environment": {"1BAD": "hunter2", "X": ["hunter2"]}}}
    )
    with pytest.raises(InvalidDocument) as caught:
        application_from(document)
    assert "hunter2" not in str(caught.value)


def test_a_weight_above_half_needs_to_be_asked_for() -> None:
    assert application_from(plan(steps=[1, 80], maxWeight=80)).canary.max_weight_pct == 80


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "line 1"),
        ("name: x\nname: y", "line 2: 'name' is given twice"),
        ('{"name": 1, "name": 2}', "'name' is given twice"),
        ('{"a":' * 5_000, "nested deeper"),
        ("a: &anchor [1]\nb: *anchor", "alias"),
        ("[" * (DEPTH_MAX + 2), "nested deeper"),
        ("x" * (DOCUMENT_BYTES_MAX + 1), "at most 65536"),
        (b"\xff\xfe\xff", "UTF-8"),
        ("a: 2001-99-99", "cannot be read"),
        ("a: \x00", "not YAML"),
        ("--- 1\n--- 2", "line 2"),
        ("!!python/object/apply:os.system ['true']", "line 1"),
        ("a: !!python/name:os.system", "line 1"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_text_that_is_no_document_is_refused_with_its_line(text: str | bytes, said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        load_document(text)
    with pytest.raises(InvalidDocument, match=said):
        parse_application(text)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_a_clear_refusal(raw: bytes) -> None:
    with pytest.raises(InvalidDocument, match=r"."):
        parse_application(raw)


KNOWN_FIELDS = {
    Application: 6,
    CanaryPlan: 11,
    Overload: 2,
    HaproxyRoute: 6,
    ProcessesTarget: 10,
    ExternalTarget: 5,
    KubernetesTarget: 7,
    KubernetesRoute: 8,
    RouteObject: 2,
    AnalysisSpec: 24,
    CounterQuery: 5,
    LatencyQuery: 6,
    GaugeQuery: 6,
    Policy: 5,
    RoleName: 3,
    Ceiling: 2,
    Margins: 6,
    Breaker: 4,
    Traffic: 4,
}


@pytest.mark.parametrize("kind", list(KNOWN_FIELDS))
def test_a_field_that_the_document_does_not_carry_yet_is_noticed(kind: type[Any]) -> None:
    """When this fails: write the new field in application_document and draw it below, then count it here."""
    assert len(fields(kind)) == KNOWN_FIELDS[kind]


class Yaml12Dumper(yaml.SafeDumper):
    """Quotes a text such as 1e100, as every writer of YAML 1.2 does; PyYAML's own knows 1.1 only."""


Yaml12Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@pytest.mark.parametrize("text", ["1e100", "-2.E+5", "0x1F", "1_000", "yes", "~", "12:30:00", "2026-11-21"])
def test_a_text_that_looks_like_something_else_stays_a_text(text: str) -> None:
    document = a_document(target={"processes": {"command": [text, "{port}"]}})
    for written in (json.dumps(document), yaml.dump(document, Dumper=Yaml12Dumper)):
        target = parse_application(written).target
        assert isinstance(target, ProcessesTarget)
        assert target.command == (text, "{port}")


@settings(max_examples=60, deadline=None, phases=[Phase.generate, Phase.explicit])
@given(applications())
def test_what_is_written_out_reads_back_as_the_same_application(app: Application) -> None:
    document = application_document(app)
    assert application_from(document) == app
    assert parse_application(json.dumps(document)) == app
    assert parse_application(yaml.dump(document, Dumper=Yaml12Dumper)) == app


@pytest.mark.parametrize("preset", ["istio", "linkerd", "traefik"])
def test_a_preset_for_a_cluster_knows_its_objects_from_the_target(preset: str) -> None:
    metrics = {"prometheus": "http://127.0.0.1:9090", "preset": preset}
    spec = application_from(in_cluster() | {"metrics": metrics}).analysis
    names = {one.name: (one.stable, one.canary) for one in spec.names}
    known = {"namespace": ("web", "web"), "workload": ("shop", "shop-canary"), "service": ("shop", "shop-canary")}
    assert {name: sides for name, sides in names.items() if name in known}.items() <= known.items()
    assert len(names) > 1
    assert (
        application_from(application_document(application_from(in_cluster() | {"metrics": metrics}))).analysis == spec
    )


def test_what_the_document_names_goes_before_what_the_target_is_called() -> None:
    names = {"workload": {"stable": "other", "canary": "other-next"}}
    metrics = {"prometheus": "http://127.0.0.1:9090", "preset": "istio", "names": names}
    spec = application_from(in_cluster() | {"metrics": metrics}).analysis
    assert ("workload", "other", "other-next") in [(one.name, one.stable, one.canary) for one in spec.names]
