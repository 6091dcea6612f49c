"""Release objects as the store's releases want them: bodies, and patches for what is different. Pure; a view, which is
never read as input."""

from __future__ import annotations

from collections.abc import Sequence

from controller.adapters.kube.kinds import RELEASE, Raw
from controller.adapters.kube.resources.objects import LABEL_APPLICATION, MANAGED_BY, MANAGER, ReleaseObject
from controller.adapters.kube.resources.shown import TEXT_CHARS_MAX, merge_patch, progress_of
from controller.core.model import Release
from controller.core.targets import KubernetesTarget

KEPT = 10
"""Newest releases of one application that are shown; the store has them all."""
ACTOR_CHARS_MAX = 253


def shown_of(releases: Sequence[Release], namespace: str) -> list[Release]:
    """Those that ran in ``namespace``: a name may have been another target's before."""
    here = [one for one in releases if isinstance(one.app.target, KubernetesTarget)]
    return [one for one in here if one.app.target.namespace == namespace][:KEPT]  # type: ignore[union-attr]


def body_of(release: Release, owner: Raw | None) -> Raw:
    return {
        "apiVersion": RELEASE.api_version,
        "kind": RELEASE.name,
        "metadata": {"name": release.id, "labels": _labels(release), "ownerReferences": [owner] if owner else []},
        "spec": _spec(release),
    }


def status_of(release: Release) -> Raw:
    return progress_of(release) | {"reason": release.reason.text[:TEXT_CHARS_MAX]}


def correction(seen: ReleaseObject, release: Release, owner: Raw | None) -> Raw | None:
    """The merge patch that undoes somebody's edit of what never changes; None when there was none."""
    patch: Raw = {}
    if labels := merge_patch(seen.labels, _labels(release)):
        patch["metadata"] = {"labels": labels}
    if list(seen.owners) != ([owner] if owner else []):
        patch.setdefault("metadata", {})["ownerReferences"] = [owner] if owner else None
    if spec := merge_patch(seen.spec, _spec(release)):
        patch["spec"] = spec
    return patch or None


def status_patch(seen: ReleaseObject, release: Release) -> Raw:
    return merge_patch(seen.status, status_of(release))


def _labels(release: Release) -> Raw:
    return {MANAGED_BY: MANAGER, LABEL_APPLICATION: release.app.name}


def _spec(release: Release) -> Raw:
    spec: Raw = {
        "application": release.app.name,
        "environment": release.app.environment,
        "version": release.canary,
        "steps": list(release.app.canary.steps),
        "actor": release.actor[:ACTOR_CHARS_MAX],
    }
    return spec if release.stable is None else spec | {"stable": release.stable}
