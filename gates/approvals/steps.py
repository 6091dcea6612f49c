"""How a request changes: one move, one revision, one record. It decides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gates.approvals.model import Record, Refusal, Request, State, Step
from gates.approvals.moves import MOVES

SYSTEM = "interlock"
"""The actor of what nobody asked for: expiry, escalation, a failed check."""


def moment(request: Request, now_s: float) -> float:
    """The time for ``request``: it never goes back, so that a clock set back revives nothing."""
    return max(now_s, request.touched_at_s)


def moved(request: Request, state: State, at_s: float, record: Record, **changes: Any) -> Step:
    """``request`` in ``state``, and the record that goes with it."""
    after = replace(
        request,
        state=MOVES.require(request.state, state),
        reason=record.text,
        touched_at_s=at_s,
        revision=request.revision + 1,
        **changes,
    )
    return Step(after, (record,))


def noted(request: Request, at_s: float, record: Record, **changes: Any) -> Step:
    """``request`` where it was, with something more known about it."""
    return Step(replace(request, touched_at_s=at_s, revision=request.revision + 1, **changes), (record,))


def refused(request: Request, *refusals: Refusal) -> Step:
    """Nothing changed."""
    assert refusals, "a refusal without a reason"
    return Step(request, (), refusals)


def ended(request: Request) -> Refusal:
    """Late is told what came first: an answer that says "already decided" and by what."""
    return Refusal("already_decided", f"request {request.short} is {request.state.value}: {request.reason}")
