"""An Application object's spec to the controller's Application, and whose name it is. Pure: it registers nothing."""

from __future__ import annotations

from typing import Any

from controller.adapters.kube.resources.objects import ApplicationObject, actor_of
from controller.core.model import Application
from controller.core.targets import KubernetesTarget
from controller.ports import StoredApplication
from controller.spec import InvalidDocument, application_from

SENTENCES_MAX = 2_000
"""Characters of what is wrong with a spec: more than one screen is not read."""


def read(seen: ApplicationObject) -> Application:
    """The object's name and namespace are the application's. Raises InvalidDocument."""
    mistakes = _misplaced(seen)
    if mistakes:
        raise InvalidDocument(mistakes)
    target = seen.spec["target"]["kubernetes"]
    placed = {**target, "namespace": seen.namespace}
    return application_from({**seen.spec, "name": seen.name, "target": {"kubernetes": placed}})


def _misplaced(seen: ApplicationObject) -> tuple[tuple[str, str], ...]:
    mistakes: list[tuple[str, str]] = []
    if seen.spec.get("name", seen.name) != seen.name:
        mistakes.append(("name", "the application is called like the object: remove it"))
    target = seen.spec.get("target")
    block = target.get("kubernetes") if isinstance(target, dict) else None
    if not isinstance(target, dict) or not isinstance(block, dict) or set(target) != {"kubernetes"}:
        mistakes.append(("target", "name exactly one target, kubernetes: other kinds are registered through the API"))
    elif block.get("namespace", seen.namespace) != seen.namespace:
        mistakes.append(("target.kubernetes.namespace", "an object guards its own namespace: remove it"))
    return tuple(mistakes)


def sentences(error: InvalidDocument) -> str:
    text = "; ".join(f"{place}: {said}" if place else said for place, said in error.mistakes)
    return text if len(text) <= SENTENCES_MAX else text[: SENTENCES_MAX - 1] + "…"


def guards_the_same(stored: StoredApplication, seen: ApplicationObject) -> bool:
    """Whether what is registered under this name is for the Deployment that the object names."""
    target = stored.app.target
    if not isinstance(target, KubernetesTarget) or target.namespace != seen.namespace:
        return False
    return target.deployment == _deployment_in(seen.spec)


def _deployment_in(spec: Any) -> object:
    """Also of a spec that is otherwise wrong: an object with mistakes can still be deleted."""
    for name in ("target", "kubernetes", "deployment"):
        spec = spec.get(name) if isinstance(spec, dict) else None
    return spec


def is_ours(stored: StoredApplication, seen: ApplicationObject, registered_by: str | None) -> bool:
    """Whether the registration belongs to the object. ``registered_by`` is who registered it last."""
    return guards_the_same(stored, seen) or registered_by == actor_of(seen.place)


def taken_text(stored: StoredApplication, registered_by: str | None) -> str:
    target = stored.app.target
    where = "a target outside of the cluster"
    if isinstance(target, KubernetesTarget):
        where = f"the Deployment {target.namespace}/{target.deployment}"
    who = f" by {registered_by}" if registered_by else ""
    return (
        f"the name {stored.app.name} is taken: it was registered{who} for {where}. Give this object another name, or "
        "delete what was registered"
    )
