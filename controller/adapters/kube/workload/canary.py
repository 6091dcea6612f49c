"""The objects that make a canary beside stable: its pod template, its Deployment and its Service. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from controller.adapters.kube.kinds import DEPLOYMENT, SERVICE, Kind, Raw
from controller.adapters.kube.workload import selectors
from controller.adapters.kube.workload.names import (
    CANARY,
    EPOCH,
    PREFIX,
    STABLE,
    VERSION,
    canary_selector,
    our_labels,
)
from controller.adapters.kube.workload.pins import redirected
from controller.adapters.kube.workload.records import Made, Started, encode_made, encode_started
from controller.adapters.kube.workload.seen import Deployed
from controller.adapters.kube.workload.selectors import Selector

OF_OTHERS = (
    PREFIX,
    "kubectl.kubernetes.io/",
    "deployment.kubernetes.io/",
    "argocd.argoproj.io/",
    "meta.helm.sh/",
    "helm.sh/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "external-dns.alpha.kubernetes.io/",
    "config.kubernetes.io/",
)
"""How annotations begin that say whose an object is or what its owner keeps in it. On a copy they would be wrong."""

SERVICE_FIELDS = (
    "sessionAffinity",
    "sessionAffinityConfig",
    "internalTrafficPolicy",
    "publishNotReadyAddresses",
    "trafficDistribution",
    "ipFamilyPolicy",
    "ipFamilies",
)
"""What of stable's Service changes how its pods are reached, beside its ports."""

PORT_FIELDS = ("name", "port", "targetPort", "protocol", "appProtocol")
"""A node's port belongs to one Service alone."""

HEADLESS = "None"


def label_changes(application: str, name: str, template: Raw, others: list[Selector]) -> dict[str, str | None]:
    """Which of stable's labels the canary's pods have otherwise, so that nothing that chooses stable's chooses them."""
    labels = (template.get("metadata") or {}).get("labels") or {}
    ours = our_labels(application)
    changes = selectors.apart({**labels, **ours}, others, name)
    return {key: value for key, value in changes.items() if key not in ours}


def canary_template(application: str, template: Raw, made: Made) -> Raw:
    """``template`` as the canary's pods have it: labelled apart, reading the copies, telling its version."""
    changed: Raw = redirected(copy.deepcopy(template), made.copies)
    metadata = changed.get("metadata") or {}
    labels = metadata.get("labels") or {}
    changed["spec"] = selectors.rewritten(changed["spec"], labels, made.labels)
    metadata["labels"] = selectors.applied(labels, made.labels) | our_labels(application)
    metadata["annotations"] = (metadata.get("annotations") or {}) | {VERSION: made.kept.version}
    changed["metadata"] = metadata
    return changed


def canary_deployment(name: str, guarded: Deployed, application: str, template: Raw, notes: Mapping[str, str]) -> Raw:
    """As it is created: with no instance yet, so that what it needs is there before its first pod."""
    metadata = {"name": name, "labels": our_labels(application), "annotations": dict(notes)}
    spec = {
        **guarded.spec,
        "replicas": 0,
        "revisionHistoryLimit": 1,
        "selector": {"matchLabels": canary_selector(application)},
        "template": template,
    }
    return _object(DEPLOYMENT, metadata, spec)


def notes_of(started: Started, made: Made) -> dict[str, str]:
    """The annotations of the canary's Deployment."""
    return {
        EPOCH: str(made.epoch),
        VERSION: made.kept.version,
        STABLE: encode_started(started),
        CANARY: encode_made(made),
    }


def owner_reference(canary: Deployed) -> Raw:
    """What it owns goes with it, whoever deletes it."""
    kind = DEPLOYMENT
    return {"apiVersion": kind.api_version, "kind": kind.name, "name": canary.name, "uid": canary.uid}


def canary_service(stable: Raw, canary: Deployed, application: str) -> Raw:
    """Stable's Service for the canary's pods: the same ports in the same words, inside the cluster only."""
    metadata = {
        "name": canary.name,
        "labels": our_labels(application),
        "annotations": _own_annotations(stable),
        "ownerReferences": [owner_reference(canary)],
    }
    return _object(SERVICE, metadata, service_spec(stable, application))


def service_spec(stable: Raw, application: str) -> Raw:
    spec = stable.get("spec") or {}
    ports = [{key: one[key] for key in PORT_FIELDS if key in one} for one in spec.get("ports") or []]
    kept = {key: spec[key] for key in SERVICE_FIELDS if key in spec}
    headless = {"clusterIP": HEADLESS} if spec.get("clusterIP") == HEADLESS else {}
    return {"type": "ClusterIP", **headless, **kept, "ports": ports, "selector": canary_selector(application)}


def service_patch(have: Raw, stable: Raw, application: str) -> Raw | None:
    """What brings the canary's Service in line with stable's; None when it is. Addresses stay as they were given."""
    wanted, found = service_spec(stable, application), have.get("spec") or {}
    fields = ("ports", "selector", "sessionAffinity", "publishNotReadyAddresses", "internalTrafficPolicy")
    changed = {key: wanted.get(key) for key in fields if key in wanted and wanted[key] != found.get(key)}
    if not changed:
        return None
    version = {"resourceVersion": have["metadata"]["resourceVersion"]}
    if "selector" in changed:
        gone = dict.fromkeys(found.get("selector") or {})
        changed["selector"] = gone | wanted["selector"]
    return {"metadata": version, "spec": changed}


def _own_annotations(raw: Raw) -> dict[str, str]:
    found: Mapping[str, Any] = (raw.get("metadata") or {}).get("annotations") or {}
    return {key: str(value) for key, value in found.items() if not key.startswith(OF_OTHERS)}


def _object(kind: Kind, metadata: Raw, spec: Raw) -> Raw:
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": spec}
