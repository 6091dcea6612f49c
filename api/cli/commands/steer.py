"""Commands that tell a running release something: promote, pause, resume, abort. They record a wish; the controller
carries it out, except that an abort takes traffic back at once."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

import typer

from api.cli.command import command
from api.cli.exits import Exit
from api.cli.follow import Watch, follow
from api.cli.hints import kill_in
from api.cli.options import NAME, REASON, TIMEOUT, WAIT, flag, timeout_s_of
from api.cli.session import Session, at, find_release
from api.cli.shapes import Action, read
from api.client import Problem, Unreachable

PANEL = "Steer"


def register(app: typer.Typer) -> None:
    command(app, "promote", PANEL, keyed=True)(promote)
    command(app, "pause", PANEL)(pause)
    command(app, "resume", PANEL, keyed=True)(resume)
    command(app, "abort", PANEL)(abort)


def promote(
    session: Session,
    name: NAME,
    full: Annotated[bool, flag("--full", "Past all steps that are left, not only this one.")] = False,
    reason: REASON = "",
) -> None:
    """Pass the evidence of the current step, or of all with --full.

    It is recorded as a bypass under your name. It passes no kill and no harm that was found.

    Example: interlock promote shop --reason "checked by hand"
    """
    release, _ = find_release(session, name)
    _said(session, _tell(session, release.id, "promote", {"full": full, "step": release.step, "reason": reason}))


def pause(session: Session, name: NAME, reason: REASON = "") -> None:
    """Keep the weight where it is until `interlock resume`. The analysis goes on, and harm still rolls back.

    Example: interlock pause shop --reason "looking at the logs"
    """
    _said(session, _tell(session, name, "pause", {"reason": reason}))


def resume(session: Session, name: NAME, reason: REASON = "") -> None:
    """Let a paused release go on.

    Example: interlock resume shop
    """
    _said(session, _tell(session, name, "resume", {"reason": reason}))


def abort(session: Session, name: NAME, reason: REASON = "", wait: WAIT = False, timeout: TIMEOUT = "15m") -> Exit:
    """Take all traffic back to stable and end the release. Aborting what has ended does nothing.

    With --wait the exit code is 0 once stable serves alone.

    Example: interlock abort shop --reason "wrong build"
    """
    timeout_s = timeout_s_of(timeout)
    data = _tell(session, name, "abort", {"reason": reason})
    if not wait:
        _said(session, data)
        return Exit.DONE
    action = read(Action, data)
    session.out.note(action.text)
    watch = Watch(action.release.id, action.release.stable, timeout_s, keep_waiting=True, aborting=True)
    return follow(session, watch, data["release"])


def _tell(session: Session, name: str, verb: str, body: dict[str, Any]) -> Any:
    """Send it to the release of that name at once, because a stop must work while nothing can be looked up."""
    try:
        return session.change("POST", at("releases", name, verb), body).data
    except Problem as problem:
        if problem.status != 404:
            _explained(session, name, problem)
            raise
    release_id = find_release(session, name)[0].id
    try:
        return session.change("POST", at("releases", release_id, verb), body).data
    except Problem as problem:
        _explained(session, release_id, problem)
        raise


def _explained(session: Session, release_id: str, problem: Problem) -> None:
    """Put what the hint needs into a refusal: which release, and the kill that holds it."""
    problem.facts.setdefault("release", release_id)
    if problem.facts.get("phase") != "halted" or "kill" in problem.facts:
        return
    with contextlib.suppress(Problem, Unreachable):
        release, _ = find_release(session, release_id)
        problem.facts["kill"] = kill_in(f"{release.reason.text} {release.cause.text if release.cause else ''}")


def _said(session: Session, data: Any) -> None:
    action = read(Action, data)
    if session.out.as_json:
        session.out.document(data)
    session.out.line(f"{session.out.tick} {action.text}", "green" if action.durable else "yellow")
    if not action.durable:
        session.out.note("it is not written down yet, because the store cannot be reached", "yellow")
