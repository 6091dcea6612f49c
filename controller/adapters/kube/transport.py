"""One HTTP exchange with the API server: time-outs on everything, no retry, no redirect, bounded answers, and every
failure translated. It knows nothing of objects; the only module that touches the client's HTTP machinery."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.response import BaseHTTPResponse

from controller.adapters.kube.credentials import Credentials
from controller.adapters.kube.errors import Call, failure, unanswered, unreached
from controller.adapters.kube.kinds import Raw
from controller.ports import PortError

ANSWER_BYTES_MAX = 32 * 1024 * 1024
"""A page of 250 large objects. etcd holds none above 1.5 MiB; a whole answer is in memory while it is projected."""

ERROR_BYTES_MAX = 64 * 1024
"""An error's body is read for its message only."""

BODY_S = 30.0
"""For a whole body. The read time-out starts again with every byte that arrives."""

CHUNK_BYTES = 256 * 1024


class NotConnected(HTTPError):
    """There was no connection, or no handshake: nothing of the request was sent."""


class _Connection(HTTPSConnection):
    """Tells a failed handshake, before anything was sent, from a failure later on. urllib3 makes both look alike."""

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, HTTPError, http.client.HTTPException) as error:
            raise NotConnected(_why(error)) from error


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"


class Transport:
    """Shared by all threads. ``configuration`` says where the server is and whom to trust."""

    def __init__(
        self,
        configuration: Configuration,
        credentials: Credentials,
        monotonic_s: Callable[[], float],
        connect_s: float,
        read_s: float,
    ) -> None:
        # One retry layer, and it is not this one: urllib3 would repeat every read three times on its own.
        configuration.retries = False
        configuration.keep_alive = True
        self._client = ApiClient(configuration)
        pools = self._client.rest_client.pool_manager
        pools.pool_classes_by_scheme = {"http": HTTPConnectionPool, "https": _Pool}
        self._host = str(configuration.host).rstrip("/")
        self._credentials, self._monotonic_s = credentials, monotonic_s
        self._connect_s, self._read_s = connect_s, read_s

    def ask(self, call: Call, request: Request) -> Raw:
        """The answer to one request, as an object. Raises every error of ``controller.adapters.kube.errors``."""
        response = self.open(call, request, self._read_s)
        body = self._read(call, response, ANSWER_BYTES_MAX)
        try:
            answer = json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise unanswered(call, f"the answer is not JSON: {type(error).__name__}") from None
        if not isinstance(answer, dict):
            raise unanswered(call, "the answer is not an object")
        return answer

    def open(self, call: Call, request: Request, read_s: float) -> BaseHTTPResponse:
        """A successful answer whose body is still to be read by the caller, who closes it."""
        response = self._send(call, request, read_s)
        if 200 <= response.status < 300:
            return response
        if response.status == 401:
            self._credentials.rejected()
        retry_after = response.headers.get("Retry-After")
        try:
            told = self._read(call, response, ERROR_BYTES_MAX)
        except PortError:
            told = b""  # the code alone decides: what was surely refused stays refused without its text
        raise failure(call, response.status, retry_after, told)

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]

    def _send(self, call: Call, request: Request, read_s: float) -> BaseHTTPResponse:
        url = f"{self._host}{request.path}"
        if request.query:
            url = f"{url}?{urlencode(request.query)}"
        headers = {"Accept": "application/json", "User-Agent": "interlock"}
        authorization = self._credentials.authorization()
        if authorization is not None:
            headers["Authorization"] = authorization
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        try:
            answer = self._client.call_api(
                request.method, url, headers, request.body, _request_timeout=(self._connect_s, read_s)
            )
        except (NotConnected, NewConnectionError, ConnectTimeoutError) as error:
            raise unreached(call, _why(error)) from error
        except (HTTPError, ApiException, OSError, http.client.HTTPException) as error:
            raise unanswered(call, type(error).__name__) from error
        response: BaseHTTPResponse = answer.response
        return response

    def _read(self, call: Call, response: BaseHTTPResponse, bytes_max: int) -> bytes:
        until_s = self._monotonic_s() + BODY_S
        parts: list[bytes] = []
        size = 0
        whole = False
        try:
            while part := response.read(CHUNK_BYTES):
                parts.append(part)
                size += len(part)
                if size > bytes_max:
                    raise unanswered(call, f"the answer is larger than {bytes_max // 1024} KiB")
                if self._monotonic_s() > until_s:
                    raise unanswered(call, f"the answer took longer than {BODY_S:g} s")
            whole = True
        except (HTTPError, OSError, http.client.HTTPException) as error:
            raise unanswered(call, type(error).__name__) from error
        finally:
            # A connection with half an answer in it must not be used again.
            response.release_conn() if whole else response.close()
        return b"".join(parts)


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _why(error: BaseException) -> str:
    """In a few words, without the texts of libraries, which can hold addresses with credentials."""
    seen: BaseException | None = error
    for _ in range(8):
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {seen.verify_message}"
        following = seen.__cause__ or seen.__context__ if seen is not None else None
        if following is None:
            break
        seen = following
    if isinstance(seen, ssl.SSLError):
        return f"the TLS handshake failed: {seen.reason or type(seen).__name__}"
    if isinstance(seen, OSError):
        return seen.strerror or type(seen).__name__
    return type(error).__name__
