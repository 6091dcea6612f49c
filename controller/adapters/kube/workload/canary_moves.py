"""Makes a canary, keeps it as it should be, and takes it away. Everything hangs on its Deployment, which is made first,
without instances, and deleted last: what is left of a broken move is found there."""

from __future__ import annotations

from typing import Any

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Missing
from controller.adapters.kube.kinds import DEPLOYMENT, Raw
from controller.adapters.kube.lists import SharedLists
from controller.adapters.kube.workload.canary import canary_deployment, canary_template, label_changes, notes_of
from controller.adapters.kube.workload.copies import Copies
from controller.adapters.kube.workload.names import EPOCH, PROMOTED, TEMPLATE
from controller.adapters.kube.workload.patches import patch_of
from controller.adapters.kube.workload.records import Kept, Made, Records, Started, kept_of
from controller.adapters.kube.workload.seen import Deployed, deployed
from controller.adapters.kube.workload.services import Services, taken
from controller.adapters.kube.workload.sight import Sight, live_version, no_deployment, running_version
from controller.adapters.kube.workload.stable_moves import TEMPLATE_PATH, autoscaler_of, require_newest
from controller.adapters.kube.workload.templates import Templates
from controller.adapters.kube.workload.versions import canonical, digest_of, with_version
from controller.ports import Refused

REPLICAS_PATH = "/spec/replicas"


