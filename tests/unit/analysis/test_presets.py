"""Every preset: what it names, how it tells versions apart, and what it needs to be told."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.document import analysis_document, metrics_document
from analysis.model import AnalysisSpec
from analysis.presets import PRESETS
from analysis.read import selectors_of
from analysis.samples import Role
from analysis.selectors import read_selector, values_of
from analysis.spec import AnalysisBlock, MetricsBlock, SpecError, parse_analysis, to_spec

URL = "http://prometheus:9090"
TARGET = {"namespace": ("shop", "shop"), "workload": ("shop", "shop-canary"), "service": ("shop", "shop-canary")}
NEEDS: dict[str, dict[str, Any]] = {
    "generic": {},
    "haproxy": {"backend": "shop"},
    "istio": {},
    "linkerd": {},
    "traefik": {},
    "ingressNginx": {"names": {"ingress": "shop"}},
    "envoyGateway": {
        "names": {
            "cluster": {
                "stable": "httproute/shop/shop/rule/0/backend/0",
                "canary": "httproute/shop/shop/rule/0/backend/1",
            }
        }
    },
}


def spec_with(preset: str, target: dict[str, tuple[str, str]] | None = None, **more: Any) -> AnalysisSpec:
    block = {"prometheus": URL, "preset": preset, "sloBadFraction": 0.01, **NEEDS[preset], **more}
    return to_spec(MetricsBlock.model_validate(block), AnalysisBlock(), TARGET if target is None else target)


def rendered(spec: AnalysisSpec, role: Role) -> list[str]:
    version = "v1" if role is Role.STABLE else "v2"
    return [read_selector(text).render(values_of(spec.names, role, version, "shop")) for text in selectors_of(spec)]


def test_there_is_a_case_for_every_preset() -> None:
    assert set(NEEDS) == set(PRESETS)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_each_role_reads_series_of_its_own(preset: str) -> None:
    spec = spec_with(preset)
    stable, canary = rendered(spec, Role.STABLE), rendered(spec, Role.CANARY)
    assert not set(stable) & set(canary)
    assert not any("$" in text for text in (*stable, *canary))


@pytest.mark.parametrize("preset", list(PRESETS))
def test_failures_are_some_of_the_requests(preset: str) -> None:
    (query,) = spec_with(preset).counters
    assert query.name == "errors"
    assert query.slo_bad_fraction == 0.01
    for text in query.bad:
        bad = read_selector(text)
        whole = [read_selector(other) for other in query.total]
        assert any(bad.name == one.name and set(one.matchers) <= set(bad.matchers) for one in whole)


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "haproxy"])
def test_latency_is_a_histogram_in_its_own_unit(preset: str) -> None:
    (query,) = spec_with(preset, slow="250ms", sloSlowFraction=0.02).latencies
    assert (query.slow_s, query.slo_bad_fraction) == (0.25, 0.02)
    assert query.unit_s == (0.001 if preset in ("istio", "linkerd", "envoyGateway") else 1.0)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_spec_with_a_preset_is_written_out_and_read_back_without_its_target(preset: str) -> None:
    spec = spec_with(preset)
    assert parse_analysis(metrics_document(spec), analysis_document(spec)) == spec


def test_the_workload_that_was_called_tells_istios_versions_apart() -> None:
    canary = rendered(spec_with("istio"), Role.CANARY)
    assert canary[1] == (
        'istio_requests_total{reporter="source",destination_workload_namespace="shop",destination_workload="shop-canary"}'
    )


def test_the_label_canary_tells_ingress_nginxs_versions_apart() -> None:
    spec = spec_with("ingressNginx")
    assert 'canary=~""' in rendered(spec, Role.STABLE)[0]
    assert 'canary=~".+"' in rendered(spec, Role.CANARY)[0]


def test_traefiks_stable_service_does_not_match_the_canarys() -> None:
    import re

    spec = spec_with("traefik", names={"port": "http"})
    (matcher,) = [one for one in read_selector(rendered(spec, Role.STABLE)[1]).matchers if one.label == "service"]
    assert re.fullmatch(matcher.value, "shop-shop-http@kubernetescrd")
    assert not re.fullmatch(matcher.value, "shop-shop-canary-http@kubernetescrd")


def test_other_labels_may_tell_the_generic_versions_apart() -> None:
    spec = spec_with("generic", match='namespace="$namespace",deployment="$workload"')
    assert rendered(spec, Role.CANARY)[1] == 'http_requests_total{namespace="shop",deployment="shop-canary"}'
    assert [one.name for one in spec.names] == ["namespace", "workload"]


@pytest.mark.parametrize("preset", ["istio", "linkerd", "traefik", "ingressNginx", "envoyGateway"])
def test_what_a_preset_is_not_told_is_asked_for(preset: str) -> None:
    with pytest.raises(SpecError, match=rf"the preset {preset} needs names\.\w+: "):
        parse_analysis({"prometheus": URL, "preset": preset})


def test_what_is_written_comes_before_what_the_target_knows() -> None:
    spec = spec_with("istio", names={"workload": {"stable": "shop-v1", "canary": "shop-v2"}})
    assert 'destination_workload="shop-v2"' in rendered(spec, Role.CANARY)[0]


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"names": {"role": "x"}}, r"\$role is filled in by Interlock"),
    ({"names": {"Bad Name": "x"}}, "names"),
    ({"match": 'v="$nobody"'}, r"unknown placeholder \$nobody"),
    ({"match": 'v="fixed"'}, "would read the same series"),
    ({"match": 'v="$where"', "names": {"where": "here"}}, "would read the same series"),
    ({"match": "v=$version"}, "cannot be read"),
]


@pytest.mark.parametrize(("more", "words"), BROKEN, ids=[words for _, words in BROKEN])
def test_placeholders_that_make_no_sense_are_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        parse_analysis({"prometheus": URL, "preset": "generic", **more})
