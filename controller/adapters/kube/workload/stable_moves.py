"""Carries out one move on the guarded Deployment: its template, its pause, our notes, its replicas for the way back. It
writes nothing over a change that was not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.kinds import DEPLOYMENT, HPA, Raw
from controller.adapters.kube.lists import SharedLists
from controller.adapters.kube.workload.copies import Copies
from controller.adapters.kube.workload.guarding import Move, is_way_back, next_move
from controller.adapters.kube.workload.names import EPOCH, PROMOTED, PROMOTION, RAISED
from controller.adapters.kube.workload.patches import patch_of
from controller.adapters.kube.workload.records import Promotion, encode_promotion
from controller.adapters.kube.workload.seen import Deployed, deployed
from controller.adapters.kube.workload.sight import Sight, live_version, no_deployment
from controller.adapters.kube.workload.sizing import Autoscaler, capacity_short
from controller.adapters.kube.workload.templates import Templates
from controller.adapters.kube.workload.versions import digest_of
from controller.ports import Fenced, Refused

TEMPLATE_PATH, PAUSED_PATH = "/spec/template", "/spec/paused"


@dataclass(frozen=True, slots=True)
class Scaling:
    """A HorizontalPodAutoscaler: what it scales, and to how many at most (0: it does not say)."""

    name: str
    kind: str
    aim: str
    most: int


class StableMoves:
    def __init__(self, api: KubeApi, lists: SharedLists, templates: Templates, copies: Copies) -> None:
        self._api, self._lists, self._templates, self._copies = api, lists, templates, copies

    def toward(self, sight: Sight, version: str, epoch: int) -> bool:
        """One move toward ``version``; True when something was written. Raises a PortError."""
        guarded = sight.guarded
        if guarded is None:
            raise Refused(no_deployment(sight.target))
        require_newest(guarded, epoch)
        if sight.canary is not None:
            require_newest(sight.canary, epoch)
        move = next_move(sight, version, epoch)
        written = move is not None
        if move is not None:
            guarded = self._write(sight, guarded, move, epoch)
        if is_way_back(sight, version):
            written |= self._make_room(sight, guarded, epoch)
        return written

    def _write(self, sight: Sight, guarded: Deployed, move: Move, epoch: int) -> Deployed:
        notes: dict[str, str | None] = {EPOCH: str(epoch)}
        fields: dict[str, Any] = {} if move.paused is None else {PAUSED_PATH: move.paused}
        digest = guarded.digest
        if move.marks and not move.back:
            self._require_same_content(sight)
        if move.version is not None:
            fields[TEMPLATE_PATH] = self._templates.whole(guarded.namespace, sight.application, move.version, move.kept)
            digest = self._as_taken(guarded, fields)
        if move.marks:
            by = sight.ours.uid if sight.ours is not None else sight.promotion.by if sight.promotion else ""
            version = move.version or live_version(sight)
            notes |= {PROMOTED: None if move.back else version}
            notes |= {PROMOTION: encode_promotion(Promotion(by, digest, move.back))}
        patch = patch_of(guarded, fields, notes)
        return deployed(self._api.patch(DEPLOYMENT, guarded.namespace, guarded.name, patch)) if patch else guarded

    def _as_taken(self, guarded: Deployed, fields: dict[str, Any]) -> str:
        """The digest of the template as the server would take it: webhooks may change what they are given."""
        try:
            patch = patch_of(guarded, fields, {})
            told = self._api.patch(DEPLOYMENT, guarded.namespace, guarded.name, patch, dry_run=True)
        except Refused:
            return digest_of(fields[TEMPLATE_PATH])  # some webhooks take no part in dry runs; the write itself tells
        return digest_of(told["spec"]["template"])

    def _require_same_content(self, sight: Sight) -> None:
        """What was judged is what will run: stable must not roll with a ConfigMap that the canary never read."""
        records = sight.records
        changed = self._copies.changed(sight.target, sight.application, records.canary.copies) if records else ""
        if changed:
            text = "what was judged is not what would run; put its content back, or abort and deploy again"
            raise Refused(f"{changed}: {text}")

    def _make_room(self, sight: Sight, guarded: Deployed, epoch: int) -> bool:
        """Give stable back what its autoscaler took while the canary carried a part of the traffic, once."""
        records, canary = sight.records, sight.ours
        assert records is not None
        assert canary is not None
        raised = RAISED in canary.annotations
        if raised or guarded.replicas >= records.stable.replicas:
            return False
        autoscaler = autoscaler_of(self._lists, guarded)
        wanted = capacity_short(records.stable.replicas, guarded.replicas, autoscaler, raised)
        if wanted is None:
            return False
        patch = {"metadata": {"resourceVersion": guarded.resource_version}, "spec": {"replicas": wanted}}
        self._api.patch(DEPLOYMENT, guarded.namespace, guarded.name, patch, "scale")
        note = patch_of(canary, {}, {RAISED: str(wanted), EPOCH: str(epoch)})
        self._api.patch(DEPLOYMENT, canary.namespace, canary.name, note)
        return True


def autoscaler_of(lists: SharedLists, guarded: Deployed) -> Autoscaler | None:
    """The HorizontalPodAutoscaler that scales the Deployment, if one does."""
    for one in lists.of(HPA, guarded.namespace, scaling):
        if (one.kind, one.aim) == (DEPLOYMENT.name, guarded.name):
            return Autoscaler(one.name, one.most or guarded.replicas)
    return None


def scaling(raw: Raw) -> Scaling:
    spec = raw.get("spec") or {}
    aims = spec.get("scaleTargetRef") or {}
    most = int(spec.get("maxReplicas") or 0)
    return Scaling(str(raw["metadata"]["name"]), str(aims.get("kind")), str(aims.get("name")), most)


def require_newest(deployed: Deployed, epoch: int) -> None:
    """Raises Fenced for an older leader than the last one that wrote to the object."""
    if deployed.epoch > epoch:
        whose = f"the Deployment {deployed.namespace}/{deployed.name}"
        raise Fenced(f"a newer leader (epoch {deployed.epoch}) decides about {whose}; this one has {epoch}")
