"""The audit record on the command line: list, verify. It reads; nothing here can change a record."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.audit_file import verify_file
from api.cli.command import command
from api.cli.exits import Exit
from api.cli.groups import ListsByDefault
from api.cli.options import LIMIT, argument, flag, option
from api.cli.output import Output
from api.cli.session import Session, Usage, at
from api.cli.shapes import AuditCheck, Record, read, read_all
from api.cli.words import moment


def register(app: typer.Typer) -> None:
    group = typer.Typer(cls=ListsByDefault, help="The record of everything that was decided, and its verification.")
    command(group, "list")(list_records)
    command(group, "verify")(verify)
    app.add_typer(group, name="audit", rich_help_panel="Look")


def list_records(
    session: Session,
    release: Annotated[str | None, option("--release", "RELEASE", "Only this release.")] = None,
    application: Annotated[str | None, option("--application", "APP", "Only this application.")] = None,
    kind: Annotated[str | None, option("--type", "TYPE", "Only this type, as in kill_engaged.")] = None,
    after: Annotated[str | None, option("--after", "SEQ", "Go on behind this record.")] = None,
    limit: LIMIT = 50,
    oldest: Annotated[bool, flag("--oldest-first", "From the beginning.")] = False,
) -> None:
    """List records, the newest first.

    Example: interlock audit list --application shop --limit 100
    """
    newest_first = "false" if oldest else "true"
    page = session.get(
        at("audit"),
        release=release,
        application=application,
        type=kind,
        after=after,
        limit=limit,
        newest_first=newest_first,
    ).data
    if session.out.as_json:
        session.out.document(page)
        return
    _table(session.out, read_all(Record, page), page.get("next"))


def _table(out: Output, records: tuple[Record, ...], more: str | None) -> None:
    rows = [
        (
            str(r.seq),
            moment(r.at),
            r.type + (" (late)" if r.late else ""),
            r.actor,
            r.release_id or r.application or "",
            _what(r),
        )
        for r in records
    ]
    out.table(("seq", "at", "type", "by", "about", "what"), rows)
    if not rows:
        out.line("no record fits")
    if more:
        out.note(f"there are more: --after {more}")


def _what(record: Record) -> str:
    """A change of weight or phase says from what to what, which its reason alone does not."""
    figures = record.numbers
    if {"from_pct", "to_pct"} <= figures.keys():
        return f"{figures['from_pct']} % -> {figures['to_pct']} %: {record.text}"
    if {"from_phase", "to_phase"} <= figures.keys():
        return f"{figures['from_phase']} -> {figures['to_phase']}: {record.text}"
    return record.text


def verify(
    session: Session,
    file: Annotated[str | None, argument("[FILE]", "An export, checked without a controller; - is stdin.")] = None,
    witness: Annotated[
        list[str] | None,
        option("--witness", "SIZE:HEAD", "What somebody wrote down outside: the export must show it. Repeatable."),
    ] = None,
) -> Exit:
    """Check that no record was changed, removed or put in. Ends with 1 when the chain is broken.

    With FILE, an export is checked offline: its chain, and every --witness. Signatures of checkpoints are not checked.

    Example: interlock audit verify audit.jsonl --witness 4120:sha256:9f...
    """
    if file is not None:
        return verify_file(session.out, file, witness or [])
    if witness:
        raise Usage("--witness goes with an export: interlock audit verify FILE --witness SIZE:HEAD")
    data = session.get(at("audit", "verify")).data
    check = read(AuditCheck, data)
    if session.out.as_json:
        session.out.document(data)
    if check.ok:
        session.out.line(f"{session.out.tick} {check.records} records, unbroken; head {check.head}", "green")
        return Exit.DONE
    session.out.line(
        f"{session.out.cross} the chain is broken after {check.records} records: {check.trouble}", "bold red"
    )
    return Exit.FAILED
