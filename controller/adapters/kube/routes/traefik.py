"""TraefikService of Traefik: the weights of its weighted services. Pure.

The canary's entry is there only while it has a weight: one service that Traefik cannot resolve makes it drop the whole
TraefikService, and with it stable's traffic.
"""

from __future__ import annotations

from controller.adapters.kube.kinds import TRAEFIK_SERVICE, Kind, Raw
from controller.adapters.kube.routes.patching import objects_in
from controller.adapters.kube.routes.splits import Split, split_of
from controller.adapters.kube.routes.strategy import Found
from controller.adapters.kube.routes.weighted import WeightedLists
from controller.core.targets import KubernetesRoute


class TraefikServices(WeightedLists):
    keeps = False

    @property
    def kind(self) -> Kind:
        return TRAEFIK_SERVICE

    def splits(self, found: Found) -> tuple[Split, ...]:
        route = found.route
        split = split_of(
            path="/spec/weighted/services",
            where=f"the weighted services of {found.where}",
            backends=objects_in(found.carrier, "spec", "weighted", "services"),
            unset=1,
            is_stable=lambda one: _is(one, route, route.service),
            is_canary=lambda one: _is(one, route, route.canary_service),
            partner=lambda one: {**one, "name": route.canary_service},
        )
        return () if split is None else (split,)

    def sends_to(self, route: KubernetesRoute, raw: Raw, service: str) -> bool:
        return any(_is(one, route, service) for one in objects_in(raw, "spec", "weighted", "services"))

    def nothing(self, found: Found) -> str:
        return (
            f"{found.where} has no entry in spec.weighted.services for the Service {found.route.service}: add it, with "
            "weight 100, and let the IngressRoute send to this TraefikService"
        )


def _is(backend: Raw, route: KubernetesRoute, service: str) -> bool:
    kind = backend.get("kind") in (None, "Service") and backend.get("namespace") in (None, route.namespace)
    return kind and backend.get("name") == service
