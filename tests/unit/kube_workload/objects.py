"""Objects of a guarded shop as the API server would send them, for tests without one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.workload.canary import notes_of
from controller.adapters.kube.workload.names import PROMOTED, PROMOTION, our_labels
from controller.adapters.kube.workload.records import Made, Promotion, Started, encode_promotion, kept_of
from controller.adapters.kube.workload.seen import Deployed, ReplicaSetSeen, deployed, replica_set
from controller.adapters.kube.workload.sight import Sight
from controller.adapters.kube.workload.versions import canonical, digest_of, template_text, with_version
from controller.core.targets import KubernetesTarget, Trigger

V1, V2, V3 = "registry.test/shop:v1", "registry.test/shop:v2", "registry.test/shop:v3"
TARGET = KubernetesTarget("shop", "shop", "shop", "shop-canary")
BY_TEMPLATE = replace(TARGET, trigger=Trigger.DEPLOYMENT)


def template(image: str = V1, **spec: Any) -> Raw:
    containers = [{"name": "main", "image": image}, {"name": "sidecar", "image": "registry.test/proxy:9"}]
    return {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": containers, **spec}}


OLD, NEW, THIRD = template(V1), template(V2), template(V3)
D1, D2, D3 = digest_of(OLD), digest_of(NEW), digest_of(THIRD)
T1, T2, T3 = (template_text(one, None) for one in (OLD, NEW, THIRD))
BACK = Promotion("uid-of-shop-canary", D1, back=True)


def raw_deployment(
    name: str = "shop", pods: Raw | None = None, annotations: dict[str, str] | None = None, **spec: Any
) -> Raw:
    replicas = spec.get("replicas", 4)
    status = {"replicas": replicas, "updatedReplicas": replicas, "availableReplicas": replicas}
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-of-{name}",
            "resourceVersion": "7",
            "generation": 3,
            "labels": our_labels("shop") if name == "shop-canary" else {},
            "annotations": annotations or {},
        },
        "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "shop"}}, "template": pods or template(), **spec},
        "status": {**status, "readyReplicas": replicas, "observedGeneration": 3},
    }


def raw_set(name: str, pods: Raw, replicas: int, number: int = 1, owner: str = "shop") -> Raw:
    owners = [{"uid": f"uid-of-{owner}", "controller": True}]
    labels = {**pods["metadata"]["labels"], "pod-template-hash": name}
    pods = {**pods, "metadata": {**pods["metadata"], "labels": labels, "creationTimestamp": None}}
    annotations = {"deployment.kubernetes.io/revision": str(number)}
    metadata = {"uid": f"uid-of-{name}", "ownerReferences": owners, "annotations": annotations}
    return {"metadata": metadata, "spec": {"replicas": replicas, "template": pods}}


def a_set(name: str, pods: Raw, replicas: int, number: int = 1) -> ReplicaSetSeen:
    return replica_set(raw_set(name, pods, replicas, number))


def guarded(pods: Raw | None = None, promotion: Promotion | None = None, **more: Any) -> Deployed:
    annotations = dict(more.pop("annotations", {}))
    if promotion is not None:
        annotations[PROMOTION] = encode_promotion(promotion)
        if not promotion.back:
            annotations.setdefault(PROMOTED, V2)
    return deployed(raw_deployment(pods=pods, annotations=annotations, **more))


def the_canary(old: Raw | None = None, new: Raw | None = None, stable: str = V1, version: str = V2) -> Deployed:
    """Its Deployment, with what is on record on it."""
    old, new = canonical(old or template(V1)), canonical(new or template(V2))
    started = Started(kept_of("shop", stable, old), 4, 4)
    notes = notes_of(started, Made(kept_of("shop", version, new), 1))
    return deployed(raw_deployment("shop-canary", with_version(new, None, version), notes, replicas=1))


def forward(digest: str, by: str = "uid-of-shop-canary") -> Promotion:
    return Promotion(by, digest)


def sight(
    stable: Deployed | None = None,
    canary: Deployed | None = None,
    *sets: ReplicaSetSeen,
    target: KubernetesTarget = TARGET,
    asked: str | None = None,
) -> Sight:
    return Sight("shop", target, stable, canary, tuple(sets), asked=asked)
