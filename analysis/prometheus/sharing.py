"""One query for many releases: selectors that differ only in the values of placeholders are asked together.

Releases whose specs hold the same selectors form a group. One of them asks for all that were there within the last
minute, at one fixed time, and the others take their part of the answer. A release never gets the same answer twice.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.model import AnalysisSpec
from analysis.prometheus.listen import BadAnswer
from analysis.read import must_be_fresh, reading_from, selectors_of
from analysis.samples import Outcome, Reading, Readings, Role
from analysis.selectors import Matcher, Selector, quoted, read_selector, rendered, values_of

FRESH_S = 2.0  # an answer older than this is not handed on
ABSENT_S = 60.0  # a release that has not asked for so long is not asked for
TOGETHER_MAX = 50  # releases in one query, so that its answer stays within the limits
TEXT_MAX = 6_000  # characters of one query: it travels in the URL
GROUPS_MAX = 200  # different sets of selectors that are remembered

Ask = Callable[[str], Any]
"""``data.result`` of an instant query. Raises BadAnswer."""


@dataclass(frozen=True, slots=True)
class Member:
    """One release: what its placeholders stand for in each role."""

    values: tuple[tuple[Role, tuple[tuple[str, str], ...]], ...]

    def of(self, role: Role) -> Mapping[str, str] | None:
        return next((dict(pairs) for one, pairs in self.values if one is role), None)


def member_of(spec: AnalysisSpec, versions: Mapping[Role, str], application: str) -> Member:
    return Member(
        tuple(
            (role, tuple(sorted(values_of(spec.names, role, versions[role], application).items())))
            for role in Role
            if role in versions
        )
    )


@dataclass
class _Group:
    """The releases with the same selectors, and the newest answer."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    members: dict[Member, float] = field(default_factory=dict)
    answers: dict[Member, Readings] = field(default_factory=dict)
    asked_s: float = 0.0


class Sharing:
    """For all threads. ``read`` returns None when the release should ask by itself."""

    def __init__(self, monotonic: Callable[[], float], fresh_s: float = FRESH_S) -> None:
        self._monotonic, self._fresh_s = monotonic, fresh_s
        self._lock = threading.Lock()
        self._groups: dict[tuple[object, ...], _Group] = {}

    def read(
        self, spec: AnalysisSpec, member: Member, at_s: float, ask: Ask, wait_s: float
    ) -> tuple[Readings | None, bool]:
        """The readings, and whether another release had asked for them."""
        group = self._group(spec)
        if not group.lock.acquire(timeout=wait_s):
            return None, False
        try:
            now_s = self._monotonic()
            group.members[member] = now_s
            for gone in [one for one, seen_s in group.members.items() if now_s - seen_s > ABSENT_S]:
                del group.members[gone]
            if len(group.members) < 2:
                return None, False
            waiting = group.answers.pop(member, None)
            if waiting is not None and now_s - group.asked_s <= self._fresh_s:
                return waiting, True
            group.answers, group.asked_s = _asked(spec, list(group.members), at_s, ask), self._monotonic()
            return group.answers.pop(member, None), False
        finally:
            group.lock.release()

    def _group(self, spec: AnalysisSpec) -> _Group:
        key = (spec.prometheus_url, spec.window_s, spec.settle_s, spec.stale_after_s, selectors_of(spec))
        with self._lock:
            if key not in self._groups and len(self._groups) >= GROUPS_MAX:
                del self._groups[next(iter(self._groups))]
            return self._groups.setdefault(key, _Group())


