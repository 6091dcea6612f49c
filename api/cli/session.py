"""What one invocation of a command has: its voice, its clock and its line to the controller. It knows no command."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from api.cli.connection import Flags, config_path, connect
from api.cli.output import Output
from api.cli.pace import Pace, RealPace
from api.cli.shapes import Release, read, read_all
from api.client import Client, Endpoint, Problem, Reply, Request


class Usage(Exception):
    """The command cannot be carried out as it was written. The text says how to write it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a test puts in the place of the real world."""

    pace: Pace = field(default_factory=RealPace)
    transport: httpx.BaseTransport | None = None
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    config_file: Path | None = None
    output: Output | None = None


class Session:
    """One invocation. Connects when the first request is sent, so that a usage error needs no controller."""

    def __init__(self, parts: Parts, flags: Flags, as_json: bool, idempotency_key: str | None = None) -> None:
        self.out = parts.output or Output(as_json)
        self.pace = parts.pace
        self._parts, self._flags = parts, flags
        self.idempotency_key = idempotency_key or uuid.uuid4().hex
        self._client: Client | None = None
        self.endpoint: Endpoint | None = None

    @property
    def client(self) -> Client:
        if self._client is None:
            file = self._parts.config_file or config_path(self._parts.env)
            connection = connect(self._flags, self._parts.env, file)
            for warning in connection.warnings:
                self.out.note(f"warning: {warning}", "yellow")
            self.endpoint = connection.endpoint
            self._client = Client(
                connection.endpoint, self.pace.wait, self.pace.monotonic_s, transport=self._parts.transport
            )
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def get(self, path: str, **params: str | int | None) -> Reply:
        given = {name: str(value) for name, value in params.items() if value is not None}
        return self.client.call(Request("GET", path, given))

    def change(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """A mutation under this invocation's key, which makes sending it again after a lost answer safe."""
        keyed = {"Idempotency-Key": self.idempotency_key, **(headers or {})}
        return self.client.call(Request(method, path, body=body, headers=keyed))


def at(*parts: str) -> str:
    """``/v1/...`` with every part escaped."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def find_release(session: Session, name: str) -> tuple[Release, Any]:
    """The release called ``name``, or the newest one of the application called so; with its JSON as it came.

    An application has at most one release that is not on its way out, and that is its newest.
    """
    try:
        data = session.get(at("releases", name)).data
    except Problem as problem:
        if problem.status != 404:
            raise
    else:
        return read(Release, data), data
    page = session.get(at("releases"), application=name, limit=1).data
    found = read_all(Release, page)
    if found:
        return found[0], page["items"][0]
    try:
        session.get(at("applications", name))
    except Problem as problem:
        if problem.status != 404:
            raise
        text = f"there is no release and no application {name[:80]!r}. `interlock applications` lists what there is"
        raise Usage(text) from problem
    raise Usage(f"{name} has had no release yet. Start one with `interlock deploy {name} VERSION`")
