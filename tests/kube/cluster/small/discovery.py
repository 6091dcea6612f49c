"""Discovery documents: which groups, versions and kinds there are."""

from __future__ import annotations

from tests.kube.cluster.raw import Raw
from tests.kube.cluster.small.failures import no_page
from tests.kube.cluster.small.kinds import Kinds, Served

CUSTOM_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
VERSION: Raw = {
    "major": "1",
    "minor": "33",
    "gitVersion": "v1.33.0-small",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}


def document(kinds: Kinds, path: str) -> Raw | None:
    """The document at ``path``; None when the path is not one of discovery."""
    parts = path.strip("/").split("/")
    match parts:
        case ["version"]:
            return VERSION
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["api", "v1"]:
            return resources(kinds, "", "v1")
        case ["apis"]:
            groups = sorted({one.resource.group for one in kinds.all()} - {""})
            listed = [group_of(kinds, group) for group in groups]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
        case ["apis", group]:
            return {"kind": "APIGroup", "apiVersion": "v1", **group_of(kinds, group)}
        case ["apis", group, version]:
            return resources(kinds, group, version)
    return None


def group_of(kinds: Kinds, group: str) -> Raw:
    versions = sorted({one.resource.version for one in kinds.all() if one.resource.group == group})
    if not versions:
        raise no_page()
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def verbs_of(served: list[Served]) -> list[str]:
    return CUSTOM_VERBS if served[0].custom else VERBS


def resources(kinds: Kinds, group: str, version: str) -> Raw:
    here = [one for one in kinds.all() if (one.resource.group, one.resource.version) == (group, version)]
    found = [one.resource for one in here]
    if not found:
        raise no_page()
    listed: list[Raw] = []
    for one in sorted(found, key=lambda resource: resource.plural):
        same = {"namespaced": one.namespaced, "kind": one.kind}
        listed.append({"name": one.plural, "singularName": one.kind.lower(), **same, "verbs": verbs_of(here)})
        for below in one.subresources:
            verbs = ["create"] if below in ("binding", "token") else ["get", "patch", "update"]
            listed.append({"name": f"{one.plural}/{below}", "singularName": "", **same, "verbs": verbs})
    version_name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version_name, "resources": listed}
