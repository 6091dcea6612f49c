"""The two levels of test cluster behind one face: the small API server, and the real one in its own processes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Protocol

from tests.kube.cluster.client import Client, Endpoint
from tests.kube.cluster.raw import built_in
from tests.kube.cluster.real import Real
from tests.kube.cluster.small.journal import Call
from tests.kube.cluster.small.server import SmallServer

ADMIN = "cluster-tests"
"""Who the helpers of the tests are."""
STAND_INS = "stand-ins"
TESTED = "tested"
"""Who the controller under test is, unless a test gives it another identity; its calls are counted."""

BOOKMARK_S = 1.0
"""A minute in the real one, where a watch of few seconds gets one shortly before its end as well."""


class Level(Protocol):
    """One running API server."""

    name: str

    def endpoint(self, who: str) -> Endpoint:
        """For ADMIN, STAND_INS or TESTED; all three may do everything."""
        ...

    def with_token(self, token: str) -> Endpoint: ...

    def calls(self) -> list[Call]: ...

    def compact(self) -> None:
        """Make every page of an earlier list too old."""
        ...

    @property
    def controllers(self) -> bool:
        """Whether it brings the deployment controllers and the garbage collector itself."""
        ...

    def close(self) -> None: ...


def tokens() -> dict[str, str]:
    return {who: secrets.token_hex(16) for who in (ADMIN, STAND_INS, TESTED)}


@dataclass(slots=True)
class SmallLevel:
    server: SmallServer = field(default_factory=lambda: SmallServer(bookmark_every_s=BOOKMARK_S))
    name: str = "small"
    controllers: bool = False
    _tokens: dict[str, str] = field(default_factory=tokens)

    def __post_init__(self) -> None:
        for who, token in self._tokens.items():
            self.server.admit_master(token, who)

    def endpoint(self, who: str) -> Endpoint:
        # The helpers of the tests come in by the stand-ins' door: no fault is meant for them.
        if who == TESTED:
            return Endpoint(self.server.url, self._tokens[who])
        return Endpoint(self.server.inner_url, self._tokens[who], direct=self.server.inside)

    def with_token(self, token: str) -> Endpoint:
        return Endpoint(self.server.url, token)

    def calls(self) -> list[Call]:
        return self.server.journal.calls()

    def compact(self) -> None:
        self.server.compact()

    def close(self) -> None:
        self.server.close()


@dataclass(slots=True)
class RealLevel:
    real: Real
    name: str = "real"

    @property
    def controllers(self) -> bool:
        return self.real.controllers

    def endpoint(self, who: str) -> Endpoint:
        return self.with_token(self.real.tokens[who])

    def with_token(self, token: str) -> Endpoint:
        return Endpoint(self.real.url, token, str(self.real.ca_file))

    def calls(self) -> list[Call]:
        return self.real.calls()

    def compact(self) -> None:
        client = Client(self.endpoint(ADMIN))
        try:
            version = client.list(built_in("namespaces"), limit=1)["metadata"]["resourceVersion"]
        finally:
            client.close()
        self.real.compact(int(version))

    def close(self) -> None:
        self.real.close()
