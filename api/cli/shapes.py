"""What the command line reads of the controller's JSON. It ignores fields it does not know, so that a newer controller
may add some, and says which one is missing."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Shape = TypeVar("Shape")


class Misread(Exception):
    """The answer lacks what is needed: the controller is of another age than this command line."""


@dataclass(frozen=True, slots=True)
class Reason:
    code: str
    text: str
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    judgement: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Metric:
    metric: str
    canary_requests: float
    canary_bad: float
    canary_bad_pct: float | None
    stable_requests: float
    stable_bad: float
    stable_bad_pct: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    fresh_at: str | None
    step_canary_requests: float
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, slots=True)
class Intent:
    kind: str
    actor: str
    at: str
    reason: str = ""
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Want:
    role: str
    version: str | None


@dataclass(frozen=True, slots=True)
class Release:
    """``exit`` is running, paused, done, failed or halted. ``step`` counts from 0 and is -1 before the first weight."""

    id: str
    application: str
    environment: str
    stable: str | None
    canary: str
    phase: str
    exit: str
    ended: bool
    step: int
    steps: tuple[int, ...]
    weight_pct: int
    peak_weight_pct: int
    phase_since: str
    created_at: str
    actor: str
    reason: Reason
    explain: str
    verdict: Verdict
    evidence: Evidence | None
    cause: Reason | None
    intent: Intent | None
    bypassed: tuple[Intent, ...]
    retry_of: str | None
    superseded_by: str | None
    attempt: int
    wants: tuple[Want, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    release: Release
    text: str
    durable: bool


@dataclass(frozen=True, slots=True)
class Cause:
    metric: str
    evidence: float
    one_in: int | None
    promotion: float
    canary_requests: float | None = None
    canary_bad: float | None = None
    stable_requests: float | None = None
    stable_bad: float | None = None
    allowed_pct: float | None = None
    above_s: float | None = None
    canary_value: float | None = None
    stable_value: float | None = None


@dataclass(frozen=True, slots=True)
class EvidencePoint:
    at: str
    harm: float
    safe: float


@dataclass(frozen=True, slots=True)
class Proof:
    harm: float
    harm_needed: float
    one_in: int | None
    safe: float
    safe_needed: float
    causes: tuple[Cause, ...]
    series: tuple[EvidencePoint, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    release: str
    explain: str
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Application:
    name: str
    environment: str
    stable_version: str | None
    revision: int
    active_release: str | None


@dataclass(frozen=True, slots=True)
class Learned:
    errors: float
    latency: float
    pods: int
    proposal: str | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    text: str
    start_trouble: str | None = None
    calibration: Learned | None = None


@dataclass(frozen=True, slots=True)
class Kill:
    id: str
    verb: str
    scope: str
    actor: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class KillPath:
    path: str
    state: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class KillEngaged:
    kill: Kill
    effective: bool
    paths: tuple[KillPath, ...]


@dataclass(frozen=True, slots=True)
class KillSelfTest:
    at: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class KillList:
    items: tuple[Kill, ...]
    readable: bool
    trouble: str
    self_test: KillSelfTest | None = None


@dataclass(frozen=True, slots=True)
class KillReleased:
    kill: Kill
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    seq: int
    type: str
    at: str
    actor: str
    text: str
    release_id: str | None
    application: str | None
    late: bool
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditCheck:
    ok: bool
    records: int
    head: str
    trouble: str


@dataclass(frozen=True, slots=True)
class Token:
    id: str
    name: str
    role: str
    state: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None


@dataclass(frozen=True, slots=True)
class TokenSecret:
    token: Token
    secret: str


def read(shape: type[Shape], data: Any, where: str = "") -> Shape:
    """``data`` as ``shape``. Raises Misread and names the field that is missing or of another kind."""
    if not isinstance(data, dict):
        raise Misread(f"{where or 'the answer'} is not an object")
    hints = get_type_hints(shape)
    values = {}
    assert is_dataclass(shape)
    for entry in fields(shape):
        path = f"{where}.{entry.name}" if where else entry.name
        if entry.name in data:
            values[entry.name] = _value(hints[entry.name], data[entry.name], path)
        elif entry.default is MISSING and entry.default_factory is MISSING:
            raise Misread(f"{path} is missing")
    return shape(**values)


def read_all(shape: type[Shape], data: Any) -> tuple[Shape, ...]:
    """The items of a listing."""
    items = data.get("items") if isinstance(data, dict) else None
    if not isinstance(items, list):
        raise Misread("items is missing")
    return tuple(read(shape, item, f"items[{index}]") for index, item in enumerate(items))


def _value(hint: Any, value: Any, path: str) -> Any:
    if isinstance(hint, UnionType):
        if value is None:
            return None
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return read(hint, value, path)
    if get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise Misread(f"{path} is not an object")
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise Misread(f"{path} is not a list")
        return tuple(_value(get_args(hint)[0], item, f"{path}[{index}]") for index, item in enumerate(value))
    kinds = (int, float) if hint is float else (hint,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and hint is not bool):
        raise Misread(f"{path} is not {hint.__name__}")
    return value
