"""Values of the controller as the JSON that schemas.py describes. It reads nothing and decides nothing."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from analysis.figures import numbers
from analysis.model import JudgeState, MetricState
from api.http import schemas, schemas_kill
from api.http.tokens import state_of
from api.http.views_analysis import calibration_view, learned_view, proof_view, trail_view
from controller.core.effects import Ensure, effects
from controller.core.explain import explain
from controller.core.model import Intent, Observation, Phase, Reason, Release
from controller.core.moves import ENDED
from controller.core.verdicts import said_of
from controller.ports import StoredApplication, Token
from controller.runtime.health import Health
from controller.runtime.killswitch import Engaged
from controller.runtime.lanes import PathAnswer
from controller.runtime.selftest import SelfTested
from controller.spec import application_document
from gates.audit import ChainCheck, Record
from gates.kill import Engagement, KillState

HIDDEN = "***"
EXITS: dict[Phase, schemas.Exit] = {
    Phase.SUCCEEDED: "done",
    Phase.ROLLED_BACK: "failed",
    Phase.FAILED: "failed",
    Phase.HALTED: "halted",
    Phase.PAUSED: "paused",
}


def time_text(at_s: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def maybe_time(at_s: float | None) -> str | None:
    return None if at_s is None else time_text(at_s)


def application_view(
    stored: StoredApplication, active: str | None, sees_secrets: bool = False
) -> schemas.ApplicationView:
    document = application_document(stored.app)
    return schemas.ApplicationView(
        name=stored.app.name,
        environment=stored.app.environment,
        stable_version=stored.stable_version,
        revision=stored.revision,
        active_release=active,
        spec=document if sees_secrets else _without_secrets(document),
        calibration=learned_view(stored),
    )


def _without_secrets(document: dict[str, Any]) -> dict[str, Any]:
    """Environments of processes and hook addresses often hold secrets: only an admin reads them back."""
    target = document["target"]
    if "processes" in target:
        block = target["processes"]
        shown = block | {"environment": dict.fromkeys(block["environment"], HIDDEN)}
        return document | {"target": {"processes": shown}}
    block = target["external"]
    return document | {"target": {"external": block | ({"hookUrl": HIDDEN} if "hookUrl" in block else {})}}


def release_view(release: Release, now_s: float) -> schemas.ReleaseView:
    plan = release.app.canary
    return schemas.ReleaseView(
        id=release.id,
        application=release.app.name,
        environment=release.app.environment,
        stable=release.stable,
        canary=release.canary,
        phase=release.phase.value,
        exit=EXITS.get(release.phase, "running"),
        ended=release.phase in ENDED,
        step=release.step,
        steps=list(plan.steps),
        weight_pct=release.weight_pct,
        peak_weight_pct=release.peak_weight_pct,
        weight_live_since=maybe_time(release.baking_since_s),
        phase_since=time_text(release.entered_at_s),
        created_at=time_text(release.created_at_s),
        actor=release.actor,
        reason=reason_view(release.reason),
        explain=explain(release, now_s),
        verdict=_verdict(release),
        evidence=_evidence(release),
        halt=release.halt.value if release.halt else None,
        outcome=release.outcome.value if release.outcome else None,
        cause=reason_view(release.cause) if release.cause else None,
        intent=intent_view(release.intent) if release.intent else None,
        bypassed=[intent_view(intent) for intent in release.bypassed],
        retry_of=release.retry_of,
        superseded_by=release.superseded_by,
        attempt=release.attempt,
        revision=release.revision,
        wants=_wants(release, now_s),
    )


def reason_view(reason: Reason) -> schemas.ReasonView:
    return schemas.ReasonView(code=reason.code, text=reason.text, until=maybe_time(reason.until_s))


def intent_view(intent: Intent) -> schemas.IntentView:
    return schemas.IntentView(
        kind=intent.kind.value,
        actor=intent.actor,
        at=time_text(intent.at_s),
        reason=intent.reason,
        step=intent.step,
    )


def _verdict(release: Release) -> schemas.VerdictView:
    said = said_of(release)
    word: Any = said.word
    return schemas.VerdictView(judgement=word, code=said.code, text=said.text)


def _evidence(release: Release) -> schemas.EvidenceView | None:
    judge = release.judge
    if judge is None:
        return None
    return schemas.EvidenceView(
        started_at=time_text(judge.started_at_s),
        step_started_at=time_text(judge.step_at_s),
        fresh_at=maybe_time(judge.fresh_at_s),
        step_canary_requests=judge.step_canary_total,
        outage_s=judge.outage_s,
        metrics=[_metric(metric) for metric in judge.metrics],
        numbers=_numbers(release, judge),
        series=trail_view(judge),
        calibration=calibration_view(judge.calibration),
    )


def _numbers(release: Release, judge: JudgeState) -> dict[str, float | str]:
    figures = numbers(release.app.analysis, judge)
    return {name: round(value, 6) if math.isfinite(value) else str(value) for name, value in figures}


def _metric(metric: MetricState) -> schemas.MetricView:
    return schemas.MetricView(
        metric=metric.metric,
        canary_requests=metric.canary_total,
        canary_bad=metric.canary_bad,
        canary_bad_pct=_pct(metric.canary_bad, metric.canary_total),
        stable_requests=metric.stable_total,
        stable_bad=metric.stable_bad,
        stable_bad_pct=_pct(metric.stable_bad, metric.stable_total),
    )


def _pct(part: float, whole: float) -> float | None:
    return round(100 * part / whole, 4) if whole > 0 else None


def _wants(release: Release, now_s: float) -> list[schemas.WantView]:
    if release.app.owns_instances:
        return []
    wanted = (effect for effect in effects(release, Observation(), now_s) if isinstance(effect, Ensure))
    return [schemas.WantView(role=effect.role.value, version=effect.version) for effect in wanted]


def explain_view(release: Release, now_s: float) -> schemas.ExplainView:
    until_s = release.reason.until_s
    return schemas.ExplainView(
        release=release.id,
        phase=release.phase.value,
        explain=explain(release, now_s),
        reason=reason_view(release.reason),
        left_s=round(until_s - now_s, 3) if until_s is not None and until_s > now_s else None,
        proof=proof_view(release.app.analysis, release.judge),
    )


def kill_view(engagement: Engagement) -> schemas_kill.KillView:
    return schemas_kill.KillView(
        id=engagement.id,
        verb=engagement.verb.value,
        scope=str(engagement.scope),
        actor=engagement.actor,
        at=time_text(engagement.at_s),
        reason=engagement.reason,
    )


def engaged_view(engaged: Engaged) -> schemas_kill.KillEngagedView:
    paths = [path_view(path) for path in engaged.paths]
    return schemas_kill.KillEngagedView(kill=kill_view(engaged.engagement), effective=engaged.effective, paths=paths)


def _path_state(state: str) -> Any:
    return state


def path_view(path: PathAnswer) -> schemas_kill.KillPathView:
    return schemas_kill.KillPathView(path=path.path, state=_path_state(path.state), text=path.text)


def kills_view(state: KillState, tested: SelfTested | None) -> schemas_kill.KillListView:
    newest_first = sorted(state.engaged, key=lambda e: (-e.at_s, e.id))
    return schemas_kill.KillListView(
        items=[kill_view(e) for e in newest_first],
        readable=state.readable,
        trouble=state.trouble,
        self_test=self_test_view(tested) if tested is not None else None,
    )


def self_test_view(tested: SelfTested) -> schemas_kill.KillSelfTestView:
    paths = [path_view(path) for path in tested.paths]
    took_ms = round(1000 * tested.took_s, 1)
    return schemas_kill.KillSelfTestView(
        at=time_text(tested.at_s), ok=tested.ok, took_ms=took_ms, text=tested.text, paths=paths
    )


def record_view(record: Record) -> schemas.RecordView:
    draft = record.draft
    return schemas.RecordView(
        seq=record.seq,
        type=draft.type,
        at=time_text(draft.at_s),
        actor=draft.actor,
        text=draft.text,
        release_id=draft.release_id,
        application=draft.application,
        environment=draft.environment,
        epoch=draft.epoch,
        numbers=dict(draft.numbers),
        late=draft.late,
        prev=record.prev,
        hash=record.hash,
    )


def check_view(check: ChainCheck) -> schemas.AuditCheckView:
    return schemas.AuditCheckView(ok=check.ok, records=check.records, head=check.head, trouble=check.trouble)


def token_view(token: Token, now_s: float) -> schemas.TokenView:
    role: Any = token.role
    state: Any = state_of(token, now_s)
    return schemas.TokenView(
        id=token.id,
        name=token.name,
        role=role,
        state=state,
        created_at=time_text(token.created_at_s),
        expires_at=maybe_time(token.expires_at_s),
        revoked_at=maybe_time(token.revoked_at_s),
    )


def ready_view(health: Health) -> schemas.ReadyView:
    """Names and ages only: this is shown without a credential, and a trouble's text may name what is inside."""
    reasons = [] if health.leading else [f"this node does not lead{': ' if health.remedy else ''}{health.remedy}"]
    reasons += [
        f"heartbeat {beat.name}: last success {beat.age_s:.0f} s ago, at most {beat.age_s_max:.0f} s"
        for beat in health.beats
        if not beat.healthy
    ]
    beats = [
        schemas.BeatView(
            name=beat.name,
            healthy=beat.healthy,
            age_s=round(beat.age_s, 3),
            age_s_max=beat.age_s_max,
            failures=beat.failures,
        )
        for beat in health.beats
    ]
    return schemas.ReadyView(
        ready=not reasons,
        leading=health.leading,
        epoch=health.epoch,
        reasons=reasons,
        parked=len(health.parked),
        beats=beats,
    )
