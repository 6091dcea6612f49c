"""Keeps the Deployment of ``trigger: deployment`` paused and turns changes of its template into releases. What to do is
decided in templates.py; here it is looked at and carried out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace

from controller.adapters.kube.resources.needs import Cluster, Controller
from controller.adapters.kube.resources.objects import DeploymentSeen, Place, actor_of
from controller.adapters.kube.resources.recalled import noted_template, put_back
from controller.adapters.kube.resources.shown import Said, camel
from controller.adapters.kube.resources.templates import STABLES, GoBack, Note, Start, Stay, wish_of
from controller.core.model import Application, IntentKind, Phase, Release
from controller.core.targets import KubernetesTarget, Trigger
from controller.ports import Commit, Conflict, Page, Refused
from controller.wishes import Rejected, Submission
from gates.audit import Draft

SOON_S = 2.0
"""Until a watch has told of what was just written."""
AGAIN_S = 30.0
"""Until something that was refused is tried again: a kill may have been released, a registry may be back."""
WISHES_MAX = 3
"""A change is noted, then acted on; more in one visit would mean that it changes under our hands."""
RELEASES_MAX = 20
"""The newest of an application, among which the running one and the last try of a template always are."""
_ROLLS = frozenset({Phase.PROMOTING, Phase.ROLLING_BACK, Phase.HALTED})
"""Phases in which the controller itself may be letting the Deployment roll."""


@dataclass(frozen=True, slots=True)
class Followed:
    """``held``: why the template that people want does not serve. ``again_s``: when to look again without a hint."""

    held: Said | None = None
    again_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """What the last look rested on. Nothing is asked again while all of it is the same."""

    app: Application
    deployment: DeploymentSeen | None
    newest: tuple[object, ...]
    kills: frozenset[str]


class Follower:
    """Looks at the template only when its Deployment, the releases or the kills have changed, or when it is time."""

    def __init__(self, controller: Controller, cluster: Cluster) -> None:
        self._controller, self._cluster = controller, cluster
        self._looked: dict[Place, tuple[_Look, Followed, float]] = {}

    def follow(self, place: Place, app: Application) -> Followed:
        """Raises PortError for what should be tried again soon."""
        target = app.target
        if not isinstance(target, KubernetesTarget) or target.trigger is not Trigger.DEPLOYMENT:
            self.forget(place)
            return Followed()
        if not self._cluster.guards(target.namespace):
            return replace(self.last(place), again_s=AGAIN_S)
        releases = self._releases(app)
        look = self._look(app, target, releases)
        known = self._looked.get(place)
        now_s = self._controller.clock.monotonic_s()
        if known is not None and known[0] == look and now_s < known[2]:
            return replace(known[1], again_s=known[2] - now_s if known[1].again_s is not None else None)
        followed = self._step(place, app, target, look.deployment, releases)
        due_s = now_s + followed.again_s if followed.again_s is not None else float("inf")
        self._looked[place] = (look, followed, due_s)
        return followed

    def last(self, place: Place) -> Followed:
        """What the last look found."""
        known = self._looked.get(place)
        return known[1] if known is not None else Followed()

    def forget(self, place: Place) -> None:
        self._looked.pop(place, None)

    def _releases(self, app: Application) -> Sequence[Release]:
        return self._controller.store.releases(Page(limit=RELEASES_MAX), app.name)

    def _look(self, app: Application, target: KubernetesTarget, releases: Sequence[Release]) -> _Look:
        newest = tuple((one.id, one.phase, one.intent, one.superseded_by) for one in releases)
        kills = frozenset(one.id for one in self._controller.kills().engaged)
        return _Look(app, self._cluster.deployment(target.namespace, target.deployment), newest, kills)

    def _step(
        self,
        place: Place,
        app: Application,
        target: KubernetesTarget,
        seen: DeploymentSeen | None,
        releases: Sequence[Release],
    ) -> Followed:
        if seen is None:
            text = f"there is no Deployment {target.deployment} in namespace {target.namespace}"
            return Followed(Said(False, "DeploymentMissing", text))
        if not seen.paused:
            return self._unpaused(app, target, seen, releases)
        for _ in range(WISHES_MAX):
            try:
                pending = self._controller.workload.pending_version(app)
            except Refused as refused:
                return Followed(Said(False, "TemplateRefused", str(refused)), AGAIN_S)
            # The releases after the template: one that is not yet promoting now was not when the template was read, and
            # so a template that was stable's then was taken back by people and not made stable's by us.
            now = self._releases(app)
            noted = noted_template(self._controller.store, app.name, _named(target), actor_of(place))
            ours = pending is None and put_back(self._controller.store, now)
            wish = wish_of(pending, noted, now, actor_of(place), ours)
            if isinstance(wish, Note):
                self._note(app, target, wish, actor_of(place))
            elif isinstance(wish, Stay):
                return Followed(Said(False, "NotPromoted", wish.why) if wish.why else None)
            else:
                return self._ask(app, target, wish, actor_of(place))
        return Followed(again_s=SOON_S)

    def _unpaused(
        self, app: Application, target: KubernetesTarget, seen: DeploymentSeen, releases: Sequence[Release]
    ) -> Followed:
        if any(one.phase in _ROLLS for one in releases):
            return Followed()
        if not seen.settled:
            # Pausing in the middle would leave stable half of one version and half of another.
            text = f"the Deployment {target.deployment} is not paused and rolls out by itself; it is paused at its end"
            return Followed(Said(False, "RollingByItself", text))
        version = self._cluster.unpaused(target.namespace, target.deployment)
        if version is not None:
            with suppress(Conflict):
                self._pause(app, target, version)
        return Followed(again_s=SOON_S)

    def _pause(self, app: Application, target: KubernetesTarget, version: str) -> None:
        """After ``version`` was read: a promotion, or an end of the guard, that began since then is not undone."""
        active = self._controller.store.active(app.name)
        if any(one.phase in _ROLLS for one in active):
            return
        # Nobody gives it up in the middle of a release, and a release's passes must not wait for this write.
        with self._controller.alone(app.name) if not active else nullcontext():
            stored = self._controller.store.application(app.name)
            if stored is not None and not stored.deleted and stored.app.target == target:
                self._cluster.pause(target.namespace, target.deployment, version)
                self._controller.log("deployment_paused", application=app.name, deployment=_named(target))

    def _note(self, app: Application, target: KubernetesTarget, note: Note, actor: str) -> None:
        changed = f"changed to {note.version}" if note.version != STABLES else "is stable's again"
        draft = Draft(
            "template_changed",
            self._controller.clock.now_s(),
            actor,
            f"the template of the Deployment {_named(target)} {changed}",
            application=app.name,
            environment=app.environment,
            numbers={"version": note.version, "deployment": _named(target)},
        )
        self._controller.store.commit(Commit((draft,)))

    def _ask(self, app: Application, target: KubernetesTarget, wish: Start | GoBack, actor: str) -> Followed:
        commands = self._controller.commands
        try:
            if isinstance(wish, GoBack):
                why = f"the template of the Deployment {_named(target)} is stable's again"
                commands.intend(wish.release_id, IntentKind.ABORT, actor, why)
            else:
                commands.submit(Submission(app.name, wish.version, actor, replace=wish.replace))
        except Rejected as rejected:
            text = f"the changed template of the Deployment {target.deployment} is not deployed: {rejected.text}"
            return Followed(Said(False, camel(rejected.code), text), AGAIN_S)
        return Followed(again_s=SOON_S)


def _named(target: KubernetesTarget) -> str:
    return f"{target.namespace}/{target.deployment}"
