"""The kill switch on the command line: kill, kill-status, unkill. It shows what became of each path and never rounds
up."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.command import command
from api.cli.exits import Exit
from api.cli.options import REASON, argument, flag, option
from api.cli.output import Output
from api.cli.session import Session, Usage, at
from api.cli.shapes import KillEngaged, KillList, KillReleased, KillSelfTest, read
from api.cli.words import moment
from api.client import Unreachable
from gates.kill import ScopeKind, parse_scope

PANEL = "Stop"
FLEET = "fleet"
SCOPE_HELP = "application:NAME, environment:NAME or release:ID."
WITHOUT_CONTROLLER = (
    "Where the controller cannot be reached, its guard still stops traffic: create a file named HALT in the "
    "directory that the guard was given by --state"
)
STATE_STYLES = {"effective": "green", "pending": "yellow", "failed": "bold red"}


def register(app: typer.Typer) -> None:
    command(app, "kill", PANEL)(kill)
    command(app, "kill-status", PANEL)(kill_status)
    command(app, "unkill", PANEL, keyed=True)(unkill)


def kill(
    session: Session,
    scope: Annotated[str | None, argument("SCOPE", SCOPE_HELP)] = None,
    fleet: Annotated[bool, flag("--fleet", "Everything this controller knows.")] = False,
    halt: Annotated[bool, flag("--halt", "Only freeze the weights; do not send traffic back.")] = False,
    reason: REASON = "",
) -> Exit:
    """Stop every release in SCOPE now and send its traffic back to stable.

    No weight in SCOPE rises again until `interlock unkill`. It needs no reason and nobody's consent. The answer
    names every path separately; the exit code is 0 only when all of it is effective. Pressing twice is harmless.

    Example: interlock kill application:shop

    Example: interlock kill environment:production --halt --reason "database is failing over"

    Example: interlock kill --fleet
    """
    body = {"scope": _scope(scope, fleet), "verb": "halt" if halt else "revert", "reason": reason}
    try:
        data = session.change("POST", at("kill-switch"), body).data
    except Unreachable:
        session.out.note("the kill may not be engaged. " + WITHOUT_CONTROLLER, "bold red")
        raise
    engaged = read(KillEngaged, data)
    if session.out.as_json:
        session.out.document(data)
    else:
        _show(session.out, engaged)
    return Exit.DONE if engaged.effective else Exit.FAILED


def _scope(scope: str | None, fleet: bool) -> str:
    if fleet:
        if scope not in (None, FLEET):
            raise Usage(f"--fleet stops everything, {scope[:80]!r} only a part: give one of them; nothing was engaged")
        return FLEET
    if scope is None:
        raise Usage(f"say what to stop: {SCOPE_HELP} Everything is --fleet; nothing was engaged")
    if ":" not in scope and scope != FLEET:
        raise Usage(
            f"{scope[:80]!r} does not say what it names: interlock kill application:{scope[:80]}, environment:... "
            "or release:...; nothing was engaged"
        )
    try:
        parsed = parse_scope(scope)
    except ValueError as error:
        raise Usage(str(error)) from error
    if parsed.kind is ScopeKind.FLEET:
        raise Usage("the whole fleet is stopped by `interlock kill --fleet`; nothing was engaged")
    return str(parsed)


def _show(out: Output, engaged: KillEngaged) -> None:
    for path in engaged.paths:
        mark = out.tick if path.state == "effective" else out.cross
        text = f": {path.text}" if path.text else ""
        out.line(f"  {mark} {path.path} {path.state}{text}", STATE_STYLES.get(path.state, ""))
    if not any(path.path.startswith("route:") for path in engaged.paths):
        out.line("  no route is covered now; what starts later in this scope is held", "yellow")
    what = f"{engaged.kill.verb} over {engaged.kill.scope} ({engaged.kill.id})"
    if engaged.effective:
        out.line(f"{out.tick} {what} is effective", "bold green")
    else:
        out.line(f"{out.cross} {what} is engaged but NOT fully effective", "bold red")
        out.note(
            "the controller keeps trying: press again to see how far it is, and look at the proxies themselves", "red"
        )
    out.note(f"it stays until: interlock unkill {engaged.kill.id} --reason TEXT")


def _show_self_test(out: Output, tested: KillSelfTest | None) -> None:
    if tested is None:
        out.line("  the self-test has not run yet; it does within a minute of the start", "yellow")
    elif tested.ok:
        out.line(f"  {out.tick} self-test passed at {moment(tested.at)}: {tested.text}", "green")
    else:
        out.line(f"  {out.cross} self-test FAILED at {moment(tested.at)}: {tested.text}", "bold red")


def kill_status(session: Session) -> Exit:
    """Show what is stopped, since when and by whom, and whether a kill would work: the newest self-test.

    Ends with 1 when the switch cannot be read, or when its newest self-test failed. What became of one kill on each
    route is told by `interlock kill` itself: press it again, which is harmless.

    Example: interlock kill-status
    """
    data = session.get(at("kill-switch")).data
    kills = read(KillList, data)
    out = session.out
    if out.as_json:
        out.document(data)
    elif kills.items:
        rows = [(k.id, k.verb, k.scope, k.actor, moment(k.at), k.reason) for k in kills.items]
        out.table(("kill", "verb", "scope", "by", "since", "reason"), rows, ["red"] * len(rows))
    elif kills.readable:
        out.line(f"{out.tick} no kill is engaged", "green")
    if not out.as_json:
        _show_self_test(out, kills.self_test)
    if not kills.readable:
        out.note(f"a source cannot be read, so everything toward a canary is held: {kills.trouble}", "bold red")
    tested = kills.self_test is None or kills.self_test.ok
    return Exit.DONE if kills.readable and tested else Exit.FAILED


def unkill(
    session: Session,
    kill_id: Annotated[str, argument("ID", "As `interlock kill-status` shows it.")],
    reason: Annotated[str, option("--reason", "TEXT", "Why it is safe to go on.")],
) -> None:
    """Release one kill. What it had halted, and no other kill holds, starts again at step 0.

    Example: interlock unkill k-0a1b2c3d4e --reason "cause found and fixed"
    """
    if not reason.strip():
        raise Usage("--reason must say why it is safe to go on")
    data = session.change("POST", at("kill-switch", kill_id, "release"), {"reason": reason}).data
    if session.out.as_json:
        session.out.document(data)
        return
    session.out.line(f"{session.out.tick} {read(KillReleased, data).text}", "green")
