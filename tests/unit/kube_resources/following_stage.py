"""An application whose Deployment starts releases, and what happens to it."""

from __future__ import annotations

from tests.unit.kube_resources.memory import SHOP, spec
from tests.unit.kube_resources.stage import Stage

ME = "kubernetes:web/shop"


def follow(stage: Stage) -> None:
    """Registered, and its Deployment paused."""
    stage.cluster.roll(SHOP)
    stage.cluster.put(document=spec(trigger="deployment"))
    stage.settle()


def template(stage: Stage, version: str | None) -> None:
    """Somebody applies a template; None is the one that the pods run."""
    stage.world.template["shop"] = version
    stage.cluster.roll(SHOP)
    stage.settle()


def ready(stage: Stage) -> tuple[str, str]:
    found = stage.condition("Ready")
    return found["reason"], found["message"]


def noted(stage: Stage) -> list[object]:
    return [one.draft.numbers["version"] for one in stage.records("template_changed")]
