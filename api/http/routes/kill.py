"""The kill switch: engage, list, release. Engaging waits behind nothing and needs no key; letting go needs a reason."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api.http.auth import Caller
from api.http.context import PROBLEMS, Context, ContextOf, Reader, allow, context_of, named_release, stopping
from api.http.errors import ProblemError
from api.http.let_go import halted_under, let_go
from api.http.once import Reply, json_response
from api.http.permissions import Action, Reach, within_application
from api.http.requests import KillReleaseRequest, KillRequest
from api.http.schemas_kill import KillEngagedView, KillListView, KillPathView, KillReleasedView
from api.http.views import engaged_view, kill_view, kills_view
from controller.ports import Page, PortError
from gates.kill import Engagement, Scope, ScopeKind, Verb, parse_scope

router = APIRouter(prefix="/v1/kill-switch", tags=["kill switch"], responses=PROBLEMS)

Releaser = Annotated[Caller, Depends(allow(Action.UNKILL))]
APPLICATIONS_PAGE = 500


@router.post("", response_model=KillEngagedView)
async def engage(request: Request, body: KillRequest) -> Response:
    """Stop everything in the scope. 200 when every path holds, 202 when one does not yet: ``paths`` says which."""
    context = context_of(request)
    scope = _scope(body.scope)
    if scope.kind is ScopeKind.RELEASE:
        named_release(request, scope.name)

    def work(caller: Caller) -> Response:
        _require_something(context, scope)
        engaged = context.doors.kills.engage(Verb(body.verb), scope, caller.name, body.reason)
        view = _honest(scope, engaged_view(engaged))
        return json_response(200 if view.effective else 202, view)

    return await stopping(request, Action.KILL, work)


@router.get("", response_model=KillListView)
def engaged_now(context: ContextOf, caller: Reader) -> object:
    """What is engaged now, newest first; a kill that only a route remembers is among it within seconds of the start."""
    return kills_view(context.doors.kills.state(), context.doors.self_test())


@router.post("/{kill_id}/release", response_model=KillReleasedView)
def release(request: Request, context: ContextOf, caller: Releaser, kill_id: str, body: KillReleaseRequest) -> Response:
    """Let go of one engagement. What it halted starts again at step 0, unless another kill holds it: see ``text``."""

    def run(reply: Reply) -> Response:
        engagement = _known(context, kill_id)
        if caller.reach is Reach.APPLICATION and not within_application(engagement.scope):
            detail = f"the role {caller.role} may release kills of one application or release: ask an approver"
            raise context.gate.forbid(request, caller, detail)
        halted = halted_under(context.doors.store, engagement.scope)
        context.doors.kills.release(kill_id, caller.name, body.reason)
        text = let_go(context.doors.kills, engagement, halted)
        view = KillReleasedView(kill=kill_view(engagement), released_by=caller.name, text=text)
        context.once.remember(reply.stored(200, view))
        return json_response(200, view)

    return context.once.run(request, caller, run)


def _honest(scope: Scope, view: KillEngagedView) -> KillEngagedView:
    """An application registered a moment ago may have a route that memory does not know: then none was written."""
    if scope.kind is ScopeKind.FLEET or any(path.path.startswith("route:") for path in view.paths):
        return view
    text = "no route is known here yet; the next pass over the release takes traffic back"
    path = KillPathView(path="route:*", state="pending", text=text)
    return view.model_copy(update={"effective": False, "paths": [*view.paths, path]})


def _scope(text: str) -> Scope:
    try:
        return parse_scope(text)
    except ValueError as error:
        raise _unknown_scope(str(error)) from None


def _unknown_scope(detail: str) -> ProblemError:
    return ProblemError(400, "unknown_scope", "Unknown scope: NOTHING WAS STOPPED", detail)


def _require_something(context: Context, scope: Scope) -> None:
    """A scope that surely names nothing is a typing error in an emergency: it must be loud. In doubt, engage."""
    try:
        found = context.doors.kills.covered(scope) or _stored(context, scope)
    except PortError:
        return
    if scope.kind is not ScopeKind.FLEET and not found:
        raise _unknown_scope(
            f"there is no {scope.kind.value} {scope.name!r}; nothing was engaged. See GET {_list(scope)}."
        )


def _stored(context: Context, scope: Scope) -> bool:
    """Whether the store knows it, though memory does not yet."""
    store = context.doors.store
    if scope.kind is ScopeKind.RELEASE:
        return store.release(scope.name) is not None
    if scope.kind is ScopeKind.APPLICATION:
        stored = store.application(scope.name)
        return stored is not None and not stored.deleted
    rows = store.applications(Page(limit=APPLICATIONS_PAGE))
    return any(stored.app.environment == scope.name for stored in rows)


def _list(scope: Scope) -> str:
    return "/v1/releases" if scope.kind is ScopeKind.RELEASE else "/v1/applications"


def _known(context: Context, kill_id: str) -> Engagement:
    state = context.doors.kills.state()
    found = next((engagement for engagement in state.engaged if engagement.id == kill_id), None)
    if found is not None:
        return found
    if kill_id in state.released:
        raise ProblemError(409, "already_released", "Already released", f"kill {kill_id[:80]} was released already.")
    orphan = next((kill for kill in context.doors.kills.orphans() if kill.id == kill_id), None)
    if orphan is not None:
        return orphan
    detail = f"there is no kill {kill_id[:80]!r}: GET /v1/kill-switch lists what is engaged."
    raise ProblemError(404, "unknown_kill", "Unknown kill", detail)
