"""A policy as a value: the numbers, profiles and lists that grading and deciding go by. It is read elsewhere."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from gates.canonical import Json, digest
from gates.grading.limits import Limits


class Profile(StrEnum):
    """From the loosest to the tightest; a new agent goes the other way round, see the docs."""

    SHADOW = "shadow"  # nothing is held, what would be held is recorded
    SELECTIVE = "selective"  # by grade
    STRICT = "strict"  # every change is held
    READ_ONLY = "read-only"  # every change is refused


class Autonomy(StrEnum):
    """How much is done without a person, from the most to the least."""

    FULL = "full"
    NOTIFY = "notify"
    APPROVE = "approve"
    SUGGEST = "suggest"


PROFILES = tuple(Profile)
LEVELS = tuple(Autonomy)
GUARDS = ("canary", "first-step-cap", "automatic-rollback", "breaker", "tested-kill-switch")
"""Guards that a policy may ask for beyond what the grade asks for; approval is not one of them."""
HIGH_RISK = ("sql.restore", "db.restore", "payment.*", "email.send", "vcs.delete_repo")
BY_TOOL = ("file.delete", "file.write", "message.send", "http.call", "shell.*")
SUGGESTED = ("iam.*", "kms.*", "billing.*")


def tighter(*profiles: Profile) -> Profile:
    return max(profiles, key=PROFILES.index)


def least(*levels: Autonomy) -> Autonomy:
    return max(levels, key=LEVELS.index)


def matches(patterns: tuple[str, ...], kind: str) -> bool:
    return any(fnmatchcase(kind, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Ruling:
    """Kinds that never have more autonomy than ``level``, and need ``guards`` verified, in production or everywhere."""

    kinds: tuple[str, ...]
    level: Autonomy = Autonomy.FULL
    production_only: bool = False
    guards: tuple[str, ...] = ()

    def applies(self, kind: str, production: bool) -> bool:
        return matches(self.kinds, kind) and (production or not self.production_only)


@dataclass(frozen=True, slots=True)
class IncidentMode:
    """Remediations that may run with a notice during a declared incident, for at most ``minutes``."""

    remediations: tuple[str, ...] = ()
    minutes: float = 60.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What a person has decided in advance. Its digest stands in every answer."""

    name: str = "default"
    version: int = 1
    enabled: bool = True
    limits: Limits = field(default_factory=Limits)
    profiles: tuple[tuple[str, Profile], ...] = ()
    default_profile: Profile = Profile.SELECTIVE
    rulings: tuple[Ruling, ...] = (
        Ruling(HIGH_RISK, Autonomy.APPROVE),
        Ruling(SUGGESTED, Autonomy.SUGGEST),
    )
    require_approval: tuple[str, ...] = BY_TOOL
    incident: IncidentMode = field(default_factory=IncidentMode)
    digest: str = field(init=False, compare=False, default="")

    def __post_init__(self) -> None:
        """The digest stands in every answer, so it is taken once."""
        object.__setattr__(self, "digest", digest(self.document()))

    def profile_of(self, actor_type: str) -> Profile:
        """A gate that is switched off still grades and records, as in shadow."""
        return dict(self.profiles).get(actor_type, self.default_profile) if self.enabled else Profile.SHADOW

    def ruling_of(self, kind: str, production: bool) -> Autonomy:
        return least(Autonomy.FULL, *(one.level for one in self.rulings if one.applies(kind, production)))

    def guards_of(self, kind: str, production: bool) -> frozenset[str]:
        return frozenset(guard for one in self.rulings if one.applies(kind, production) for guard in one.guards)

    def document(self) -> dict[str, Json]:
        """Every value that can change an answer, as JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "enabled": self.enabled,
            "limits": asdict(self.limits),
            "profiles": {name: profile.value for name, profile in sorted(self.profiles)},
            "default_profile": self.default_profile.value,
            "rulings": [
                {
                    "kinds": list(one.kinds),
                    "level": one.level.value,
                    "production_only": one.production_only,
                    "guards": list(one.guards),
                }
                for one in self.rulings
            ],
            "require_approval": list(self.require_approval),
            "incident": {"remediations": list(self.incident.remediations), "minutes": self.incident.minutes},
        }
