"""What is asked of the cluster before an object may come into being: a living namespace, and room in its quota."""

from __future__ import annotations

from tests.kube.cluster.raw import Raw, Resource, built_in, name_of, namespace_of
from tests.kube.cluster.small.failures import forbidden, not_found
from tests.kube.cluster.small.store import Store

PODS = ("", "pods")
COUNTED = ("pods", "count/pods")


def check_create(store: Store, resource: Resource, body: Raw) -> None:
    if not resource.namespaced:
        return
    check_namespace(store, resource, body)
    if resource.plural == "pods":
        check_quota(store, resource, body)


def check_namespace(store: Store, resource: Resource, body: Raw) -> None:
    namespace = namespace_of(body)
    found = store.find(("", "namespaces"), ("", namespace))
    if found is None:
        raise not_found(built_in("namespaces"), namespace)
    if "deletionTimestamp" in found["metadata"]:
        told = f"namespace {namespace} is being terminated"
        cause = {"reason": "NamespaceTerminating", "message": told, "field": "metadata.namespace"}
        detail = f"unable to create new content in namespace {namespace} because it is being terminated"
        raise forbidden(resource, name_of(body), detail, [cause])


def check_quota(store: Store, resource: Resource, body: Raw) -> None:
    namespace = namespace_of(body)
    pods = [one for one in store.all(PODS, namespace) if one["status"].get("phase") not in ("Succeeded", "Failed")]
    for quota in store.all(("", "resourcequotas"), namespace):
        for field in COUNTED:
            limit = quota["spec"].get("hard", {}).get(field)
            if limit is not None and len(pods) >= int(limit):
                told = f"requested: {field}=1, used: {field}={len(pods)}, limited: {field}={limit}"
                raise forbidden(resource, name_of(body), f"exceeded quota: {name_of(quota)}, {told}")
