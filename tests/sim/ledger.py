"""What the audit chain allows, re-derived from the records alone as they are chained. It believes no release row."""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.core.model import CanaryPlan
from gates.audit import Record

AUTHORITIES = frozenset({"start_check", "verdict_allows", "bypass"})
HARM = frozenset({"fail", "trip"})


@dataclass(slots=True)
class Allowed:
    """One weight record: from its moment on, the leader of ``epoch`` and later ones may bring the canary to it."""

    epoch: int
    weight_pct: int


@dataclass(slots=True)
class Entry:
    """What the chain says of one release."""

    allowed: list[Allowed] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    lowered: int = 0
    bypasses_wished: int = 0
    bypasses: int = 0

    @property
    def weight_pct(self) -> int:
        return self.allowed[-1].weight_pct if self.allowed else 0

    def ceiling_pct(self, epoch: int) -> int:
        """What a leader of ``epoch`` may write, by the last record that it or an earlier one chained."""
        known = [one.weight_pct for one in self.allowed if one.epoch <= epoch]
        return known[-1] if known else 0


class Ledger:
    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.types: dict[str, int] = {}
        self.last_seq = 0
        self.killed: set[str] = set()

    def entry(self, release_id: str) -> Entry:
        return self.entries.setdefault(release_id, Entry())

    def add(self, record: Record) -> None:
        draft = record.draft
        self.types[draft.type] = self.types.get(draft.type, 0) + 1
        if draft.type == "kill_engaged":
            self.killed.add(str(draft.numbers["kill"]))
        if draft.release_id is None:
            return
        entry = self.entry(draft.release_id)
        match draft.type:
            case "weight":
                entry.allowed.append(Allowed(draft.epoch or 0, _whole(draft.numbers["to_pct"])))
            case "phase":
                entry.phases.append(str(draft.numbers["to_phase"]))
            case "bypass":
                entry.bypasses += 1
            case "intent":
                entry.bypasses_wished += str(draft.numbers.get("wish", "")).startswith("promote")


def rise_trouble(plan: CanaryPlan, entry: Entry, record: Record) -> str | None:
    """What is wrong with a record that lets a weight rise, judged before it is added; None when nothing is."""
    numbers = record.draft.numbers
    before, after = _whole(numbers["from_pct"]), _whole(numbers["to_pct"])
    authority = numbers["authority"]
    if authority not in AUTHORITIES:
        return f"a rise by {authority}"
    if before != entry.weight_pct:
        return f"from {before} %, but the chain stood at {entry.weight_pct} %"
    if numbers.get("verdict") in HARM:
        return f"a rise on the verdict {numbers['verdict']}"
    if after > plan.max_weight_pct or after not in plan.steps:
        return f"{after} % is no step of {plan.steps} within {plan.max_weight_pct} %"
    if authority == "start_check":
        return None if before == 0 and after == plan.steps[0] else f"a start check for {before} to {after} %"
    expected = plan.steps[plan.steps.index(before) + 1] if before in plan.steps[:-1] else None
    if after != expected:
        return f"from {before} % to {after} %, the next step is {expected}"
    if authority == "bypass" and entry.bypasses > entry.bypasses_wished:
        return "a bypass that nobody asked for"
    return None


def _whole(value: object) -> int:
    assert isinstance(value, int), value
    return value
