"""Shows the kill switch to the cluster's own admission policies, as one object. It engages and releases nothing: what
stops traffic is written to the routes first, by the switch itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Exists, Missing
from controller.adapters.kube.kinds import KILL_SWITCH, Raw
from controller.core.model import Application
from controller.core.targets import KubernetesRoute
from controller.ports import Clock, PortError
from gates.kill import NAME as SCOPE_NAME
from gates.kill import Engagement, KillState, Scope, ScopeKind

NAME = "interlock"
SCOPES_MAX = 100
"""What the object may hold; more than that is shown as everything."""
EVERYTHING = "fleet"
CANARIES_MAX = 1000
"""The same for canaries. Of more than that, those of the usual form are one name, and the others stay beside it."""
USUAL, USUAL_END = "*", "-canary"
OURS = "interlock.dev/controller-scopes"
"""The scopes that this controller has shown, with spaces between. What else the object says was written by somebody
else, and is theirs to release."""
OUR_CANARIES = "interlock.dev/controller-canaries"
"""The same for the canaries: at most 128 kB of the 256 kB that annotations may have."""
LOOK_S = 60.0
"""How old what was last shown of an engaged kill may be before the object is read again: it can be lost or changed."""


class KillObject:
    """``show`` is called each beat; while what it showed last is still true, it asks the cluster once in ``LOOK_S``."""

    def __init__(
        self,
        api: KubeApi,
        namespace: str,
        clock: Clock,
        applications: Callable[[], Sequence[Application]] = lambda: (),
    ) -> None:
        self._api, self._namespace, self._clock = api, namespace, clock
        self._applications = applications
        self._shown: Raw | None = None
        self._at_s = 0.0

    def show(self, state: KillState) -> None:
        """Raises a PortError; the next beat tries again. Where the kind is not installed, nothing is shown."""
        wanted, now_s = shown(state, self._applications()), self._clock.monotonic_s()
        if wanted == self._shown and not (wanted["engaged"] and now_s - self._at_s >= LOOK_S):
            return
        try:
            self._put(wanted)
        except Missing:
            return
        self._shown, self._at_s = wanted, now_s

    def _put(self, wanted: Raw) -> None:
        try:
            found = self._api.get(KILL_SWITCH, self._namespace, NAME)
        except Missing:
            if not wanted["engaged"]:
                return
            notes = {key: told for key, told in _notes(wanted["scopes"], wanted.get("canaries", {})).items() if told}
            body: Raw = {"metadata": {"name": NAME, "annotations": notes}, "spec": wanted}
            try:
                self._api.create(KILL_SWITCH, self._namespace, body)
                return
            except Exists:
                found = self._api.get(KILL_SWITCH, self._namespace, NAME)
        spec, ours, canaries = joined(found, wanted)
        told = _notes(ours, canaries)
        if (found.get("spec") or {}) == spec and all(_annotation(found, key) == text for key, text in told.items()):
            return
        meta = {"resourceVersion": found["metadata"]["resourceVersion"], "annotations": told}
        self._api.patch(KILL_SWITCH, self._namespace, NAME, {"metadata": meta, "spec": _over(found, spec)})


def showing(
    shown: KillObject, kills: Callable[[], KillState], leading: Callable[[], bool], log: Callable[..., None]
) -> Callable[[], None]:
    """One beat. A controller that a newer one has fenced no longer knows what is engaged, and shows nothing."""

    def show() -> None:
        if not leading():
            return
        try:
            shown.show(kills())
        except PortError as error:
            log("kill_object_failed", trouble=str(error))

    return show


def shown(state: KillState, applications: Sequence[Application] = ()) -> Raw:
    """A switch that cannot be read is engaged over everything: nothing may rise on a guess."""
    if not state.engaged and state.readable:
        return {"engaged": False}
    scopes = sorted({_scope(one) for one in state.engaged})
    if not scopes or len(scopes) > SCOPES_MAX or EVERYTHING in scopes:
        scopes = [EVERYTHING]
    since_s = min((one.at_s for one in state.engaged), default=None)
    spec: Raw = {"engaged": True, "scopes": scopes}
    if canaries := _canaries(state, applications):
        spec["canaries"] = canaries
    if since_s is not None:
        spec["since"] = datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return spec


def joined(found: Raw, wanted: Raw) -> tuple[Raw, list[str], Raw]:
    """What the object is to say, and which of its scopes and canaries are ours: somebody else's stay until they release
    them."""
    theirs = _theirs(found)
    if not theirs:
        return wanted, wanted.get("scopes", []), wanted.get("canaries", {})
    spec: Raw = {key: value for key, value in found["spec"].items() if key != "canaries"}
    canaries, our_canaries = _joined_canaries(found, wanted.get("canaries", {}))
    named = {"canaries": canaries} if canaries else {}
    ours = [one for one in wanted.get("scopes", []) if one not in theirs]
    if len(theirs) + len(ours) > SCOPES_MAX:
        ours = [EVERYTHING]
        # No room to remember them: all of it is theirs from here on.
        if len(theirs) >= SCOPES_MAX:
            return {**spec, **named, "scopes": [EVERYTHING]}, [], our_canaries
    return {**wanted, **spec, **named, "scopes": sorted({*theirs, *ours})}, ours, our_canaries


def _joined_canaries(found: Raw, wanted: Raw) -> tuple[Raw, Raw]:
    """All of them, and which are ours. Theirs are shortened only where they alone leave no room for one name more."""
    noted = (_annotation(found, OUR_CANARIES) or "").split()
    theirs = {name: value for name, value in (found["spec"].get("canaries") or {}).items() if name not in noted}
    ours = {name: value for name, value in wanted.items() if name not in theirs}
    if len(theirs) + len(ours) <= CANARIES_MAX:
        return {**theirs, **ours}, ours
    if len(theirs) >= CANARIES_MAX:
        return _bounded([*theirs, *ours], CANARIES_MAX), {}
    ours = {name: value for name, value in _bounded(ours, CANARIES_MAX - len(theirs)).items() if name not in theirs}
    return {**theirs, **ours}, ours


def _theirs(found: Raw) -> list[str]:
    """No scopes at all are everything, as the policies read it, and are never ours: we always write some."""
    spec = found.get("spec") or {}
    if spec.get("engaged") is not True:
        return []
    scopes: list[str] = spec.get("scopes") or []
    ours = (_annotation(found, OURS) or "").split()
    return [one for one in scopes if one not in ours] if scopes else [EVERYTHING]


def _canaries(state: KillState, applications: Sequence[Application]) -> Raw:
    """The canaries' Services of the applications that are covered; on doubt, as of a release's scope, more of them."""
    names = {
        f"{app.router.namespace}/{app.router.canary_service}"
        for app in applications
        if isinstance(app.router, KubernetesRoute)
        and (not state.readable or any(_covers(one.scope, app) for one in state.engaged))
    }
    return _bounded(names, CANARIES_MAX)


def _bounded(names: Iterable[str], room: int) -> Raw:
    """Odd names beyond the room are left out: the object's definition would refuse all of them together."""
    every = sorted(set(names))
    if len(every) > room:
        odd = [name for name in every if name != USUAL and not name.endswith(USUAL_END)]
        every = [USUAL, *odd[: room - 1]]
    return dict.fromkeys(every, True)


