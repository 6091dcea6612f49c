from __future__ import annotations

from typing import Any

import pytest

from analysis.model import Breaker, Margins
from analysis.selectors import parse_selector
from analysis.spec import SpecError, parse_analysis

URL = "http://prometheus:9090"
COUNTER = {"name": "errors", "total": ['t{v="$version"}'], "bad": ['b{v="$version"}'], "sloBadFraction": 0.01}


def test_the_preset_generic_reads_requests_by_version_and_latency_buckets() -> None:
    spec = parse_analysis({"prometheus": URL + "/", "preset": "generic", "slow": "250ms", "sloSlowFraction": 0.02})
    assert spec.prometheus_url == URL
    assert spec.counters[0].bad == ('http_requests_total{application="$application",version="$version",code=~"5.."}',)
    assert (spec.latencies[0].slow_s, spec.latencies[0].slo_bad_fraction) == (0.25, 0.02)


def test_the_preset_haproxy_counts_replies_and_requests_without_one() -> None:
    spec = parse_analysis({"prometheus": URL, "preset": "haproxy", "backend": "shop", "sloBadFraction": 0.01})
    query = spec.counters[0]
    assert query.total[0] == 'haproxy_server_http_responses_total{proxy="shop",server="$role"}'
    assert query.bad[0] == 'haproxy_server_http_responses_total{proxy="shop",server="$role",code="5xx"}'
    assert query.total[1:] == query.bad[1:]
    assert [parse_selector(text).name.removeprefix("haproxy_server_") for text in query.bad[1:]] == [
        "connection_errors_total",
        "response_errors_total",
        "redispatch_warnings_total",
    ]
    assert (spec.latencies, query.slo_bad_fraction) == ((), 0.01)


def test_explicit_queries_stand_beside_a_preset() -> None:
    latency = {"name": "latency", "buckets": ['s_bucket{v="$version"}'], "slow": "500ms"}
    checkout = {**COUNTER, "name": "checkout"}
    spec = parse_analysis(
        {"prometheus": URL, "preset": "haproxy", "backend": "b", "counters": [checkout], "latency": [latency]}
    )
    assert [query.name for query in spec.queries] == ["errors", "checkout", "latency"]


def test_the_defaults_are_those_of_the_design() -> None:
    spec = parse_analysis({"prometheus": URL, "counters": [COUNTER]})
    assert (spec.alpha, spec.beta, spec.block_s, spec.warmup_s, spec.no_data_timeout_s) == (0.01, 0.05, 5, 15, 300)
    assert (spec.stale_after_s, spec.window_s) == (60, 120)
    assert spec.errors == Margins(1.2, 0.0002, 1.5, 0.005)
    assert spec.breaker == Breaker(2, 0.25, 0.5, 5)
    assert spec.alpha_evidence + spec.alpha_breaker == pytest.approx(0.01)


def test_every_setting_reaches_the_spec() -> None:
    analysis = {
        "alpha": 0.05,
        "beta": 0.1,
        "minRequests": 7,
        "warmup": 3,
        "block": "2s",
        "settle": "200ms",
        "staleAfter": "10s",
        "window": "30s",
        "noData": {"rollbackAfter": "1m"},
        "errors": {"rollback": {"ratio": 1.1}, "promote": {"ratio": 2, "abs": 0.02}},
        "latency": {"rollback": {"abs": 0.01, "increase": 0.2}, "promote": {"ratio": 1.5}, "warmup": "2m"},
        "breaker": {"ratio": 3, "errors": 0.3, "slow": 0.6, "failSeconds": 2},
    }
    spec = parse_analysis({"prometheus": URL, "counters": [COUNTER]}, analysis)
    assert (spec.alpha, spec.beta, spec.min_canary_requests, spec.warmup_s) == (0.05, 0.1, 7, 3)
    assert (spec.block_s, spec.settle_s, spec.stale_after_s, spec.window_s) == (2, 0.2, 10, 30)
    assert (spec.no_data_timeout_s, spec.latency_warmup_s) == (60, 120)
    assert (spec.errors, spec.latency) == (Margins(1.1, 0.0002, 2, 0.02), Margins(1.05, 0.01, 1.5, 0.01, 0.2, 0.3))
    assert spec.breaker == Breaker(3, 0.3, 0.6, 2)


