"""Takes everything of ours away from an application and leaves what serves as it is, without a restart."""

from __future__ import annotations

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.kinds import DEPLOYMENT
from controller.adapters.kube.workload.canary_moves import CanaryMoves
from controller.adapters.kube.workload.copies import Copies
from controller.adapters.kube.workload.names import APPLICATION, ON_STABLE
from controller.adapters.kube.workload.patches import label_patch, patch_of
from controller.adapters.kube.workload.seen import Deployed, deployed
from controller.adapters.kube.workload.services import Services
from controller.adapters.kube.workload.sight import Sight, live_version, running_version
from controller.adapters.kube.workload.templates import Templates
from controller.ports import Refused


class GivingBack:
    def __init__(
        self, api: KubeApi, canary_moves: CanaryMoves, templates: Templates, services: Services, copies: Copies
    ) -> None:
        self._api, self._canary_moves, self._templates = api, canary_moves, templates
        self._services, self._copies = services, copies

    def require(self, sight: Sight) -> None:
        """Raises Refused when an end of the pause would roll something. It only looks."""
        if sight.guarded is not None and _resumes(sight, sight.guarded):
            _require_at_rest(sight, sight.guarded)

    def all_of(self, sight: Sight) -> None:
        """Done already is done. Raises Refused, with nothing removed, when an end of the pause would roll something."""
        target, guarded = sight.target, sight.guarded
        self.require(sight)
        if not self._canary_moves.away(sight, None):
            self._services.remove(sight)
            self._copies.remove(target, sight.application)
        self._templates.drop_all(target.namespace, sight.application)
        if guarded is not None:
            fields = {"/spec/paused": False} if _resumes(sight, guarded) else {}
            patch = patch_of(guarded, fields, dict.fromkeys(ON_STABLE))
            if patch:
                guarded = deployed(self._api.patch(DEPLOYMENT, guarded.namespace, guarded.name, patch))
            if guarded.labels.get(APPLICATION) == sight.application:
                self._api.patch(DEPLOYMENT, guarded.namespace, guarded.name, label_patch(guarded, APPLICATION, None))


def _resumes(sight: Sight, guarded: Deployed) -> bool:
    return sight.by_template and guarded.paused


def _require_at_rest(sight: Sight, guarded: Deployed) -> None:
    rolled, runs = sight.rolled, running_version(sight) or "nothing"
    if rolled is not None and rolled.digest == guarded.digest:
        return
    raise Refused(
        f"the Deployment {guarded.name} is paused and runs {runs}, while its template is {live_version(sight)}: "
        "without the pause that would roll out unguarded. Put the template back to what runs, or roll it out yourself: "
        f"kubectl -n {guarded.namespace} rollout resume deployment/{guarded.name}"
    )
