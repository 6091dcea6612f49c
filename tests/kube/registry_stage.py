"""A small image registry on loopback: manifests by tag, anonymous or with tokens, and the ways real ones differ."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from controller.adapters.clock import SystemClock
from controller.adapters.kube.registry import ImageResolver, RegistrySettings
from tests.kube.scripted import Heard, Scripted, Wire, scripted

INDEX = "application/vnd.oci.image.index.v1+json"


def manifest(text: str = "one") -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "annotations": {"x": text}}).encode()


def digest_of(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@dataclass
class Registry:
    """``login``: tokens are given to nobody else. ``tokens``: reading needs one. ``digests``: HEAD names the digest."""

    kept: dict[tuple[str, str], bytes] = field(default_factory=dict)
    tokens: bool = False
    login: str | None = None
    only_basic: bool = False
    digests: bool = True
    head: bool = True
    kind: str = INDEX
    challenge: str | None = None
    server: Scripted | None = None

    @property
    def host(self) -> str:
        assert self.server is not None
        return f"127.0.0.1:{self.server.port}"

    def __call__(self, heard: Heard, wire: Wire) -> None:
        if heard.path == "/token":
            self._give(heard, wire)
        elif not self._lets_in(heard):
            told = b"" if heard.method == "HEAD" else {"errors": [{"code": "UNAUTHORIZED"}]}
            wire.answer(401, told, WWW_Authenticate=self._challenge(heard))
        else:
            self._manifest(heard, wire)

    def _manifest(self, heard: Heard, wire: Wire) -> None:
        _, _, *repository, _, tag = heard.path.split("/")
        body = self.kept.get(("/".join(repository), tag))
        if heard.method == "HEAD" and not self.head:
            wire.send(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
            return
        if body is None:
            wire.answer(404, b"" if heard.method == "HEAD" else {"errors": [{"code": "MANIFEST_UNKNOWN"}]})
            return
        headers = {"Content_Type": self.kind} | ({"Docker_Content_Digest": digest_of(body)} if self.digests else {})
        wire.answer(200, b"" if heard.method == "HEAD" else body, **headers)

    def _lets_in(self, heard: Heard) -> bool:
        shown = heard.headers.get("authorization", "")
        if self.only_basic:
            return shown == self.login
        return not self.tokens or shown == "Bearer " + self._token(heard.path.split("/manifests/")[0][4:])

    def _token(self, repository: str) -> str:
        return f"for-{repository.replace('/', '-')}"

    def _challenge(self, heard: Heard) -> str:
        if self.challenge is not None:
            return self.challenge
        if self.only_basic:
            return 'Basic realm="this registry"'
        repository = heard.path.split("/manifests/")[0][4:]
        scope = f"repository:{repository}:pull"
        return f'Bearer realm="http://{self.host}/token",service="reg, istry",scope="{scope}"'

    def _give(self, heard: Heard, wire: Wire) -> None:
        scope = heard.query.get("scope", "")
        if self.login is not None and heard.headers.get("authorization") != self.login:
            wire.answer(401, {"errors": []})
        elif heard.query.get("service") != "reg, istry" or not scope.startswith("repository:"):
            wire.answer(400, {"errors": []})
        else:
            wire.answer(200, {"access_token": self._token(scope.split(":")[1]), "expires_in": 60})

    @property
    def heard(self) -> list[Heard]:
        assert self.server is not None
        return self.server.heard


@contextmanager
def running(registry: Registry) -> Iterator[Registry]:
    with scripted(registry) as server:
        registry.server = server
        yield registry


@contextmanager
def resolver(*hosts: str, **settings: Any) -> Iterator[ImageResolver]:
    """It may speak plain HTTP to ``hosts`` only, and is impatient."""
    patience = {"connect_s": 0.5, "read_s": 0.5} | settings
    found = ImageResolver(RegistrySettings(plain_http=frozenset(hosts), **patience), SystemClock().monotonic_s)
    try:
        yield found
    finally:
        found.close()
