"""One list of weighted backends in which stable's stands: what share it gives the canary, and which numbers give it
another. Pure arithmetic; whose list it is does not matter here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.routes.patching import Steps, drop, pointer_in, put
from controller.ports import Refused

WHOLE = 100
"""What the weights of stable and canary add up to where nobody else takes part."""


@dataclass(frozen=True, slots=True)
class Split:
    """``weights`` are as written, None where there is none, which counts as ``unset``. ``partner`` is the canary's
    backend as it is added: stable's, with the other Service.

    Further backends keep their weights: then stable and canary share what the two of them had.
    """

    path: str
    where: str
    weights: tuple[int | None, ...]
    unset: int
    stable: tuple[int, ...]
    canary: tuple[int, ...]
    partner: Raw

    def weight(self, place: int) -> int:
        found = self.weights[place]
        return self.unset if found is None else found

    @property
    def canary_total(self) -> int:
        return sum(self.weight(place) for place in self.canary)

    @property
    def pair_total(self) -> int:
        return self.canary_total + sum(self.weight(place) for place in self.stable)

    @property
    def alone(self) -> bool:
        return len(self.weights) == len(self.stable) + len(self.canary)

    def share_pct(self, written_pct: int) -> int:
        """The canary's part of what the two get. Exactly ``written_pct`` where these are the numbers that were written
        for it; what lies between two whole percentages is never called that."""
        canary, pair = self.canary_total, self.pair_total
        if canary == 0:
            return 0
        if self.holds(written_pct):
            return written_pct
        share, rest = divmod(canary * 100, pair)
        return share + (1 if rest and share >= written_pct else 0)

    def holds(self, weight_pct: int) -> bool:
        """Whether no number has to change for ``weight_pct``."""
        canary, pair = self.canary_total, self.pair_total
        if pair > 0 and canary * 100 == weight_pct * pair:
            return True
        try:
            return self._numbers(weight_pct) == {place: self.weights[place] for place in (*self.stable, *self.canary)}
        except Refused:
            return False

    def steps(self, weight_pct: int, add: bool, keep: bool = True) -> Steps:
        """Towards ``weight_pct``. ``add``: put the canary's backend in where it is missing. Not ``keep``: take it out
        at 0. Raises Refused for a weight that these backends cannot carry; never for 0."""
        if not self.canary:
            return self._added(weight_pct) if add and (keep or weight_pct) else []
        steps: Steps = []
        explicit = len(self.weights) > 1 and None in (self.weights[place] for place in (*self.stable, *self.canary))
        if not self.holds(weight_pct) or explicit:
            numbers = self._numbers(weight_pct)
            changed = [place for place, number in numbers.items() if self.weights[place] != number]
            steps = [put(f"{self.path}/{place}/weight", numbers[place]) for place in sorted(changed)]
        if weight_pct == 0 and not keep:
            gone = [drop(pointer_in(self.path, place)) for place in sorted(self.canary, reverse=True)]
            steps = [step for step in steps if not self._inside(step)] + gone
        return steps

    def _inside(self, step: Raw) -> bool:
        return any(step["path"] == f"{self.path}/{place}/weight" for place in self.canary)

    def given_back(self, found: tuple[int | None, bool] | None, keep: bool) -> Steps:
        """As it was found, but with everything on stable. The numbers beside further backends never changed.

        Not ``keep``: a canary's backend that was there is left out, as it is at weight 0.
        """
        stable_weight, had_canary = found or (None, False)
        had_canary = had_canary and keep
        steps = self.steps(0, add=had_canary, keep=had_canary)
        if found is None or not self.alone or len(self.stable) != 1:
            return steps
        (place,) = self.stable
        # A backend that is alone, or beside one with 0, gets everything whatever its weight, but for 0.
        path = f"{self.path}/{place}/weight"
        steps = [step for step in steps if step["path"] != path]
        if stable_weight is None and not had_canary:
            return [drop(path), *steps] if self.weights[place] is not None else steps
        wanted = stable_weight or WHOLE
        return [put(path, wanted), *steps] if self.weights[place] != wanted else steps

    def given_back_unnoted(self, keep: bool) -> Steps:
        """Nobody noted how it was: an entry without a weight is as likely a user's, and stays. Of one with a weight the
        traffic is taken, and not ``keep``: it is left out, since its Service may go."""
        return self.steps(0, add=False, keep=keep) if self.canary_total else []

    def _added(self, weight_pct: int) -> Steps:
        if len(self.stable) != 1:
            raise Refused(f"{self.where} names the Service of stable {len(self.stable)} times: leave one of them")
        (place,) = self.stable
        total = WHOLE if self.alone else self.weight(place)
        canary = _part(self.where, total, weight_pct)
        stable = [] if self.weights[place] == total - canary else [put(f"{self.path}/{place}/weight", total - canary)]
        return [*stable, put(f"{self.path}/-", {**self.partner, "weight": canary})]

    def _numbers(self, weight_pct: int) -> dict[int, int]:
        if weight_pct == 0:
            return self._nothing()
        if len(self.stable) != 1 or len(self.canary) != 1:
            raise Refused(
                f"{self.where} names the Service of stable or of the canary more than once: leave one of each"
            )
        total = WHOLE if self.alone else self.pair_total
        canary = _part(self.where, total, weight_pct)
        return {self.stable[0]: total - canary, self.canary[0]: canary}

    def _nothing(self) -> dict[int, int]:
        """All for stable, whatever else is wrong with these backends."""
        numbers = {place: self.weight(place) for place in self.stable} | dict.fromkeys(self.canary, 0)
        first = self.stable[0]
        if self.alone and len(self.stable) == 1:
            return numbers | {first: WHOLE}
        return numbers | {first: numbers[first] + self.canary_total}


def _part(where: str, total: int, weight_pct: int) -> int:
    """Rounded down: never above the step."""
    canary = total * weight_pct // 100
    if weight_pct and not canary:
        raise Refused(
            f"{where}: the weights of stable and canary add up to {total}, too few for {weight_pct} %. Multiply every "
            f"weight of this rule, so that stable's is at least {-(-100 // weight_pct)}"
        )
    return canary


Named = Callable[[Raw], bool]


def split_of(
    path: str,
    where: str,
    backends: Sequence[Raw],
    unset: int,
    is_stable: Named,
    is_canary: Named,
    partner: Callable[[Raw], Raw],
) -> Split | None:
    """None for a list without stable: it is not ours."""
    stable = tuple(place for place, one in enumerate(backends) if is_stable(one))
    if not stable:
        return None
    canary = tuple(place for place, one in enumerate(backends) if is_canary(one))
    weights = tuple(_number(one.get("weight")) for one in backends)
    ours = {key: value for key, value in partner(backends[stable[0]]).items() if key != "weight"}
    return Split(path, where, weights, unset, stable, canary, ours)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def common_pct(shares: Sequence[int], written_pct: int) -> int | None:
    """The one share that all give. Where they differ: the highest above what was written, or None: an answer that is
    neither what was written nor 0 while some give the canary more or less than others."""
    if len(set(shares)) == 1:
        return shares[0]
    highest = max(shares, default=0)
    return highest if highest > written_pct else None
