"""What is said to both levels about workloads, Services and what they need: every answer has to be the same."""

from __future__ import annotations

from typing import Any

from tests.kube.cluster import builders
from tests.kube.cluster.exchanges import (
    BUDGETS,
    DEPLOYMENTS,
    EVENTS,
    LEASES,
    MAPS,
    PODS,
    REVISIONS,
    SCALERS,
    SECRETS,
    SERVICES,
    SLICES,
    TRAEFIK,
    Exchange,
    body,
    deployment,
    get,
    loosely,
    merge,
    post,
    put,
    remove,
    steps,
    with_metadata,
    without,
)
from tests.kube.cluster.raw import Raw

WEB = f"{DEPLOYMENTS}/web"


def lease(name: str, **spec: Any) -> Raw:
    return body("Lease", "coordination.k8s.io/v1", name, spec=spec)


def revision(name: str, **rest: Any) -> Raw:
    return body("ControllerRevision", "apps/v1", name, **rest)


def slices(name: str, **rest: Any) -> Raw:
    return body("EndpointSlice", "discovery.k8s.io/v1", name, **rest)


def with_spec(**spec: Any) -> Raw:
    return {**deployment("y"), "spec": {**deployment("y")["spec"], **spec}}


FULL = deployment(
    "full",
    containers=[
        builders.container(
            env=[
                {"name": "A", "value": ""},
                {"name": "B", "value": "b"},
                {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
            ],
            envFrom=[{"configMapRef": {"name": "c"}}],
            args=[],
            readinessProbe={"httpGet": {"port": 8080}},
            livenessProbe={"tcpSocket": {"port": 8080}, "initialDelaySeconds": 0},
            resources={"limits": {"cpu": "1", "memory": "100Mi"}, "requests": {"cpu": "100m"}},
            volumeMounts=[{"name": "v", "mountPath": "/v", "readOnly": False}],
            securityContext={"runAsNonRoot": True},
            nope=1,
        ),
        builders.container(f"registry.test/side@sha256:{'a' * 64}", "side", 9090),
        {"name": "late", "image": "registry.test/late"},
    ],
    pod={
        "volumes": [
            {"name": "v", "configMap": {"name": "c"}},
            {"name": "e", "emptyDir": {}},
            {"name": "s", "secret": {"secretName": "c"}},
            {"name": "p", "projected": {"sources": [{"configMap": {"name": "c"}}]}},
        ],
        "nodeSelector": {},
        "initContainers": [{"name": "i", "image": "registry.test/i:latest"}],
        "serviceAccountName": "web",
        "hostNetwork": False,
    },
)
BROKEN_DEPLOYMENTS = [
    with_metadata(deployment(), name="Bad_Name"),
    with_metadata(deployment(), name="x" * 254),
    with_metadata(deployment(), name=""),
    with_metadata(deployment(), namespace="other"),
    with_metadata(deployment("y"), resourceVersion="5"),
    with_spec(selector=None),
    without(deployment("y"), "spec"),
    with_spec(template={}),
    with_spec(replicas=-1),
    deployment("y", containers=[builders.container(), builders.container()]),
    deployment("y", containers=[builders.container(volumeMounts=[{"name": "q", "mountPath": "/x"}])]),
    deployment("y", containers=[{"name": "m"}]),
    deployment("y", containers=[{"image": "m"}]),
    deployment("y", containers=[builders.container(port=0)]),
    deployment("y", pod={"restartPolicy": "Never"}),
    deployment("y", strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
    deployment("y", strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
    deployment("y", progressDeadlineSeconds=1, minReadySeconds=5),
]
LOOSE_DEPLOYMENTS = [
    {**deployment(), "kind": "Nope"},
    {**deployment(), "apiVersion": "v1", "kind": "Pod"},
    {**deployment(), "apiVersion": "apps/v2"},
    with_spec(replicas="x"),
]
WORKLOAD_TALKS: dict[str, list[Exchange]] = {
    "what is not there": [
        get("/apis/nope.dev/v1/namespaces/{ns}/x"),
        get("/apis/apps/v1/namespaces/{ns}/nopes"),
        get("/apis/apps/v9/namespaces/{ns}/deployments"),
        get("/apis/gateway.networking.k8s.io/v9/namespaces/{ns}/httproutes"),
        get("/apis/gateway.networking.k8s.io/v1/namespaces/{ns}/nopes"),
        get("/nope"),
        get("/apis/nope.dev"),
        get("/apis/nope.dev/v1"),
        get(WEB),
        merge(WEB, {"spec": {"replicas": 1}}),
        put(WEB, deployment()),
        remove(WEB),
        post("/apis/apps/v1/namespaces/no-such/deployments", deployment()),
        get(f"{TRAEFIK}/t/status"),
    ],
    "discovery": [
        get("/apis/apps"),
        get("/apis/gateway.networking.k8s.io"),
        get("/apis/traefik.io/v1alpha1"),
        get("/apis/networking.istio.io/v1"),
    ],
    "a Deployment is filled in": [post(DEPLOYMENTS, deployment()), post(DEPLOYMENTS, FULL), get(DEPLOYMENTS)],
    "a Deployment is refused": [
        *(post(DEPLOYMENTS, one) for one in BROKEN_DEPLOYMENTS),
        *(loosely(post(DEPLOYMENTS, one)) for one in LOOSE_DEPLOYMENTS),
        loosely(post(DEPLOYMENTS, "{garbage")),
        post(DEPLOYMENTS, without(deployment(), "kind", "apiVersion")),
        post(DEPLOYMENTS, deployment()),
        post(WEB, deployment()),
        get(f"{WEB}/nope"),
    ],
    "merge patches": [
        post(DEPLOYMENTS, deployment()),
        merge(WEB, {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 3}}),
        merge(WEB, {"metadata": {"annotations": {"k": "v"}}}),
        merge(WEB, {"metadata": {"annotations": {"k": None}, "labels": {"z": "z"}}}),
        merge(WEB, {"spec": {"template": {"metadata": {"annotations": {"k": "v"}}}}}),
        merge(WEB, {"spec": {"template": {"metadata": {"annotations": None}}}}),
        merge(WEB, {"spec": {"nope": 1, "minReadySeconds": 0}}),
        merge(WEB, {"spec": {"replicas": -1}}),
        merge(WEB, {"spec": {"selector": {"matchLabels": {"app": "q"}}}}),
        merge(WEB, {"spec": {"template": {"metadata": {"labels": {"app": "zz"}}}}}),
        merge(WEB, {"spec": {"strategy": {"type": "Recreate"}}}),
        merge(WEB, {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}),
        merge(WEB, {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}}}),
        merge(WEB, {"metadata": {"labels": {"a b": "x"}}}),
        merge(WEB, {"metadata": {"labels": {"ok": "not ok!"}}}),
        merge(WEB, {"metadata": {"annotations": {"a b": "x"}}}),
        merge(WEB, {"metadata": {"name": "other"}}),
        merge(WEB, {"metadata": {"namespace": "other"}}),
        merge(WEB, {"metadata": {"uid": "other"}}),
        merge(WEB, {"metadata": {"resourceVersion": "zz"}}),
        loosely(merge(WEB, {"metadata": {"annotations": {"n": 3}}})),
        loosely(merge(WEB, {"spec": {"replicas": "x"}})),
        loosely(merge(WEB, "{garbage")),
        merge(WEB, [{"op": "remove", "path": "/spec/nope"}]),
        Exchange("PATCH", WEB, {"spec": {"replicas": 0}}),
    ],
    "JSON patches": [
        post(DEPLOYMENTS, deployment()),
        steps(WEB, {"op": "test", "path": "/metadata/resourceVersion", "value": "1"}),
        steps(WEB, {"op": "test", "path": "/spec/nope", "value": None}),
        steps(WEB, {"op": "test", "path": "/spec/nope/deep", "value": None}),
        steps(WEB, {"op": "test", "path": "/spec/replicas", "value": 0}),
        steps(WEB, {"op": "test", "path": "/spec/replicas", "value": 0.0}),
        steps(WEB, {"op": "test", "path": "/spec/paused", "value": 1}),
        steps(WEB, {"op": "replace", "path": "/spec/nope", "value": 3}),
        steps(WEB, {"op": "remove", "path": "/spec/nope"}),
        steps(WEB, {"op": "add", "path": "/a/b/c", "value": 3}),
        steps(WEB, {"op": "bad", "path": "/a"}),
        steps(WEB, {"op": "add", "path": "spec", "value": 3}),
        steps(WEB, {"op": "add", "path": "/metadata/annotations/x", "value": "3"}),
        steps(WEB, {"op": "add", "path": "/metadata/annotations", "value": {"i.dev/x~y": "3"}}),
        steps(WEB, {"op": "test", "path": "/metadata/annotations/i.dev~1x~0y", "value": "3"}),
        steps(WEB, {"op": "add", "path": "/metadata/annotations", "value": {"i.dev/x": "3"}}),
        steps(WEB, {"op": "test", "path": "/metadata/annotations/i.dev~1x", "value": "3"}),
        steps(WEB, {"op": "replace", "path": "/metadata/annotations/i.dev~1x", "value": "4"}),
        steps(WEB, {"op": "copy", "from": "/metadata/nope", "path": "/metadata/labels"}),
        steps(WEB, {"op": "move", "from": "/metadata/nope", "path": "/metadata/labels"}),
        steps(WEB, {"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "b", "image": "b:1"}}),
        steps(WEB, {"op": "remove", "path": "/spec/template/spec/containers/5"}),
        steps(WEB, {"op": "remove", "path": "/spec/template/spec/containers/1"}),
        Exchange("PATCH", WEB, {"spec": {"replicas": 0}}, "application/json-patch+json"),
    ],
    "deletes and dry runs": [
        post(f"{DEPLOYMENTS}?dryRun=All", deployment()),
        post(f"{DEPLOYMENTS}?dryRun=x", deployment()),
        get(WEB),
        post(DEPLOYMENTS, deployment()),
        merge(f"{WEB}?dryRun=All", {"spec": {"template": {"metadata": {"annotations": {"k": "v"}}}}}),
        remove(WEB, {"preconditions": {"uid": "nope"}}),
        remove(WEB, {"preconditions": {"resourceVersion": "1"}}),
        remove(f"{WEB}?dryRun=All"),
        get(WEB),
        remove(WEB),
        get(WEB),
    ],
    "status and scale": [
        post(DEPLOYMENTS, deployment()),
        merge(WEB, {"status": {"replicas": 5}}),
        merge(f"{WEB}/status", {"spec": {"replicas": 5}, "metadata": {"labels": {"z": "q"}}}),
        merge(f"{WEB}/status", {"metadata": {"annotations": {"b": "s"}}}),
        merge(f"{WEB}/scale", {"spec": {"replicas": -1}}),
        get(WEB),
    ],
    "selectors": [
        post(MAPS, with_metadata(builders.config_map("a"), labels={"app": "web", "z": "1"})),
        post(MAPS, with_metadata(builders.config_map("b"), labels={"app": "full"})),
        post(MAPS, builders.config_map("c")),
        *(
            get(f"{MAPS}?labelSelector={selector}")
            for selector in ("app%20in%20(web,full)", "app%20notin%20(web)", "!app", "app!=web", "app", "app=web,z=1")
        ),
        *(loosely(get(f"{MAPS}?labelSelector={selector}")) for selector in ("app=web,,", "app=not%20ok!")),
        get(f"{MAPS}?fieldSelector=metadata.name=b"),
        get(f"{MAPS}?fieldSelector=metadata.name!=b"),
        get(f"{MAPS}?fieldSelector=spec.foo=b"),
        get(f"{MAPS}?limit=x"),
        get(f"{MAPS}?resourceVersion=zz"),
        get(f"{MAPS}?watch=1&resourceVersion=zz"),
        loosely(get(f"{MAPS}?continue=zz")),
        loosely(get(f"{MAPS}?resourceVersion=999999999")),
    ],
    "ConfigMaps, Secrets and finalizers": [
        post(MAPS, {**builders.config_map("c", {"a": "b"}), "immutable": True}),
        merge(f"{MAPS}/c", {"data": {"a": "c"}}),
        merge(f"{MAPS}/c", {"immutable": False}),
        post(MAPS, builders.config_map("d", {"a b": "b"})),
        loosely(post(MAPS, {**builders.config_map("d"), "data": {"a": 3}})),
        post(MAPS, builders.config_map("d")),
        merge(f"{MAPS}/d", {"data": {"x": ""}}),
        merge(f"{MAPS}/d", {"data": None}),
        merge(f"{MAPS}/d", {"metadata": {"finalizers": ["bad"]}}),
        merge(f"{MAPS}/d", {"metadata": {"finalizers": ["test.dev/f"]}}),
        remove(f"{MAPS}/d"),
        remove(f"{MAPS}/d"),
        merge(f"{MAPS}/d", {"metadata": {"finalizers": ["test.dev/f", "test.dev/g"]}}),
        merge(f"{MAPS}/d", {"data": {"late": "1"}}),
        merge(f"{MAPS}/d", {"metadata": {"finalizers": None}}),
        get(f"{MAPS}/d"),
        post(MAPS, with_metadata(builders.config_map("o"), ownerReferences=[{"kind": "x"}])),
        post(SECRETS, body("Secret", "v1", "s", stringData={"a": "b"})),
        merge(f"{SECRETS}/s", {"stringData": {"b": "c"}}),
        merge(f"{SECRETS}/s", {"type": "x"}),
    ],
    "Services and EndpointSlices": [
        post(SERVICES, builders.service("s")),
        post(SERVICES, builders.service("9s")),
        post(SERVICES, body("Service", "v1", "t", spec={"ports": [{"port": 80}, {"port": 81}]})),
        post(SERVICES, body("Service", "v1", "h", spec={"clusterIP": "None", "selector": {"a": "b"}, "ports": []})),
        post(SERVICES, body("Service", "v1", "t", spec={"ports": []})),
        post(SERVICES, body("Service", "v1", "x", spec={"type": "ExternalName", "externalName": "a.b"})),
        merge(f"{SERVICES}/s", {"spec": {"clusterIP": "10.96.9.9"}}),
        merge(f"{SERVICES}/s", {"spec": {"selector": {"role": "x"}}}),
        remove(f"{SERVICES}/s"),
        post(SLICES, slices("e", addressType="IPv4", endpoints=[], ports=[])),
        merge(f"{SLICES}/e", {"endpoints": [{"addresses": ["10.0.0.9"], "conditions": {"ready": True}}]}),
        merge(f"{SLICES}/e", {"ports": [{"port": 80}]}),
        steps(f"{SLICES}/e", {"op": "replace", "path": "/endpoints", "value": []}),
        merge(f"{SLICES}/e", {"metadata": {"annotations": {"a": "b"}}}),
        merge(f"{SLICES}/e", {"metadata": {"labels": {"a": "b"}}}),
        merge(f"{SLICES}/e", {"endpoints": [{"addresses": ["nope"]}], "addressType": "IPv6"}),
        merge(f"{SLICES}/e", {"endpoints": [{"addresses": []}]}),
        merge(f"{SLICES}/e", {"endpoints": [{"addresses": ["127.0.0.1"]}]}),
        post(SLICES, slices("f", endpoints=[])),
    ],
    "ControllerRevisions and Leases": [
        post(REVISIONS, revision("r", revision=1, data={"x": [1, None, {}, []]})),
        loosely(merge(f"{REVISIONS}/r", {"data": {"x": 2}})),
        # Their data are kept byte for byte: sent with spaces, not even a label can be changed later.
        loosely(merge(f"{REVISIONS}/r", {"metadata": {"labels": {"a": "b"}}})),
        post(REVISIONS, '{"metadata":{"name":"c"},"revision":1,"data":{"z":[1,null],"a":{}}}'),
        merge(f"{REVISIONS}/c", {"metadata": {"labels": {"a": "b"}}}),
        loosely(merge(f"{REVISIONS}/c", {"data": {"x": 2}})),
        post(REVISIONS, revision("d", revision=0)),
        loosely(post(LEASES, lease("l", renewTime="2026-01-01T00:00:00Z"))),
        post(LEASES, lease("l", leaseDurationSeconds=0)),
        post(LEASES, lease("l", holderIdentity="x", leaseDurationSeconds=30, renewTime="2026-01-01T00:00:00.500000Z")),
        merge(f"{LEASES}/l", {"spec": {"renewTime": "2026-01-01T00:00:00.123456+00:00", "holderIdentity": ""}}),
        loosely(merge(f"{LEASES}/l", {"spec": {"renewTime": "2026-01-01T00:00:00Z"}})),
        put(f"{LEASES}/l", lease("l")),
    ],
    "pods, scalers, budgets and events": [
        post(PODS, body("Pod", "v1", "p", spec={"containers": [builders.container()], "schedulerName": "nobody"})),
        merge(f"{PODS}/p", {"metadata": {"labels": {"a": "b"}}}),
        loosely(merge(f"{PODS}/p", {"spec": {"nodeName": "n"}})),
        remove(f"{PODS}/p"),
        get(f"{PODS}/p"),
        post(SCALERS, body("HorizontalPodAutoscaler", "autoscaling/v2", "h", spec={
            "maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": [{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}],
        })),
        post(BUDGETS, body("PodDisruptionBudget", "policy/v1", "b", spec={
            "minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}})),
        post(EVENTS, body("Event", "v1", "e", reason="A", message="m", type="Normal", involvedObject={
            "namespace": "{ns}", "kind": "Deployment", "name": "x"})),
        post(EVENTS, body("Event", "v1", "f", reason="A", message="m", involvedObject={"kind": "Deployment"})),
    ],
}  # fmt: skip
