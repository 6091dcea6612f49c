"""Bearer tokens: make, list, rotate, revoke. Admins only; a secret is shown once and never stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from api.http.auth import Caller
from api.http.context import PROBLEMS, Context, ContextOf, PageQuery, allow, shown
from api.http.errors import ProblemError
from api.http.once import SHOWN_ONCE, Reply, json_response
from api.http.permissions import Action
from api.http.requests import RotateRequest, TokenRequest
from api.http.schemas import PageView, TokenSecretView, TokenView
from api.http.tokens import Minted, facts, mint, state_of
from api.http.views import time_text, token_view
from controller.ports import Commit, Token
from gates.audit import Draft

router = APIRouter(prefix="/v1/tokens", tags=["tokens"], responses=PROBLEMS)

Keeper = Annotated[Caller, Depends(allow(Action.TOKENS))]
ListingKeeper = Annotated[Caller, Depends(allow(Action.TOKENS, listing=True))]
TOKENS_MAX = 10_000
"""All tokens are held in memory, revoked ones too; each takes some 500 bytes."""


@router.get("", response_model=PageView[TokenView])
def list_tokens(context: ContextOf, caller: ListingKeeper, query: Annotated[PageQuery, Query()]) -> object:
    """Oldest first, revoked ones too."""
    tokens = list(context.tokens.all())
    start = next((index + 1 for index, token in enumerate(tokens) if token.id == query.after), 0)
    page, following = shown(tokens[start : start + query.limit + 1], query.limit, lambda token: token.id)
    return PageView[TokenView](items=[token_view(token, context.now_s) for token in page], next=following)


@router.post("", response_model=TokenSecretView, status_code=201)
def create(request: Request, context: ContextOf, caller: Keeper, body: TokenRequest) -> Response:
    """The answer holds the token, this once."""

    def run(reply: Reply) -> Response:
        tokens, now_s = context.tokens.all(), context.now_s
        if any(token.name == body.name and state_of(token, now_s) == "active" for token in tokens):
            detail = (
                f"there is an active token named {body.name}: the name is the actor in the record. Rotate that one."
            )
            raise ProblemError(409, "name_taken", "Name taken", detail)
        if len(tokens) >= TOKENS_MAX:
            raise ProblemError(
                409, "too_many_tokens", "Too many tokens", f"There are {TOKENS_MAX} tokens, the most kept."
            )
        expires_at_s = None if body.expires_in_s is None else now_s + body.expires_in_s
        minted = mint(body.name, body.role, now_s, expires_at_s)
        text = f"token {body.name} ({body.role}) created by {caller.name}"
        return _show_once(
            context, reply, minted, (minted.token,), _draft(context, caller, "token_created", text, minted.token)
        )

    return context.once.run(request, caller, run)


@router.post("/{token_id}/rotate", response_model=TokenSecretView, status_code=201)
def rotate(
    request: Request, context: ContextOf, caller: Keeper, token_id: str, body: RotateRequest | None = None
) -> Response:
    """A new token of the same name and role. The old one ends now, or after the overlap."""
    overlap_s = body.overlap_s if body else 0

    def run(reply: Reply) -> Response:
        old, now_s = _active(context, token_id), context.now_s
        _require_unrotated(context, old)
        ends_s = now_s + overlap_s if old.expires_at_s is None else min(now_s + overlap_s, old.expires_at_s)
        minted = mint(old.name, old.role, now_s, old.expires_at_s)
        ended = replace(old, expires_at_s=ends_s) if overlap_s else replace(old, revoked_at_s=now_s)
        text = f"token {old.name} rotated by {caller.name}; {old.id} ends at {time_text(ends_s)}"
        draft = _draft(context, caller, "token_rotated", text, minted.token)
        return _show_once(context, reply, minted, (ended, minted.token), draft)

    return context.once.run(request, caller, run)


@router.delete("/{token_id}", response_model=TokenView)
def revoke(request: Request, context: ContextOf, caller: Keeper, token_id: str) -> Response:
    """The token ends at once."""

    def run(reply: Reply) -> Response:
        token, now_s = _active(context, token_id), context.now_s
        others = (t for t in context.tokens.all() if t.id != token.id and t.role == "admin")
        if token.role == "admin" and not any(state_of(t, now_s) == "active" for t in others):
            detail = "this is the last admin token: make another one first, or nobody can make any."
            raise ProblemError(409, "last_admin", "Last admin token", detail)
        revoked = replace(token, revoked_at_s=now_s)
        draft = _draft(context, caller, "token_revoked", f"token {token.name} revoked by {caller.name}", token)
        view = token_view(revoked, now_s)
        context.doors.store.commit(Commit(records=(draft,), tokens=(revoked,), answered=reply.stored(200, view)))
        context.tokens.refresh()
        return json_response(200, view)

    return context.once.run(request, caller, run)


def _show_once(context: Context, reply: Reply, minted: Minted, tokens: tuple[Token, ...], draft: Draft) -> Response:
    answered = reply.stored(SHOWN_ONCE, None)
    context.doors.store.commit(Commit(records=(draft,), tokens=tokens, answered=answered))
    context.tokens.refresh()
    return json_response(201, TokenSecretView(token=token_view(minted.token, context.now_s), secret=minted.text))


def _active(context: Context, token_id: str) -> Token:
    token = next((token for token in context.tokens.all() if token.id == token_id), None)
    if token is None:
        detail = f"there is no token {token_id[:80]!r}: GET /v1/tokens lists their ids."
        raise ProblemError(404, "unknown_token", "Unknown token", detail)
    state = state_of(token, context.now_s)
    if state != "active":
        raise ProblemError(
            409, "token_ended", "Token has ended", f"token {token.id} is {state} already: make a new one."
        )
    return token


def _require_unrotated(context: Context, old: Token) -> None:
    """An active name is given once, so a later active token of it is what this one was rotated to, in its overlap."""
    later = (token for token in context.tokens.all() if token.name == old.name)
    later = (token for token in later if token.created_at_s > old.created_at_s)
    live = next((token for token in later if state_of(token, context.now_s) == "active"), None)
    if live is not None:
        detail = f"token {old.id} is already rotated to {live.id}: rotate that one, or revoke it first."
        raise ProblemError(409, "already_rotated", "Already rotated", detail)


def _draft(context: Context, caller: Caller, kind: str, text: str, token: Token) -> Draft:
    return Draft(kind, context.now_s, caller.name, text, numbers=facts(token))
