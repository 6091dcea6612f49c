"""What a route object carries about itself in one annotation, and what becomes of it on each request. Pure.

The answers are those of HAProxy's guard, by the same function: down is always allowed and latches, up needs the current
epoch, the current revision, no halt and a lease.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.routes.patching import annotations_of
from controller.core.model import Mark
from controller.core.targets import KubernetesRoute
from controller.guard.core import accept
from controller.guard.model import LOST_ID, Claim, Deny, Halt, Lower, Names, Renew, Route, RouteRequest, Unhalt, World
from controller.guard.model import Write as GuardWrite
from controller.guard.wire import decode_mark, encode_mark
from controller.ports import Conflict, Fenced, Halted, PortError, Refused, RouteWrite

ROUTE = "interlock.dev/route"
"""The annotation. One of them, so that a person sees at a glance what is ours and a patch changes it in one step."""

TEXT_BYTES_MAX = 300
"""Of a mark: all annotations of an object together have 256 KiB, and 200 halts must fit beside those of others."""

ID_CHARS_MAX = 200

ERRORS: Mapping[str, type[PortError]] = {"fenced": Fenced, "conflict": Conflict, "halted": Halted, "refused": Refused}


@dataclass(frozen=True, slots=True)
class Record:
    """``found`` is how each of the object's splits was before us: stable's weight, and whether the canary was there.

    ``canary`` is the Service whose share the weight is: admission policies read it here, so that a stop holds whatever
    it is called. ``mirror_pct`` is the share of the mirror that we wrote last; None: we never wrote one.
    """

    epoch: int = 0
    revision: int = 0
    weight_pct: int = 0
    release_id: str | None = None
    halts: tuple[Mark, ...] = ()
    mark: Mark | None = None
    drift: int = 0
    found: tuple[tuple[int | None, bool], ...] = ()
    canary: str = ""
    mirror_pct: int | None = None

    @property
    def lost(self) -> bool:
        """Whether the annotation could not be read: until a person has looked at it, nothing rises."""
        return any(mark.engagement == LOST_ID for mark in self.halts)


def read_record(raw: Raw) -> Record | None:
    """None when the object carries none: nobody has claimed it, or somebody has stripped it."""
    text = annotations_of(raw).get(ROUTE)
    if text is None:
        return None
    try:
        return _decoded(json.loads(text))
    except (ValueError, KeyError, TypeError, RecursionError):
        why = f"the annotation {ROUTE} cannot be read, so its halts may be lost; look at the route, then remove it"
        return Record(halts=(Mark(None, "state_lost", why, LOST_ID),))


def mirror_written_pct(carrier: Raw | None, route: KubernetesRoute) -> int | None:
    """The share that a mirror of ours in an object has, also in an old copy of it that was put back; None: whatever
    mirrors there is a user's. Where nothing was noted it can only be what the application asks for."""
    record = read_record(carrier) if carrier is not None else None
    return route.mirror_pct if record is None or record.mirror_pct is None else record.mirror_pct


def encode_record(record: Record) -> str:
    body: dict[str, Any] = {
        "epoch": record.epoch,
        "revision": record.revision,
        "weight_pct": record.weight_pct,
        "release_id": record.release_id,
        "halts": [encode_mark(mark) for mark in record.halts],
        "mark": encode_mark(record.mark) if record.mark else None,
        "drift": record.drift,
    }
    if record.canary:
        body["canary"] = record.canary
    if record.mirror_pct is not None:
        body["mirror_pct"] = record.mirror_pct
    if record.found:
        body["found"] = [list(one) for one in record.found]
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def _decoded(body: Any) -> Record:
    release_id = body["release_id"]
    if release_id is not None and not isinstance(release_id, str):
        raise TypeError("release_id is no text")
    canary = body.get("canary", "")
    if not isinstance(canary, str):
        raise TypeError("canary is no text")
    return Record(
        epoch=_count(body["epoch"]),
        revision=_count(body["revision"]),
        weight_pct=_count(body["weight_pct"]),
        release_id=release_id,
        halts=tuple(decode_mark(mark) for mark in body["halts"]),
        mark=None if body["mark"] is None else decode_mark(body["mark"]),
        drift=_count(body["drift"]),
        found=tuple(_before(one) for one in body.get("found", ())),
        canary=canary,
        mirror_pct=None if body.get("mirror_pct") is None else _count(body["mirror_pct"]),
    )


def _before(item: Any) -> tuple[int | None, bool]:
    weight, canary = item
    return None if weight is None else _count(weight), canary is True


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("not a number from 0 up")
    return value


def claimed(where: str, record: Record, epoch: int) -> Record:
    return _accepted(where, record, Claim(Names(where), epoch))


def written(where: str, record: Record, write: RouteWrite, revision: int) -> Record:
    """The same record when it already says all of it: then nothing has to be written. ``revision`` is this object's."""
    if not 0 < len(write.release_id) <= ID_CHARS_MAX:
        raise Refused(f"release_id must be text of 1 to {ID_CHARS_MAX} characters")
    asked = GuardWrite(Names(where), write.weight_pct, write.release_id, write.epoch, revision, write.lease_s)
    after = _accepted(where, record, asked)
    return record if replace(after, revision=record.revision) == record else after


def renewed(where: str, record: Record, release_id: str, epoch: int, lease_s: float) -> None:
    """Raises Fenced or Refused when the lease of this weight is not to be renewed."""
    _accepted(where, record, Renew(Names(where), release_id, epoch, lease_s))


def lowered(where: str, record: Record, mark: Mark, epoch: int) -> Record:
    return _accepted(where, record, Lower(Names(where), _short(mark), epoch))


def halted(where: str, record: Record, mark: Mark, revert: bool) -> Record:
    if not mark.engagement:
        raise Refused("a halt's mark must carry an engagement id")
    return _accepted(where, record, Halt(Names(where), _short(mark), revert))


def unhalted(where: str, record: Record, engagements: frozenset[str], epoch: int) -> Record:
    return _accepted(where, record, Unhalt(Names(where), engagements, epoch))


def _accepted(where: str, record: Record, request: RouteRequest) -> Record:
    route = Route(
        Names(where),
        record.weight_pct,
        record.revision,
        record.epoch,
        record.release_id,
        halts=record.halts,
        mark=record.mark,
    )
    try:
        after = accept(route, request, World(now_s=0.0))
    except Deny as no:
        raise ERRORS.get(no.kind, Refused)(no.text) from no
    return replace(
        record,
        epoch=after.epoch,
        revision=after.revision,
        weight_pct=after.weight_pct,
        release_id=after.release_id,
        halts=after.halts,
        mark=after.mark,
    )


def _short(mark: Mark) -> Mark:
    for text in (mark.engagement, mark.release_id):
        if text is not None and len(text) > ID_CHARS_MAX:
            raise Refused(f"the ids of a mark must have at most {ID_CHARS_MAX} characters")
    return Mark(mark.release_id, _cut(mark.code), _cut(mark.text), mark.engagement)


def _cut(text: str) -> str:
    return text.encode(errors="replace")[:TEXT_BYTES_MAX].decode(errors="ignore")
