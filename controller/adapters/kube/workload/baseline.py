"""Keeps a fresh baseline beside a canary: a Deployment with stable's template, as large as the canary and as old, whose
pods take a part of stable's traffic. It hangs on the canary's Deployment and goes with it, whoever takes that away."""

from __future__ import annotations

import copy
from typing import Any

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Missing
from controller.adapters.kube.kinds import DEPLOYMENT, Raw
from controller.adapters.kube.lists import SharedLists
from controller.adapters.kube.workload.canary import owner_reference
from controller.adapters.kube.workload.names import (
    APPLICATION,
    BASELINE_ROLE,
    BESIDE,
    EPOCH,
    MANAGED_BY,
    MANAGER,
    ROLE,
    VERSION,
    baseline_name,
    belongs_to,
    selector_text,
)
from controller.adapters.kube.workload.notes import joined, told
from controller.adapters.kube.workload.patches import patch_of
from controller.adapters.kube.workload.records import Kept
from controller.adapters.kube.workload.seen import Deployed
from controller.adapters.kube.workload.selectors import matches, of_map
from controller.adapters.kube.workload.services import Services, chooses
from controller.adapters.kube.workload.sight import Sight
from controller.adapters.kube.workload.stable_moves import autoscaler_of, require_newest
from controller.adapters.kube.workload.templates import Templates
from controller.core.model import Baseline
from controller.ports import Refused

REPLICAS_PATH = "/spec/replicas"


class BaselineMoves:
    def __init__(self, api: KubeApi, lists: SharedLists, templates: Templates, services: Services) -> None:
        self._api, self._lists = api, lists
        self._templates, self._services = templates, services

    def toward(self, sight: Sight, epoch: int) -> bool:
        """One move toward as many instances as the canary has; none from the promotion on, as stable then is another
        version. True when something was written. Raises a PortError."""
        canary, guarded, have, records = sight.ours, sight.guarded, sight.baseline, sight.records
        if canary is None or guarded is None or records is None:
            return False
        if have is not None and not belongs_to(have.labels, sight.application):
            raise Refused(
                f"there is a Deployment {have.name} that is not Interlock's, and it is left as it is: rename it"
            )
        if have is not None:
            require_newest(have, epoch)
        if sight.promotion is not None:
            return have is not None and self._delete(have)
        scaler = autoscaler_of(self._lists, guarded)
        if scaler is not None:
            if have is not None:
                self._delete(have)
            raise Refused(
                f"the HorizontalPodAutoscaler {scaler.name} would count the baseline's pods among stable's, as the "
                f"selector of the Deployment {guarded.name} chooses them: remove canary.baseline"
            )
        if have is None:
            return self._make(sight, guarded, canary, records.stable.kept, epoch)
        if have.leaving:
            return False
        if have.annotations.get(BESIDE) != canary.uid:
            return self._delete(have)  # an earlier canary's, that nobody took away yet
        fields: dict[str, Any] = {REPLICAS_PATH: canary.replicas} if have.replicas != canary.replicas else {}
        if have.paused:
            fields["/spec/paused"] = False
        patch = patch_of(have, fields, {EPOCH: str(epoch)})
        if patch:
            self._api.patch(DEPLOYMENT, have.namespace, have.name, patch)
        return bool(patch)

    def _make(self, sight: Sight, guarded: Deployed, canary: Deployed, stable: Kept, epoch: int) -> bool:
        template = baseline_template(
            sight.application,
            self._templates.whole(guarded.namespace, sight.application, stable.version, stable),
            stable,
        )
        selector = chooses(self._services.stable(sight.target, guarded))
        if not matches(of_map(selector), template["metadata"]["labels"]):
            raise Refused(
                f"the Service {sight.target.service} chooses pods by {selector_text(selector)}, which the baseline's "
                "cannot have: remove canary.baseline"
            )
        body = baseline_deployment(sight, guarded, canary, template, epoch)
        self._api.create(DEPLOYMENT, guarded.namespace, body)
        return True

    def _delete(self, have: Deployed) -> bool:
        if have.leaving:
            return False
        try:
            self._api.delete(DEPLOYMENT, have.namespace, have.name, have.uid, have.resource_version)
        except Missing:
            return False
        return True


def baseline_template(application: str, template: Raw, stable: Kept) -> Raw:
    """``template`` with every label it has, so that stable's Service chooses its pods, and two more of our own."""
    changed: Raw = copy.deepcopy(template)
    metadata = changed.get("metadata") or {}
    metadata["labels"] = (metadata.get("labels") or {}) | baseline_selector(application)
    metadata["annotations"] = (metadata.get("annotations") or {}) | {VERSION: stable.version}
    changed["metadata"] = metadata
    return changed


def baseline_selector(application: str) -> dict[str, str]:
    return {APPLICATION: application, ROLE: BASELINE_ROLE}


def baseline_deployment(sight: Sight, guarded: Deployed, canary: Deployed, template: Raw, epoch: int) -> Raw:
    application = sight.application
    metadata = {
        "name": baseline_name(sight.target.deployment),
        "labels": {MANAGED_BY: MANAGER, **baseline_selector(application)},
        "annotations": {EPOCH: str(epoch), BESIDE: canary.uid},
        "ownerReferences": [owner_reference(canary)],
    }
    spec = {
        **guarded.spec,
        "replicas": canary.replicas,
        "revisionHistoryLimit": 1,
        "selector": {"matchLabels": baseline_selector(application)},
        "template": template,
    }
    return {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.name, "metadata": metadata, "spec": spec}


def baseline_state(sight: Sight, trouble: str = "") -> Baseline:
    """As it is. Only instances of this canary's baseline count."""
    have, canary = sight.baseline, sight.ours
    if have is None or canary is None or have.leaving or have.annotations.get(BESIDE) != canary.uid:
        return Baseline(max(1, canary.replicas) if canary is not None else 1, note=trouble)
    sets = {one.uid: one for one in sight.sets_of(have)}
    pods = [one for one in sight.pods if one.owner in sets and one.counts and not one.leaving]
    troubles = [one for one in (have.trouble, *(one.trouble for one in sets.values())) if one is not None]
    troubles += [one.trouble for one in pods if one.trouble is not None]
    ready = tuple(sorted((one.name, one.started_s) for one in pods if one.ready))
    return Baseline(max(1, canary.replicas), ready, joined(told(troubles), trouble))
