"""Which applications of the cluster are looked at now, and how often what fails is tried again. It keeps marks, no
truth: an application that nothing has changed for costs no call and no query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from controller.adapters.kube.resources.needs import Cluster, Controller
from controller.adapters.kube.resources.objects import ApplicationObject, Place
from controller.adapters.kube.resources.visiting import Visitor
from controller.core.model import Application
from controller.core.targets import KubernetesTarget, Trigger
from controller.ports import Conflict, Page, PortError, Refused, Unavailable
from gates.audit import Record
from gates.kill import KillState

SWEEP_S = 300.0
"""Hints may be lost; after this long every application is compared with its objects, from memory and from the store."""
BEAT_S = 5.0
"""No look begins later in a beat; the rest waits for the next. Health expects a beat within 30 s, and one look may take
20 s while the API server hangs."""
RECORDS_MAX = 500
"""New records read at once; the rest comes with the next beat."""
REFUSED_PAUSE_S = 300.0
"""The longest between two tries of what is refused again and again, such as a status that no Role allows to write."""
LOST_PAUSE_S = 30.0
"""The same for what cannot be reached, and comes back by itself."""
UNREACHED_MAX = 3
"""Applications in a row for which the API server or the store cannot be reached, until the beat gives up."""


class Bridge:
    """``sync`` is called by one thread, every few seconds."""

    def __init__(self, controller: Controller, cluster: Cluster) -> None:
        self._controller, self._cluster = controller, cluster
        self._visitor = Visitor(controller, cluster)
        # In the order of their marks: who is marked again and again must not keep the others waiting.
        self._marked: dict[Place, None] = {}
        self._due_s: dict[Place, float] = {}
        self._failures: dict[Place, int] = {}
        self._told: set[Place] = set()
        self._refused: set[Place] = set()
        self._unmirrored: set[Place] = set()
        self._known: frozenset[Place] = frozenset()
        self._seq: int | None = None
        self._kills: KillState | None = None
        self._swept_s: float | None = None

    def sync(self) -> None:
        """Look at what has changed. Raises PortError while the store cannot be read."""
        if not self._controller.leading():
            return
        self._mark(self._cluster.hints())
        objects, applications = self._cluster.applications(), self._applications()
        known = frozenset(objects) | frozenset(_place(app) for app in applications)
        self._mark_by_record(known | self._known)
        self._forget(self._known - known)
        self._known = known
        self._mark_by_deployments(applications)
        self._mark_by_time(known)
        self._visit_marked(objects)

    def _mark(self, places: Iterable[Place]) -> None:
        self._marked |= dict.fromkeys(sorted(place for place in places if place not in self._marked))

    def _applications(self) -> Sequence[Application]:
        return [
            app
            for app in self._controller.applications()
            if isinstance(app.target, KubernetesTarget) and self._cluster.covers(app.target.namespace)
        ]

    def _mark_by_record(self, known: Iterable[Place]) -> None:
        """Everything that happens to an application is on record, so the newest records say who has changed."""
        store = self._controller.store
        if self._seq is None:
            newest = store.audit(Page(limit=1), newest_first=True)
            self._seq = newest[0].seq if newest else 0
            return
        records = store.audit(Page(str(self._seq), RECORDS_MAX))
        if not records:
            return
        self._seq = records[-1].seq
        names = {record.draft.application for record in records}
        self._mark(place for place in known if place[1] in names)
        if any(_is_registration(record) for record in records):
            # What was refused for another application's sake may be possible now.
            self._mark(self._refused)

    def _mark_by_deployments(self, applications: Sequence[Application]) -> None:
        changed = self._cluster.deployment_hints()
        for app in applications:
            target = app.target
            assert isinstance(target, KubernetesTarget), "the others were left out"
            followed = target.trigger is Trigger.DEPLOYMENT
            if followed and (target.namespace, target.deployment) in changed:
                self._mark([_place(app)])

    def _mark_by_time(self, known: frozenset[Place]) -> None:
        now_s = self._controller.clock.monotonic_s()
        self._mark(place for place, due_s in self._due_s.items() if due_s <= now_s)
        self._mark(place for place in self._unmirrored if self._cluster.mirrors(place[0]))
        running = (one.app for one in self._controller.running() if isinstance(one.app.target, KubernetesTarget))
        places = (_place(app) for app in running)
        self._mark(place for place in places if place in known and self._visitor.wording_is_due(place))
        kills = self._controller.kills()
        if self._swept_s is None or now_s >= self._swept_s + SWEEP_S or kills != self._kills:
            self._swept_s, self._kills = now_s, kills
            self._mark(known | self._cluster.mirrored())

    def _visit_marked(self, objects: Mapping[Place, ApplicationObject]) -> None:
        """What is being deleted first: it may have traffic to take back; the others in the order of their marks. Where
        the objects are not known as they are now, nothing is done: what seems to be missing may only be unknown."""
        clock = self._controller.clock
        until_s, unreached = clock.monotonic_s() + BEAT_S, 0
        fresh = {namespace for namespace in {place[0] for place in self._marked} if self._cluster.fresh(namespace)}
        marked = [place for place in self._marked if place[0] in fresh]
        for place in sorted(marked, key=lambda one: one not in objects or not objects[one].deleting):
            if clock.monotonic_s() >= until_s or unreached >= UNREACHED_MAX:
                return
            reached = self._visit(place, objects.get(place))
            unreached = 0 if reached else unreached + 1
            self._marked.pop(place, None)
            if place not in self._known:
                self._visitor.forget(place)

    def _visit(self, place: Place, seen: ApplicationObject | None) -> bool:
        """Whether everything could be reached."""
        self._due_s.pop(place, None)
        troubles: Sequence[PortError]
        again_s: float | None = None
        try:
            visit = self._visitor.visit(place, seen)
        except PortError as error:
            troubles = [error]
        else:
            troubles, again_s = visit.troubles, visit.again_s
            (self._refused.discard if visit.accepted else self._refused.add)(place)
            (self._unmirrored.discard if visit.mirrored else self._unmirrored.add)(place)
        if troubles:
            again_s = min(self._pause_s(place, troubles), again_s if again_s is not None else REFUSED_PAUSE_S)
        else:
            self._failures.pop(place, None)
            self._told.discard(place)
        if again_s is not None:
            self._due_s[place] = self._controller.clock.monotonic_s() + again_s
        return not any(isinstance(one, Unavailable) for one in troubles)

    def _pause_s(self, place: Place, troubles: Sequence[PortError]) -> float:
        """Doubled with every failure in a row; the first of them is told, but for a write that met another one."""
        failures = self._failures[place] = self._failures.get(place, 0) + 1
        told = next((one for one in troubles if not isinstance(one, Conflict)), None)
        if told is not None and place not in self._told:
            self._told.add(place)
            self._controller.log("resource_trouble", namespace=place[0], application=place[1], trouble=str(told))
        longest_s = REFUSED_PAUSE_S if all(isinstance(one, Refused) for one in troubles) else LOST_PAUSE_S
        return float(min(2.0 ** min(failures, 10), longest_s))

    def _forget(self, gone: frozenset[Place]) -> None:
        for place in gone:
            self._visitor.forget(place)
            self._failures.pop(place, None)
            self._told.discard(place)
            self._due_s.pop(place, None)
            self._refused.discard(place)
            self._unmirrored.discard(place)


def _place(app: Application) -> Place:
    assert isinstance(app.target, KubernetesTarget), "it runs elsewhere"
    return app.target.namespace, app.name


def _is_registration(record: Record) -> bool:
    return record.draft.type in ("application_registered", "application_changed", "application_deleted")
