"""What a request needs before it runs: how many votes, whose, for how long. Nothing looser than the floor is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gates.approvals.model import Content
from gates.grades import Grade
from gates.kill import KillAnswer
from gates.people.directory import Directory

LIVES_S_MIN, LIVES_S_MAX = 120.0, 72 * 3_600.0
"""A request lives at least as long as a person needs to find a phone, and never so long that nobody remembers it."""
UNUSED_S_MAX = 15 * 60.0
"""What was approved and not used by then would run in another world than the one that was looked at."""
RESERVED_S_MAX = 60.0
"""Between taking a request and starting it lies one round of checks; anything longer is a process that hangs."""
EVIDENCE_S_MAX = 300.0
STEP_UP_S_MAX = 300.0
SOLO_DELAY_S = 600.0
REACH_FACTOR_MAX = 1.1


@dataclass(frozen=True, slots=True)
class Terms:
    """What one grade needs. ``senior``: of them tier 2 of the owning team. ``outside``: of them of no maker's team."""

    approvals: int
    senior: int
    outside: int
    tier: int
    lives_s: float
    unused_s: float
    face_to_face: bool
    """Step-up login, the typed object or count, and the full page instead of a chat."""


G2_TERMS = Terms(1, 0, 0, 1, 30 * 60.0, 15 * 60.0, face_to_face=False)
G3_TERMS = Terms(2, 1, 1, 1, 4 * 3_600.0, 5 * 60.0, face_to_face=True)


@dataclass(frozen=True, slots=True)
class Solo:
    """One maintainer and nobody else. ``irreversible`` says so for grade G3 too; every card prints it."""

    person: str
    irreversible: bool = False


class PolicyError(ValueError):
    """The policy is looser than the floor, or contradicts itself. It is refused whole, with all that is wrong."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The terms in force. ``owners`` names the team that owns an application; without one nobody is senior."""

    guarded: Terms = G2_TERMS
    irreversible: Terms = G3_TERMS
    owners: Mapping[str, str] = field(default_factory=dict)
    solo: Solo | None = None
    evidence_s: float = EVIDENCE_S_MAX

    def __post_init__(self) -> None:
        troubles = [*_looser("G2", self.guarded, G2_TERMS), *_looser("G3", self.irreversible, G3_TERMS)]
        if not 0 < self.evidence_s <= EVIDENCE_S_MAX:
            troubles.append(f"evidence may be at most {EVIDENCE_S_MAX:g} s old, not {self.evidence_s:g}")
        if troubles:
            raise PolicyError("; ".join(troubles))

    def terms(self, content: Content) -> Terms:
        """Anything below G3 that is held needs what G2 needs. Alone, there is one vote to be had."""
        terms = self.irreversible if content.grade is Grade.G3 else self.guarded
        return replace(terms, approvals=1, senior=0, outside=0) if self.alone(content) else terms

    def alone(self, content: Content) -> bool:
        """Whether the solo profile applies: the policy has one, the content says so, and at G3 both say so twice."""
        if self.solo is None or not content.solo:
            return False
        return content.grade is not Grade.G3 or self.solo.irreversible


def _looser(name: str, terms: Terms, floor: Terms) -> list[str]:
    """What makes ``terms`` weaker than ``floor``, or a request that lives for ever."""
    counts = ("approvals", "senior", "outside", "tier")
    troubles = [
        f"{name}: {count} is {getattr(terms, count)}, the floor is {getattr(floor, count)}"
        for count in counts
        if getattr(terms, count) < getattr(floor, count)
    ]
    if not LIVES_S_MIN <= terms.lives_s <= LIVES_S_MAX:
        troubles.append(f"{name}: a request lives {LIVES_S_MIN:g} to {LIVES_S_MAX:g} s, not {terms.lives_s:g}")
    if not 0 < terms.unused_s <= UNUSED_S_MAX:
        troubles.append(f"{name}: an unused approval lives at most {UNUSED_S_MAX:g} s, not {terms.unused_s:g}")
    if floor.face_to_face and not terms.face_to_face:
        troubles.append(f"{name}: step-up login and typed confirmation cannot be switched off")
    return troubles


@dataclass(frozen=True, slots=True)
class World:
    """What is true around a request when something is asked of it."""

    directory: Directory
    policy: Policy
    kill: KillAnswer
    kill_epoch: int
    stopped_runs: frozenset[str] = frozenset()
