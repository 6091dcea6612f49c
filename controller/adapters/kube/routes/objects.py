"""Reads and patches one route object at a time. Each write is conditional on the version that was read in the same
call; what a change means is decided by pure functions that are asked again after every new read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Foreign, Missing
from controller.adapters.kube.kinds import ENDPOINT_SLICE, INGRESS, Kind, Raw
from controller.adapters.kube.routes.kinds import strategies
from controller.adapters.kube.routes.patching import (
    Change,
    Steps,
    annotation_steps,
    annotations_of,
    at_content,
    at_version,
    labels_of,
    objects_in,
)
from controller.adapters.kube.routes.record import ROUTE, Record, encode_record, read_record
from controller.adapters.kube.routes.replicas import SERVICE_LABEL
from controller.adapters.kube.routes.strategy import MANAGED, Found, Look, Strategy
from controller.adapters.kube.routes.tries import Tries
from controller.core.targets import KubernetesRoute, RouteKind, RouteObject
from controller.ports import Clock, Conflict, Refused, Unavailable, Unknown


class Beside(Enum):
    """Whether to read what a kind has to look at beside the object itself."""

    NO = "no"
    IF_BUSY = "where a canary may have traffic"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Seen:
    """One object as it was read. ``record`` is None when it carries none."""

    found: Found
    record: Record | None
    look: Look

    @property
    def known(self) -> Record:
        return self.record or Record()


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of change. ``decide`` gives the new record, or raises; ``weigh`` the weight to bring the object to, or
    None to leave it. ``once``: what may have been done is not done again."""

    decide: Callable[[str, Record], Record]
    weigh: Callable[[Record, Seen], int | None]
    take: bool = False
    beside: Beside = Beside.IF_BUSY
    stops: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be sent: ``record`` in the annotation, ``change`` on the rest. ``weight_pct`` None: the rest stays."""

    seen: Seen
    record: Record
    change: Change
    weight_pct: int | None


Get = Callable[[Kind, str, str], Raw]


class RouteObjects:
    """Safe for threads. ``wait`` is how it pauses between tries, by seconds."""

    def __init__(self, api: KubeApi, clock: Clock, wait: Callable[[float], None]) -> None:
        self._api, self._clock, self._wait = api, clock, wait
        self._strategies: Mapping[RouteKind, Strategy] = strategies()
        self._lock = threading.Lock()
        self._last: dict[tuple[str, RouteObject], Record] = {}

    @property
    def strategies(self) -> Mapping[RouteKind, Strategy]:
        return self._strategies

    def strategy(self, one: RouteObject) -> Strategy:
        return self._strategies[one.kind]

    def see(self, route: KubernetesRoute, one: RouteObject, beside: Beside, get: Get | None = None) -> Seen:
        """``get`` reads single objects, by default from the server. What else tells of them may lag, and so is not
        remembered. Raises Refused, Foreign or Unavailable."""
        remember, strategy, get = get is None, self.strategy(one), get or self._api.get
        found = Found(route, one, None)
        try:
            found = replace(found, carrier=get(strategy.kind, route.namespace, strategy.carrier(one)))
        except Missing as missing:
            if not strategy.owned:
                raise Missing(f"{_missing(found)} ({missing})") from missing
            beside = Beside.YES
        if strategy.owned and found.carrier is not None:
            _must_be_ours(found, strategy, found.carrier)
        return self._as_seen(replace(found, beside=self._beside(found, beside, get)), remember)

    def planned(self, seen: Seen, step: Step) -> Plan | None:
        """What ``step`` sends; None when all of it is there. Raises what forbids it."""
        strategy, found = self.strategy(seen.found.one), seen.found
        record = seen.record or self._first_record(seen)
        after = replace(step.decide(found.where, record), canary=found.route.canary_service)
        weight_pct = step.weigh(after, seen)
        change = Change()
        if weight_pct is not None and found.carrier is not None:
            change = strategy.shift(found, weight_pct, step.take)
            after = with_mirror(after, found.route, weight_pct)
        moved = found.carrier is None or change.steps or annotation_steps(found.carrier, change.annotations)
        if seen.record is not None and seen.look.edited and weight_pct is not None and moved:
            after = replace(after, drift=record.drift + 1, revision=max(after.revision, record.revision + 1))
        if not moved and after == seen.record:
            return None
        return Plan(seen, after, change, weight_pct)

    def carry_out(self, route: KubernetesRoute, one: RouteObject, step: Step, seen: Seen | None = None) -> Seen:
        """Do ``step``, whatever else happens to the object meanwhile, and return what the server made of it.

        After each failure it is read and decided anew, so that nothing is repeated blindly.
        """
        tries = Tries(self._clock, self._wait, step.stops)
        sent: Plan | None = None
        while True:
            try:
                seen = seen or self.see(route, one, step.beside)
            except Unavailable as error:
                tries.failed(error)
                continue
            if sent is not None and step.once:
                return _found_done(seen, sent, tries)
            plan = self.planned(seen, step)
            if plan is None:
                return seen
            try:
                # Every other try of a stop asks for less: a storm of writers who mean something else is no obstacle.
                return self._sent(plan, narrow=step.stops and tries.count % 2 == 1)
            except (Conflict, Unknown, Unavailable) as error:
                sent, seen = plan if isinstance(error, Unknown) else sent, None
                tries.failed(error)

    def give_back(self, route: KubernetesRoute, one: RouteObject) -> None:
        """Nothing of ours is left, all traffic is on stable; done already is done, and what is not ours stays."""
        strategy = self.strategy(one)
        tries = Tries(self._clock, self._wait, stops=False)
        while True:
            try:
                seen = self.see(route, one, Beside.NO)
                if seen.found.carrier is not None:
                    self._given_back(strategy, seen, seen.found.carrier)
            except (Conflict, Unknown) as error:
                tries.failed(error)
                continue
            except (Missing, Foreign):
                pass
            break
        with self._lock:
            self._last.pop((route.namespace, one), None)

    def rehearse(self, plan: Plan) -> Seen:
        """What the server would make of it: its schema, its admission and our rights are asked, nothing is changed."""
        found = replace(plan.seen.found, carrier=self._send(plan, dry_run=True))
        return Seen(found, plan.record, self.strategy(found.one).shown(found, plan.record.weight_pct))

    def _given_back(self, strategy: Strategy, seen: Seen, carrier: Raw) -> None:
        namespace, name = seen.found.route.namespace, carrier["metadata"]["name"]
        if strategy.owned:
            version = carrier["metadata"]["resourceVersion"]
            self._api.delete(strategy.kind, namespace, name, resource_version=version)
            return
        change = strategy.given_back(seen.found, seen.record.found if seen.record is not None else None)
        steps = change.steps + annotation_steps(carrier, {**change.annotations, ROUTE: None})
        if steps:
            self._api.patch(strategy.kind, namespace, name, [*at_version(carrier), *steps])

    def _beside(self, found: Found, beside: Beside, get: Get) -> tuple[Raw, ...] | None:
        route, kind = found.route, self.strategy(found.one).kind
        if beside is Beside.NO:
            return None
        if kind == INGRESS:
            try:
                return (get(INGRESS, route.namespace, found.one.name),)
            except Missing:
                return ()
        if kind == ENDPOINT_SLICE:
            busy = bool(objects_in(found.carrier, "endpoints")) or _weight_pct(found) > 0
            if beside is Beside.YES or busy:
                selector = f"{SERVICE_LABEL} in ({route.service},{route.canary_service})"
                return tuple(self._api.list(ENDPOINT_SLICE, route.namespace, selector).items)
        return None

    def _as_seen(self, found: Found, remember: bool = True) -> Seen:
        record = read_record(found.carrier) if found.carrier is not None else None
        if record is not None and remember:
            self._remember((found.route.namespace, found.one), record)
        return Seen(found, record, self.strategy(found.one).shown(found, record.weight_pct if record else 0))

    def _remember(self, key: tuple[str, RouteObject], record: Record) -> None:
        with self._lock:
            last = self._last.get(key)
            if record.lost:
                self._last.pop(key, None)
            elif last is None or record.revision >= last.revision:
                self._last[key] = record

    def _first_record(self, seen: Seen) -> Record:
        """Of an object that carries none. When it did a moment ago, somebody has stripped it: what it said is counted
        as a drift and goes on, the halts above all, but nobody holds it until it is claimed."""
        found = seen.found
        with self._lock:
            last = self._last.get((found.route.namespace, found.one))
        if last is not None:
            kept = replace(Record(), found=last.found, mirror_pct=last.mirror_pct)
            return replace(kept, revision=last.revision, halts=last.halts, drift=last.drift + 1)
        return Record(found=self.strategy(found.one).as_found(found) if found.carrier is not None else ())

    def _sent(self, plan: Plan, narrow: bool) -> Seen:
        if plan.change.builds:
            must_be(self.rehearse(plan), plan)
        return self._as_seen(replace(plan.seen.found, carrier=self._send(plan, narrow=narrow)))

    def _send(self, plan: Plan, dry_run: bool = False, narrow: bool = False) -> Raw:
        found, strategy = plan.seen.found, self.strategy(plan.seen.found.one)
        annotations = {**plan.change.annotations, ROUTE: encode_record(plan.record)}
        if found.carrier is None:
            body = strategy.born(found)
            meta = {**body["metadata"], "annotations": {**body["metadata"].get("annotations", {}), **annotations}}
            return self._api.create(strategy.kind, found.route.namespace, {**body, "metadata": meta}, dry_run=dry_run)
        steps: Steps = [*plan.change.steps, *annotation_steps(found.carrier, annotations)]
        when = at_content(found.carrier, ROUTE, steps) if narrow else at_version(found.carrier)
        name = strategy.carrier(found.one)
        return self._api.patch(strategy.kind, found.route.namespace, name, [*when, *steps], dry_run=dry_run)


def _found_done(seen: Seen, sent: Plan, tries: Tries) -> Seen:
    """Whether a write without an answer was done. If not, it may still be under way."""
    if seen.record == sent.record:
        return seen
    assert tries.unknown is not None, "only a write can be unknown"
    raise tries.unknown


def with_mirror(record: Record, route: KubernetesRoute, weight_pct: int) -> Record:
    """With a note of the mirror that is written beside the weight, if one is."""
    return replace(record, mirror_pct=route.mirror_pct) if weight_pct and route.mirror_pct else record


def must_be(rehearsed: Seen, plan: Plan) -> None:
    """Raises Refused when the server would make something else of the plan than was meant."""
    if plan.weight_pct != rehearsed.look.live_pct or rehearsed.look.differs:
        raise Refused(
            f"the API server drops part of what {rehearsed.found.where} needs for {plan.weight_pct} %: its definition "
            f"(CRD) is too old for the header, cookie or mirror of this application ({rehearsed.look.differs})"
        )


def _must_be_ours(found: Found, strategy: Strategy, carrier: Raw) -> None:
    """By its label or, so that whoever strips labels holds up no stop, by our annotation. Raises Foreign."""
    if not MANAGED.items() <= labels_of(carrier).items() and ROUTE not in annotations_of(carrier):
        name = f"{found.route.namespace}/{strategy.carrier(found.one)}"
        raise Foreign(
            f"the {strategy.kind.name} {name} is not Interlock's, and is left as it is: rename or delete it, since "
            f"{found.where} needs one of this name"
        )


def _missing(found: Found) -> str:
    name = f"{found.where} is missing"
    return f"{name}: create it, with a rule that sends to the Service {found.route.service}, or name another route"


def _weight_pct(found: Found) -> int:
    record = read_record(found.carrier) if found.carrier is not None else None
    return record.weight_pct if record else 0
