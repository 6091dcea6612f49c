"""Shows the kill switch to the cluster's own admission policies, as one object. It engages and releases nothing: what
stops traffic is written to the routes first, by the switch itself."""

from __future__ import annotations

from datetime import UTC, datetime

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Exists, Missing
from controller.adapters.kube.kinds import KILL_SWITCH, Raw
from gates.kill import Engagement, KillState

NAME = "interlock"
SCOPES_MAX = 100
"""What the object may hold; more than that is shown as everything."""
EVERYTHING = "fleet"
BY, OURS = "interlock.dev/by", "controller"
"""The mark of what this controller engaged, and so may show as released."""


class KillObject:
    """``show`` is called each beat and asks the cluster nothing while what it showed last is still true."""

    def __init__(self, api: KubeApi, namespace: str) -> None:
        self._api, self._namespace = api, namespace
        self._shown: Raw | None = None

    def show(self, state: KillState) -> None:
        """Raises a PortError; the next beat tries again. Where the kind is not installed, nothing is shown."""
        wanted = shown(state)
        if wanted == self._shown:
            return
        try:
            self._put(wanted)
        except Missing:
            return
        self._shown = wanted

    def _put(self, wanted: Raw) -> None:
        try:
            found = self._api.get(KILL_SWITCH, self._namespace, NAME)
        except Missing:
            if not wanted["engaged"]:
                return
            body: Raw = {"metadata": {"name": NAME, "annotations": {BY: OURS}}, "spec": wanted}
            try:
                self._api.create(KILL_SWITCH, self._namespace, body)
                return
            except Exists:
                found = self._api.get(KILL_SWITCH, self._namespace, NAME)
        meta: Raw = {"resourceVersion": found["metadata"]["resourceVersion"], "annotations": {BY: OURS}}
        by_hand = (found.get("spec") or {}).get("engaged") is True and not _ours(found)
        if by_hand:
            # Releasing what somebody engaged by hand is theirs, too: our kills only come on top of it.
            if not wanted["engaged"]:
                return
            meta.pop("annotations")
            wanted = {**found["spec"], "scopes": _together(found["spec"], wanted)}
        self._api.patch(KILL_SWITCH, self._namespace, NAME, {"metadata": meta, "spec": _over(found, wanted)})


def shown(state: KillState) -> Raw:
    """A switch that cannot be read is engaged over everything: nothing may rise on a guess."""
    if not state.engaged and state.readable:
        return {"engaged": False}
    scopes = sorted({_scope(one) for one in state.engaged})
    if not scopes or len(scopes) > SCOPES_MAX or EVERYTHING in scopes:
        scopes = [EVERYTHING]
    since_s = min((one.at_s for one in state.engaged), default=None)
    spec: Raw = {"engaged": True, "scopes": scopes}
    if since_s is not None:
        spec["since"] = datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return spec


def _together(found: Raw, wanted: Raw) -> list[str]:
    """No scopes at all are everything, as the policies read it."""
    scopes = sorted({*(found.get("scopes") or [EVERYTHING]), *wanted["scopes"]})
    return [EVERYTHING] if EVERYTHING in scopes or len(scopes) > SCOPES_MAX else scopes


def _ours(found: Raw) -> bool:
    return (found["metadata"].get("annotations") or {}).get(BY) == OURS


def _scope(engagement: Engagement) -> str:
    return str(engagement.scope)


def _over(found: Raw, wanted: Raw) -> Raw:
    """``wanted`` as a merge patch that takes away what is not wanted any more."""
    gone = dict.fromkeys((found.get("spec") or {}).keys() - wanted.keys())
    return {**gone, **wanted}
