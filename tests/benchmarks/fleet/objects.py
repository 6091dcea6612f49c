"""The objects of a fleet: for each shop what its users made, and the Application that guards it."""

from __future__ import annotations

from tests.kube.cluster import builders
from tests.kube.cluster.raw import Raw

DIGEST = "a" * 64


def image(tag: str) -> str:
    return f"registry.test/web:{tag}@sha256:{DIGEST}"


def shop(number: int) -> tuple[Raw, ...]:
    name = f"shop-{number}"
    return (
        builders.service(name),
        builders.http_route(name, [builders.backend(name, 1)]),
        builders.deployment(name, image("1.0"), 1),
    )


def guarded(number: int, prometheus: str, tick: str, own_queries: bool = False) -> Raw:
    """Its one step bakes for an hour, so that a release stays on its way for as long as anybody measures. With
    ``own_queries`` its selectors are its own, so that it shares no query with others."""
    name = f"shop-{number}"
    app = name if own_queries else "$application"
    counter = f'http_requests_total{{app="{app}",role="$role"%s}}'
    errors = {"name": "errors", "total": [counter % ""], "bad": [counter % ',code=~"5.."'], "sloBadFraction": 0.02}
    spec = {
        "environment": "production",
        "target": {"kubernetes": {"deployment": name, "service": name}},
        "router": {"gatewayApi": {"httpRoute": name}},
        "canary": {"steps": [5, 50], "minBake": "1h", "prepareDeadline": "15m", "poll": tick, "lease": "10m"},
        "metrics": {"prometheus": prometheus, "counters": [errors]},
        "analysis": {"staleAfter": "60s"},
    }
    return {"apiVersion": "interlock.dev/v1alpha1", "kind": "Application", "metadata": {"name": name}, "spec": spec}
