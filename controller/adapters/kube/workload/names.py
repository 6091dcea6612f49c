"""The names, labels and annotations of the objects that a guarded Deployment gets beside it. Words only, no calls."""

from __future__ import annotations

from collections.abc import Mapping

PREFIX = "interlock.dev/"
MANAGED_BY, MANAGER = "app.kubernetes.io/managed-by", "interlock"
MADE = f"{MANAGED_BY}={MANAGER}"
"""Selects what is ours, whatever the application: the scope of a watch over all canaries."""

APPLICATION, ROLE, CANARY_ROLE, BASELINE_ROLE = f"{PREFIX}application", f"{PREFIX}role", "canary", "baseline"

EPOCH = f"{PREFIX}epoch"
VERSION = f"{PREFIX}version"
"""On a pod template: the version's text where the image alone does not tell it."""

STABLE = f"{PREFIX}stable"
"""On the canary's Deployment: what stable was when the release began, as JSON."""
CANARY = f"{PREFIX}canary"
"""On the canary's Deployment: what it was made of, as JSON."""
TEMPLATE = f"{PREFIX}template"
"""On the canary's Deployment: the digest of its template as the server took it, so that an edit shows."""

PROMOTED = f"{PREFIX}promoted"
"""On the guarded Deployment: the version whose template we put there."""
PROMOTION = f"{PREFIX}promotion"
"""On the guarded Deployment: which canary that was for, the template's digest, and whether it goes forward or back."""
ON_STABLE = (EPOCH, PROMOTED, PROMOTION)
"""All annotations that we ever write on the guarded Deployment. Beside them it has the label APPLICATION."""

RAISED = f"{PREFIX}raised"
"""On the canary's Deployment: stable's replicas were raised once for the way back."""

BESIDE = f"{PREFIX}beside"
"""On a baseline's Deployment: the uid of the canary's Deployment that it was made for."""

COPY_OF = f"{PREFIX}copy-of"
HASH_LABEL = "pod-template-hash"

OBJECT_NAME_MAX = 253
LABEL_MAX = 63
BASELINE_SUFFIX = "-baseline"


def our_labels(application: str) -> dict[str, str]:
    """On every object of ours, and on the canary's pods."""
    return {MANAGED_BY: MANAGER, APPLICATION: application, ROLE: CANARY_ROLE}


def baseline_name(deployment: str) -> str:
    return f"{deployment[: LABEL_MAX - len(BASELINE_SUFFIX)]}{BASELINE_SUFFIX}"


def canary_selector(application: str) -> dict[str, str]:
    return {APPLICATION: application, ROLE: CANARY_ROLE}


def selector_text(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def ours_text(application: str) -> str:
    """Selects everything of ours for one application."""
    return selector_text(our_labels(application))


def revision_name(deployment: str, digest: str) -> str:
    return f"interlock-{deployment[: OBJECT_NAME_MAX - 21]}-{digest[:10]}"


def copy_name(original: str, digest: str) -> str:
    return f"{original[: OBJECT_NAME_MAX - 9]}-{digest[:8]}"


def belongs_to(labels: Mapping[str, str], application: str) -> bool:
    """Whether an object with these labels is ours, and this application's."""
    return labels.get(MANAGED_BY) == MANAGER and labels.get(APPLICATION) == application