def _asked(spec: AnalysisSpec, members: Sequence[Member], at_s: float, ask: Ask) -> dict[Member, Readings]:
    """The readings of every member; empty when the shared queries cannot be answered, so that each asks alone."""
    items: dict[Member, list[Reading]] = {member: [] for member in members}
    for selector in selectors_of(spec):
        try:
            found = _one_selector(spec, selector, members, ask)
        except BadAnswer as bad:
            if not bad.dead:
                return {}
            found = {
                (member, role): Reading(selector, role, Outcome.UNREADABLE, text=bad.text)
                for member in members
                for role in Role
            }
        oldest_s = at_s - spec.stale_after_s if must_be_fresh(spec, selector) else None
        for member in members:
            for role in Role:
                items[member].append(_reading(found.get((member, role)), selector, role, oldest_s))
    return {member: Readings(at_s, tuple(own)) for member, own in items.items()}


def _reading(found: Any, selector: str, role: Role, oldest_s: float | None) -> Reading:
    if isinstance(found, Reading):
        return found
    if found is None:
        return Reading(selector, role, Outcome.NO_SERIES, text=f"there is no {role.value} version")
    return reading_from(selector, role, found, oldest_s)


def _one_selector(spec: AnalysisSpec, text: str, members: Sequence[Member], ask: Ask) -> dict[tuple[Member, Role], Any]:
    """Each member's and role's series. Members whose fixed labels are the same are asked for in one query."""
    selector = read_selector(text)
    shared = [matcher for matcher in selector.matchers if is_shared(matcher)]
    alike: dict[str, list[tuple[Member, Role, tuple[str, ...]]]] = {}
    for member in members:
        for role in Role:
            values = member.of(role)
            if values is not None:
                fixed = ",".join(rendered(matcher, values) for matcher in selector.matchers if matcher not in shared)
                own = tuple(values[matcher.value[1:]] for matcher in shared)
                alike.setdefault(fixed, []).append((member, role, own))
    found: dict[tuple[Member, Role], Any] = {}
    for fixed, askers in alike.items():
        for part in _parts(askers):
            query = together(selector, shared, fixed, [own for _, _, own in part], spec.window_s)
            by_labels = _by_labels(ask(query), [matcher.label for matcher in shared])
            found |= {(member, role): by_labels.get(own, []) for member, role, own in part}
    return found


def is_shared(matcher: Matcher) -> bool:
    """A label that is exactly one placeholder: its values can be asked for together and told apart afterwards."""
    return matcher.operator == "=" and re.fullmatch(r"\$[a-zA-Z_][a-zA-Z0-9_]*", matcher.value) is not None


def together(
    selector: Selector, shared: Sequence[Matcher], fixed: str, values: Iterable[tuple[str, ...]], window_s: float
) -> str:
    """One range selector for all ``values`` of the shared labels."""
    columns = list(zip(*values, strict=True)) if shared else []
    patterns = [
        quoted(matcher.label, "=~", "|".join(re.escape(value) for value in sorted(set(column))))
        for matcher, column in zip(shared, columns, strict=True)
    ]
    inner = ",".join(part for part in (fixed, *patterns) if part)
    return f"{selector.name}{{{inner}}}[{max(1, round(window_s))}s]"


def _parts(
    askers: Sequence[tuple[Member, Role, tuple[str, ...]]],
) -> Iterable[list[tuple[Member, Role, tuple[str, ...]]]]:
    """So many askers at a time that neither their number nor the text of the query is too large."""
    part: list[tuple[Member, Role, tuple[str, ...]]] = []
    length = 0
    for asker in askers:
        size = sum(2 * len(value) + 1 for value in asker[2])
        if part and (len(part) >= 2 * TOGETHER_MAX or length + size > TEXT_MAX):
            yield part
            part, length = [], 0
        part.append(asker)
        length += size
    if part:
        yield part


def _by_labels(result: object, labels: Sequence[str]) -> dict[tuple[str, ...], list[Any]]:
    if not isinstance(result, list):
        raise BadAnswer("the answer is not a list of series")
    found: dict[tuple[str, ...], list[Any]] = {}
    for item in result:
        own = item.get("metric") if isinstance(item, Mapping) else None
        if not isinstance(own, Mapping):
            raise BadAnswer("a series has no labels")
        found.setdefault(tuple(str(own.get(label, "")) for label in labels), []).append(item)
    return found
