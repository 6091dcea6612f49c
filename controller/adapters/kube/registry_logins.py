"""Who we are to an image registry, and how one asks for it. Pure: it reads texts that others fetched. Helper programs
that a Docker configuration may name are never started."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.adapters.kube.images import DOCKER_HUB

_PIECE = re.compile(r'([A-Za-z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([A-Za-z]+)')
"""A parameter with its value, in quotes or without, or the name of the next scheme."""

_PULL = re.compile(r"repository:[A-Za-z0-9._/-]{1,255}:pull")


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry wants to see: "basic" credentials, or a "bearer" token that ``realm`` gives out."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""

    def scope_for(self, repository: str) -> str:
        """Never more than reading: a registry may ask for rights on something else."""
        return self.scope if _PULL.fullmatch(self.scope) else f"repository:{repository}:pull"


def challenge_of(header: str) -> Challenge | None:
    """The one to answer of a WWW-Authenticate header: a token where tokens are given out."""
    found: dict[str, dict[str, str]] = {}
    given: dict[str, str] = {}
    for name, quoted, bare, scheme in _PIECE.findall(header):
        if scheme:
            given = found.setdefault(scheme.lower(), {})
        else:
            given.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or bare)
    for scheme in ("bearer", "basic"):
        if scheme in found:
            return Challenge(scheme, *(found[scheme].get(name, "") for name in ("realm", "service", "scope")))
    return None


def logins_of(docker_config: str) -> dict[str, Login]:
    """The logins in a Docker configuration, by registry or by registry and path. Raises ValueError."""
    document = json.loads(docker_config)
    entries = document.get("auths", {}) if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        raise ValueError("no object under auths")
    found = {_place(name): _login(entry) for name, entry in entries.items()}
    return {name: login for name, login in found.items() if login is not None}


def login_for(logins: Mapping[str, Login], registry: str, repository: str) -> Login | None:
    """The longest entry that the repository lies in."""
    whole = f"{registry}/{repository}"
    fitting = [name for name in logins if whole == name or whole.startswith(f"{name}/")]
    return logins[max(fitting, key=len)] if fitting else None


def _place(name: str) -> str:
    """Docker writes its hub as https://index.docker.io/v1/."""
    place = re.sub(r"^https?://", "", name).rstrip("/")
    place = re.sub(r"/v[12]$", "", place)
    return DOCKER_HUB if place in (f"index.{DOCKER_HUB}", f"registry-1.{DOCKER_HUB}") else place


def _login(entry: object) -> Login | None:
    """None for an entry that only names a helper, or holds a token of another protocol."""
    if not isinstance(entry, dict):
        raise ValueError("an entry under auths is no object")
    username, password, packed = (entry.get(name) for name in ("username", "password", "auth"))
    if isinstance(packed, str) and packed:
        try:
            username, _, password = base64.b64decode(packed, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError("an auth under auths is not base64 of user:password") from None
    if not isinstance(username, str) or not isinstance(password, str) or not username or not password:
        return None
    return Login(username, password)
