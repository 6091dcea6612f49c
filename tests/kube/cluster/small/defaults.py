"""What the API server fills into built-in objects, as far as a controller can trip over it: a template that is read
back is longer than the one that was sent."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

from tests.kube.cluster.raw import Raw


def fill(plural: str, body: Raw) -> None:
    """Fill in place. Filling twice changes nothing."""
    {
        "deployments": of_deployment,
        "replicasets": of_replica_set,
        "pods": of_pod,
        "services": of_service,
        "secrets": of_secret,
        "endpointslices": of_slice,
        "namespaces": of_namespace,
        "events": of_event,
        "leases": of_lease,
        "horizontalpodautoscalers": of_autoscaler,
        "ingresses": of_balanced,
        "poddisruptionbudgets": of_budget,
        "customresourcedefinitions": of_definition,
        "controllerrevisions": of_revision,
    }.get(plural, lambda _body: None)(body)


def default(body: Raw, **values: Any) -> None:
    for key, value in values.items():
        if body.get(key) is None:
            body[key] = value


def of_deployment(body: Raw) -> None:
    spec = body.setdefault("spec", {})
    default(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    strategy = spec["strategy"]
    default(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        default(strategy, rollingUpdate={})
        default(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")
    of_template(spec)
    body.setdefault("status", {})


def of_replica_set(body: Raw) -> None:
    spec = body.setdefault("spec", {})
    default(spec, replicas=1)
    of_template(spec)
    body.setdefault("status", {"replicas": 0})
    default(body["status"], replicas=0)


def of_template(spec: Raw) -> None:
    template = spec.setdefault("template", {})
    metadata = template.setdefault("metadata", {})
    metadata["creationTimestamp"] = None
    of_pod_spec(template.setdefault("spec", {}))


def of_pod(body: Raw) -> None:
    spec = body.setdefault("spec", {})
    of_pod_spec(spec)
    default(spec, enableServiceLinks=True, preemptionPolicy="PreemptLowerPriority", priority=0)
    default(spec, tolerations=[tolerated("not-ready"), tolerated("unreachable")])
    status = body.setdefault("status", {})
    default(status, phase="Pending", qosClass="BestEffort")
    for condition in status.get("conditions") or []:
        condition.setdefault("lastProbeTime", None)
    for container in status.get("containerStatuses") or []:
        default(container, lastState={})


def tolerated(trouble: str) -> Raw:
    key = f"node.kubernetes.io/{trouble}"
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}


def of_pod_spec(spec: Raw) -> None:
    default(spec, restartPolicy="Always", terminationGracePeriodSeconds=30, dnsPolicy="ClusterFirst")
    default(spec, securityContext={}, schedulerName="default-scheduler")
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    for container in (spec.get("containers") or []) + (spec.get("initContainers") or []):
        of_container(container)
    for volume in spec.get("volumes") or []:
        for kind in ("configMap", "secret", "downwardAPI", "projected"):
            if isinstance(volume.get(kind), dict):
                default(volume[kind], defaultMode=420)


def of_container(container: Raw) -> None:
    image = str(container.get("image", ""))
    fixed = "@" in image or (":" in image.rpartition("/")[2] and not image.endswith(":latest"))
    default(container, imagePullPolicy="IfNotPresent" if fixed else "Always", resources={})
    default(container, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File")
    for port in container.get("ports") or []:
        default(port, protocol="TCP")
    for one in container.get("env") or []:
        field = (one.get("valueFrom") or {}).get("fieldRef")
        if field is not None:
            default(field, apiVersion="v1")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe):
            default(container[probe], timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
            if container[probe].get("httpGet"):
                default(container[probe]["httpGet"], path="/", scheme="HTTP")


def of_service(body: Raw) -> None:
    spec = body.setdefault("spec", {})
    default(spec, type="ClusterIP", sessionAffinity="None")
    for port in spec.get("ports") or []:
        default(port, protocol="TCP", targetPort=port.get("port"))
    if spec["type"] != "ExternalName":
        default(spec, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack", internalTrafficPolicy="Cluster")
        default(spec, clusterIP=address_of(body))
        default(spec, clusterIPs=[spec["clusterIP"]])
    body.setdefault("status", {"loadBalancer": {}})
    default(body["status"], loadBalancer={})


def address_of(body: Raw) -> str:
    """An address that only this Service has, most likely."""
    hashed = hashlib.sha256(str(body["metadata"].get("uid")).encode()).digest()
    return f"10.96.{hashed[0]}.{hashed[1] or 1}"


def of_secret(body: Raw) -> None:
    default(body, type="Opaque")
    plain = body.pop("stringData", None) or {}
    if plain:
        data = body.setdefault("data", {})
        data.update({key: base64.b64encode(value.encode()).decode() for key, value in plain.items()})


def of_slice(body: Raw) -> None:
    # These two have no empty form on the wire: an empty list is stored, and read back, as null.
    for field in ("endpoints", "ports"):
        body[field] = body.get(field) or None
    for port in body["ports"] or []:
        default(port, name="", protocol="TCP")
    for endpoint in body["endpoints"] or []:
        default(endpoint, conditions={})


def of_namespace(body: Raw) -> None:
    labels = body["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = body["metadata"].get("name", "")
    if "deletionTimestamp" not in body["metadata"]:
        default(body.setdefault("spec", {}), finalizers=["kubernetes"])
    default(body.setdefault("status", {}), phase="Active")


def of_event(body: Raw) -> None:
    default(body, source={}, reportingComponent="", reportingInstance="")
    for field in ("firstTimestamp", "lastTimestamp", "eventTime"):
        body.setdefault(field, None)


def of_autoscaler(body: Raw) -> None:
    default(body.setdefault("spec", {}), minReplicas=1)
    default(body.setdefault("status", {}), desiredReplicas=0, currentMetrics=None)


def of_balanced(body: Raw) -> None:
    default(body.setdefault("status", {}), loadBalancer={})


def of_budget(body: Raw) -> None:
    status = body.setdefault("status", {})
    default(status, disruptionsAllowed=0, currentHealthy=0, desiredHealthy=0, expectedPods=0)


def of_lease(body: Raw) -> None:
    for field in ("renewTime", "acquireTime"):
        text = (body.get("spec") or {}).get(field)
        if text is not None:
            at = datetime.fromisoformat(text).astimezone(UTC)
            body["spec"][field] = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def of_revision(body: Raw) -> None:
    default(body, revision=0)


def of_definition(body: Raw) -> None:
    spec = body.setdefault("spec", {})
    names = spec.setdefault("names", {})
    default(names, singular=str(names.get("kind", "")).lower(), listKind=f"{names.get('kind', '')}List")
    default(spec, conversion={"strategy": "None"})
