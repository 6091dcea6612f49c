"""Short ways to say what a release and the world look like. By default a canary has 10 % and all is well with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from analysis.judge import new_state
from analysis.model import AnalysisSpec, CounterQuery, Judgement, Readings, Verdict
from controller.core.model import (
    Application,
    CanaryPlan,
    HaltCause,
    Intent,
    IntentKind,
    Mark,
    Observation,
    Phase,
    Reason,
    Release,
    RoleState,
    RouteState,
)
from controller.core.moves import ENDED
from controller.core.scene import CARRIES, Scene
from controller.core.targets import (
    ExternalTarget,
    HaproxyRoute,
    KubernetesRoute,
    KubernetesTarget,
    ProcessesTarget,
    RouteKind,
    RouteObject,
)
from gates.kill import Engagement, KillAnswer, KillAnswerKind, Scope, ScopeKind, Verb

T0 = 1_000_000.0
OLD, NEW = "v1", "v2"
PLAN = CanaryPlan(steps=(10, 20, 30), min_bake_s=60.0, max_weight_pct=50)
SPEC = AnalysisSpec("http://127.0.0.1:9090", (CounterQuery("errors", ("total",), ("bad",)),))


def an_app(**changes: Any) -> Application:
    target = ProcessesTarget(command=("serve", "{version}", "{port}"), replicas=2, canary_replicas=1)
    app = Application("shop", "production", target, HaproxyRoute("/run/guard.sock", "shop"), PLAN, SPEC)
    return replace(app, **changes)


def an_external_app(**changes: Any) -> Application:
    target = ExternalTarget(
        "http://127.0.0.1:1/stable", "http://127.0.0.1:1/canary", hook_url="http://127.0.0.1:1/hook"
    )
    return an_app(target=target, **changes)


def a_cluster_app(**changes: Any) -> Application:
    target = KubernetesTarget("web", "shop", "shop", "shop-canary")
    route = KubernetesRoute("web", "shop", "shop-canary", (RouteObject(RouteKind.HTTP_ROUTE, "shop"),))
    return an_app(target=target, router=route, **changes)


def a_release(phase: Phase = Phase.PROGRESSING, **changes: Any) -> Release:
    """A release as it typically stands in ``phase``, entered at T0."""
    judged = phase in CARRIES
    usual: dict[str, Any] = {
        "reason": Reason("because", "some reason"),
        "step": 0 if judged else -1,
        "weight_pct": PLAN.steps[0] if judged else 0,
        "peak_weight_pct": PLAN.steps[0] if judged else 0,
        "baking_since_s": T0 if judged else None,
        "progressing_since_s": T0 if judged else None,
        "judge": new_state(T0) if judged else None,
    }
    if phase is Phase.ROLLING_BACK:
        usual |= {"outcome": Phase.ROLLED_BACK, "cause": Reason("errors", "too many errors"), "peak_weight_pct": 10}
    if phase is Phase.HALTED:
        usual |= {"halt": HaltCause.KILL_REVERT, "step": 0}
    made = Release("shop-1", an_app(), OLD, NEW, phase, "ci", T0, T0, usual.pop("reason"), **usual)
    return replace(made, **changes)


def a_route(weight_pct: int = 0, live_pct: int | str | None = "same", **changes: Any) -> RouteState:
    live = weight_pct if live_pct == "same" else live_pct
    assert not isinstance(live, str)
    return replace(RouteState(7, 1, weight_pct, live, release_id="shop-1"), **changes)


def a_role(version: str | None = None, count: int = 2, ready: int | None = None, note: str = "") -> RoleState:
    """``count`` wanted instances that all run ``version``; ``ready`` of them are ready, all when not said."""
    if version is None:
        return RoleState(count, note=note)
    shown = count if ready is None else ready
    return RoleState(count, ((version, count),), ((version, shown),) if shown else (), note)


STABLE_UP = a_role(OLD, 2)
CANARY_UP = a_role(NEW, 1)


def seen_for(release: Release, **changes: Any) -> Observation:
    """A world in which everything is as ``release`` wants it."""
    serving = release.canary if release.phase is Phase.PROMOTING else release.stable
    usual = Observation(
        route=a_route(release.weight_pct),
        stable=a_role(serving, 2),
        canary=CANARY_UP,
        readings=Readings(T0) if release.judge is not None and release.phase not in ENDED else None,
    )
    return replace(usual, **changes)


def a_scene(
    release: Release | None = None, seen: Observation | None = None, verdict: Verdict | None = None, at_s: float = 0.0
) -> Scene:
    """``at_s`` counts from T0."""
    release = a_release() if release is None else release
    return Scene(release, seen_for(release) if seen is None else seen, verdict, T0 + at_s)


def scene_of(release: Release, at_s: float = 0.0, verdict: Verdict | None = None, **seen: Any) -> Scene:
    return a_scene(release, seen_for(release, **seen), verdict, at_s)


def a_verdict(judgement: Judgement = Judgement.OK, code: str = "healthy", text: str = "0 of 100", **n: Any) -> Verdict:
    return Verdict(judgement, code, text, **n)


ADVANCE = a_verdict(may_advance=True)
PROVEN = a_verdict(code="proven", may_advance=True, may_promote=True)
HOLDS = a_verdict(Judgement.HOLD, "not_enough_requests", "12 of 50 requests")
HARM = a_verdict(Judgement.FAIL, "worse_than_stable", "5 % errors against 0.1 %")
TRIPPED = a_verdict(Judgement.TRIP, "breaker", "every request fails")


def an_intent(kind: IntentKind, actor: str = "ann", reason: str = "", step: int | None = None) -> Intent:
    return Intent(kind, actor, T0, reason, step)


def wants(release: Release, kind: IntentKind, **fields: Any) -> Release:
    return replace(release, intent=an_intent(kind, **fields))


def a_kill(kind: KillAnswerKind, text: str = "kill k-1 is engaged over fleet by ann") -> KillAnswer:
    return KillAnswer(kind, ("k-1",), text)


KILL_REVERT = a_kill(KillAnswerKind.REVERT)
KILL_HALT = a_kill(KillAnswerKind.HALT)
KILL_UNREADABLE = KillAnswer(KillAnswerKind.UNREADABLE, (), "the kill switch cannot be read: disk")


FLEET = Scope(ScopeKind.FLEET)


def an_engagement(name: str = "k-1", verb: Verb = Verb.REVERT, scope: Scope = FLEET) -> Engagement:
    return Engagement(name, verb, scope, "ann", T0)


def a_mark(code: str = "aborted", release_id: str | None = "shop-1", engagement: str | None = None) -> Mark:
    return Mark(release_id, code, "taken down for a test", engagement)
