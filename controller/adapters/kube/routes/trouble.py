"""What stands against a canary on a route, found out before there is one: by reading the objects and by asking the
server what it would make of the first step. It changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Missing
from controller.adapters.kube.kinds import ENDPOINT_SLICE, Kind
from controller.adapters.kube.lists import SharedLists, bare
from controller.adapters.kube.routes.leases import Leases
from controller.adapters.kube.routes.objects import Beside, Plan, RouteObjects, Seen, must_be, with_mirror
from controller.adapters.kube.routes.patching import Change, look_into
from controller.core.model import Application
from controller.core.targets import KubernetesRoute, RouteKind, RouteObject
from controller.ports import Conflict, Refused

TEXT_CHARS_MAX = 1_000
TRIES_MAX = 5


class Rehearsal:
    def __init__(self, api: KubeApi, lists: SharedLists, objects: RouteObjects, leases: Leases) -> None:
        self._api, self._lists, self._objects, self._leases = api, lists, objects, leases

    def trouble(self, app: Application, route: KubernetesRoute) -> str | None:
        """Every trouble in one text, or None. Raises Unavailable when the cluster cannot be asked."""
        found: list[str] = []
        for one in route.objects:
            found += self._of_one(route, one, app.canary.steps[0])
        found += self._of_other_kinds(route)
        found += _refusal(lambda: self._leases.rehearse(app, route))
        return "; ".join(dict.fromkeys(found))[:TEXT_CHARS_MAX] or None

    def _of_one(self, route: KubernetesRoute, one: RouteObject, first_pct: int) -> list[str]:
        strategy = self._objects.strategy(one)
        if not self._api.supports(strategy.kind):
            kind = strategy.kind
            text = f"the cluster does not serve {kind.resource} in {kind.api_version}"
            return [f"{text}: install its CRD, or upgrade it to one that has this version"]
        try:
            seen = self._objects.see(route, one, Beside.YES)
        except Refused as refused:
            return [str(refused)]
        found = list(strategy.troubles(seen.found, first_pct))
        found = found or _refusal(lambda: self._rehearsed(seen, first_pct))
        return found + _refusal(lambda: self._alone(seen))

    def _rehearsed(self, seen: Seen, first_pct: int) -> None:
        for _ in range(TRIES_MAX):
            with suppress(Conflict):
                return self._rehearse(seen, first_pct)
            # A router's controller may be writing a status at this moment.
            seen = self._objects.see(seen.found.route, seen.found.one, Beside.YES)
        return None

    def _rehearse(self, seen: Seen, first_pct: int) -> None:
        """The first step on a user's object; on one of ours weight 0, since there is no canary yet. Raises Refused."""
        strategy, carrier = self._objects.strategy(seen.found.one), seen.found.carrier
        weight_pct = 0 if strategy.owned else first_pct
        change = strategy.shift(seen.found, weight_pct, take=True) if carrier is not None else Change()
        record = with_mirror(replace(seen.known, weight_pct=weight_pct), seen.found.route, weight_pct)
        plan = Plan(seen, record, change, weight_pct)
        must_be(self._objects.rehearse(plan), plan)
        if carrier is None:
            name, namespace = strategy.carrier(seen.found.one), seen.found.route.namespace
            with suppress(Missing):  # whoever may not patch hears that first
                self._api.patch(strategy.kind, namespace, name, {"metadata": {}}, dry_run=True)

    def _of_other_kinds(self, route: KubernetesRoute) -> list[str]:
        """Routes of kinds that this one is not made of, and that send to stable's Service past it."""
        kinds = {one.kind for one in route.objects}
        if RouteKind.ENDPOINT_SLICE in kinds:
            return []
        found: list[str] = []
        for strategy in (one for kind, one in self._objects.strategies.items() if kind not in kinds):
            with suppress(Refused):  # neither served nor allowed to be listed: nothing to see
                for raw in self._lists.of(strategy.kind, route.namespace, bare):
                    if strategy.sends_to(route, raw, route.service):
                        self._lists.forget(strategy.kind, route.namespace)
                        found.append(_past(strategy.kind, route, str(look_into(raw, "metadata", "name"))))
        return found

    def _alone(self, seen: Seen) -> None:
        """Raises Refused when another object sends to stable's Service too."""
        strategy, route = self._objects.strategy(seen.found.one), seen.found.route
        if strategy.kind == ENDPOINT_SLICE:
            return
        ours = {one.name for one in route.objects if one.kind is seen.found.one.kind}
        ours |= {strategy.carrier(one) for one in route.objects if one.kind is seen.found.one.kind}
        for raw in self._lists.of(strategy.kind, route.namespace, bare):
            name = str(look_into(raw, "metadata", "name"))
            if name not in ours and (clash := strategy.clash(seen.found, raw)):
                self._lists.forget(strategy.kind, route.namespace)
                raise Refused(f"{strategy.kind.name} {route.namespace}/{name} {clash}")


def _past(kind: Kind, route: KubernetesRoute, name: str) -> str:
    return (
        f"{kind.name} {route.namespace}/{name} sends to the Service {route.service} too, past {route.label}, and its "
        "requests would never reach the canary: let it send elsewhere"
    )


def _refusal(ask: Callable[[], None]) -> list[str]:
    try:
        ask()
    except Refused as refused:
        return [str(refused)]
    return []
