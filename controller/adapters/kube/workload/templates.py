"""Keeps whole pod templates as revisions in the cluster, and finds them again. What is kept once never changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Exists, Missing
from controller.adapters.kube.kinds import CONTROLLER_REVISION, Raw
from controller.adapters.kube.workload.names import APPLICATION, MADE
from controller.adapters.kube.workload.records import (
    Kept,
    kept_of,
    number_in,
    outdated,
    revision_body,
    template_in,
    version_in,
)
from controller.adapters.kube.workload.versions import digest_of
from controller.ports import Refused


class Templates:
    """Of one namespace at a time; the names say whose they are."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    def keep(self, namespace: str, application: str, kept: Kept, template: Mapping[str, Any]) -> None:
        """Kept already is kept. Raises Refused when the name holds something else."""
        known = self.all_of(namespace, application)
        if any(one["metadata"]["name"] == kept.revision for one in known):
            return
        number = max((number_in(one) for one in known), default=0) + 1
        body = revision_body(application, kept, template, number)
        try:
            self._api.create(CONTROLLER_REVISION, namespace, body)
        except Exists:
            found = template_in(self._api.get(CONTROLLER_REVISION, namespace, kept.revision))
            if found is None or digest_of(found) != kept.digest:
                text = f"the ControllerRevision {kept.revision} is there and holds something else: delete it"
                raise Refused(text) from None

    def whole(self, namespace: str, application: str, version: str, kept: Kept | None) -> Raw:
        """The template of ``version``. Raises Refused when it is not there any more."""
        found = self._revision(namespace, kept) if kept is not None else self._newest(namespace, application, version)
        template = template_in(found) if found is not None else None
        if template is None or (kept is not None and digest_of(template) != kept.digest):
            name = f" ({kept.revision})" if kept is not None else ""
            raise Refused(f"the template of {version} is no longer kept{name}: put it back into the Deployment by hand")
        return template

    def _revision(self, namespace: str, kept: Kept) -> Raw | None:
        try:
            return self._api.get(CONTROLLER_REVISION, namespace, kept.revision)
        except Missing:
            return None

    def _newest(self, namespace: str, application: str, version: str) -> Raw | None:
        known = [one for one in self.all_of(namespace, application) if version_in(one) == version]
        return max(known, key=number_in, default=None)

    def kept(self, namespace: str, application: str, deployment: str, version: str) -> Kept | None:
        """The newest template that was kept of ``version``."""
        found = self._newest(namespace, application, version)
        template = template_in(found) if found is not None else None
        return kept_of(deployment, version, template) if template is not None else None

    def prune(self, namespace: str, application: str, used: frozenset[str]) -> None:
        """Drop the oldest that nothing uses."""
        self._drop(namespace, outdated(self.all_of(namespace, application), used))

    def drop_all(self, namespace: str, application: str) -> None:
        self._drop(namespace, self.all_of(namespace, application))

    def all_of(self, namespace: str, application: str) -> list[Raw]:
        return self._api.list(CONTROLLER_REVISION, namespace, f"{MADE},{APPLICATION}={application}").items

    def _drop(self, namespace: str, revisions: list[Raw]) -> None:
        for one in revisions:
            try:
                self._api.delete(CONTROLLER_REVISION, namespace, one["metadata"]["name"], uid=one["metadata"]["uid"])
            except Missing:
                continue
