"""What every kind of route has to be able to tell and to change. Words only; the kinds are in the modules beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from controller.adapters.kube.kinds import Kind, Raw
from controller.adapters.kube.routes.patching import Change
from controller.core.targets import KubernetesRoute, RouteObject

MANAGED = {"app.kubernetes.io/managed-by": "interlock"}
"""The label of objects that are ours."""

RULE_PREFIX = "interlock-"
"""How the names of rules begin that are ours among a user's."""


@dataclass(frozen=True, slots=True)
class Found:
    """One route object as it was read.

    ``carrier`` holds the weights and our annotation; None while one that we make is not there. ``beside`` is what else
    its kind has to look at; None when nobody looked.
    """

    route: KubernetesRoute
    one: RouteObject
    carrier: Raw | None
    beside: tuple[Raw, ...] | None = None

    @property
    def where(self) -> str:
        return f"{self.one.kind} {self.route.namespace}/{self.one.name}"


@dataclass(frozen=True, slots=True)
class Look:
    """What the object says now. ``live_pct`` is None when that is no single share.

    ``differs``: how it is not what was written, in words. ``edited``: and that is somebody else's doing.
    ``unconfirmed``: what shows that the proxies do not have it yet.
    """

    live_pct: int | None
    differs: str = ""
    edited: bool = False
    unconfirmed: str = ""


class Strategy(Protocol):
    """One kind of route, without any calls. Raises Refused with a sentence that says what to do."""

    @property
    def kind(self) -> Kind:
        """Of the object that carries the weights and our annotation."""

    @property
    def owned(self) -> bool:
        """Whether that object is ours: made when it is missing, deleted at the end."""

    def carrier(self, one: RouteObject) -> str:
        """The name of that object."""

    def shown(self, found: Found, weight_pct: int) -> Look:
        """What it says, where ``weight_pct`` is what was written."""

    def shift(self, found: Found, weight_pct: int, take: bool) -> Change:
        """To ``weight_pct``. For 0 it never fails and looks at nothing beside, but with ``take``: then the object is
        made ready to carry a canary as well."""

    def as_found(self, found: Found) -> tuple[tuple[int | None, bool], ...]:
        """What has to be known to give the object back later."""

    def given_back(self, found: Found, before: Sequence[tuple[int | None, bool]] | None) -> Change:
        """All traffic on stable, and nothing of ours left; for an object that is a user's. ``before`` None: there is no
        note of ours, and so no licence to take an entry out that gets no traffic."""

    def born(self, found: Found) -> Raw:
        """The object at weight 0, for kinds that are ours."""

    def troubles(self, found: Found, first_pct: int) -> tuple[str, ...]:
        """What stands against a canary with ``first_pct``, as far as the object itself shows it."""

    def sends_to(self, route: KubernetesRoute, raw: Raw, service: str) -> bool:
        """Whether any rule of an object of this kind sends to that Service."""

    def clash(self, found: Found, raw: Raw) -> str:
        """Why another object of this kind spoils the canary's share; empty when it does not."""
