"""Who calls, and whether they may: bearer tokens against the store, with a memory so that a stop needs no store.

The actor of everything is the credential's name. What is refused is recorded, within a limit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request

from api.http.errors import ProblemError
from api.http.limits import Buckets
from api.http.note import note_of
from api.http.permissions import UNLIMITED, Action, Reach, reach, roles_with
from api.http.tokens import matches, parse, state_of
from controller.ports import Clock, Commit, PortError, Store, Token
from controller.settings import HttpSettings
from gates.audit import Draft

FRESH_S = 1.0
"""How long the tokens read from the store are used without asking again."""
DENIALS_PER_S, DENIALS_BURST = 0.2, 10
"""Records of refused attempts from one source: enough to see an attack, too few to fill the disk with it."""
REALM = 'Bearer realm="interlock"'

Log = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated credential. ``name`` is the actor."""

    token_id: str
    name: str
    role: str
    reach: Reach

    @property
    def sees_secrets(self) -> bool:
        return self.role == "admin"


class Tokens:
    """The tokens of the store, remembered. While the store is down the last ones read still count."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._known: dict[str, Token] = {}
        self._read_at_s: float | None = None

    def remembered(self, text: str) -> Token | None:
        """The valid token of ``text`` as far as memory goes. Reads no store and waits for nothing."""
        parsed = parse(text)
        if parsed is None:
            return None
        token = self._known.get(parsed[0])
        valid = matches(token, parsed[1]) and token is not None and state_of(token, self._clock.now_s()) == "active"
        return token if valid else None

    def find(self, text: str) -> Token | None:
        """The same, from the store unless it was read a moment ago. Raises PortError when nothing was ever read."""
        if parse(text) is None:
            return None
        read_at_s = self._read_at_s
        if read_at_s is None or self._clock.monotonic_s() - read_at_s > FRESH_S:
            try:
                self.refresh()
            except PortError:
                if read_at_s is None:
                    raise
        return self.remembered(text)

    def refresh(self) -> None:
        """Read the store now: at the start, and after every change, so that a revoked token ends at once."""
        tokens = self._store.tokens()
        with self._lock:
            self._known = {token.id: token for token in tokens}
            self._read_at_s = self._clock.monotonic_s()

    def all(self) -> Sequence[Token]:
        self.refresh()
        return sorted(self._known.values(), key=lambda token: (token.created_at_s, token.id))

    def still_active(self, token_id: str) -> bool:
        token = self._known.get(token_id)
        return token is not None and state_of(token, self._clock.now_s()) == "active"


class Gate:
    """Lets a request through as a Caller, or raises ProblemError: 401, 403 or 429."""

    def __init__(self, tokens: Tokens, store: Store, clock: Clock, settings: HttpSettings, log: Log) -> None:
        self._tokens, self._store, self._clock, self._log = tokens, store, clock, log
        self._callers = Buckets(settings.rate_per_s, settings.rate_burst, clock.monotonic_s)
        self._strangers = Buckets(settings.anonymous_rate_per_s, settings.anonymous_burst, clock.monotonic_s)
        self._denials = Buckets(DENIALS_PER_S, DENIALS_BURST, clock.monotonic_s)

    def admit(self, request: Request, action: Action) -> Caller:
        """For every route but the stops. Reads the store at most once a second."""
        token = self._tokens.find(_bearer(request))
        if token is None:
            raise self._unknown(request)
        if action not in UNLIMITED:
            self._limit(self._callers, token.id)
        return self._allowed(request, token, action)

    def admit_now(self, request: Request, action: Action) -> Caller | None:
        """For stops: from memory alone, waiting for nothing. None when memory does not know the token."""
        token = self._tokens.remembered(_bearer(request))
        if token is None or reach(token.role, action) is None:
            return None
        return self._caller(request, token, action)

    def limit_stranger(self, request: Request) -> None:
        """For the routes without a credential."""
        self._limit(self._callers, f"address {source_of(request)}")

    def forbid(self, request: Request, caller: Caller, detail: str) -> ProblemError:
        """The refusal of a caller whose role reaches less far than this; recorded."""
        self._record(request, caller.name, f"{caller.role} {caller.name} was refused: {detail}")
        return ProblemError(403, "forbidden", "Not allowed", detail, role=caller.role)

    def still_valid(self, caller: Caller) -> bool:
        return self._tokens.still_active(caller.token_id)

    def _allowed(self, request: Request, token: Token, action: Action) -> Caller:
        if reach(token.role, action) is None:
            note_of(request).actor = token.name
            detail = f"the role {token.role} may not {action.value}: use a token of {roles_with(action)}"
            raise self.forbid(request, Caller(token.id, token.name, token.role, Reach.OWN), detail)
        return self._caller(request, token, action)

    def _caller(self, request: Request, token: Token, action: Action) -> Caller:
        far = reach(token.role, action)
        assert far is not None, "asked before"
        note_of(request).actor = token.name
        return Caller(token.id, token.name, token.role, far)

    def _unknown(self, request: Request) -> ProblemError:
        self._limit(self._strangers, source_of(request))
        sent = "authorization" in request.headers
        if sent:
            self._record(request, "unknown", f"a request with a wrong token from {source_of(request)} was refused")
        said = "this token is not valid: it is wrong, expired or revoked" if sent else "this needs a token"
        detail = f"{said}. Send `Authorization: Bearer il_...`; an admin makes tokens at POST /v1/tokens."
        return ProblemError(401, "unauthenticated", "Who are you?", detail).with_headers(WWW_Authenticate=REALM)

    def _limit(self, buckets: Buckets, key: str) -> None:
        wait_s = buckets.take(key)
        if wait_s:
            detail = f"Too many requests: wait {wait_s} s. Kill, abort and pause are never limited."
            raise ProblemError(429, "too_many_requests", "Too many requests", detail).with_headers(
                Retry_After=str(wait_s)
            )

    def _record(self, request: Request, actor: str, text: str) -> None:
        note = note_of(request)
        path = f"{request.method} {_route(request)}"
        self._log("denied", request_id=note.request_id, actor=actor, source=source_of(request), path=path)
        if self._denials.take(source_of(request)):
            return
        draft = Draft("denied", self._clock.now_s(), actor, text[:1_000], numbers={"path": path})
        try:
            self._store.commit(Commit(records=(draft,)))
        except PortError as error:
            self._log("denial_not_recorded", request_id=note.request_id, trouble=str(error))


def source_of(request: Request) -> str:
    """The address that the connection comes from. Behind a proxy it is the proxy's: no header is believed."""
    return request.client.host if request.client is not None else "unknown"


def _bearer(request: Request) -> str:
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else ""


def _route(request: Request) -> str:
    """The route's pattern: a path may hold anything, the record should not."""
    return str(getattr(request.scope.get("route"), "path", "unknown"))
