"""The fields that typed objects have: what else a client sends is dropped, and never stored.

Only the places where a wrong field is likely are listed; below them everything is kept."""

from __future__ import annotations

from typing import Any

from tests.kube.cluster.raw import Raw

Shape = dict[str, Any]
"""Field to the shape of what is below it: a Shape, a list with the shape of its items, or ANY."""
ANY = None


def fields(names: str, **below: Any) -> Shape:
    return dict.fromkeys(names.split(), ANY) | below


CONTAINER = fields(
    "name image command args workingDir envFrom resources volumeMounts volumeDevices livenessProbe readinessProbe "
    "startupProbe lifecycle terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin "
    "stdinOnce tty restartPolicy resizePolicy",
    ports=[fields("name hostPort containerPort protocol hostIP")],
    env=[fields("name value valueFrom")],
)
POD_SPEC = fields(
    "volumes restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector "
    "serviceAccountName serviceAccount automountServiceAccountToken nodeName hostNetwork hostPID hostIPC hostUsers "
    "shareProcessNamespace securityContext imagePullSecrets hostname subdomain affinity schedulerName tolerations "
    "hostAliases priorityClassName priority dnsConfig readinessGates runtimeClassName enableServiceLinks "
    "preemptionPolicy overhead topologySpreadConstraints setHostnameAsFQDN os schedulingGates resourceClaims "
    "ephemeralContainers resources",
    containers=[CONTAINER],
    initContainers=[CONTAINER],
)
TEMPLATE = fields("metadata", spec=POD_SPEC)
SELECTOR = fields("matchLabels matchExpressions")
SERVICE_PORT = fields("name protocol appProtocol port targetPort nodePort")
ENDPOINT = fields(
    "addresses hostname deprecatedTopology nodeName zone hints",
    conditions=fields("ready serving terminating"),
    targetRef=fields("kind namespace name uid apiVersion resourceVersion fieldPath"),
)
OBJECT = "apiVersion kind metadata status"
SPECS: dict[str, Shape] = {
    "deployments": fields(
        "replicas minReadySeconds revisionHistoryLimit paused progressDeadlineSeconds",
        selector=SELECTOR, template=TEMPLATE, strategy=fields("type", rollingUpdate=fields("maxUnavailable maxSurge")),
    ),
    "replicasets": fields("replicas minReadySeconds", selector=SELECTOR, template=TEMPLATE),
    "pods": POD_SPEC,
    "services": fields(
        "selector clusterIP clusterIPs type externalIPs sessionAffinity loadBalancerIP loadBalancerSourceRanges "
        "externalName externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses sessionAffinityConfig "
        "ipFamilies ipFamilyPolicy allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy "
        "trafficDistribution",
        ports=[SERVICE_PORT],
    ),
    "leases": fields(
        "holderIdentity leaseDurationSeconds acquireTime renewTime leaseTransitions strategy preferredHolder"
    ),
    "ingresses": fields(
        "ingressClassName defaultBackend tls",
        rules=[fields("host", http=fields("", paths=[fields("path pathType", backend=fields("service resource"))]))],
    ),
    "horizontalpodautoscalers": fields("scaleTargetRef minReplicas maxReplicas metrics behavior"),
    "poddisruptionbudgets": fields("minAvailable maxUnavailable unhealthyPodEvictionPolicy", selector=SELECTOR),
    "namespaces": fields("finalizers"),
}  # fmt: skip
WITHOUT_SPEC: dict[str, Shape] = {
    "configmaps": fields(f"{OBJECT} data binaryData immutable"),
    "secrets": fields(f"{OBJECT} data stringData type immutable"),
    "controllerrevisions": fields(f"{OBJECT} data revision"),
    "endpointslices": fields(f"{OBJECT} addressType", endpoints=[ENDPOINT], ports=[SERVICE_PORT]),
    "serviceaccounts": fields(f"{OBJECT} secrets imagePullSecrets automountServiceAccountToken"),
    "roles": fields(f"{OBJECT} rules"),
    "clusterroles": fields(f"{OBJECT} rules aggregationRule"),
    "rolebindings": fields(f"{OBJECT} subjects roleRef"),
    "clusterrolebindings": fields(f"{OBJECT} subjects roleRef"),
}


def known(plural: str, body: Raw) -> Any:
    """A copy of the object without fields that its type does not have."""
    if plural in WITHOUT_SPEC:
        return cut(body, WITHOUT_SPEC[plural])
    return cut(body, fields(OBJECT, spec=SPECS[plural])) if plural in SPECS else body


def cut(value: Any, shape: Any) -> Any:
    if isinstance(shape, list) and isinstance(value, list):
        return [cut(one, shape[0]) for one in value]
    if isinstance(shape, dict) and isinstance(value, dict):
        return {key: cut(one, shape[key]) for key, one in value.items() if key in shape}
    return value
