"""Route objects in memory, and what the API server would make of a change to them."""

from __future__ import annotations

from typing import Any

from controller.adapters.kube.routes.patching import Change, annotation_steps
from controller.adapters.kube.routes.strategy import Found, Strategy
from controller.core.targets import KubernetesRoute, RouteKind, RouteObject
from tests.kube.cluster.raw import Raw
from tests.kube.cluster.small.patching import stepped

NAMESPACE, STABLE, CANARY = "shop-ns", "shop", "shop-canary"


def found(kind: RouteKind, carrier: Raw | None, beside: tuple[Raw, ...] | None = None, **more: Any) -> Found:
    one = RouteObject(kind, "web")
    return Found(KubernetesRoute(NAMESPACE, STABLE, CANARY, (one,), **more), one, carrier, beside)


def metadata(**more: Any) -> Raw:
    return {"name": "web", "namespace": NAMESPACE, "resourceVersion": "7", "generation": 3, **more}


def applied(was: Found, change: Change) -> Found:
    """``was`` after ``change``, with the same things beside it."""
    assert was.carrier is not None
    steps = [*change.steps, *annotation_steps(was.carrier, change.annotations)]
    return Found(was.route, was.one, stepped(was.carrier, steps) if steps else was.carrier, was.beside)


def shifted(strategy: Strategy, was: Found, weight_pct: int, take: bool = True) -> Found:
    """The object brought to ``weight_pct``; a second time changes nothing more."""
    after = applied(was, strategy.shift(was, weight_pct, take))
    again = strategy.shift(after, weight_pct, take)
    assert again.steps == []
    assert after.carrier is not None
    assert annotation_steps(after.carrier, again.annotations) == []
    return after
