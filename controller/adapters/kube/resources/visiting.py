"""One look at one application of the cluster: take its object in, follow its template, show what the store holds. Every
part is done again from what is there, so that it can be stopped anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.resources.documents import guards_the_same, is_ours, read, sentences, taken_text
from controller.adapters.kube.resources.following import AGAIN_S, RELEASES_MAX, Follower
from controller.adapters.kube.resources.leaving import Leaver
from controller.adapters.kube.resources.mirrors import body_of, correction, shown_of, status_patch
from controller.adapters.kube.resources.mirrors import status_of as status_of_release
from controller.adapters.kube.resources.needs import Cluster, Controller
from controller.adapters.kube.resources.objects import ApplicationObject, Place, actor_of, owner_of
from controller.adapters.kube.resources.recalled import registered_by
from controller.adapters.kube.resources.shown import Picture, Said, camel, is_wording, merge_patch, status_of
from controller.core.model import Application, Release
from controller.core.moves import ENDED
from controller.core.targets import KubernetesTarget
from controller.ports import Page, PortError, Refused, StoredApplication, Unavailable
from controller.spec import InvalidDocument
from controller.wishes import Rejected
from gates.kill import KillAnswerKind, Target, answer

WRITE_S = 3.0
"""The least time between two writes of one object's status: it is for people, and etcd keeps every version."""
WORDING_S = 30.0
"""The same for a change of nothing but counts in a sentence: 200 running releases make some 13 writes a second."""
INVALID = "InvalidSpec"
"""Only an edit helps against it."""
REASONS = {"active_release": "ReleaseRunning"}
"""Of the refusals that have another name here."""
STAYS = "; what was registered before stays in force"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an object's spec, and what is registered for it now."""

    said: Said
    stored: StoredApplication | None = None


@dataclass(slots=True)
class Visit:
    """``again_s``: seconds until the next look without a hint. Each trouble left the other parts to be done.

    ``mirrored`` is False when the Release objects were not known, and so left as they are.
    """

    wording: bool
    accepted: bool = True
    mirrored: bool = True
    again_s: float | None = None
    troubles: list[PortError] = field(default_factory=list)

    def soon(self, again_s: float | None) -> None:
        times_s = [one for one in (self.again_s, again_s) if one is not None]
        self.again_s = min(times_s, default=None)