def _covers(scope: Scope, app: Application) -> bool:
    if scope.kind is ScopeKind.RELEASE:
        return scope.name.startswith(f"{app.name}-")
    return scope.kind is ScopeKind.FLEET or scope.name == {
        ScopeKind.ENVIRONMENT: app.environment,
        ScopeKind.APPLICATION: app.name,
    }.get(scope.kind)


def _notes(scopes: Iterable[str], canaries: Iterable[str]) -> dict[str, str | None]:
    return {OURS: " ".join(scopes) or None, OUR_CANARIES: " ".join(sorted(canaries)) or None}


def _annotation(found: Raw, key: str) -> str | None:
    told: str | None = (found["metadata"].get("annotations") or {}).get(key)
    return told


def _scope(engagement: Engagement) -> str:
    """What the object's definition would refuse is everything: one scope must not keep the others from being shown."""
    scope = engagement.scope
    sayable = scope.kind is ScopeKind.FLEET or SCOPE_NAME.fullmatch(scope.name)
    return str(scope) if sayable else EVERYTHING


def _over(found: Raw, wanted: Raw) -> Raw:
    """``wanted`` as a merge patch that takes away what is not wanted any more."""
    spec: Raw = found.get("spec") or {}
    patch: Raw = {**dict.fromkeys(spec.keys() - wanted.keys()), **wanted}
    if "canaries" in wanted:
        gone = (spec.get("canaries") or {}).keys() - wanted["canaries"].keys()
        patch["canaries"] = {**dict.fromkeys(gone), **wanted["canaries"]}
    return patch
