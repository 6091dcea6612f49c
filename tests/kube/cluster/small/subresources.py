"""What is addressed below an object and is no part of it: a pod's binding, a scale, a token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.kube.cluster.raw import Raw, Resource
from tests.kube.cluster.small import patching
from tests.kube.cluster.small.access import Access
from tests.kube.cluster.small.failures import bad_request, conflict, invalid, wrong
from tests.kube.cluster.small.objects import Objects, Where, stamp
from tests.kube.cluster.small.rules import AT_LEAST_0

TOKEN_S = 3_600


def bound(objects: Objects, at: Where, sent: Any) -> Raw:
    """Assign a pod to a node, once."""
    node = str((sent.get("target") or {}).get("name", ""))
    with objects.store.turn:
        pod = objects.get(at)
        if pod["spec"].get("nodeName"):
            told = f'pod {at.name} is already assigned to node "{pod["spec"]["nodeName"]}"'
            raise conflict(Resource("", "v1", "pods/binding", "Binding"), at.name, told)
        conditions = [one for one in pod["status"].get("conditions") or [] if one["type"] != "PodScheduled"]
        conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": objects.now()})
        status = {**pod["status"], "conditions": conditions}
        objects.store.put(at.served.kept, {**pod, "spec": {**pod["spec"], "nodeName": node}, "status": status})
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def token(objects: Objects, access: Access, at: Where) -> Raw:
    objects.get(at)
    until = stamp(objects.clock() + timedelta(seconds=TOKEN_S))
    status = {"token": access.issue(at.namespace, at.name), "expirationTimestamp": until}
    spec = {"audiences": [], "expirationSeconds": TOKEN_S}
    return {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec, "status": status}


def scale_of(body: Raw) -> Raw:
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    metadata = {key: body["metadata"][key] for key in kept}
    labels = (body["spec"].get("selector") or {}).get("matchLabels") or {}
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    status = {"replicas": (body.get("status") or {}).get("replicas", 0), "selector": selector}
    replicas = body["spec"].get("replicas", 0)
    spec = {"replicas": replicas} if replicas else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def scaled(objects: Objects, at: Where, change: Callable[[Raw], Any]) -> Raw:
    """Write the replicas of the Scale that ``change`` makes."""
    with objects.store.turn:
        body = objects.get(at)
        wanted = change(scale_of(body))
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int):
            raise bad_request('Scale in version "v1" cannot be handled as a Scale: spec.replicas is no number')
        if replicas < 0:
            resource = Resource("autoscaling", "v1", "scales", "Scale")
            raise invalid(resource, at.name, [wrong("spec.replicas", replicas, AT_LEAST_0)])
        patch: Raw = {"spec": {"replicas": replicas}}
        version = wanted.get("metadata", {}).get("resourceVersion")
        if version:
            patch |= {"metadata": {"resourceVersion": version}}
        return scale_of(objects.update(replace(at, subresource=""), patching.merged(body, patch)))
