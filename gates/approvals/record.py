"""What a step of a request leaves in the audit record. The store writes it in the transaction that stores the step."""

from __future__ import annotations

from gates.approvals.model import Step
from gates.audit import Draft


def drafts(step: Step) -> tuple[Draft, ...]:
    """The drafts of ``step``, at the request's own time. A step that was refused leaves none."""
    request = step.request
    return tuple(
        Draft(
            record.type,
            request.touched_at_s,
            record.actor,
            record.text,
            application=request.content.application,
            environment=request.content.environment,
            numbers=record.numbers,
        )
        for record in step.records
    )
