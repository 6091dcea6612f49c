"""The application document, as people write it, to an Application and back. It reads no file and knows no store.

Every mistake is reported at once, each with its place and what to do.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from analysis.document import analysis_document, duration, metrics_document
from analysis.spec import SpecError, to_spec
from controller.core.model import Application, CanaryPlan, Overload
from controller.core.targets import (
    ExternalTarget,
    HaproxyRoute,
    KubernetesRoute,
    KubernetesTarget,
    ProcessesTarget,
    Route,
    Target,
    Trigger,
)
from controller.documents import DocumentError, load_document
from controller.spec_blocks import ApplicationBlock, CanaryBlock, HaproxyBlock, TargetBlock
from controller.spec_kubernetes import (
    kubernetes_route,
    kubernetes_target,
    placeholders,
    route_document,
    target_document,
)

SENTENCE_CHARS_MAX = 2_000
"""Enough to name every word that a field may have; more is somebody's input given back."""


class InvalidDocument(ValueError):
    """The document cannot be used. ``mistakes`` are pairs of a place and a sentence that says what to do."""

    def __init__(self, mistakes: tuple[tuple[str, str], ...]) -> None:
        super().__init__("\n".join(f"{place}: {text}" if place else text for place, text in mistakes))
        self.mistakes = mistakes


def parse_application(text: str | bytes) -> Application:
    """An application document in YAML or JSON. Raises InvalidDocument."""
    try:
        return application_from(load_document(text))
    except DocumentError as error:
        raise InvalidDocument((("", str(error)),)) from None


def application_from(document: object) -> Application:
    """The same from plain data, as a JSON body gives it. Raises InvalidDocument."""
    try:
        block = ApplicationBlock.model_validate(document)
        target = _target(block.target, block.trigger)
        route = (
            kubernetes_route(block.router, target)
            if isinstance(target, KubernetesTarget)
            else _haproxy_route(block.router.haproxy)
        )
        spec = to_spec(block.metrics, block.analysis, placeholders(target, route))
    except ValidationError as error:
        raise InvalidDocument(mistakes_of(error)) from None
    except SpecError as error:
        raise InvalidDocument(tuple(("", line) for line in str(error).splitlines())) from None
    environment = "production" if block.environment == "prod" else block.environment
    return Application(block.name, environment, target, route, _plan(block.canary), spec)


def _target(block: TargetBlock, trigger: str) -> Target:
    if block.kubernetes is not None:
        return kubernetes_target(block.kubernetes, trigger)
    if block.external is not None:
        external = block.external
        return ExternalTarget(
            external.stable_health_url,
            external.canary_health_url,
            external.version_field,
            external.hook_url,
            external.health_timeout,
        )
    processes = block.processes
    assert processes is not None, "the block was validated"
    return ProcessesTarget(
        command=tuple(processes.command),
        replicas=processes.replicas,
        canary_replicas=processes.canary_replicas,
        health_path=processes.health_path,
        ports=(processes.ports[0], processes.ports[1]),
        health_timeout_s=processes.health_timeout,
        stop_grace_s=processes.stop_grace,
        directory=processes.directory,
        environment=tuple(sorted(processes.environment.items())),
        discovery_file=processes.discovery_file,
    )


def _haproxy_route(block: HaproxyBlock | None) -> Route:
    assert block is not None, "the block was validated"
    return HaproxyRoute(
        block.guard,
        block.backend,
        block.stable_server,
        block.canary_server,
        block.stable_pool,
        block.canary_pool,
    )


def _plan(block: CanaryBlock) -> CanaryPlan:
    return CanaryPlan(
        steps=tuple(block.steps),
        min_bake_s=block.min_bake,
        max_weight_pct=block.max_weight,
        max_duration_s=block.max_duration,
        prepare_deadline_s=block.prepare_deadline,
        promote_deadline_s=block.promote_deadline,
        drain_s=block.drain,
        lease_s=block.lease,
        poll_s=block.poll,
        overload=Overload(block.overload.stable_ready, block.overload.wait),
        baseline=block.baseline,
    )


def mistakes_of(error: ValidationError) -> tuple[tuple[str, str], ...]:
    """Every mistake as a place and a sentence. No value of the document is repeated: it may be a secret."""
    return tuple(
        (".".join(str(part) for part in item["loc"])[:200], sentence_of(item["type"], item["msg"]))
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    )


def sentence_of(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "no such field; check its spelling"
    if kind == "missing":
        return "missing; it is required"
    if kind == "model_type":
        return "a block of fields is needed here"
    return re.sub("^Value error, ", "", message)[:SENTENCE_CHARS_MAX]


def application_document(app: Application) -> dict[str, Any]:
    """The document of ``app``, as JSON data. Presets are written out; reading it gives an equal Application."""
    trigger = app.target.trigger.value if isinstance(app.target, KubernetesTarget) else Trigger.API.value
    return {
        "name": app.name,
        "environment": app.environment,
        "target": _target_document(app.target),
        "router": _router_document(app.router),
        **({"trigger": trigger} if trigger != Trigger.API else {}),
        "canary": _plan_document(app.canary),
        "metrics": metrics_document(app.analysis),
        "analysis": analysis_document(app.analysis),
    }


def _target_document(target: Target) -> dict[str, Any]:
    if isinstance(target, KubernetesTarget):
        return {"kubernetes": _some(target_document(target))}
    if isinstance(target, ExternalTarget):
        external = {
            "stableHealthUrl": target.stable_health_url,
            "canaryHealthUrl": target.canary_health_url,
            "versionField": target.version_field,
            "assumeVersion": True if target.version_field is None else None,
            "hookUrl": target.hook_url,
            "healthTimeout": duration(target.health_timeout_s),
        }
        return {"external": _some(external)}
    processes = {
        "command": list(target.command),
        "replicas": target.replicas,
        "canaryReplicas": target.canary_replicas,
        "healthPath": target.health_path,
        "ports": list(target.ports),
        "healthTimeout": duration(target.health_timeout_s),
        "stopGrace": duration(target.stop_grace_s),
        "directory": target.directory,
        "environment": dict(target.environment),
        "discoveryFile": target.discovery_file,
    }
    return {"processes": _some(processes)}


def _router_document(route: Route) -> dict[str, Any]:
    if isinstance(route, KubernetesRoute):
        return {name: _some(block) for name, block in route_document(route).items()}
    return {"haproxy": _some(_route_document(route))}


def _route_document(route: HaproxyRoute) -> dict[str, Any]:
    return {
        "guard": route.guard,
        "backend": route.backend,
        "stableServer": route.stable_server,
        "canaryServer": route.canary_server,
        "stablePool": route.stable_pool,
        "canaryPool": route.canary_pool,
    }


def _plan_document(plan: CanaryPlan) -> dict[str, Any]:
    return {
        "steps": list(plan.steps),
        "minBake": duration(plan.min_bake_s),
        "maxWeight": plan.max_weight_pct,
        "maxDuration": duration(plan.max_duration_s),
        "prepareDeadline": duration(plan.prepare_deadline_s),
        "promoteDeadline": duration(plan.promote_deadline_s),
        "drain": duration(plan.drain_s),
        "lease": duration(plan.lease_s),
        "poll": duration(plan.poll_s),
        "overload": {"stableReady": plan.overload.ready_pct, "wait": duration(plan.overload.wait_s)},
        "baseline": plan.baseline,
    }


def _some(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if value is not None}
