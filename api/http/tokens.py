"""Bearer tokens as text: how one is made, read and compared. It stores nothing; only a digest ever leaves it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from controller.ports import Clock, Commit, Store, Token
from gates.audit import Draft

SECRET_BYTES = 32
"""256 bits: nobody guesses it, so a fast digest is enough and no salt is needed."""
FORM = re.compile(r"il_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
NO_DIGEST = hashlib.sha256(b"no token has this digest").hexdigest()


@dataclass(frozen=True, slots=True)
class Minted:
    """A new token and its text, which is shown once."""

    token: Token
    text: str


def mint(name: str, role: str, now_s: float, expires_at_s: float | None = None) -> Minted:
    identifier, secret = secrets.token_hex(6), secrets.token_urlsafe(SECRET_BYTES)
    token = Token(identifier, name, role, digest(secret), now_s, expires_at_s)
    return Minted(token, f"il_{identifier}_{secret}")


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def parse(text: str) -> tuple[str, str] | None:
    """The id and the secret of a token's text; None when it has another form."""
    found = FORM.fullmatch(text)
    return (found[1], found[2]) if found else None


def matches(token: Token | None, secret: str) -> bool:
    """In constant time, also when there is no such token."""
    expected = token.digest if token is not None else NO_DIGEST
    return hmac.compare_digest(expected, digest(secret)) and token is not None


def state_of(token: Token, now_s: float) -> str:
    if token.revoked_at_s is not None and token.revoked_at_s <= now_s:
        return "revoked"
    expired = token.expires_at_s is not None and token.expires_at_s <= now_s
    return "expired" if expired else "active"


def bootstrap_token(store: Store, clock: Clock) -> str | None:
    """The first admin token of a new installation, as text; None when there are tokens already. Raises PortError."""
    return None if store.tokens() else _admin(store, clock, "admin", "the first admin token of this installation")


def recovery_token(store: Store, clock: Clock) -> str:
    """A further admin token for whoever holds the data directory, as text. Raises PortError."""
    return _admin(store, clock, "recovery", "an admin token made on the machine, with --new-admin-token")


def _admin(store: Store, clock: Clock, name: str, why: str) -> str:
    now_s = clock.now_s()
    minted = mint(name, "admin", now_s)
    record = Draft("token_created", now_s, "controller", why, numbers=facts(minted.token))
    store.commit(Commit(records=(record,), tokens=(minted.token,)))
    return minted.text


def facts(token: Token) -> dict[str, str]:
    return {"token": token.id, "name": token.name, "role": token.role}
