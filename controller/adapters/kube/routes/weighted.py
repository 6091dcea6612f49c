"""What the kinds have in common whose objects are a user's and hold lists of weighted backends. Pure."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

from controller.adapters.kube.kinds import Kind, Raw
from controller.adapters.kube.routes.patching import Change, Steps, drop, pointer, put
from controller.adapters.kube.routes.splits import Split, common_pct
from controller.adapters.kube.routes.strategy import Found, Look
from controller.core.targets import KubernetesRoute, RouteObject
from controller.ports import Refused


class WeightedLists(ABC):
    """``keeps``: the canary's backend stays in at weight 0."""

    owned = False
    keeps = True

    @property
    @abstractmethod
    def kind(self) -> Kind: ...

    @abstractmethod
    def splits(self, found: Found) -> tuple[Split, ...]:
        """Every list of ours, in order."""

    @abstractmethod
    def sends_to(self, route: KubernetesRoute, raw: Raw, service: str) -> bool:
        """Whether any rule of an object, ours or not, sends to that Service."""

    def extras(self, found: Found, weight_pct: int) -> Steps:
        """What brings the rules beside the weights (header, cookie, mirror) to what belongs to ``weight_pct``. Their
        places are those of the object as it was read. Raises Refused, but never for 0."""
        return []

    def unconfirmed(self, found: Found, weight_pct: int) -> str:
        return ""

    def carrier(self, one: RouteObject) -> str:
        return one.name

    def shown(self, found: Found, weight_pct: int) -> Look:
        splits = self.splits(found)
        if not splits:
            return Look(None, self.nothing(found))
        shares = [split.share_pct(weight_pct) for split in splits]
        wrong = [
            f"{split.where} gives the canary {share} %"
            for split, share in zip(splits, shares, strict=True)
            if share != weight_pct
        ]
        live = common_pct(shares, weight_pct)
        try:
            beside = self.extras(found, weight_pct)
        except Refused as refused:
            return Look(None, "; ".join([*wrong, str(refused)]), edited=True)
        if beside:
            wrong.append(f"the rules for header, cookie or mirror in {found.where} are not those of {weight_pct} %")
            live = None if live == weight_pct else live
        return Look(live, "; ".join(wrong), bool(wrong), self.unconfirmed(found, weight_pct))

    def shift(self, found: Found, weight_pct: int, take: bool) -> Change:
        splits = self.splits(found)
        if not splits and (weight_pct or take):
            raise Refused(self.nothing(found))
        steps = [one for split in splits for one in split.steps(weight_pct, take or weight_pct > 0, self.keeps)]
        beside = self.extras(found, weight_pct)
        return Change(steps + beside, builds=weight_pct > 0 and bool(beside))

    def as_found(self, found: Found) -> tuple[tuple[int | None, bool], ...]:
        return tuple((split.weights[split.stable[0]], bool(split.canary)) for split in self.splits(found))

    def given_back(self, found: Found, before: Sequence[tuple[int | None, bool]] | None) -> Change:
        splits, beside = self.splits(found), self.extras(found, 0)
        if before is None:
            return Change([one for split in splits for one in split.given_back_unnoted(self.keeps)] + beside)
        known = list(before) if len(before) == len(splits) else [None] * len(splits)
        steps = [one for split, was in zip(splits, known, strict=True) for one in split.given_back(was, self.keeps)]
        return Change(steps + beside)

    def born(self, found: Found) -> Raw:
        raise Refused(
            f"{found.where} is missing: create it, with a rule that sends to the Service {found.route.service}"
        )

    def troubles(self, found: Found, first_pct: int) -> tuple[str, ...]:
        try:
            self.shift(found, first_pct, take=True)
        except Refused as refused:
            return (str(refused),)
        return ()

    def clash(self, found: Found, raw: Raw) -> str:
        return clash_of(found) if self.sends_to(found.route, raw, found.route.service) else ""

    def nothing(self, found: Found) -> str:
        among = f" among {', '.join(found.route.only)}" if found.route.only else ""
        return (
            f"no rule{among} of {found.where} sends to the Service {found.route.service}: add it to the rules whose "
            "traffic the canary is to share"
        )


def clash_of(found: Found) -> str:
    return (
        f"sends to the Service {found.route.service} too, and its requests would never reach the canary: name it among "
        "the routes of this application, or let it send elsewhere"
    )


def field_steps(path: str, key: str, have: object, wanted: object) -> Steps:
    """What makes one field the wanted one; None: it is not there."""
    if have == wanted:
        return []
    return [drop(path + pointer(key))] if wanted is None else [put(path + pointer(key), wanted)]


def cookie_pattern(name: str) -> str:
    """The Cookie header with ``name=canary`` in it; also right where an expression has to match all of the text."""
    return rf"^(.*;\s*)?{re.escape(name)}=canary(;.*)?$"
