"""What the record says about an application: who registered it, and which template was seen last. It only reads."""

from __future__ import annotations

from collections.abc import Sequence

from controller.adapters.kube.resources.needs import Memory
from controller.adapters.kube.resources.templates import Noted
from controller.core.model import Phase, Release
from controller.ports import AuditFilter, Page
from gates.audit import Record

REGISTRATIONS = ("application_registered", "application_changed")
PHASES_MAX = 100
"""Of one release; it has some six, and two more for each kill that it lived through."""
REQUESTS_MAX = 100
"""Releases asked for since the template changed: more than anybody asks for in the life of one template."""


def registered_by(store: Memory, name: str) -> str | None:
    """Who registered or changed the application last."""
    found = [record for kind in REGISTRATIONS if (record := _newest(store, name, kind)) is not None]
    return max(found, key=lambda record: record.seq).draft.actor if found else None


def noted_template(store: Memory, name: str, deployment: str, actor: str) -> Noted | None:
    """The last template on record, of this Deployment, and whether ``actor`` asked for a release since.

    By the order of the chain, so that the clocks of two controllers make no difference.
    """
    record = _newest(store, name, "template_changed")
    if record is None or record.draft.numbers.get("deployment") != deployment:
        return None
    requests = store.audit(Page(limit=REQUESTS_MAX), AuditFilter(application=name, type="requested"), newest_first=True)
    asked = any(one.seq > record.seq and one.draft.actor == actor for one in requests)
    return Noted(str(record.draft.numbers.get("version", "")), record.draft.at_s, asked)


def put_back(store: Memory, releases: Sequence[Release]) -> bool:
    """Whether the newest of ``releases`` ended badly after its promotion had begun: then stable's template was put back
    by ourselves, and a tool that applies the other one again has changed nothing."""
    newest = releases[0] if releases else None
    if newest is None or newest.phase not in (Phase.ROLLED_BACK, Phase.FAILED):
        return False
    phases = store.audit(Page(limit=PHASES_MAX), AuditFilter(release_id=newest.id, type="phase"), newest_first=True)
    return any(one.draft.numbers.get("to_phase") == Phase.PROMOTING.value for one in phases)


def _newest(store: Memory, name: str, kind: str) -> Record | None:
    found = store.audit(Page(limit=1), AuditFilter(application=name, type=kind), newest_first=True)
    return found[0] if found else None