class CanaryMoves:
    def __init__(
        self, api: KubeApi, lists: SharedLists, templates: Templates, services: Services, copies: Copies
    ) -> None:
        self._api, self._lists = api, lists
        self._templates, self._services, self._copies = templates, services, copies

    def toward(self, sight: Sight, version: str, epoch: int, replicas: int, check: bool) -> bool:
        """One move toward ``replicas`` instances of ``version``; True when something was written. Raises a PortError.

        ``check``: look after what the pods need as well, and not only when they are about to become more.
        """
        canary, guarded = sight.canary, sight.guarded
        if guarded is None:
            raise Refused(no_deployment(sight.target))  # what there is of the canary serves on as it is
        if canary is None:
            canary = self._make(sight, guarded, version, epoch)
            self._equip(sight, canary, epoch, replicas)
            return True
        if not canary.is_ours(sight.application):
            raise Refused(taken("Deployment", sight.target))
        require_newest(canary, epoch)
        if canary.leaving:
            raise Refused(f"the Deployment {canary.name} is being deleted: it is made again when it is gone")
        records = canary.records
        if records is None:
            text = "its notes on stable cannot be read, so that it could not be undone: abort, and deploy again"
            raise Refused(f"somebody changed the annotations of the Deployment {canary.name}: {text}")
        if records.canary.kept.version != version:
            self._delete(canary)  # an older release's: it has no traffic, and the next pass makes the new one
            return True
        if guarded.replicas == 0:
            replicas = max(replicas, canary.replicas)  # stable serves nobody: this is no time to have fewer
        if check or canary.replicas < replicas:
            return self._equip(sight, canary, epoch, replicas)
        return self._correct(sight, canary, records, epoch, replicas)

    def away(self, sight: Sight, epoch: int | None) -> bool:
        """Remove the canary and all that was made for it; False when there is none. ``epoch`` None: whoever leads."""
        canary = sight.canary
        if canary is None or not canary.is_ours(sight.application):
            return False
        if epoch is not None:
            require_newest(canary, epoch)
        if not canary.leaving:
            self._services.remove(sight)
            self._copies.remove(sight.target, sight.application)
            self._delete(canary)
            used = frozenset({sight.records.canary.kept.revision}) if sight.records is not None else frozenset()
            self._templates.prune(canary.namespace, sight.application, used)
        return True

    def _delete(self, canary: Deployed) -> None:
        try:
            self._api.delete(DEPLOYMENT, canary.namespace, canary.name, canary.uid, canary.resource_version)
        except Missing:
            return

    def _make(self, sight: Sight, guarded: Deployed, version: str, epoch: int) -> Deployed:
        target = sight.target
        _require_rolling(guarded)
        stable, old = self._stable(sight, guarded)
        kept, template = self._wanted(sight, guarded, version)
        self._services.stable(target, guarded)
        labels = label_changes(sight.application, target.canary_name, template, self._services.choosing(sight))
        copies = self._copies.names(target, sight.application, template)
        self._templates.keep(target.namespace, sight.application, stable, old)
        self._templates.keep(target.namespace, sight.application, kept, template)
        made = Made(kept, epoch, labels, copies)
        autoscaled = autoscaler_of(self._lists, guarded) is not None
        notes = notes_of(Started(stable, guarded.replicas, guarded.ready, autoscaled), made)
        pods = canary_template(sight.application, template, made)
        body = canary_deployment(target.canary_name, guarded, sight.application, pods, notes)
        return deployed(self._api.create(DEPLOYMENT, target.namespace, body))

    def _stable(self, sight: Sight, guarded: Deployed) -> tuple[Kept, Raw]:
        """Stable as it is now, to be gone back to exactly."""
        version, rolled = running_version(sight), sight.rolled
        if version is None:
            raise Refused(f"the Deployment {guarded.name} has never run anything: there is no stable yet")
        template = canonical(rolled.template if sight.by_template and rolled is not None else guarded.template)
        return kept_of(guarded.name, version, template), template

    def _wanted(self, sight: Sight, guarded: Deployed, version: str) -> tuple[Kept, Raw]:
        """The template of ``version``, made of stable's as it is now."""
        promotion = guarded.promotion
        promoted = promotion is not None and promotion.digest == guarded.digest and not promotion.back
        if promoted and guarded.annotations.get(PROMOTED) == version:
            raise Refused(f"stable runs {version} already, and the Deployment of its canary was deleted by somebody")
        if not sight.by_template:
            template = canonical(with_version(guarded.template, sight.target.container, version))
        elif live_version(sight) == version:
            template = canonical(guarded.template)
        else:
            template = self._templates.whole(guarded.namespace, sight.application, version, None)
        return kept_of(guarded.name, version, template), template

    def _equip(self, sight: Sight, canary: Deployed, epoch: int, replicas: int) -> bool:
        """What the pods need first, then the pods."""
        records = canary.records
        assert records is not None
        self._services.keep(sight, canary, check=canary.replicas == replicas)
        self._copies.keep(canary, sight.application, records.canary.copies)
        return self._correct(sight, canary, records, epoch, replicas)

    def _correct(self, sight: Sight, canary: Deployed, records: Records, epoch: int, replicas: int) -> bool:
        """One patch for everything that differs, with none when nothing does."""
        fields: dict[str, Any] = {REPLICAS_PATH: replicas} if canary.replicas != replicas else {}
        taken_as = records.template or canary.digest
        if canary.digest != taken_as:
            fields[TEMPLATE_PATH] = self._as_it_was(sight, canary, records)
        if canary.paused:
            fields["/spec/paused"] = False
        patch = patch_of(canary, fields, {EPOCH: str(epoch), TEMPLATE: taken_as})
        if patch:
            self._api.patch(DEPLOYMENT, canary.namespace, canary.name, patch)
        return bool(patch)

    def _as_it_was(self, sight: Sight, canary: Deployed, records: Records) -> Raw:
        """The canary's template before somebody edited it. Raises Refused when it cannot be made the same again."""
        kept = records.canary.kept
        whole = self._templates.whole(canary.namespace, sight.application, kept.version, kept)
        template = canary_template(sight.application, whole, records.canary)
        if digest_of(template) != records.template:
            raise Refused(f"somebody changed the template of the Deployment {canary.name}: abort, and deploy again")
        return template


def _require_rolling(guarded: Deployed) -> None:
    if guarded.strategy == "Recreate":
        raise Refused(
            f"the Deployment {guarded.name} has the strategy Recreate, so that a promotion would end every instance of "
            "stable before the first new one starts: set spec.strategy.type to RollingUpdate"
        )
