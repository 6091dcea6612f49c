"""What a failed call to the API server means for the caller. Pure: it reads answers and makes errors, and asks nobody.

The question for every write is whether it may have been applied. Surely not, when the server says no in its own words
or was never reached; otherwise the write is Unknown. A read, or a dry run, can only be Unavailable.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from controller.adapters.kube.kinds import SECRET, Kind
from controller.ports import Conflict, PortError, Refused, Unavailable, Unknown

TEXT_CHARS_MAX = 400
"""Of a server's message. Webhooks can answer with pages."""

RETRY_AFTER_S_MAX = 60.0
"""No caller waits longer on the server's word alone."""

_FORBIDDEN_BY_RBAC = re.compile(r"\bcannot (\w+) resource\b")
_QUOTED_INPUT = re.compile(r",? ?error found in #.*", re.DOTALL)


class Missing(Refused):
    """Surely not done: there is no such object, or the cluster does not know its kind."""


class Foreign(Refused):
    """Surely not done: an object of the name that ours would have is somebody else's. Nobody here touches it."""


class Exists(Conflict):
    """Not created: an object of that name is there already."""


class Busy(Unavailable):
    """Surely not done: the server has too much to do and says when to come again."""

    def __init__(self, text: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Gone(Unavailable):
    """The server no longer has the version a list or a watch wants to go on from: list again."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as its error texts name it. ``verb`` is what a Role calls it.

    ``writes``: once sent it may have been applied. ``tests``: it is a JSON Patch whose ``test`` may fail.
    """

    verb: str
    kind: Kind
    namespace: str | None = None
    name: str = ""
    writes: bool = False
    tests: bool = False
    resource: str = ""
    """With its subresource where that is what is written: deployments/scale."""

    def __str__(self) -> str:
        place = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{self.verb} {self.kind.resource} {place}".strip()


def unreached(call: Call, why: str) -> Unavailable:
    """Nothing was sent."""
    return Unavailable(f"{call}: the API server cannot be reached ({why})")


def unanswered(call: Call, why: str) -> PortError:
    """It was sent, and no answer came that can be read."""
    if call.writes:
        return Unknown(f"{call}: sent, but there is no readable answer ({why}); it may have been applied")
    return Unavailable(f"{call}: no readable answer from the API server ({why})")


def failure(call: Call, code: int, retry_after: str | None, body: bytes) -> PortError:
    """The error for an answer that is not a success."""
    status = status_of(body)
    message = _message(call, code, status)
    if 300 <= code < 500 and code != 408:
        return _said_no(call, code, status, f"{call}: {message}", _seconds(retry_after))
    # A 503 without a Status is a proxy's, which may have passed a write on before it lost the server, whatever time it
    # names to come again.
    if code == 503 and (status or (retry_after is not None and not call.writes)):
        return Busy(f"{call}: {message}", _seconds(retry_after))
    return unanswered(call, message)


def _said_no(call: Call, code: int, status: dict[str, Any], text: str, retry_after_s: float) -> PortError:
    """Surely not done."""
    match code:
        case 401:
            return Unavailable(f"{text}: the API server does not accept these credentials")
        case 403:
            return Refused(text + _advice_forbidden(call, status))
        case 404:
            return Missing(text + _advice_missing(call, status))
        case 409 | 412:
            return Exists(text) if status.get("reason") == "AlreadyExists" else Conflict(text)
        case 410:
            return Gone(text)
        case 422 if call.tests and not _causes(status):
            return Conflict(f"{text}: the object is not as it was read")
        case 429:
            return Busy(text, retry_after_s)
    return Refused(text)


def status_of(body: bytes) -> dict[str, Any]:
    """The Status object in an answer; {} when the answer is somebody else's, as a proxy's page is."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) and told.get("kind") == "Status" else {}


def _message(call: Call, code: int, status: dict[str, Any]) -> str:
    """The server's own words on one line. For Secrets only what is wrong where: messages quote values."""
    said = status.get("message")
    if call.kind == SECRET or not isinstance(said, str) or not said.strip():
        fields = sorted({field for cause in _causes(status) if isinstance(field := cause.get("field"), str)})
        reason = status.get("reason")
        parts = [f"answered {code}", *([reason] if isinstance(reason, str) else []), *fields]
        said = " ".join(parts)
    said = "".join(char if char.isprintable() else " " for char in _QUOTED_INPUT.sub("", said))
    said = " ".join(said.split())
    return said if len(said) <= TEXT_CHARS_MAX else said[: TEXT_CHARS_MAX - 1] + "…"


def _advice_missing(call: Call, status: dict[str, Any]) -> str:
    """The name is told when the object is missing, and nothing when its kind is."""
    details = status.get("details")
    if isinstance(details, dict) and details.get("name"):
        return ""
    return f": the cluster may not serve {call.kind.resource} in {call.kind.api_version}; install its CRD"


def _advice_forbidden(call: Call, status: dict[str, Any]) -> str:
    """Only for RBAC's own refusals: a webhook, a policy or a quota that says no is not helped by a Role."""
    if call.kind != SECRET and not _FORBIDDEN_BY_RBAC.search(str(status.get("message", ""))):
        return ""
    group = f' in apiGroup "{call.kind.group}"'
    where = f" in namespace {call.namespace}" if call.namespace else " in all namespaces"
    return f". A Role must allow {call.verb} on {call.resource or call.kind.plural}{group}{where}"


def _causes(status: dict[str, Any]) -> list[dict[str, Any]]:
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return [cause for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []


def _seconds(retry_after: str | None) -> float:
    """The header in seconds; 1 for one that is absent or a date."""
    if retry_after is None or not re.fullmatch(r"\d{1,6}", retry_after):
        return 1.0
    return min(float(retry_after), RETRY_AFTER_S_MAX)
