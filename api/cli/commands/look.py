"""Commands that only look: status, explain. They change nothing, and a viewer's token is enough for them."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.card import STYLES, card, phase_text
from api.cli.command import command
from api.cli.options import APPLICATION, LIMIT, NAME, argument
from api.cli.proof import HEADS, cause_rows, curves
from api.cli.session import Session, at, find_release
from api.cli.shapes import Explanation, Forecast, KillList, Release, read, read_all
from api.cli.words import moment
from api.client import Problem

PANEL = "Look"
WHY_CHARS_MAX = 90
"""The table shows the start of the sentence; `interlock explain` has the whole of it."""


def register(app: typer.Typer) -> None:
    command(app, "status", PANEL)(status)
    command(app, "explain", PANEL)(explain)
    command(app, "forecast", PANEL)(forecast)


def status(
    session: Session,
    name: Annotated[
        str | None,
        argument("RELEASE|APP", "Only this release, or the newest one of this application."),
    ] = None,
    limit: LIMIT = 20,
) -> None:
    """Show the releases, newest first, or everything about one of them.

    Example: interlock status shop
    """
    if name is not None:
        release, data = find_release(session, name)
        if session.out.as_json:
            session.out.document(data)
        else:
            _kill_banner(session)
            session.out.show(card(release, session.pace.now_s(), session.out))
        return
    page = session.get(at("releases"), limit=limit).data
    if session.out.as_json:
        session.out.document(page)
        return
    _kill_banner(session)
    _table(session, read_all(Release, page), bool(page.get("next")))


def _table(session: Session, releases: tuple[Release, ...], more: bool) -> None:
    if not releases:
        session.out.line("no release yet: start one with `interlock deploy APP VERSION`")
        return
    rows = [
        (r.id, r.canary, phase_text(r), "" if r.ended else f"{r.weight_pct} %", r.verdict.judgement, _why(r))
        for r in releases
    ]
    styles = [STYLES.get(release.exit, "") for release in releases]
    session.out.table(("release", "version", "phase", "weight", "verdict", "why"), rows, styles)
    if more:
        session.out.note("there are older ones: use --limit")


def _why(release: Release) -> str:
    text = (release.cause or release.reason).text
    return text if len(text) <= WHY_CHARS_MAX else text[: WHY_CHARS_MAX - 1].rstrip() + "…"


def _kill_banner(session: Session) -> None:
    """Everything looks stuck under a kill, so it is said first. A missing right to read it hides nothing else."""
    try:
        kills = read(KillList, session.get(at("kill-switch")).data)
    except Problem:
        return
    for kill in kills.items:
        text = f"KILL {kill.id} ({kill.verb}) over {kill.scope} by {kill.actor} since {moment(kill.at)}"
        session.out.line(f"{text}{': ' + kill.reason if kill.reason else ''}", "bold red")
    if not kills.readable:
        session.out.line(
            f"the kill switch cannot be read, so nothing moves toward a canary: {kills.trouble}", "bold red"
        )


def explain(session: Session, name: NAME) -> None:
    """Say in one sentence why a release is where it is, how long that will take, and what the evidence rests on.

    Example: interlock explain shop
    """
    release, _ = find_release(session, name)
    data = session.get(at("releases", release.id, "explain")).data
    if session.out.as_json:
        session.out.document(data)
        return
    found = read(Explanation, data)
    session.out.line(found.explain)
    if found.proof is not None:
        session.out.table(HEADS, cause_rows(found.proof))
        for line in curves(found.proof, session.out.levels):
            session.out.line(line)


def forecast(session: Session, application: APPLICATION) -> None:
    """Say what a release could find at today's traffic, how long a healthy one takes, and what would stop its start.

    Example: interlock forecast shop
    """
    data = session.get(at("applications", application, "forecast")).data
    if session.out.as_json:
        session.out.document(data)
        return
    found = read(Forecast, data)
    session.out.line(found.text)
    if found.calibration is not None:
        kept = found.calibration
        learned = f"failures may differ {kept.errors:.3g} times and latencies {kept.latency:.3g} times between pods"
        session.out.note(f"{learned}, as {kept.pods} of stable's own show; margins are wider by that")
        if kept.proposal:
            session.out.note(kept.proposal)
    if found.start_trouble:
        session.out.line(f"a release would not start now: {found.start_trouble}", "yellow")
