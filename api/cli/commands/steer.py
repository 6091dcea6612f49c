"""Commands that tell a running release something: promote, pause, resume, abort. They record a wish; the controller
carries it out, except that an abort takes traffic back at once."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli.command import command
from api.cli.exits import Exit
from api.cli.follow import Watch, follow
from api.cli.options import NAME, REASON, TIMEOUT, WAIT, flag, timeout_s_of
from api.cli.session import Session, at, find_release
from api.cli.shapes import Action, Release, read

PANEL = "Steer"


def register(app: typer.Typer) -> None:
    command(app, "promote", PANEL, mutates=True)(promote)
    command(app, "pause", PANEL, mutates=True)(pause)
    command(app, "resume", PANEL, mutates=True)(resume)
    command(app, "abort", PANEL, mutates=True)(abort)


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
    _tell(session, release, "promote", {"full": full, "step": release.step, "reason": reason})


def pause(session: Session, name: NAME, reason: REASON = "") -> None:
    """Keep the weight where it is until `interlock resume`. The analysis goes on, and harm still rolls back.

    Example: interlock pause shop --reason "looking at the logs"
    """
    release, _ = find_release(session, name)
    _tell(session, release, "pause", {"reason": reason})


def resume(session: Session, name: NAME, reason: REASON = "") -> None:
    """Let a paused release go on.

    Example: interlock resume shop
    """
    release, _ = find_release(session, name)
    _tell(session, release, "resume", {"reason": reason})


def abort(session: Session, name: NAME, reason: REASON = "", wait: WAIT = False, timeout: TIMEOUT = "15m") -> Exit:
    """Take all traffic back to stable and end the release. Aborting what has ended does nothing.

    With --wait the exit code is 0 once stable serves alone.

    Example: interlock abort shop --reason "wrong build"
    """
    timeout_s = timeout_s_of(timeout)
    release, _ = find_release(session, name)
    data = _tell(session, release, "abort", {"reason": reason}, quiet=wait)
    if not wait:
        return Exit.DONE
    return follow(session, Watch(release.id, release.stable, timeout_s, keep_waiting=True), data["release"])


def _tell(session: Session, release: Release, verb: str, body: dict[str, Any], quiet: bool = False) -> Any:
    data = session.change("POST", at("releases", release.id, verb), body).data
    action = read(Action, data)
    if session.out.as_json and not quiet:
        session.out.document(data)
    session.out.line(f"{session.out.tick} {action.text}", "green" if action.durable else "yellow")
    if not action.durable:
        session.out.note("it is not written down yet, because the store cannot be reached", "yellow")
    return data
