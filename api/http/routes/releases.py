"""Guarded deploys: start, look, and steer. Abort and pause are stops: no key, no limit, no queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from api.http.auth import Caller
from api.http.context import (
    PROBLEMS,
    Context,
    ContextOf,
    Lister,
    PageQuery,
    Reader,
    ReleaseId,
    allow,
    context_of,
    named_release,
    shown,
    stopping,
)
from api.http.once import Reply, json_response
from api.http.permissions import Action, Reach
from api.http.requests import PromoteRequest, ReasonRequest, ReleaseRequest
from api.http.schemas import ActionView, ExplainView, PageView, Phase, ReleaseView
from api.http.views import explain_view, release_view
from controller.core import model
from controller.core.model import IntentKind
from controller.ports import PortError
from controller.wishes import AnswerOf, Done, Submission

router = APIRouter(prefix="/v1/releases", tags=["releases"], responses=PROBLEMS)

Deployer = Annotated[Caller, Depends(allow(Action.DEPLOY))]
Promoter = Annotated[Caller, Depends(allow(Action.PROMOTE))]
Resumer = Annotated[Caller, Depends(allow(Action.RESUME))]
ACCEPTED = 202


class ReleaseQuery(PageQuery):
    application: str | None = None
    phase: Phase | None = None


@router.get("", response_model=PageView[ReleaseView])
def list_releases(context: ContextOf, caller: Lister, query: Annotated[ReleaseQuery, Query()]) -> object:
    """Newest first."""
    phase = model.Phase(query.phase) if query.phase else None
    rows = list(context.doors.store.releases(query.one_more(), query.application, phase))
    page, following = shown(rows, query.limit, lambda release: release.id)
    return PageView[ReleaseView](items=[release_view(r, context.now_s) for r in page], next=following)


@router.post("", response_model=ActionView, status_code=ACCEPTED)
def start(request: Request, context: ContextOf, caller: Deployer, body: ReleaseRequest) -> Response:
    """Deploy a version. Deploying what stable runs while a canary is out takes the canary back."""
    if caller.reach is Reach.OWN:
        _require_own_running(context, request, caller, body)
    wish = Submission(body.application, body.version, caller.name, body.replace)
    return _once(context, request, caller, lambda answer_of: context.doors.commands.submit(wish, answer_of))


@router.get("/{release_id}", response_model=ReleaseView)
def show(context: ContextOf, caller: Reader, release_id: ReleaseId) -> object:
    """One release, with the evidence so far."""
    return release_view(context.doors.commands.release(release_id), context.now_s)


@router.get("/{release_id}/explain", response_model=ExplainView)
def explained(context: ContextOf, caller: Reader, release_id: ReleaseId) -> object:
    """Why is it not moving? One sentence."""
    return explain_view(context.doors.commands.release(release_id), context.now_s)


@router.post("/{release_id}/promote", response_model=ActionView, status_code=ACCEPTED)
def promote(
    request: Request, context: ContextOf, caller: Promoter, release_id: ReleaseId, body: PromoteRequest | None = None
) -> Response:
    """Pass the evidence of one step, or of all. Recorded as a bypass; it passes no harm and no kill."""
    wish = body or PromoteRequest()
    kind = IntentKind.PROMOTE_FULL if wish.full else IntentKind.PROMOTE_STEP
    commands = context.doors.commands
    return _once(
        context,
        request,
        caller,
        lambda answer_of: commands.intend(release_id, kind, caller.name, wish.reason, wish.step, answer_of),
    )


@router.post("/{release_id}/resume", response_model=ActionView, status_code=ACCEPTED)
def resume(
    request: Request, context: ContextOf, caller: Resumer, release_id: ReleaseId, body: ReasonRequest | None = None
) -> Response:
    """Go on after a pause."""
    reason, commands = body.reason if body else "", context.doors.commands
    return _once(
        context,
        request,
        caller,
        lambda answer_of: commands.intend(release_id, IntentKind.RESUME, caller.name, reason, answer_of=answer_of),
    )


@router.post("/{release_id}/retry", response_model=ActionView, status_code=ACCEPTED)
def retry(request: Request, context: ContextOf, caller: Deployer, release_id: ReleaseId) -> Response:
    """A new release of the same version, from step 0 with fresh evidence."""
    commands = context.doors.commands
    return _once(context, request, caller, lambda answer_of: commands.retry(release_id, caller.name, answer_of))


@router.post("/{release_id}/abort", response_model=ActionView, status_code=ACCEPTED)
async def abort(request: Request, release_id: str, body: ReasonRequest | None = None) -> Response:
    """All traffic back to stable, now, whether or not it can be recorded yet. Aborting twice is harmless."""
    return await _stop(request, release_id, Action.ABORT, IntentKind.ABORT, body)


@router.post("/{release_id}/pause", response_model=ActionView, status_code=ACCEPTED)
async def pause(request: Request, release_id: str, body: ReasonRequest | None = None) -> Response:
    """Stay at this weight until resumed."""
    return await _stop(request, release_id, Action.PAUSE, IntentKind.PAUSE, body)


async def _stop(
    request: Request, release_id: str, action: Action, kind: IntentKind, body: ReasonRequest | None
) -> Response:
    named_release(request, release_id)
    context = context_of(request)

    def work(caller: Caller) -> Response:
        if caller.reach is Reach.OWN:
            _require_own(context, request, caller, release_id, action)
        done = context.doors.commands.intend(release_id, kind, caller.name, body.reason if body else "")
        return json_response(ACCEPTED, _action(context, done))

    return await stopping(request, action, work)


def _once(context: Context, request: Request, caller: Caller, act: Callable[[AnswerOf], Done]) -> Response:
    def run(reply: Reply) -> Response:
        done = act(lambda done: reply.stored(ACCEPTED, _action(context, done)))
        return json_response(ACCEPTED, _action(context, done))

    return context.once.run(request, caller, run)


def _action(context: Context, done: Done) -> ActionView:
    return ActionView(release=release_view(done.release, context.now_s), text=done.text, durable=done.durable)


def _require_own(context: Context, request: Request, caller: Caller, release_id: str, action: Action) -> None:
    """Only what the caller started. While the store is down nobody can tell, and a stop is always safe: it may."""
    try:
        release = context.doors.commands.known(release_id)
    except PortError:
        return
    if release is not None and release.actor != caller.name:
        detail = (
            f"{release_id} was started by {release.actor}, and the role {caller.role} may {action.value} only its own; "
            "anyone may stop it with the kill switch"
        )
        raise context.gate.forbid(request, caller, detail)


def _require_own_running(context: Context, request: Request, caller: Caller, wish: ReleaseRequest) -> None:
    """A deploy that would take back a running release needs the permission to abort that one."""
    for running in context.doors.store.active(wish.application):
        takes_back = wish.replace or wish.version == running.stable
        if takes_back and running.superseded_by is None and running.actor != caller.name:
            detail = f"this would take back {running.id}, which {running.actor} started: ask an operator"
            raise context.gate.forbid(request, caller, detail)