BROKEN: list[tuple[Any, Any, str]] = [
    ("nothing", None, "metrics or analysis"),
    ({}, None, "prometheus: missing"),
    ({"prometheus": URL}, None, "nothing counts failed requests"),
    ({"prometheus": "prometheus:9090", "preset": "generic"}, None, "http://HOST:PORT"),
    ({"prometheus": "http://a:b@c", "preset": "generic"}, None, "do not put credentials"),
    ({"prometheus": URL, "preset": "nginx"}, None, "there is no preset 'nginx'; there are 'generic', 'haproxy', "),
    ({"prometheus": URL, "preset": "istio"}, None, "the preset istio needs names.namespace"),
    ({"prometheus": URL, "preset": "haproxy"}, None, "needs backend"),
    ({"prometheus": URL, "preset": "haproxy", "backend": 'a"b'}, None, "backend"),
    ({"prometheus": URL, "preset": "generic", "backend": "a"}, None, "belongs to the preset haproxy"),
    ({"prometheus": URL, "preset": "haproxy", "backend": "a", "slow": "1s"}, None, "belong to a preset with latencies"),
    ({"prometheus": URL, "counters": [COUNTER], "sloBadFraction": 0.1}, None, "belongs to a preset"),
    ({"prometheus": URL, "presett": "generic"}, None, "presett: no such field; check its spelling"),
    ({"prometheus": URL, "counters": [COUNTER, COUNTER]}, None, "used twice"),
    ({"prometheus": URL, "preset": "generic", "counters": [COUNTER]}, None, "used twice"),
    ({"prometheus": URL, "counters": [{**COUNTER, "total": []}]}, None, "counters.0.total"),
    ({"prometheus": URL, "counters": [{**COUNTER, "bad": ['b{v="1"}']}]}, None, r"add \$role or \$version"),
    ({"prometheus": URL, "counters": [{**COUNTER, "bad": ['rate(b{v="$version"}[5m])']}]}, None, "plain selector"),
    ({"prometheus": URL, "counters": [{**COUNTER, "sloBadFraction": 1}]}, None, "less than 1"),
    ({"prometheus": URL, "counters": [{**COUNTER, "name": "Errors!"}]}, None, "counters.0.name"),
    ({"prometheus": URL, "latency": [{"name": "l", "buckets": ['s{v="$version"}'], "slow": 1}]}, None, "_bucket"),
    ({"prometheus": URL, "preset": "generic"}, {"alpha": 2}, "alpha"),
    ({"prometheus": URL, "preset": "generic"}, {"alpha": "0.01"}, "alpha"),
    ({"prometheus": URL, "preset": "generic"}, {"minRequests": 2.5}, "minRequests"),
    ({"prometheus": URL, "preset": "generic"}, {"warmup": "5 minutes"}, "not a duration"),
    ({"prometheus": URL, "preset": "generic"}, {"window": "10s"}, "window must not be shorter"),
    ({"prometheus": URL, "preset": "generic"}, {"errors": {"promote": {"ratio": 1.1}}}, "must not be tighter"),
    ({"prometheus": URL, "preset": "generic"}, {"breaker": {"errors": 0}}, "breaker.errors"),
    ({"prometheus": URL, "preset": "generic"}, {"alpha": float("nan")}, "alpha"),
]


@pytest.mark.parametrize(("metrics", "analysis", "words"), BROKEN, ids=[words for *_, words in BROKEN])
def test_a_mistake_is_refused_and_named(metrics: Any, analysis: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        parse_analysis(metrics, analysis)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        parse_analysis({"prometheus": "x", "presett": "generic", "slow": "soon"})
    assert len(str(caught.value).splitlines()) == 3
