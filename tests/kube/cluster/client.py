"""A plain client of an API server for tests and stand-ins: raw objects, one connection a thread, no hidden retries."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.kube.cluster.raw import KindLike, Raw

TIMEOUT_S = 10.0
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class Answered(Exception):
    """The API server refused. ``status`` is its Status object, or what else it said."""

    def __init__(self, code: int, status: Raw) -> None:
        super().__init__(f"{code} {status.get('reason', '')}: {status.get('message', '')}"[:600])
        self.code, self.status = code, status

    @property
    def reason(self) -> str:
        return str(self.status.get("reason", ""))

    @property
    def message(self) -> str:
        return str(self.status.get("message", ""))


class Direct(Protocol):
    """An API server in this process, asked without a connection: the code and the body of its answer."""

    def ask(self, token: str, method: str, path: str, body: Any, content_type: str) -> tuple[int, Any]: ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an API server is and who asks. ``ca_file`` is None for plain HTTP; ``direct`` spares connections."""

    url: str
    token: str
    ca_file: str | None = None
    direct: Direct | None = None

    def connect(self, timeout_s: float) -> http.client.HTTPConnection:
        parts = urllib.parse.urlsplit(self.url)
        assert parts.hostname is not None
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
        context = ssl.create_default_context(cafile=self.ca_file)
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s, context=context)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def path_of(kind: KindLike, namespace: str = "", name: str = "", subresource: str = "", **query: Any) -> str:
    parts = ["apis", kind.group, kind.version] if kind.group else ["api", kind.version]
    parts += ["namespaces", namespace] if kind.namespaced and namespace else []
    parts += [part for part in (kind.plural, name, subresource) if part]
    asked = urllib.parse.urlencode({key: value for key, value in query.items() if value not in ("", None)})
    return "/" + "/".join(urllib.parse.quote(part) for part in parts) + (f"?{asked}" if asked else "")


@dataclass(slots=True)
class Client:
    """Every thread has a connection of its own, which is made again when it broke."""

    endpoint: Endpoint
    timeout_s: float = TIMEOUT_S
    _local: threading.local = field(default_factory=threading.local)
    _made: list[http.client.HTTPConnection] = field(default_factory=list)

    def get(self, kind: KindLike, namespace: str, name: str, subresource: str = "") -> Raw:
        return self.ask("GET", path_of(kind, namespace, name, subresource))

    def find(self, kind: KindLike, namespace: str, name: str) -> Raw | None:
        try:
            return self.get(kind, namespace, name)
        except Answered as answered:
            if answered.code == 404:
                return None
            raise

    def list(self, kind: KindLike, namespace: str = "", selector: str = "", **query: Any) -> Raw:
        return self.ask("GET", path_of(kind, namespace, labelSelector=selector, **query))

    def create(self, kind: KindLike, namespace: str, body: Raw, subresource: str = "", **query: Any) -> Raw:
        name = body["metadata"]["name"] if subresource else ""
        return self.ask("POST", path_of(kind, namespace, name, subresource, **query), body)

    def update(self, kind: KindLike, namespace: str, body: Raw, subresource: str = "", **query: Any) -> Raw:
        return self.ask("PUT", path_of(kind, namespace, body["metadata"]["name"], subresource, **query), body)

    def patch(
        self, kind: KindLike, namespace: str, name: str, patch: Any, subresource: str = "", **query: Any
    ) -> Raw:  # fmt: skip
        """A dict is a merge patch, a list a JSON Patch."""
        how = MERGE if isinstance(patch, dict) else JSON_PATCH
        return self.ask("PATCH", path_of(kind, namespace, name, subresource, **query), patch, how)

    def delete(self, kind: KindLike, namespace: str, name: str, options: Raw | None = None, **query: Any) -> Raw:
        return self.ask("DELETE", path_of(kind, namespace, name, **query), options)

    def ask(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Raw:
        """One request. ``Answered`` when it was refused; OSError or HTTPException when there was no answer."""
        if self.endpoint.direct is not None:
            return answered(*self.endpoint.direct.ask(self.endpoint.token, method, path, body, content_type))
        connection = self._connection()
        headers = self.endpoint.headers | ({"Content-Type": content_type} if body is not None else {})
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text, code = response.read(), response.status
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        read = read_json(text)
        if code < 300 and not isinstance(read, dict):
            raise Answered(code, {"reason": "NotJson", "message": text.decode(errors="replace")[:200]})
        return answered(code, read if isinstance(read, dict) else {"message": text.decode(errors="replace")})

    def _connection(self) -> http.client.HTTPConnection:
        found: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self.endpoint.connect(self.timeout_s)
            self._made.append(found)
        return found

    def watch(self, kind: KindLike, namespace: str = "", *, timeout_s: float = 10.0, **query: Any) -> Watching:
        """An open watch, which also ends when the server says nothing for ``timeout_s`` longer than it should."""
        path = path_of(kind, namespace, watch="true", timeoutSeconds=int(timeout_s), **query)
        return Watching(self.endpoint, path, timeout_s + 5)

    def close(self) -> None:
        for connection in self._made:
            connection.close()
        self._made.clear()


class Watching:
    """One watch on a connection of its own; iterating gives the events until it ends."""

    def __init__(self, endpoint: Endpoint, path: str, silence_s: float) -> None:
        self._connection = endpoint.connect(silence_s)
        try:
            self._connection.request("GET", path, headers=endpoint.headers)
            self._response = self._connection.getresponse()
            self._socket = self._connection.sock
            if self._response.status != 200:
                text = self._response.read()
                read = read_json(text)
                raise Answered(self._response.status, read if isinstance(read, dict) else {"message": text.decode()})
        except BaseException:
            self._connection.close()
            raise

    def __iter__(self) -> Iterator[Raw]:
        while line := self._response.readline():
            event = read_json(line)
            if not isinstance(event, dict):
                raise http.client.HTTPException(f"a watch said {line[:80]!r}")
            yield event

    def read_timeout(self, timeout_s: float) -> None:
        """Wait no longer for the next event."""
        if self._socket is not None:
            self._socket.settimeout(timeout_s)

    def stop(self) -> None:
        """From another thread: the one that reads comes to an end, and closes."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # TLS would take its state away under the reader; this ends the bytes below it.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def answered(code: int, body: Raw) -> Raw:
    if code >= 300:
        raise Answered(code, body)
    return body


def read_json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
