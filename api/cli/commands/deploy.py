"""Commands that start a release and follow it: deploy, retry, watch. The release runs in the controller, not here."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli.command import command
from api.cli.exits import Exit
from api.cli.follow import Watch, follow
from api.cli.options import APPLICATION, KEEP_WAITING, NAME, TIMEOUT, WAIT, argument, flag, timeout_s_of
from api.cli.session import Session, at, find_release
from api.cli.shapes import Action, read
from api.client import Problem

WAIT_DEFAULT = "24h"
"""The horizon of the analysis by default: until then a decision must have fallen."""
PANEL = "Deploy"


def register(app: typer.Typer) -> None:
    command(app, "deploy", PANEL, keyed=True)(deploy)
    command(app, "retry", PANEL, keyed=True)(retry)
    command(app, "watch", PANEL)(watch)


def deploy(
    session: Session,
    application: APPLICATION,
    version: Annotated[str, argument("VERSION", "The version to bring out, as the application knows it.")],
    replace: Annotated[bool, flag("--replace", "Take the place of a release that is running.")] = False,
    wait: WAIT = False,
    timeout: TIMEOUT = WAIT_DEFAULT,
    keep_waiting: KEEP_WAITING = False,
) -> Exit:
    """Bring out a version step by step, judged against the one that runs.

    Without --wait it ends as soon as the release is accepted. With --wait it shows the weight, the verdict, the
    evidence and what it waits for, and ends with the outcome as its exit code. Deploying the version that stable
    runs, while another one is on its way, takes traffic back to stable.

    Example: interlock deploy shop 1.4.2 --wait --timeout 30m
    """
    timeout_s = timeout_s_of(timeout)
    body = {"application": application, "version": version, "replace": replace}
    try:
        data = session.change("POST", at("releases"), body).data
    except Problem as problem:
        if problem.code != "already_stable":
            raise
        return _nothing_to_do(session, application, version, problem)
    watched = Watch("", wanted=version, timeout_s=timeout_s, keep_waiting=keep_waiting)
    return _accepted(session, data, watched if wait else None)


def _nothing_to_do(session: Session, application: str, version: str, problem: Problem) -> Exit:
    """A pipeline that runs twice asks twice: what it wants is already so."""
    if session.out.as_json:
        done = {"event": "outcome", "outcome": "already_stable", "exit_code": 0, "text": problem.detail}
        session.out.event(done | {"application": application, "version": version})
    session.out.line(f"{session.out.tick} {problem.detail}: nothing to do", "green")
    return Exit.DONE


def _accepted(session: Session, data: Any, watched: Watch | None) -> Exit:
    action = read(Action, data)
    release = action.release
    if watched is not None:
        session.out.note(action.text)
        chosen = Watch(release.id, watched.wanted, watched.timeout_s, watched.keep_waiting)
        return follow(session, chosen, data["release"])
    if session.out.as_json:
        session.out.document(data)
    session.out.line(f"{session.out.tick} {action.text}", "green")
    session.out.note(f"follow it: interlock watch {release.id}")
    return Exit.DONE


def retry(
    session: Session,
    name: NAME,
    wait: WAIT = False,
    timeout: TIMEOUT = WAIT_DEFAULT,
    keep_waiting: KEEP_WAITING = False,
) -> Exit:
    """Start an ended release again, from step 0 with fresh evidence.

    Example: interlock retry shop --wait
    """
    timeout_s = timeout_s_of(timeout)
    old, _ = find_release(session, name)
    data = session.change("POST", at("releases", old.id, "retry")).data
    watched = Watch("", wanted=old.canary, timeout_s=timeout_s, keep_waiting=keep_waiting)
    return _accepted(session, data, watched if wait else None)


def watch(session: Session, name: NAME, timeout: TIMEOUT = WAIT_DEFAULT) -> Exit:
    """Follow a release to its end, through pauses and halts.

    The exit code is the outcome, as with deploy --wait. Ctrl-C stops the watching, never the release.

    Example: interlock watch shop --timeout 30m
    """
    timeout_s = timeout_s_of(timeout)
    release, data = find_release(session, name)
    return follow(session, Watch(release.id, timeout_s=timeout_s, keep_waiting=True), data)
