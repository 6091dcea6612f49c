"""The HTTP client of the command line: one address, one token, time-outs on every call. It decides nothing about the
answers, and it repeats only what may be repeated."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

CONNECT_TIMEOUT_S = 5.0
"""A controller that is up answers the connection in milliseconds; more is a network that is not there."""
READ_TIMEOUT_S = 20.0
"""The slowest answer is a kill over many routes, which gives up waiting after 5 s; the rest is slack."""
ANSWER_BYTES_MAX = 16 * 1024 * 1024
"""A full page of the largest listing stays well below; more is not an answer of the controller."""
TRIES = 3
"""A blip is over by the third try; a controller that is down for longer is the caller's matter."""
PAUSES_S = (0.3, 1.0)
RETRY_AFTER_S_MAX = 5.0
"""A rate limit that asks for more is reported instead of waited for."""
STILL_RUNNING = "in_progress"
"""The first request under the same key is still being carried out; its answer comes to whoever asks again."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Misconfigured(Exception):
    """The address, the token or the certificate file cannot be used as given. The text says what to change."""


class Unreachable(Exception):
    """No usable answer. ``may_be_done`` is True when the request may have been carried out all the same."""

    def __init__(self, text: str, may_be_done: bool = False) -> None:
        super().__init__(text)
        self.text, self.may_be_done = text, may_be_done


@dataclass(frozen=True, slots=True)
class FieldError:
    field: str
    text: str


class Problem(Exception):
    """The controller said no. ``code`` is for programs, ``detail`` says what happened and what to do."""

    def __init__(self, status: int, code: str, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.title, self.detail = status, code, title, detail
        self.facts: dict[str, str] = {}
        self.errors: tuple[FieldError, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """``data`` is the JSON; ``at_s`` is the controller's clock when it answered, None when it did not say."""

    status: int
    data: Any
    at_s: float | None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the controller is and who asks. No representation of this shows the token."""

    url: str
    token: str = field(default="", repr=False)
    ca_file: str | None = None
    timeout_s: float = READ_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Request:
    """One call. ``repeatable``: sending it twice has the effect of sending it once."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True


