"""Application documents, good and bad, as the schema of the custom resource and the product's reader judge them."""

from __future__ import annotations

import copy
from typing import Any

from tests.helm.chart import Raw

GONE = object()
SELECTOR = 'http_requests_total{version="$version"}'
BUCKETS = 'http_request_duration_seconds_bucket{version="$version"}'
COUNTER = {"name": "requests", "total": [SELECTOR], "bad": ['http_requests_total{version="$version",code=~"5.."}']}
SPEC: Raw = {
    "environment": "production",
    "target": {"kubernetes": {"deployment": "shop", "service": "shop"}},
    "router": {"gatewayApi": {"httpRoute": "shop"}},
    "canary": {"steps": [1, 5, 10, 25, 50]},
    "metrics": {"prometheus": "http://prometheus.monitoring:9090", "preset": "generic"},
}
Change = dict[str, Any]
"""Places with dots, and what is put there; GONE takes the field away."""

GOOD: dict[str, Change] = {
    "as_little_as_possible": {},
    "its_own_name": {"name": "shop"},
    "every_block": {
        "trigger": "deployment",
        "target.kubernetes": {
            "deployment": "shop", "service": "web", "canaryName": "next", "container": "app", "pinSecrets": True,
        },
        "canary": {
            "steps": [1, 10, 50], "minBake": "1d2h30m10s500ms", "maxWeight": 60, "maxDuration": "2w", "drain": "0s",
            "prepareDeadline": "90s", "promoteDeadline": "1.5h", "lease": "30s", "poll": "500ms",
        },
        "metrics": {
            "prometheus": "https://metrics.example/prefix", "preset": "generic", "slow": "250ms",
            "sloBadFraction": 0.01, "sloSlowFraction": 0.05, "counters": [COUNTER],
            "latency": [{"name": "pages", "buckets": [BUCKETS], "slow": "2s", "sloBadFraction": 0.5}],
        },
        "analysis": {
            "alpha": 0.05, "beta": 0.1, "minRequests": 20, "warmup": "0s", "block": "5s", "settle": "1s",
            "staleAfter": "30s", "window": "1m", "noData": {"rollbackAfter": "1m"}, "inconclusive": "promote",
            "errors": {"rollback": {"ratio": 1.1, "abs": 0.001}, "promote": {"ratio": 2, "abs": 0.01}},
            "latency": {"warmup": "1m", "promote": {"ratio": 1.5, "increase": 0.5}, "weight": 0.3},
            "traffic": {"weight": 0.2, "minShare": 0.5, "dispersion": 4, "warmup": "30s"},
            "breaker": {"ratio": 3, "errors": 0.5, "slow": 0.9, "failSeconds": 0},
        },
    },
    "several_routes": {"router": {"gatewayApi": {"httpRoutes": ["a", "b.c"], "httpRoute": "d", "grpcRoutes": ["a"]}}},
    "gateway_extras": {"router.gatewayApi.header": {"name": "x-canary", "value": "always"},
                       "router.gatewayApi.cookie": "canary", "router.gatewayApi.mirror": 10},
    "istio": {"router": {"istio": {"virtualService": "shop", "routes": ["primary"], "mirror": 5}}},
    "ingress": {"router": {"ingressNginx": {"ingresses": ["a", "b"], "cookie": "canary"}}},
    "traefik": {"router": {"traefik": {"traefikService": "shop"}}},
    "replicas": {"router": {"replicas": {}}},
    "one_step": {"canary.steps": [10]},
    "a_step_above_fifty": {"canary": {"steps": [10, 100], "maxWeight": 100}},
    "the_least_lease": {"canary": {"steps": [5], "lease": "14s", "poll": "1s"}},
    "the_least_lease_of_slow_polls": {"canary": {"steps": [5], "lease": "15m", "poll": "5m"}},
    "bakes_that_just_fit": {"canary": {"steps": [1, 5], "minBake": "12h", "maxDuration": "1d"}},
    "an_overload_policy": {"canary.overload": {"stableReady": 80, "wait": "10m"}},
    "a_baseline": {"canary.baseline": True},
    "no_baseline_with_replicas": {"canary.baseline": False, "router": {"replicas": {}}},
    "an_empty_overload_policy": {"canary.overload": {}},
    "counters_alone": {"metrics": {"prometheus": "http://p:9090", "counters": [COUNTER]}},
    "a_long_deployment_with_a_canary_name": {"target.kubernetes.deployment": "a" * 60 + ".b",
                                             "target.kubernetes.canaryName": "a-canary"},
    "a_service_called_like_a_canary_that_is_called_otherwise": {"target.kubernetes.service": "shop-canary",
                                                                "target.kubernetes.canaryName": "next"},
    "a_margin_equal_on_both_sides": {"analysis": {"errors": {"rollback": {"ratio": 1.5, "abs": 0.005}}}},
    "the_haproxy_preset": {"metrics": {"prometheus": "http://p", "preset": "haproxy", "backend": "shop"}},
    "a_canary_beside_a_service_of_another_name": {"target.kubernetes.service": "shop-internal"},
}  # fmt: skip
BAD: dict[str, Change] = {
    "no_environment": {"environment": GONE},
    "no_target": {"target": GONE},
    "no_router": {"router": GONE},
    "no_canary": {"canary": GONE},
    "no_metrics": {"metrics": GONE},
    "an_environment_in_capitals": {"environment": "Production"},
    "another_name": {"name": "cart"},
    "an_unknown_trigger": {"trigger": "git"},
    "no_deployment": {"target.kubernetes.deployment": GONE},
    "no_service": {"target.kubernetes.service": GONE},
    "a_service_that_is_none": {"target.kubernetes.service": "Shop_1"},
    "a_deployment_too_long_for_a_canary": {"target.kubernetes.deployment": "a" * 57},
    "a_deployment_with_a_dot_and_no_canary_name": {"target.kubernetes.deployment": "a.b"},
    "a_canary_like_the_deployment": {"target.kubernetes.canaryName": "shop"},
    "a_canary_like_the_service": {"target.kubernetes.service": "web", "target.kubernetes.canaryName": "web"},
    "a_service_called_like_the_default_canary": {"target.kubernetes.service": "shop-canary"},
    "no_duration_but_a_unit": {"canary.drain": "ms"},
    "a_duration_with_two_points": {"canary.drain": "1.2.3s"},
    "pin_secrets_as_text": {"target.kubernetes.pinSecrets": "yes"},
    "no_router_named": {"router": {}},
    "two_routers": {"router": {"gatewayApi": {"httpRoute": "shop"}, "replicas": {}}},
    "a_router_without_routes": {"router": {"gatewayApi": {}}},
    "a_route_twice": {"router": {"gatewayApi": {"httpRoute": "a", "httpRoutes": ["b", "a"]}}},
    "a_route_twice_in_a_list": {"router": {"istio": {"virtualServices": ["a", "b", "a"]}}},
    "an_empty_list_of_routes": {"router": {"traefik": {"traefikServices": []}}},
    "twenty_one_routes": {"router": {"gatewayApi": {"httpRoute": "x", "httpRoutes": [f"a{n}" for n in range(20)]}}},
    "twenty_one_routes_of_two_kinds": {
        "router": {
            "gatewayApi": {"httpRoutes": [f"a{n}" for n in range(11)], "grpcRoutes": [f"a{n}" for n in range(10)]}
        }
    },
    "a_route_in_capitals": {"router": {"ingressNginx": {"ingress": "Shop"}}},
    "a_cookie_for_grpc": {"router": {"gatewayApi": {"grpcRoute": "shop", "cookie": "canary"}}},
    "a_header_without_a_value": {"router": {"istio": {"virtualService": "a", "header": {"name": "x"}}}},
    "a_header_with_a_space": {"router.gatewayApi.header": {"name": "x y", "value": "1"}},
    "a_mirror_of_all_and_more": {"router.gatewayApi.mirror": 101},
    "no_steps": {"canary.steps": GONE},
    "an_empty_list_of_steps": {"canary.steps": []},
    "twenty_one_steps": {"canary.steps": list(range(1, 22))},
    "steps_that_fall": {"canary.steps": [5, 1]},
    "a_step_twice": {"canary.steps": [5, 5, 10]},
    "a_first_step_of_eleven": {"canary.steps": [11, 20]},
    "a_step_of_zero": {"canary.steps": [0, 5]},
    "a_step_above_all": {"canary": {"steps": [5, 101], "maxWeight": 100}},
    "a_step_above_the_default_of_max_weight": {"canary.steps": [5, 51]},
    "a_step_above_max_weight": {"canary": {"steps": [5, 30], "maxWeight": 25}},
    "a_step_in_tenths": {"canary.steps": [0.5, 5]},
    "a_max_weight_of_zero": {"canary.maxWeight": 0},
    "a_bake_of_nothing": {"canary.minBake": "0s"},
    "a_bake_of_a_lunar_month_and_more": {"canary.minBake": "31d", "canary.maxDuration": "30d"},
    "a_duration_without_a_unit": {"canary.minBake": "10"},
    "a_duration_with_a_unit_twice": {"canary.minBake": "1m2m"},
    "a_duration_with_a_sign": {"canary.minBake": "-5m"},
    "a_duration_in_words": {"canary.drain": "soon"},
    "an_empty_duration": {"canary.drain": ""},
    "a_drain_of_hours": {"canary.drain": "61m"},
    "a_lease_of_hours": {"canary.lease": "61m"},
    "a_lease_of_two_polls": {"canary": {"steps": [5], "lease": "40s", "poll": "20s"}},
    "a_lease_shorter_than_a_slow_pass": {"canary": {"steps": [5], "lease": "13s", "poll": "1s"}},
    "a_poll_too_slow_for_the_default_lease": {"canary": {"steps": [5], "poll": "41s"}},
    "a_lease_too_short_for_the_default_poll": {"canary": {"steps": [5], "lease": "21s"}},
    "an_overload_that_waits_too_long": {"canary.overload": {"wait": "601s"}},
    "a_baseline_with_replicas": {"canary.baseline": True, "router": {"replicas": {}}},
    "a_baseline_in_words": {"canary.baseline": "fresh"},
    "an_overload_that_needs_nothing": {"canary.overload": {"stableReady": 0}},
    "an_overload_with_another_policy": {"canary.overload": {"then": "hold"}},
    "a_poll_too_fast": {"canary.poll": "49ms"},
    "a_poll_too_slow": {"canary": {"steps": [5], "lease": "1h", "poll": "301s"}},
    "bakes_that_do_not_fit": {"canary": {"steps": [1, 5, 10], "minBake": "10h"}},
    "bakes_that_do_not_fit_into_a_short_duration": {"canary": {"steps": [1, 5], "maxDuration": "9m59s"}},
    "a_duration_with_a_week_too_much": {"canary.maxDuration": "5w"},
    "an_inconclusive_end_that_is_none": {"analysis": {"inconclusive": "advance"}},
    "a_prometheus_with_a_password": {"metrics.prometheus": "http://me:secret@p:9090"},
    "a_prometheus_with_a_query": {"metrics.prometheus": "http://p:9090/?a=b"},
    "a_prometheus_that_is_none": {"metrics.prometheus": "p:9090"},
    "an_unknown_preset": {"metrics.preset": "istio-wild"},
    "nothing_that_counts_failures": {"metrics.preset": GONE},
    "an_empty_list_of_counters": {"metrics": {"prometheus": "http://p", "counters": []}},
    "a_backend_without_its_preset": {"metrics.backend": "shop"},
    "the_haproxy_preset_without_a_backend": {"metrics": {"prometheus": "http://p", "preset": "haproxy"}},
    "slow_without_the_preset": {"metrics": {"prometheus": "http://p", "counters": [COUNTER], "slow": "1s"}},
    "a_fraction_without_a_preset": {
        "metrics": {"prometheus": "http://p", "counters": [COUNTER], "sloBadFraction": 0.1}
    },
    "a_fraction_of_one": {"metrics.sloBadFraction": 1},
    "a_fraction_of_zero": {"metrics.sloBadFraction": 0},
    "a_counter_called_like_the_preset": {"metrics.counters": [COUNTER | {"name": "errors"}]},
    "a_counter_called_like_the_presets_latency": {"metrics.counters": [COUNTER | {"name": "latency"}]},
    "two_counters_of_one_name": {"metrics.counters": [COUNTER, COUNTER]},
    "a_counter_and_a_histogram_of_one_name": {
        "metrics.counters": [COUNTER], "metrics.latency": [{"name": "requests", "buckets": [BUCKETS], "slow": "1s"}],
    },
    "a_selector_that_compares_nothing": {"metrics.counters": [COUNTER | {"bad": ['http_requests_total{code="500"}']}]},
    "a_histogram_that_is_none": {"metrics.latency": [{"name": "pages", "buckets": [SELECTOR], "slow": "1s"}]},
    "a_histogram_without_its_limit": {"metrics.latency": [{"name": "pages", "buckets": [BUCKETS]}]},
    "eleven_counters": {"metrics.counters": [COUNTER | {"name": f"c{n}"} for n in range(11)]},
    "an_alpha_of_a_half": {"analysis": {"alpha": 0.5}},
    "a_window_shorter_than_what_is_stale": {"analysis": {"staleAfter": "2m", "window": "90s"}},
    "a_window_shorter_than_what_is_stale_by_default": {"analysis": {"window": "59s"}},
    "a_promote_margin_below_the_rollback_margin": {"analysis": {"errors": {"promote": {"ratio": 1.1}}}},
    "a_rollback_margin_above_the_promote_margin": {"analysis": {"latency": {"rollback": {"abs": 0.06}}}},
    "a_promote_increase_below_the_rollback_increase": {"analysis": {"latency": {"promote": {"increase": 0.1}}}},
    "an_increase_of_errors": {"analysis": {"errors": {"promote": {"increase": 0.1}}}},
    "a_ratio_below_one": {"analysis": {"breaker": {"ratio": 0.5}}},
    "a_breaker_of_many_minutes": {"analysis": {"breaker": {"failSeconds": 301}}},
}  # fmt: skip
STRICTER: dict[str, Change] = {
    "a_duration_as_a_number": {"canary.minBake": 300},
    "units_in_another_order": {"canary.minBake": "30s1m"},
    "spaces_around_a_duration": {"canary.minBake": " 5m "},
}
"""What a file may say and the custom resource may not, so that one expression can read every duration."""
UNKNOWN: dict[str, Change] = {
    "a_field_at_the_top": {"onRollbackImpossible": "hold"},
    "a_field_of_another_target": {"target.processes": {"command": ["x"]}},
    "a_namespace": {"target.kubernetes.namespace": "shop"},
    "a_field_of_a_router": {"router.gatewayApi.routes": ["a"]},
    "another_router": {"router.haproxy": {"guard": "/run/g", "backend": "b"}},
    "a_field_of_the_plan": {"canary.step": 5},
    "a_field_of_a_counter": {"metrics.counters": [COUNTER | {"query": "x"}]},
    "a_field_of_the_analysis": {"analysis": {"gamma": 1}},
}
"""Fields that are not in the schema: an error with strict validation, which kubectl asks for."""


def spec(change: Change) -> Raw:
    found = copy.deepcopy(SPEC)
    for place, value in change.items():
        *path, last = place.split(".")
        block = found
        for name in path:
            block = block.setdefault(name, {})
        if value is GONE:
            del block[last]
        else:
            block[last] = copy.deepcopy(value)
    return found


def application(change: Change, name: str = "shop") -> Raw:
    """The custom resource."""
    return {
        "apiVersion": "interlock.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": spec(change),
    }


def document(change: Change, name: str = "shop") -> Raw:
    """The same as a file says it: with a name, and the namespace among the target."""
    found = {"name": name, **spec(change)}
    target = found.get("target", {})
    if "kubernetes" in target:
        found["target"] = target | {"kubernetes": {"namespace": "shop", **target["kubernetes"]}}
    return found
