"""Applications on the command line: apply a file, list, get, delete. The controller checks the document, not this."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.command import command
from api.cli.groups import ListsByDefault
from api.cli.options import APPLICATION, LIMIT, argument, option
from api.cli.session import Session, Usage, at
from api.cli.shapes import Application, read, read_all
from controller.documents import DOCUMENT_BYTES_MAX, DocumentError, load_document

PANEL = "Administer"
REVISION = Annotated[
    int | None,
    option("--revision", "N", "Only if the application is still at this revision; 0: only if it is new.", min=0),
]


def register(app: typer.Typer) -> None:
    command(app, "apply", PANEL, keyed=True)(apply)
    group = typer.Typer(cls=ListsByDefault, help="Registered applications: list, get, delete.")
    command(group, "list")(list_applications)
    command(group, "get")(get)
    command(group, "delete", keyed=True)(delete)
    app.add_typer(group, name="applications", rich_help_panel=PANEL)


def apply(
    session: Session,
    file: Annotated[str, argument("FILE", "Application document, YAML or JSON; - is stdin.")],
    revision: REVISION = None,
) -> None:
    """Register an application, or change it. A release that is running keeps what it started with.

    Example: interlock apply shop.yaml
    """
    document = _document(file)
    name = document.get("name")
    if not isinstance(name, str) or not name:
        raise Usage(f"{file} has no name: an application document begins with `name: ...`")
    reply = session.change("PUT", at("applications", name), document, _if_match(revision))
    if session.out.as_json:
        session.out.document(reply.data)
    stored = read(Application, reply.data)
    what = "registered" if stored.revision == 1 else "applied"
    text = f"{stored.name} in {stored.environment} is {what} (revision {stored.revision})"
    session.out.line(f"{session.out.tick} {text}", "green")
    if stored.active_release:
        session.out.note(f"{stored.active_release} is running and keeps what it started with")


def _document(file: str) -> dict[str, Any]:
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(DOCUMENT_BYTES_MAX + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(DOCUMENT_BYTES_MAX + 1)
        document = load_document(raw)
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror}") from error
    except DocumentError as error:
        raise Usage(f"{file}: {error}") from error
    if not isinstance(document, dict):
        raise Usage(f"{file} is no application document: it must hold `name: ...` and what belongs to it")
    return document


def _if_match(revision: int | None) -> dict[str, str]:
    return {} if revision is None else {"If-Match": f'"{revision}"'}


def list_applications(
    session: Session,
    limit: LIMIT = 50,
    after: Annotated[str | None, option("--after", "NAME", "Go on behind this name.")] = None,
) -> None:
    """List the applications with what serves now."""
    page = session.get(at("applications"), limit=limit, after=after).data
    if session.out.as_json:
        session.out.document(page)
        return
    found = read_all(Application, page)
    rows = [
        (a.name, a.environment, a.stable_version or "nothing yet", a.active_release or "", str(a.revision))
        for a in found
    ]
    session.out.table(("application", "environment", "serves", "release running", "revision"), rows)
    if not rows:
        session.out.line("none yet: register one with `interlock apply FILE`")
    if page.get("next"):
        session.out.note(f"there are more: --after {page['next']}")


def get(session: Session, application: APPLICATION) -> None:
    """Print an application as it is registered. Only an admin sees its values that may be secrets; others see ***."""
    data = session.get(at("applications", application)).data
    read(Application, data)
    session.out.document(data if session.out.as_json else data.get("spec"))


def delete(session: Session, application: APPLICATION, revision: REVISION = None) -> None:
    """Forget an application. Refused while a release of it runs.

    Its instances and its route are not touched: they go on running, and nobody looks after them any more. Stop them by
    hand if they should end.

    Example: interlock applications delete shop
    """
    data = session.change("DELETE", at("applications", application), headers=_if_match(revision)).data
    if session.out.as_json:
        session.out.document(data if data is not None else {"name": application, "deleted": True})
    session.out.line(f"{session.out.tick} {application} is deleted", "green")
    session.out.note("its instances go on running, and nobody looks after them any more: stop them by hand", "yellow")
