"""The Services around an application: stable's, which is only read; the canary's, which is kept like it; and all the
others, none of which may choose the canary's pods."""

from __future__ import annotations

from dataclasses import dataclass

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Exists, Missing
from controller.adapters.kube.kinds import PDB, SERVICE, Raw
from controller.adapters.kube.lists import SharedLists
from controller.adapters.kube.workload.canary import canary_service, service_patch
from controller.adapters.kube.workload.names import belongs_to, selector_text
from controller.adapters.kube.workload.seen import Deployed
from controller.adapters.kube.workload.selectors import Selector, matches, of_map
from controller.adapters.kube.workload.sight import Sight
from controller.core.targets import KubernetesTarget
from controller.ports import Refused


@dataclass(frozen=True, slots=True)
class Choosing:
    """A Service as far as it chooses pods."""

    name: str
    selector: dict[str, str]
    labels: dict[str, str]


class Services:
    def __init__(self, api: KubeApi, lists: SharedLists) -> None:
        self._api, self._lists = api, lists

    def stable(self, target: KubernetesTarget, guarded: Deployed) -> Raw:
        """Stable's Service. Raises Refused when it is not there, or does not choose the Deployment's pods."""
        try:
            found = self._api.get(SERVICE, target.namespace, target.service)
        except Missing:
            raise Refused(missing(target)) from None
        return require_chosen(found, guarded)

    def choosing(self, sight: Sight) -> list[Selector]:
        """Everything that chooses pods in the namespace and must not choose the canary's."""
        assert sight.guarded is not None
        namespace, guarded = sight.target.namespace, sight.guarded
        found = [Selector(f"the Deployment {guarded.name}", guarded.selector)]
        found += [
            Selector(f"the Service {one.name}", of_map(one.selector))
            for one in self._lists.of(SERVICE, namespace, choosing)
            if one.selector and not belongs_to(one.labels, sight.application)
        ]
        # None chooses nothing, {} everything.
        budgets = self._lists.of(PDB, namespace, guarding)
        return found + [Selector(f"the PodDisruptionBudget {name}", raw) for name, raw in budgets if raw is not None]

    def keep(self, sight: Sight, canary: Deployed, check: bool) -> None:
        """Make or correct the canary's Service. Raises Refused when another one chooses the canary's pods.

        ``check``: nothing is about to change, so that what was listed a moment ago is good enough.
        """
        assert sight.guarded is not None
        target = sight.target
        stable, have = self.stable(target, sight.guarded), self._found(target)
        for one in self._lists.of(SERVICE, target.namespace, choosing, check):
            if one.name != target.canary_name and one.selector and matches(of_map(one.selector), canary.pod_labels):
                self._lists.forget(SERVICE, target.namespace)
                raise Refused(
                    f"the Service {one.name} chooses the canary's pods by {selector_text(one.selector)}: it sends them "
                    "traffic past the weight; narrow its selector"
                )
        if have is None:
            self._create(canary_service(stable, canary, sight.application), canary.namespace)
            return
        if not belongs_to(labels_of(have), sight.application):
            raise Refused(taken("Service", target))
        patch = service_patch(have, stable, sight.application)
        if patch is not None:
            self._api.patch(SERVICE, canary.namespace, target.canary_name, patch)

    def _found(self, target: KubernetesTarget) -> Raw | None:
        try:
            return self._api.get(SERVICE, target.namespace, target.canary_name)
        except Missing:
            return None

    def _create(self, body: Raw, namespace: str) -> None:
        try:
            self._api.create(SERVICE, namespace, body)
        except Exists:
            return  # somebody was faster; the next look says who

    def remove(self, sight: Sight) -> None:
        """The canary's Service, if it is ours."""
        namespace, name = sight.target.namespace, sight.target.canary_name
        try:
            found = self._api.get(SERVICE, namespace, name)
            if belongs_to(labels_of(found), sight.application):
                self._api.delete(SERVICE, namespace, name, uid=found["metadata"]["uid"])
        except Missing:
            return


def require_chosen(service: Raw, guarded: Deployed) -> Raw:
    """``service`` if it chooses the pods of ``guarded``. Raises Refused."""
    selector, name = chooses(service), name_of(service)
    if not selector:
        raise Refused(f"the Service {name} has no selector, so that nothing says which pods are stable's: name another")
    if not matches(of_map(selector), guarded.pod_labels):
        raise Refused(
            f"the Service {name} chooses pods by {selector_text(selector)}, and those of the Deployment {guarded.name} "
            f"have {selector_text(guarded.pod_labels)}: name the Service in front of the Deployment"
        )
    return service


def choosing(service: Raw) -> Choosing:
    return Choosing(name_of(service), chooses(service), labels_of(service))


def guarding(budget: Raw) -> tuple[str, Raw | None]:
    return name_of(budget), (budget.get("spec") or {}).get("selector")


def chooses(service: Raw) -> dict[str, str]:
    """The Service's selector; {} where it has none or needs none."""
    spec = service.get("spec") or {}
    return {} if spec.get("type") == "ExternalName" else dict(spec.get("selector") or {})


def missing(target: KubernetesTarget) -> str:
    return f"there is no Service {target.service} in the namespace {target.namespace}: create it, or name another"


def taken(kind: str, target: KubernetesTarget) -> str:
    text = f"there is a {kind} {target.canary_name} in the namespace {target.namespace} that is not Interlock's"
    return f"{text}, and it is left as it is: rename it, or set target.kubernetes.canaryName"


def name_of(raw: Raw) -> str:
    return str(raw["metadata"]["name"])


def labels_of(raw: Raw) -> dict[str, str]:
    return dict(raw["metadata"].get("labels") or {})
