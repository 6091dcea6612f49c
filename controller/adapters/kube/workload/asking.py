"""Answers which version is meant, which one runs, and which one waits in a paused Deployment. It only reads."""

from __future__ import annotations

from collections.abc import Callable

from controller.adapters.kube.workload import versions
from controller.adapters.kube.workload.reading import Reader
from controller.adapters.kube.workload.seen import Deployed
from controller.adapters.kube.workload.services import Services, taken
from controller.adapters.kube.workload.sight import Sight, live_version, no_deployment, running_version
from controller.core.model import Application
from controller.ports import Refused


class Asking:
    def __init__(self, reader: Reader, services: Services, resolve_image: Callable[[str], str]) -> None:
        self._reader, self._services, self._resolve_image = reader, services, resolve_image

    def resolve(self, app: Application, version: str) -> str:
        """What will run. What is known in the cluster already needs no registry."""
        sight = self._reader.anew(app)
        guarded = _guarded(sight)
        known = _known(sight)
        if version in known:
            return version
        if sight.by_template:
            raise Refused(
                f"{app.name} takes its versions from the template of the Deployment {guarded.name}, which is "
                f"{live_version(sight)}: change the template instead"
            )
        reference = versions.reference(versions.image_of(guarded.template, sight.target.container), version)
        if reference in known:
            return reference
        return versions.require_short(self._resolve_image(reference))

    def running(self, app: Application) -> str | None:
        """The version that serves. None for a Deployment that is paused and has never run anything."""
        sight = self._reader.anew(app)
        guarded = _guarded(sight)
        self._services.stable(sight.target, guarded)
        if sight.canary is not None and not sight.canary.is_ours(app.name):
            raise Refused(taken("Deployment", sight.target))
        return versions.require_short(found) if (found := running_version(sight)) is not None else None

    def pending(self, app: Application) -> str | None:
        sight = self._reader.anew(app)
        guarded = _guarded(sight)
        if not guarded.paused or not sight.by_template:
            return None
        rolled = sight.rolled
        if rolled is not None and rolled.digest == guarded.digest:
            return None
        return versions.require_short(live_version(sight))


def _guarded(sight: Sight) -> Deployed:
    if sight.guarded is None:
        raise Refused(no_deployment(sight.target))
    return sight.guarded


def _known(sight: Sight) -> frozenset[str]:
    """Versions that need not be looked for: what runs, what waits, and both sides of a release."""
    records = sight.records
    found = {live_version(sight), running_version(sight)}
    if records is not None:
        found |= {records.stable.kept.version, records.canary.kept.version}
    return frozenset(version for version in found if version is not None)