class Client:
    """Sends requests and returns the JSON of the answers. Raises Problem, Unreachable or Misconfigured."""

    def __init__(
        self,
        endpoint: Endpoint,
        wait: Callable[[float], None],
        monotonic_s: Callable[[], float],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        host = _checked_host(endpoint)
        self._endpoint, self._wait, self._monotonic_s = endpoint, wait, monotonic_s
        self._http = httpx.Client(
            base_url=endpoint.url,
            headers=_headers(endpoint.token),
            timeout=httpx.Timeout(endpoint.timeout_s, connect=min(CONNECT_TIMEOUT_S, endpoint.timeout_s)),
            verify=_tls(endpoint),
            trust_env=host not in LOOPBACK,
            transport=transport,
        )

    def close(self) -> None:
        self._http.close()

    def call(self, request: Request) -> Reply:
        """Send, and send again after a blip where that is safe."""
        for pause_s in PAUSES_S:
            try:
                return self.once(request)
            except Unreachable as error:
                if error.may_be_done and not request.repeatable:
                    raise
                self._wait(pause_s)
            except Problem as problem:
                again_s = _again_after_s(problem)
                if again_s is None or not request.repeatable:
                    raise
                self._wait(max(again_s, pause_s))
        return self.once(request)

    def once(self, request: Request) -> Reply:
        """Send without any repetition, for a caller that has its own."""
        try:
            return self._exchange(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise Unreachable(self._unconnected(error)) from error
        except httpx.TimeoutException as error:
            text = f"{self._endpoint.url} did not answer within {self._endpoint.timeout_s:g} s"
            raise Unreachable(text, may_be_done=request.method != "GET") from error
        except httpx.TransportError as error:
            text = f"the connection to {self._endpoint.url} broke: {error or type(error).__name__}"
            raise Unreachable(text, may_be_done=request.method != "GET") from error
        except httpx.InvalidURL as error:
            raise Misconfigured(f"{request.path[:200]!r} cannot be put into an address: {error}") from error

    def _exchange(self, request: Request) -> Reply:
        content = None if request.body is None else json.dumps(request.body, allow_nan=False).encode()
        headers = dict(request.headers) | ({"Content-Type": "application/json"} if content is not None else {})
        until_s = self._monotonic_s() + 2 * self._endpoint.timeout_s
        with self._http.stream(
            request.method, request.path, params=dict(request.params), content=content, headers=headers
        ) as response:
            raw = bytearray()
            for chunk in response.iter_bytes():
                raw += chunk
                if len(raw) > ANSWER_BYTES_MAX or self._monotonic_s() > until_s:
                    raise httpx.ReadTimeout("the answer is too long or too slow")
        return self._judge(response, bytes(raw), request.method != "GET")

    def _judge(self, response: httpx.Response, raw: bytes, writes: bool) -> Reply:
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        data = _parsed(raw) if kind.endswith("json") else None
        if response.is_success and (data is not None or not raw):
            return Reply(response.status_code, data, _date_s(response.headers.get("date")))
        if isinstance(data, dict) and "status" in data and "detail" in data:
            raise _problem(response, data)
        where = response.headers.get("location")
        said = f"a redirect to {where[:200]}" if where else f"status {response.status_code} and {kind or 'no content'}"
        text = f"{self._endpoint.url} does not speak like an Interlock controller: it answered with {said}"
        raise Unreachable(text, may_be_done=writes and response.status_code >= 500)

    def _unconnected(self, error: httpx.TransportError) -> str:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return f"the certificate of {self._endpoint.url} is not trusted; name its authority with --ca-file"
        return f"no connection to {self._endpoint.url}: {error or type(error).__name__}"


def _checked_host(endpoint: Endpoint) -> str:
    try:
        parts = urlsplit(endpoint.url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise Misconfigured(f"{endpoint.url[:200]!r} is no address: use http://HOST:PORT or https://HOST:PORT")
    if parts.username or parts.password:
        raise Misconfigured("the address must not hold a user or a password; give the token by --token-file")
    if not all("!" <= letter <= "~" for letter in endpoint.token):
        raise Misconfigured("the token holds a space, a line break or another character that no token has")
    return host


def _headers(token: str) -> dict[str, str]:
    always = {"Accept": "application/json, application/problem+json", "User-Agent": "interlock-cli"}
    return always | ({"Authorization": f"Bearer {token}"} if token else {})


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    """Certificates are always verified. Without TLS there is nothing to trust, and loading it takes 50 ms."""
    if endpoint.ca_file is not None:
        try:
            return ssl.create_default_context(cafile=endpoint.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(f"the CA file {endpoint.ca_file} cannot be used: {error.strerror or error}") from error
    if endpoint.url.startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.create_ssl_context()


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _date_s(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


def _problem(response: httpx.Response, data: dict[str, Any]) -> Problem:
    problem = Problem(
        response.status_code, str(data.get("code", "")), str(data.get("title", "")), str(data.get("detail", ""))
    )
    facts, errors = data.get("facts"), data.get("errors")
    problem.facts = {str(k): str(v) for k, v in facts.items()} if isinstance(facts, dict) else {}
    if "retry-after" in response.headers:
        problem.facts["retry_after_s"] = response.headers["retry-after"]
    listed = errors if isinstance(errors, list) else []
    problem.errors = tuple(
        FieldError(str(e.get("field", "")), str(e.get("text", ""))) for e in listed if isinstance(e, dict)
    )
    return problem


def _again_after_s(problem: Problem) -> float | None:
    """How long to wait before the same request may be sent again; None when it would get the same answer."""
    if problem.status not in (429, 503) and problem.code != STILL_RUNNING:
        return None
    try:
        asked_s = float(problem.facts.get("retry_after_s", "0"))
    except ValueError:
        return None
    return asked_s if 0 <= asked_s <= RETRY_AFTER_S_MAX else None
