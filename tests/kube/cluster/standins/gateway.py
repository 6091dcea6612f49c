"""A stand-in for a router's controller: it confirms routes of the Gateway API in their status. It routes nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial

from tests.kube.cluster.client import Answered, Client
from tests.kube.cluster.raw import KindLike, Raw, built_in, name_of, namespace_of
from tests.kube.cluster.standins.hints import Sources
from tests.kube.cluster.standins.work import Work

SERVICES = built_in("services")
CONTROLLER = "interlock.test/stand-in-for-a-gateway"
CONFIRM_S = 0.03
Key = tuple[str, str, str]
"""Plural, namespace, name."""


class Gateway:
    """``confirm_after_s`` None: it says nothing any more. ``accepts`` False: it refuses every route.

    ``confirmed_s`` is when each route's status was last changed, by the wall clock.
    """

    def __init__(self, client: Client, sources: Sources, kinds: list[KindLike]) -> None:
        self.client = client
        self.confirm_after_s: float | None = CONFIRM_S
        self.accepts = True
        self.confirmed_s: dict[Key, float] = {}
        self._kinds = {kind.plural: kind for kind in kinds}
        self._routes: dict[tuple[str, str, str], int] = {}
        self._work: Work[Key] = Work("gateway", self._sync)
        for kind in kinds:
            sources.tell(kind, partial(self._route, kind.plural))
        sources.tell(SERVICES, self._service)

    def start(self) -> None:
        self._work.start()

    def close(self) -> None:
        self._work.close()

    def reset(self) -> None:
        self.confirm_after_s, self.accepts = CONFIRM_S, True

    def confirm_now(self) -> None:
        """Look at every route again, as after a change of this stand-in's own settings."""
        for key in list(self._routes):
            self._work.add(key)

    def _route(self, plural: str, route: Raw, gone: bool) -> None:
        key = plural, namespace_of(route), name_of(route)
        if gone:
            self._routes.pop(key, None)
            return
        generation = route["metadata"]["generation"]
        if self._routes.get(key) != generation:
            self._routes[key] = generation
            self._later(key)

    def _service(self, service: Raw, gone: bool) -> None:
        for key in list(self._routes):
            if key[1] == namespace_of(service):
                self._later(key)

    def _later(self, key: Key) -> None:
        if self.confirm_after_s is not None:
            self._work.add(key, self.confirm_after_s)

    def _sync(self, key: Key) -> None:
        plural, namespace, name = key
        route = self.client.find(self._kinds[plural], namespace, name)
        if route is None or self.confirm_after_s is None:
            return
        missing = [one for one in backends_of(route) if self.client.find(SERVICES, namespace, one) is None]
        parents = confirmed(route, self.accepts, missing, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        if parents == (route.get("status") or {}).get("parents"):
            return
        patch = {"metadata": {"resourceVersion": route["metadata"]["resourceVersion"]}, "status": {"parents": parents}}
        try:
            self.client.patch(self._kinds[plural], namespace, name, patch, "status")
            self.confirmed_s[key] = time.time()
        except Answered as answered:
            if answered.code not in (404, 409):
                raise
            self._work.add(key)


def backends_of(route: Raw) -> list[str]:
    rules = route["spec"].get("rules") or []
    return sorted({one["name"] for rule in rules for one in rule.get("backendRefs") or []})


def confirmed(route: Raw, accepts: bool, missing: list[str], now: str) -> list[Raw]:
    """The status of every parent, beside what other controllers wrote."""
    before = (route.get("status") or {}).get("parents") or []
    others = [one for one in before if one["controllerName"] != CONTROLLER]
    told = f'Service "{missing[0]}" not found' if missing else ""
    facts = [
        ("Accepted", accepts, "Accepted" if accepts else "NotAllowedByListeners", ""),
        ("ResolvedRefs", not missing, "BackendNotFound" if missing else "ResolvedRefs", told),
    ]
    ours = []
    for parent in route["spec"].get("parentRefs") or []:
        was: Raw = next(
            (one for one in before if one["controllerName"] == CONTROLLER and one["parentRef"] == parent), {}
        )
        conditions = [
            condition_of(was, kind, "True" if yes else "False", reason, message, route["metadata"]["generation"], now)
            for kind, yes, reason, message in facts
        ]
        ours.append({"parentRef": parent, "controllerName": CONTROLLER, "conditions": conditions})
    return others + ours


def condition_of(was: Raw, kind: str, status: str, reason: str, message: str, generation: int, now: str) -> Raw:
    before = next((one for one in was.get("conditions") or [] if one["type"] == kind), None)
    since = before["lastTransitionTime"] if before and before["status"] == status else now
    told = {"type": kind, "status": status, "reason": reason, "message": message}
    return {**told, "observedGeneration": generation, "lastTransitionTime": since}