class Visitor:
    """Holds only what spares work; all of it may be lost."""

    def __init__(self, controller: Controller, cluster: Cluster) -> None:
        self._controller, self._cluster = controller, cluster
        self._follower, self._leaver = Follower(controller, cluster), Leaver(controller, cluster)
        self._parsed: dict[Place, tuple[str, int, Application | InvalidDocument]] = {}
        self._shown_s: dict[Place, float] = {}
        self._worded_s: dict[Place, float] = {}

    def forget(self, place: Place) -> None:
        """The place is no application any more."""
        for known in (self._parsed, self._shown_s, self._worded_s):
            known.pop(place, None)
        self._follower.forget(place)

    def wording_is_due(self, place: Place) -> bool:
        return self._controller.clock.monotonic_s() >= self._worded_s.get(place, float("-inf")) + WORDING_S

    def visit(self, place: Place, seen: ApplicationObject | None) -> Visit:
        """Raises PortError when nothing could be done."""
        visit = Visit(self.wording_is_due(place))
        if visit.wording:
            self._worded_s[place] = self._controller.clock.monotonic_s()
        if seen is None:
            self._without_object(place, visit)
        elif seen.deleting:
            self._leave(seen, visit)
        else:
            self._with_object(seen, visit)
        return visit

    def _with_object(self, seen: ApplicationObject, visit: Visit) -> None:
        taken = self._take_in(seen)
        visit.accepted = taken.said.status
        if not visit.accepted and taken.said.reason != INVALID:
            visit.soon(AGAIN_S)  # what stands in the way may go without a word to us
        held = self._follow(seen.place, taken.stored, visit)
        self._tell(seen, Picture(seen.generation, taken.said, held=held), taken.stored, visit)

    def _without_object(self, place: Place, visit: Visit) -> None:
        """Registered by other means: there is nothing to show a status on, but its releases are mirrored."""
        stored = self._controller.store.application(place[1])
        mine = stored if stored is not None and not stored.deleted and _runs_at(stored.app, place) else None
        self._follow(place, mine, visit)
        self._mirror(place, None, self._releases(place, mine), visit)

    def _leave(self, seen: ApplicationObject, visit: Visit) -> None:
        stays = self._leaver.leave(seen)
        if stays is None:
            return
        visit.soon(stays.again_s)
        accepted = Said(False, "Deleting", "the object is being deleted")
        stored = self._controller.store.application(seen.name)
        self._tell(seen, Picture(seen.generation, accepted, leaving=stays.why), stored, visit)

    def _tell(self, seen: ApplicationObject, picture: Picture, stored: StoredApplication | None, visit: Visit) -> None:
        releases = self._releases(seen.place, stored)
        whole = replace(
            picture,
            newest=releases[0] if releases else None,
            stable_version=stored.stable_version if stored is not None else None,
            kill=self._kill(stored, releases),
        )
        try:
            self._show(seen, whole, visit)
        except PortError as error:
            visit.troubles.append(error)
            if isinstance(error, Unavailable):
                return  # each more call would wait for its time-out as well
        self._mirror(seen.place, seen, releases, visit)

    def _take_in(self, seen: ApplicationObject) -> Taken:
        store = self._controller.store
        stored = store.application(seen.name)
        wanted = self._parse(seen)
        if stored is not None and not (stored.deleted or guards_the_same(stored, seen)):
            by = registered_by(store, seen.name)
            if not is_ours(stored, seen, by):
                return Taken(Said(False, "NameTaken", taken_text(stored, by)))
        standing = stored if stored is not None and not stored.deleted else None
        if isinstance(wanted, InvalidDocument):
            return _refused(INVALID, sentences(wanted), standing)
        if not seen.held:
            # Before anything is ours to give back.
            try:
                self._cluster.hold(seen)
            except Refused as refused:
                return _refused("NotHeld", f"the finalizer cannot be put on: {refused}", standing)
        if standing is not None and standing.app == wanted:
            return Taken(Said(True, "Registered", f"registered as application {seen.name}"), standing)
        return self._register(seen, standing, wanted)

    def _register(self, seen: ApplicationObject, standing: StoredApplication | None, wanted: Application) -> Taken:
        try:
            registered = self._controller.commands.register(wanted, actor_of(seen.place))
        except Rejected as rejected:
            return _refused(REASONS.get(rejected.code) or camel(rejected.code), rejected.text, standing)
        return Taken(Said(True, "Registered", f"registered as application {seen.name}"), registered)

    def _parse(self, seen: ApplicationObject) -> Application | InvalidDocument:
        known = self._parsed.get(seen.place)
        if known is not None and known[:2] == (seen.uid, seen.generation):
            return known[2]
        found: Application | InvalidDocument
        try:
            found = read(seen)
        except InvalidDocument as error:
            found = error
        self._parsed[seen.place] = (seen.uid, seen.generation, found)
        return found

    def _releases(self, place: Place, stored: StoredApplication | None) -> list[Release]:
        """Newest first, and only those that ran here."""
        if stored is None:
            return []
        return shown_of(self._controller.store.releases(Page(limit=RELEASES_MAX), place[1]), place[0])

    def _follow(self, place: Place, stored: StoredApplication | None, visit: Visit) -> Said | None:
        if stored is None:
            return None
        try:
            followed = self._follower.follow(place, stored.app)
        except PortError as error:
            visit.troubles.append(error)
            followed = self._follower.last(place)
        visit.soon(followed.again_s)
        return followed.held

    def _kill(self, stored: StoredApplication | None, releases: Sequence[Release]) -> str:
        if stored is None:
            return ""
        running = releases[0].id if releases and releases[0].phase not in ENDED else None
        target = Target(stored.app.environment, stored.app.name, running)
        said = answer(self._controller.kills(), target)
        return said.text if said.kind is not KillAnswerKind.NONE else ""

    def _show(self, seen: ApplicationObject, picture: Picture, visit: Visit) -> None:
        clock = self._controller.clock
        patch = merge_patch(seen.status, status_of(picture, seen.status, clock.now_s()))
        if not patch or (is_wording(patch) and not visit.wording):
            return
        now_s = clock.monotonic_s()
        wait_s = self._shown_s.get(seen.place, now_s - WRITE_S) + WRITE_S - now_s
        if wait_s > 0:
            visit.soon(wait_s)
            return
        self._shown_s[seen.place] = now_s
        self._cluster.show(seen, patch)

    def _mirror(self, place: Place, owner: ApplicationObject | None, releases: Sequence[Release], visit: Visit) -> None:
        """The newest few as objects; what is older, or nobody's any more, goes."""
        if not self._cluster.mirrors(place[0]):
            visit.mirrored = False
            return
        reference = owner_of(owner) if owner is not None else None
        try:
            for release in releases:
                self._mirror_one(place, release, reference, visit)
            wanted = {release.id for release in releases}
            for left in self._cluster.releases_of(place):
                if left.name not in wanted and not self._is_anothers(left.name, place):
                    self._cluster.remove_release(left)
        except PortError as error:
            visit.troubles.append(error)

    def _is_anothers(self, release_id: str, place: Place) -> bool:
        """Somebody has put this application's label on it; its own application takes that off again."""
        release = self._controller.store.release(release_id)
        return release is not None and release.app.name != place[1]

    def _mirror_one(self, place: Place, release: Release, reference: Raw | None, visit: Visit) -> None:
        seen = self._cluster.release(place[0], release.id)
        if seen is None:
            self._cluster.create_release(place[0], body_of(release, reference), status_of_release(release))
            return
        status = status_patch(seen, release)
        if is_wording(status) and release.phase not in ENDED and not visit.wording:
            status = {}
        edit = correction(seen, release, reference)
        if edit or status:
            self._cluster.correct_release(seen, edit, status or None)


def _refused(reason: str, text: str, standing: StoredApplication | None) -> Taken:
    return Taken(Said(False, reason, text + (STAYS if standing is not None else "")), standing)


def _runs_at(app: Application, place: Place) -> bool:
    return isinstance(app.target, KubernetesTarget) and app.target.namespace == place[0]
