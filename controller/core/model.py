"""What a release, an application and one observation of the world are. Frozen data; it decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from analysis.model import AnalysisSpec, Calibration, JudgeState, Readings
from controller.core.targets import ExternalTarget, HaproxyRoute, KubernetesTarget, Route, Target
from gates.kill import NOT_ENGAGED, KillAnswer


class Phase(StrEnum):
    PENDING = "pending"
    PREPARING = "preparing"
    PROGRESSING = "progressing"
    PAUSED = "paused"
    PROMOTING = "promoting"
    SUCCEEDED = "succeeded"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    HALTED = "halted"
    FAILED = "failed"


class HaltCause(StrEnum):
    """Why a release is halted, which decides how it gets out."""

    KILL_HALT = "kill_halt"
    KILL_REVERT = "kill_revert"
    STABLE_DOWN = "stable_down"
    STABLE_SHORT = "stable_short"

    @property
    def by_kill(self) -> bool:
        return self in (HaltCause.KILL_HALT, HaltCause.KILL_REVERT)


@dataclass(frozen=True, slots=True)
class Overload:
    """What an automatic rollback does when stable is too small for all the traffic: it waits at most ``wait_s`` until
    ``ready_pct`` of stable's instances are ready, and then goes back all the same. With 0 it never waits. What a person
    or a kill asks for never does."""

    ready_pct: int = 100
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CanaryPlan:
    """The weights in percent, strictly rising, and the times in seconds that bound them."""

    steps: tuple[int, ...]
    min_bake_s: float = 300.0
    max_weight_pct: int = 50
    max_duration_s: float = 86_400.0
    prepare_deadline_s: float = 600.0
    promote_deadline_s: float = 900.0
    drain_s: float = 30.0
    lease_s: float = 120.0
    poll_s: float = 5.0
    overload: Overload = Overload()
    baseline: bool = False
    """Whether the canary is compared with instances of stable that were started together with it."""


@dataclass(frozen=True, slots=True)
class Application:
    """A registered deploy target. ``stable_version`` is what serves now; None before the first deploy."""

    name: str
    environment: str
    target: Target
    router: Route
    canary: CanaryPlan
    analysis: AnalysisSpec

    @property
    def owns_instances(self) -> bool:
        """Whether we start and stop the instances ourselves, and so may wait for them to be gone."""
        return not isinstance(self.target, ExternalTarget)

    @property
    def keeps_stable(self) -> bool:
        """Whether stable's instances are ours to keep up; a cluster keeps up its own."""
        return not isinstance(self.target, KubernetesTarget)

    @property
    def haproxy(self) -> HaproxyRoute:
        """The route of an application behind HAProxy."""
        assert isinstance(self.router, HaproxyRoute), "the composition root picks the router by the route"
        return self.router


class IntentKind(StrEnum):
    ABORT = "abort"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE_STEP = "promote_step"
    PROMOTE_FULL = "promote_full"


@dataclass(frozen=True, slots=True)
class Intent:
    """A person's wish, recorded as a fact by the API; the controller carries it out at its own pace.

    ``step`` is the step a promotion was asked for: asked twice, or too late, it passes no second step.
    """

    kind: IntentKind
    actor: str
    at_s: float
    reason: str = ""
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a release is where it is: ``code`` for programs, ``text`` for people, ``until_s`` when it ends by time."""

    code: str
    text: str
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """One guarded deploy. ``app`` is pinned at submission, so an edit of the application changes later releases only.

    ``weight_pct`` is the committed weight, which the route is driven to. ``step`` is -1 before the first weight.
    ``revision`` is the compare-and-swap version: the store holds it, and a commit gives it plus one. ``paused_for`` is
    why it paused, kept while other reasons come and go; ``unproven`` what was known when it was promoted without proof,
    as the application allows at the horizon of the analysis.
    """

    id: str
    app: Application
    stable: str | None
    canary: str
    phase: Phase
    actor: str
    created_at_s: float
    entered_at_s: float
    reason: Reason
    revision: int = 0
    step: int = -1
    weight_pct: int = 0
    baking_since_s: float | None = None
    peak_weight_pct: int = 0
    progressing_since_s: float | None = None
    paused_s: float = 0.0
    paused_for: Reason | None = None
    zero_since_s: float | None = None
    drift_seen: int = 0
    halt: HaltCause | None = None
    outcome: Phase | None = None
    cause: Reason | None = None
    intent: Intent | None = None
    bypassed: tuple[Intent, ...] = ()
    superseded_by: str | None = None
    retry_of: str | None = None
    attempt: int = 1
    judge: JudgeState | None = None
    wake_at_s: float = 0.0
    unproven: Reason | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Who took a route down and why, carried by the route itself. ``engagement`` is set when a kill did it."""

    release_id: str | None
    code: str
    text: str
    engagement: str | None = None


