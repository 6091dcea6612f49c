"""Words to write steps with: where, who, with which guards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PROD: dict[str, Any] = {"tier": "prod", "external_users": True}
BACK_OFFICE: dict[str, Any] = {"tier": "production", "external_users": False}
STAGING: dict[str, Any] = {"tier": "staging"}
PREVIEW: dict[str, Any] = {"tier": "preview"}
CI: dict[str, Any] = {"tier": "ci"}
AGENT = {"type": "agent", "id": "agent:release-bot"}
CONTROLLER = {"type": "controller", "id": "controller"}
GUARDS: dict[str, Any] = {
    "canary": True,
    "initial_percent": 2,
    "auto_rollback": True,
    "circuit_breaker": ["error_rate", "latency"],
    "kill_switch_selftest_ok": True,
}
EXERCISED: dict[str, Any] = {"path": "tested", "tested_days_ago": 12, "seconds": 8}
KEPT: dict[str, Any] = {"path": "captured_previous", "dry_run_ok": True}


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    grade: str
    step: dict[str, Any]


def case(name: str, grade: str, kind: str, env: dict[str, Any] | None = None, **facts: Any) -> Case:
    """In production with outside users unless ``env`` says otherwise."""
    return Case(name, grade, {"kind": kind, "env": PROD if env is None else env, "actor": AGENT, **facts})


def deploy(name: str, grade: str, env: dict[str, Any] | None = None, kind: str = "deploy", **facts: Any) -> Case:
    """A deploy with everything verified, but for what ``facts`` replace."""
    whole = {"guards": GUARDS, "reversibility": EXERCISED, "image_digest_changed": True}
    return case(name, grade, kind, env, **(whole | facts))


def change(name: str, grade: str, resource: str, env: dict[str, Any] | None = None, **facts: Any) -> Case:
    """A change of one object whose previous state is kept. ``k8s`` adds to the object, ``kind`` replaces k8s.patch."""
    kind = facts.pop("kind", "k8s.patch")
    verb = {"k8s.delete": "delete", "k8s.create": "create"}.get(kind, "patch")
    k8s = {"verb": verb, "resource": resource, "namespace": "orders", "name": "web"} | facts.pop("k8s", {})
    return case(name, grade, kind, env, k8s=k8s, **({"reversibility": KEPT} | facts))


def without(block: dict[str, Any], *names: str, **replaced: Any) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name not in names} | replaced
