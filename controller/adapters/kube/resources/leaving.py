"""Gives an application back when its object is deleted: abort, wait for the end, take off what is ours, forget it. Each
visit does what can be done now and waits for nothing; begun again after a crash it comes to the same end."""

from __future__ import annotations

from dataclasses import dataclass

from controller.adapters.kube.resources.documents import is_ours
from controller.adapters.kube.resources.needs import Cluster, Controller
from controller.adapters.kube.resources.objects import ABANDON, ApplicationObject, actor_of
from controller.adapters.kube.resources.recalled import registered_by
from controller.core.model import Application, IntentKind, Phase, Release
from controller.ports import Commit, PortError, Refused, StoredApplication
from controller.wishes import Rejected
from gates.audit import Draft

AGAIN_S = 2.0
REFUSED_S = 30.0
"""After a refusal: only somebody else's edit helps against most of them, and each try reads the cluster."""


@dataclass(frozen=True, slots=True)
class Stays:
    """Why an object has to stay for now, and when to look again."""

    why: str
    again_s: float = AGAIN_S


class Leaver:
    def __init__(self, controller: Controller, cluster: Cluster) -> None:
        self._controller, self._cluster = controller, cluster

    def leave(self, seen: ApplicationObject) -> Stays | None:
        """None when it may go, and then it has been let go. Raises PortError."""
        if not seen.held:
            return None
        stored = self._controller.store.application(seen.name)
        if (
            stored is not None
            and not stored.deleted
            and is_ours(stored, seen, registered_by(self._controller.store, seen.name))
        ):
            stays = self._give_up(stored, actor_of(seen.place))
            if stays is not None and not seen.abandoned:
                return stays
            if stays is not None:
                self._abandon(stored.app, actor_of(seen.place), stays.why)
        self._cluster.let_go(seen)
        return None

    def _give_up(self, stored: StoredApplication, actor: str) -> Stays | None:
        app = stored.app
        try:
            active = self._controller.store.active(app.name)
            for release in active:
                self._abort(release, actor)
            if active:
                return Stays(f"waiting for the end of release {active[0].id}, which is {_shown(active[0].phase)}")
            self._controller.commands.unregister(app.name, actor)
        except Rejected as rejected:
            # A release that began meanwhile is aborted at the next look.
            return Stays(rejected.text, AGAIN_S if rejected.code == "active_release" else REFUSED_S)
        except PortError as error:
            again_s = REFUSED_S if isinstance(error, Refused) else AGAIN_S
            return Stays(f"{app.name} cannot be given back yet: {error}", again_s)
        return None

    def _abort(self, release: Release, actor: str) -> None:
        aborted = release.intent is not None and release.intent.kind is IntentKind.ABORT
        if not aborted and release.phase is not Phase.ROLLING_BACK:
            self._controller.commands.intend(
                release.id, IntentKind.ABORT, actor, "the Application object is being deleted"
            )

    def _abandon(self, app: Application, actor: str, why: str) -> None:
        text = f"{app.name} is no longer looked after, by {ABANDON}: {why}"
        draft = Draft(
            "application_abandoned",
            self._controller.clock.now_s(),
            actor,
            text[:1000],
            application=app.name,
            environment=app.environment,
        )
        self._controller.store.commit(Commit((draft,)))
        self._controller.log("application_abandoned", application=app.name, trouble=why, page=True)


def _shown(phase: Phase) -> str:
    return phase.value.replace("_", " ")
