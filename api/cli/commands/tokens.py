"""Access tokens on the command line: create, list, rotate, revoke. A secret is printed once, alone on stdout."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from api.cli.command import command
from api.cli.groups import ListsByDefault
from api.cli.options import LIMIT, argument, option, timeout_s_of
from api.cli.session import Session, Usage, at
from api.cli.shapes import Token, TokenSecret, read, read_all
from api.cli.words import moment, parse_duration_s

ROLE = Literal["viewer", "ci", "operator", "approver", "admin"]
ID = Annotated[str, argument("ID", "As `interlock token list` shows it.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(cls=ListsByDefault, help="Access tokens: who may do what.")
    command(group, "create", keyed=True)(create)
    command(group, "list")(list_tokens)
    command(group, "rotate", keyed=True)(rotate)
    command(group, "revoke", keyed=True)(revoke)
    app.add_typer(group, name="token", rich_help_panel="Administer")


def create(
    session: Session,
    name: Annotated[str, argument("NAME", "Who or what it is for; the audit record shows it.")],
    role: Annotated[ROLE, option("--role", "ROLE", "viewer, ci, operator, approver or admin.")],
    expires: Annotated[
        str | None, option("--expires", "TIME", "After how long it ends, as in 12h or 90d; never if not given.")
    ] = None,
) -> None:
    """Create a token. Its secret goes to stdout, this once.

    Example: interlock token create github-actions --role ci --expires 90d > token
    """
    body = {"name": name, "role": role, "expires_in_s": round(timeout_s_of(expires)) if expires else None}
    _secret(session, session.change("POST", at("tokens"), body).data)


def list_tokens(
    session: Session,
    limit: LIMIT = 50,
    after: Annotated[str | None, option("--after", "ID", "Go on behind this token.")] = None,
) -> None:
    """List the tokens, oldest first, without their secrets."""
    page = session.get(at("tokens"), limit=limit, after=after).data
    if session.out.as_json:
        session.out.document(page)
        return
    tokens = read_all(Token, page)
    rows = [(t.id, t.name, t.role, t.state, moment(t.created_at), moment(t.expires_at)) for t in tokens]
    session.out.table(("id", "name", "role", "state", "created", "expires"), rows)
    if page.get("next"):
        session.out.note(f"there are more: --after {page['next']}")


def rotate(
    session: Session,
    token_id: ID,
    overlap: Annotated[str, option("--overlap", "TIME", "How long the old secret stays valid, as in 1h.")] = "0s",
) -> None:
    """Give a token a new secret, which goes to stdout this once.

    Example: interlock token rotate t-1a2b3c --overlap 1h > token
    """
    try:
        overlap_s = round(parse_duration_s(overlap))
    except ValueError as error:
        raise Usage(str(error)) from error
    _secret(session, session.change("POST", at("tokens", token_id, "rotate"), {"overlap_s": overlap_s}).data)


def revoke(session: Session, token_id: ID) -> None:
    """End a token now.

    Example: interlock token revoke t-1a2b3c
    """
    data = session.change("DELETE", at("tokens", token_id)).data
    if session.out.as_json:
        session.out.document(data)
    session.out.line(f"{session.out.tick} {token_id} is revoked", "green")


def _secret(session: Session, data: Any) -> None:
    made = read(TokenSecret, data)
    if session.out.as_json:
        session.out.document(data)
        return
    session.out.secret(made.secret)
    end = f", until {moment(made.token.expires_at)}" if made.token.expires_at else ""
    session.out.note(f"{made.token.id}: {made.token.name} as {made.token.role}{end}. The secret is shown only now.")
