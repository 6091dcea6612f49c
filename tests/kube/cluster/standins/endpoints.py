"""A stand-in for the EndpointSlice controller: one slice for each Service with a selector."""

from __future__ import annotations

from tests.kube.cluster.client import Client
from tests.kube.cluster.raw import Raw, built_in, is_true, labels_of, name_of, namespace_of
from tests.kube.cluster.standins.hints import Sources
from tests.kube.cluster.standins.work import Work

SERVICES, PODS, SLICES = built_in("services"), built_in("pods"), built_in("endpointslices")
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME = "kubernetes.io/service-name"
CONTROLLER = "endpointslice-controller.k8s.io"
Key = tuple[str, str]


class EndpointSlices:
    def __init__(self, client: Client, sources: Sources) -> None:
        self.client = client
        self._services: dict[Key, dict[str, str]] = {}
        self._work: Work[Key] = Work("endpoints", self._sync, 2)
        sources.tell(SERVICES, self._service)
        sources.tell(PODS, self._pod)

    def start(self) -> None:
        self._work.start()

    def close(self) -> None:
        self._work.close()

    def _service(self, service: Raw, gone: bool) -> None:
        key = namespace_of(service), name_of(service)
        self._services[key] = {} if gone else service["spec"].get("selector") or {}
        self._work.add(key)

    def _pod(self, pod: Raw, gone: bool) -> None:
        labels = labels_of(pod)
        for key, selector in list(self._services.items()):
            if key[0] == namespace_of(pod) and selector and selector.items() <= labels.items():
                self._work.add(key)

    def _sync(self, key: Key) -> None:
        namespace, name = key
        service = self.client.find(SERVICES, namespace, name)
        if service is None or not service["spec"].get("selector"):
            return
        chosen = f"{SERVICE_NAME}={name},{MANAGED_BY}={CONTROLLER}"
        slices = self.client.list(SLICES, namespace, chosen)["items"]
        selector = ",".join(f"{label}={value}" for label, value in service["spec"]["selector"].items())
        pods = self.client.list(PODS, namespace, selector)["items"]
        addressed = [pod for pod in pods if (pod.get("status") or {}).get("podIP")]
        wanted = {"endpoints": [endpoint(pod) for pod in addressed], "ports": ports_of(service, pods)}
        if not slices:
            self.client.create(SLICES, namespace, slice_of(service) | wanted)
        elif any((slices[0].get(field) or []) != wanted[field] for field in wanted):
            self.client.patch(SLICES, namespace, name_of(slices[0]), wanted)


def slice_of(service: Raw) -> Raw:
    owner = {"apiVersion": "v1", "kind": "Service", "name": name_of(service), "uid": service["metadata"]["uid"]}
    metadata = {
        "generateName": f"{name_of(service)}-",
        "labels": {**labels_of(service), SERVICE_NAME: name_of(service), MANAGED_BY: CONTROLLER},
        "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
    }
    version = "discovery.k8s.io/v1"
    return {"apiVersion": version, "kind": "EndpointSlice", "metadata": metadata, "addressType": "IPv4"}


def endpoint(pod: Raw) -> Raw:
    serving, terminating = is_true(pod, "Ready"), "deletionTimestamp" in pod["metadata"]
    conditions = {"ready": serving and not terminating, "serving": serving, "terminating": terminating}
    target = {"kind": "Pod", "name": name_of(pod), "namespace": namespace_of(pod), "uid": pod["metadata"]["uid"]}
    address = {"addresses": [pod["status"]["podIP"]], "conditions": conditions}
    return {**address, "nodeName": pod["spec"]["nodeName"], "targetRef": target}


def ports_of(service: Raw, pods: list[Raw]) -> list[Raw]:
    found = []
    for port in service["spec"].get("ports") or []:
        target = port.get("targetPort", port["port"])
        number = target if isinstance(target, int) else number_of(target, pods)
        if number is not None:
            found.append({"name": port.get("name", ""), "protocol": port["protocol"], "port": number})
    return found


def number_of(name: str, pods: list[Raw]) -> int | None:
    """A port that is called by its name in the pods."""
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for port in container.get("ports") or []:
                if port.get("name") == name:
                    return int(port["containerPort"])
    return None
