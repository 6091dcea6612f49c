"""What users saw: one row per request in plain columns, and the report of a span of time. It asks nobody anything."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field

MAX_RECORDS = 2_000_000
"""About 44 MB, over an hour at 500 requests per second. After that only the totals go on."""

NO_ANSWER = 0
"""The status of a request that timed out or lost its connection."""


@dataclass(frozen=True, slots=True)
class Report:
    """What users saw in a span of time. ``bad`` is a status of 500 or more, no answer, or slower than ``slow_s``.

    ``canary_share`` has, for each second, the share of answers that the canary role gave.
    """

    requests: int = 0
    bad: int = 0
    first_bad_s: float | None = None
    last_bad_s: float | None = None
    users: int = 0
    users_bad: int = 0
    by_version: dict[str, int] = field(default_factory=dict)
    by_status: dict[str, int] = field(default_factory=dict)
    canary_share: tuple[tuple[int, float], ...] = ()
    last_canary_s: float | None = None

    @property
    def users_bad_share(self) -> float:
        return self.users_bad / self.users if self.users else 0.0


class Records:
    """Columns of finished requests, oldest first. Written by one thread, read by any."""

    def __init__(self, limit: int = MAX_RECORDS) -> None:
        self._limit = limit
        self._at_s, self._took_s = array("d"), array("f")
        self._user, self._status = array("I"), array("H")
        self._version, self._role = array("B"), array("B")
        self._names: list[str] = [""]
        self.total = 0

    def add(self, at_s: float, took_s: float, user: int, status: int, version: str, role: str) -> None:
        self.total += 1
        if len(self._at_s) >= self._limit:
            return
        self._took_s.append(took_s)
        self._user.append(user)
        self._status.append(status)
        self._version.append(self._index(version))
        self._role.append(self._index(role))
        self._at_s.append(at_s)  # last: its length says how many records are whole

    def report(self, since_s: float = 0.0, until_s: float = float("inf"), slow_s: float | None = None) -> Report:
        """Requests that began in the span. ``slow_s`` makes slower ones count as bad."""
        bad_at: list[float] = []
        users: set[int] = set()
        users_bad: set[int] = set()
        versions: Counter[str] = Counter()
        statuses: Counter[str] = Counter()
        answers: Counter[int] = Counter()
        canary: Counter[int] = Counter()
        last_canary_s: float | None = None
        for row in range(len(self._at_s)):
            at_s = self._at_s[row]
            if not since_s <= at_s < until_s:
                continue
            users.add(self._user[row])
            status, role = self._status[row], self._names[self._role[row]]
            versions[self._names[self._version[row]] or "none"] += 1
            statuses[str(status)] += 1
            if status == NO_ANSWER or status >= 500 or (slow_s is not None and self._took_s[row] > slow_s):
                bad_at.append(at_s)
                users_bad.add(self._user[row])
            if role:
                answers[int(at_s)] += 1
                canary[int(at_s)] += role == "canary"
                last_canary_s = max(last_canary_s or at_s, at_s) if role == "canary" else last_canary_s
        return Report(
            requests=sum(statuses.values()),
            bad=len(bad_at),
            first_bad_s=min(bad_at, default=None),
            last_bad_s=max(bad_at, default=None),
            users=len(users),
            users_bad=len(users_bad),
            by_version=dict(versions),
            by_status=dict(statuses),
            canary_share=tuple((second, canary[second] / n) for second, n in sorted(answers.items())),
            last_canary_s=last_canary_s,
        )

    def _index(self, name: str) -> int:
        if name not in self._names:
            if len(self._names) > 254:
                return 0
            self._names.append(name)
        return self._names.index(name)
