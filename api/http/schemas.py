"""The JSON answers of the HTTP door; requests.py has what comes in. Shapes only; it decides nothing.

Field names are snake_case, times are RFC 3339 in UTC; only the application document keeps the names of its file.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from api.http.schemas_analysis import CalibrationView, EvidencePointView, ProofView

Item = TypeVar("Item")

Role = Literal["viewer", "ci", "operator", "approver", "admin"]
Exit = Literal["running", "paused", "done", "failed", "halted"]
Phase = Literal[
    "pending",
    "preparing",
    "progressing",
    "paused",
    "promoting",
    "succeeded",
    "rolling_back",
    "rolled_back",
    "halted",
    "failed",
]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PageView(_Answer, Generic[Item]):
    """A slice of a listing. ``next`` goes into the query parameter ``after``; null means this was the last page."""

    items: list[Item]
    next: str | None = None


class ProblemView(_Answer):
    """RFC 9457. ``code`` is for programs, ``detail`` says what to do next, ``facts`` go with the code."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    facts: dict[str, str] = {}
    errors: list[FieldError] = []


class FieldError(_Answer):
    """One mistake in the request and where it is."""

    field: str
    text: str


class ApplicationView(_Answer):
    """``spec`` is the application document; ``revision`` goes into If-Match to change what you have read."""

    name: str
    environment: str
    stable_version: str | None
    revision: int
    active_release: str | None
    spec: dict[str, Any]
    calibration: CalibrationView | None = None


class ReasonView(_Answer):
    code: str
    text: str
    until: str | None = None


class MetricView(_Answer):
    """What one metric has gathered since the first weight. Percentages are null before the first request."""

    metric: str
    canary_requests: float
    canary_bad: float
    canary_bad_pct: float | None
    stable_requests: float
    stable_bad: float
    stable_bad_pct: float | None


class EvidenceView(_Answer):
    """The evidence so far. ``fresh_at`` is the newest canary sample; ``numbers`` are the judge's own figures.

    ``series`` is the evidence over time; ``calibration`` is frozen for this release.
    """

    started_at: str
    step_started_at: str
    fresh_at: str | None
    step_canary_requests: float
    outage_s: float
    metrics: list[MetricView]
    numbers: dict[str, float | str]
    series: list[EvidencePointView] = []
    calibration: CalibrationView | None = None


class VerdictView(_Answer):
    """``watching`` until the evidence decides; ``pass``, ``bypass``, ``fail`` and ``trip`` are final.

    ``none``: no evidence, or ended before it decided. ``bypass``: a person passed it, or
    the application allows an end without proof (code ``inconclusive``)."""

    judgement: Literal["none", "watching", "pass", "bypass", "fail", "trip"]
    code: str
    text: str


class IntentView(_Answer):
    """A person's wish: what, who, when, why. ``step`` is the step a promotion was asked for."""

    kind: str
    actor: str
    at: str
    reason: str = ""
    step: int | None = None


class WantView(_Answer):
    """For an external target: the version that ``role`` should run now; null means none."""

    role: Literal["stable", "canary"]
    version: str | None


class ReleaseView(_Answer):
    """One release. ``step`` counts from 0 and is -1 before the first weight; ``exit`` is what a waiting client needs.

    ``explain`` answers "why is it not moving?" in one sentence. ``weight_live_since`` is when the weight of this step
    was first seen on the route.
    """

    id: str
    application: str
    environment: str
    stable: str | None
    canary: str
    phase: Phase
    exit: Exit
    ended: bool
    step: int
    steps: list[int]
    weight_pct: int
    peak_weight_pct: int
    weight_live_since: str | None
    phase_since: str
    created_at: str
    actor: str
    reason: ReasonView
    explain: str
    verdict: VerdictView
    evidence: EvidenceView | None
    halt: str | None
    outcome: Phase | None
    cause: ReasonView | None
    intent: IntentView | None
    bypassed: list[IntentView]
    retry_of: str | None
    superseded_by: str | None
    attempt: int
    revision: int
    wants: list[WantView]


class ActionView(_Answer):
    """The release and a sentence about what was done. ``durable`` is false while the store cannot record it."""

    release: ReleaseView
    text: str
    durable: bool


class ExplainView(_Answer):
    """The one sentence, with what it rests on. ``left_s``: if time ends the wait. ``proof``: once it had traffic."""

    release: str
    phase: Phase
    explain: str
    reason: ReasonView
    left_s: float | None
    proof: ProofView | None = None


class RecordView(_Answer):
    """One audit record as it is chained. ``late``: the effect came first, because it waits for no disk."""

    seq: int
    type: str
    at: str
    actor: str
    text: str
    release_id: str | None
    application: str | None
    environment: str | None
    epoch: int | None
    numbers: dict[str, Any]
    late: bool
    prev: str
    hash: str


class AuditCheckView(_Answer):
    ok: bool
    records: int
    head: str
    trouble: str


class TokenView(_Answer):
    """A token without its secret, which nobody can read again."""

    id: str
    name: str
    role: Role
    state: Literal["active", "expired", "revoked"]
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class TokenSecretView(_Answer):
    """``secret`` is the whole bearer token. It is shown this once; only its digest is kept."""

    token: TokenView
    secret: str


class HealthView(_Answer):
    status: Literal["alive"]


class BeatView(_Answer):
    name: str
    healthy: bool
    age_s: float
    age_s_max: float
    failures: int


class ReadyView(_Answer):
    ready: bool
    leading: bool
    epoch: int
    reasons: list[str]
    parked: int
    beats: list[BeatView]
