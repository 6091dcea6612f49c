"""Makes the copies of ConfigMaps and Secrets that a canary reads, and removes them. It never writes an original."""

from __future__ import annotations

from collections.abc import Mapping

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Exists, Missing
from controller.adapters.kube.kinds import CONFIG_MAP, SECRET, Kind, Raw
from controller.adapters.kube.workload.canary import owner_reference
from controller.adapters.kube.workload.names import belongs_to, ours_text
from controller.adapters.kube.workload.pins import KINDS, Source, copied, may_copy, name_for, sources
from controller.adapters.kube.workload.seen import Deployed
from controller.core.targets import KubernetesTarget
from controller.ports import Refused


class Copies:
    def __init__(self, api: KubeApi) -> None:
        self._api = api

    def names(self, target: KubernetesTarget, application: str, template: Raw) -> dict[Source, str]:
        """What the template reads by the names of the copies to be made. What is not there, and may be, is left out."""
        found = {}
        for source in sources(template, target.pin_secrets):
            raw = self._original(target.namespace, source)
            if raw is not None and may_copy(raw):
                found[source] = name_for(source, raw, application)
        return found

    def changed(self, target: KubernetesTarget, application: str, copies: Mapping[Source, str]) -> str:
        """What became of an original since it was copied, in words; empty when all are as they were."""
        for source, name in copies.items():
            raw = self._original(target.namespace, source)
            if raw is None or name_for(source, raw, application) != name:
                done = "deleted" if raw is None else "changed"
                return f"the {source.kind} {source.name} was {done} while the canary ran with its copy {name}"
        return ""

    def keep(self, canary: Deployed, application: str, copies: Mapping[Source, str]) -> None:
        """Make those that are missing. Raises Refused for one that cannot be made as it was any more."""
        for source, name in copies.items():
            kind = KINDS[source.kind]
            try:
                found = self._api.get(kind, canary.namespace, name)
            except Missing:
                self._make(canary, application, source, name)
                continue
            if not belongs_to(found["metadata"].get("labels") or {}, application):
                raise Refused(f"there is a {kind.name} {name} that is not Interlock's: rename or delete it")

    def _make(self, canary: Deployed, application: str, source: Source, name: str) -> None:
        raw = self._original(canary.namespace, source)
        if raw is None or name_for(source, raw, application) != name:
            raise Refused(
                f"the copy {name} of the {source.kind} {source.name} is missing, and cannot be made again because the "
                "original has changed: deploy again"
            )
        try:
            body = copied(source, raw, name, application, owner_reference(canary))
            self._api.create(KINDS[source.kind], canary.namespace, body)
        except Exists:
            return  # somebody was faster; the next look says who

    def remove(self, target: KubernetesTarget, application: str) -> None:
        """Every copy of the application. Secrets are looked for only where they may be."""
        self._remove(CONFIG_MAP, target.namespace, application)
        if target.pin_secrets:
            self._remove(SECRET, target.namespace, application)

    def _remove(self, kind: Kind, namespace: str, application: str) -> None:
        for raw in self._api.list(kind, namespace, ours_text(application)).items:
            try:
                self._api.delete(kind, namespace, raw["metadata"]["name"], uid=raw["metadata"]["uid"])
            except Missing:
                continue

    def _original(self, namespace: str, source: Source) -> Raw | None:
        try:
            return self._api.get(KINDS[source.kind], namespace, source.name)
        except Missing:
            return None