@dataclass(frozen=True, slots=True)
class RouteState:
    """A route as its owner records it and as the proxy has it.

    ``live_pct`` is the canary's share read back from the proxy; None when the proxy could not be read. ``halts`` are
    the kills that hold the route down. ``lease_left_s`` is None when the route holds no lease. ``unconfirmed`` says
    what shows that the written share is not in force yet, where the kind of route can tell; empty when nothing does.
    ``newest_epoch`` is the highest that any part of the route carries, where it has several.
    """

    revision: int
    epoch: int
    weight_pct: int
    live_pct: int | None
    release_id: str | None = None
    lease_left_s: float | None = None
    lease_expired: bool = False
    halts: tuple[Mark, ...] = ()
    mark: Mark | None = None
    drift_count: int = 0
    trouble: str = ""
    unconfirmed: str = ""
    newest_epoch: int = 0

    @property
    def verified(self) -> bool:
        return self.live_pct == self.weight_pct and not self.unconfirmed


@dataclass(frozen=True, slots=True)
class Baseline:
    """Instances of the stable version that were started together with the canary, and take a part of stable's traffic.

    ``ready`` are the names of those that are ready, each with when it was started.
    """

    wanted: int
    ready: tuple[tuple[str, float], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class RoleState:
    """The instances of one role: how many are wanted, and how many of each version run and are ready.

    ``foreign`` is the version that somebody else put in this role's place while a release was running. ``settling``:
    whoever runs the instances says that they are not all as they should be yet. ``full`` is how many carried all of the
    traffic when the release began, where something else may have taken some away since. ``unsized`` is what kept the
    canary from getting the instances that its share needs, so that ``wanted`` says too little; empty when nothing did.
    ``baseline`` is the canary's, where it has one.
    """

    wanted: int
    running: tuple[tuple[str, int], ...] = ()
    ready: tuple[tuple[str, int], ...] = ()
    note: str = ""
    foreign: str | None = None
    settling: bool = False
    full: int = 0
    unsized: str = ""
    baseline: Baseline | None = None

    def missing(self, ready_pct: int) -> int:
        """How many more have to be ready until ``ready_pct`` of those that carry everything are."""
        needed = -(-max(self.wanted, self.full) * ready_pct // 100)
        return max(0, needed - self.ready_any)

    def ready_of(self, version: str | None) -> int:
        return sum(count for name, count in self.ready if name == version)

    @property
    def ready_any(self) -> int:
        return sum(count for _, count in self.ready)

    @property
    def running_any(self) -> int:
        return sum(count for _, count in self.running)

    def settled_on(self, version: str) -> bool:
        """Every wanted instance runs ``version`` and is ready, and no instance of another version is left."""
        alone = all(name == version for name, _ in self.running)
        return alone and not self.settling and self.ready_of(version) >= self.wanted


@dataclass(frozen=True, slots=True)
class Observation:
    """What one pass saw. Each part was read alone: it is there, or it is None, and None never means "fine".

    ``start_trouble`` is what the check of the metrics before the first weight found wrong, ``start_route_trouble`` that
    of the route; None when they found nothing. ``calibration`` is how much stable's own pods differ,
    ``start_note`` what the plan can find at today's traffic.
    ``predecessor`` is the release of the same application that has to end first.
    """

    kill: KillAnswer = NOT_ENGAGED
    route: RouteState | None = None
    stable: RoleState | None = None
    canary: RoleState | None = None
    readings: Readings | None = None
    predecessor: str | None = None
    start_trouble: str | None = None
    start_route_trouble: str | None = None
    calibration: Calibration | None = None
    start_note: str = ""
    released_kills: frozenset[str] = frozenset()
    troubles: tuple[tuple[str, str], ...] = field(default=())

    def trouble(self, part: str, otherwise: str) -> str:
        return next((text for name, text in self.troubles if name == part), otherwise)
