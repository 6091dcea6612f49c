"""Reads raw samples from Prometheus. The only importer of its client; whatever goes wrong is an outcome, never a raise.

The client library waits for ever, retries on its own, drops warnings and answers trouble with six kinds of exception.
All of that is dealt with here, and no text that leaves here holds a URL's credentials or a header.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from requests.adapters import Retry
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from analysis.model import AnalysisSpec, Outcome, Reading, Readings, Role
from analysis.prometheus.listen import BadAnswer, Listener, Transient
from analysis.read import lacks_bucket, must_be_fresh, reading_from, selectors_of
from analysis.selectors import parse_selector

CONNECT_S = 2.0
READ_S = 8.0
DEADLINE_S = 12.0  # of one pass over all queries: a dead Prometheus must not hold a release's worker for minutes
LEAST_S = 0.1  # what a query needs at least; with less left it is not asked
ATTEMPTS = 2  # one repetition: a pooled connection that Prometheus has closed fails once and only once
RETRY_WAIT_S = 0.2
CLIENTS_MAX = 16  # Prometheus servers one thread keeps a session for
CREDENTIALS_MAX = 16_384  # bytes of the credentials file


class PrometheusMetrics:
    """The metrics port. One session per thread; ``monotonic`` and ``sleep`` are injected, so tests need no waiting.

    ``credentials`` is a file that holds a token or, without ``bearer``, ``USER:PASSWORD``. It is read again for every
    query, so that rotation needs no restart.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        credentials: Path | None = None,
        bearer: bool = True,
        read_s: float = READ_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._credentials = credentials
        self._bearer = bearer
        self._read_s = read_s
        self._deadline_s = deadline_s
        self._local = threading.local()

    def read(self, spec: AnalysisSpec, versions: Mapping[Role, str], application: str, at_s: float) -> Readings:
        """Every query of ``spec`` for each role, at one fixed time."""
        asking = _Pass(self, spec, application, at_s)
        items = [asking.reading(selector, role, versions.get(role)) for selector in selectors_of(spec) for role in Role]
        return Readings(at_s, tuple(items))

    def check(self, spec: AnalysisSpec, versions: Mapping[Role, str], application: str, at_s: float) -> str | None:
        """Whether a release could be judged: every query is answered, and stable has what it is measured by.

        A healthy version has no failures and a new one has nothing, so those may be empty, but the metric must exist.
        """
        asking = _Pass(self, spec, application, at_s)
        for selector in selectors_of(spec):
            for role in (role for role in Role if role in versions):
                reading = asking.reading(selector, role, versions[role])
                trouble = asking.trouble(reading) or lacks_bucket(spec, reading)
                if trouble:
                    return f"{selector} for {role.value}: {trouble}"
        return None

    def connected(self, url: str) -> tuple[PrometheusConnect, Listener]:
        """This thread's client for ``url``."""
        clients: dict[str, tuple[PrometheusConnect, Listener]] = self._local.__dict__.setdefault("clients", {})
        if url not in clients:
            while len(clients) >= CLIENTS_MAX:
                clients.pop(next(iter(clients)))[0].close()
            clients[url] = self._client(url)
        return clients[url]

    def _client(self, url: str) -> tuple[PrometheusConnect, Listener]:
        session = requests.Session()
        session.trust_env = False  # neither a proxy nor a .netrc from the environment may see or change the query
        session.max_redirects = 0  # a redirect is a login page, never an answer
        listener = Listener(self._monotonic)
        session.hooks["response"].append(listener)
        retry = Retry(total=0, raise_on_status=False)
        return PrometheusConnect(url, session=session, retry=retry, method="POST"), listener

    def close(self) -> None:
        """Give up this thread's connections; those of other threads end with their threads."""
        clients: dict[str, tuple[PrometheusConnect, Listener]] = self._local.__dict__.pop("clients", {})
        for client, _ in clients.values():
            client.close()

    def headers(self) -> dict[str, str] | None:
        """Raises OSError or ValueError when the credentials cannot be read."""
        if self._credentials is None:
            return None
        with self._credentials.open("rb") as file:
            secret = file.read(CREDENTIALS_MAX).decode("ascii").strip()
        if not secret or not secret.isprintable():
            raise ValueError("empty or not printable")
        return {"Authorization": f"Bearer {secret}" if self._bearer else f"Basic {_base64(secret)}"}

    def seconds_left(self, since_s: float) -> float:
        return self._deadline_s - (self._monotonic() - since_s)

    def started_s(self) -> float:
        return self._monotonic()

    def read_limit_s(self, left_s: float) -> float:
        return min(self._read_s, left_s)

    def patient(self) -> Retrying:
        return Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_fixed(RETRY_WAIT_S),
            retry=retry_if_exception_type(Transient),
            sleep=self._sleep,
            reraise=True,
        )


_NO_SERIES = "no such series; compare the labels with what Prometheus has"


class _Pass:
    """The queries of one pass: one fixed time, one deadline, and after a dead connection no more questions."""

    def __init__(self, metrics: PrometheusMetrics, spec: AnalysisSpec, application: str, at_s: float) -> None:
        self._metrics = metrics
        self._spec = spec
        self._application = application
        self._at_s = at_s
        self._since_s = metrics.started_s()
        self._dead = ""

    def reading(self, selector: str, role: Role, version: str | None) -> Reading:
        if version is None:
            return Reading(selector, role, Outcome.NO_SERIES, text=f"there is no {role.value} version")
        values = {"role": role.value, "version": version, "application": self._application}
        query = f"{parse_selector(selector).render(values)}[{max(1, round(self._spec.window_s))}s]"
        try:
            result = self.ask(query)
        except BadAnswer as bad:
            return Reading(selector, role, Outcome.UNREADABLE, text=bad.text)
        oldest_s = self._at_s - self._spec.stale_after_s if must_be_fresh(self._spec, selector) else None
        return reading_from(selector, role, result, oldest_s)

    def trouble(self, reading: Reading) -> str | None:
        if reading.outcome is Outcome.OK:
            return None
        if reading.role is Role.CANARY and reading.outcome in (Outcome.NO_SERIES, Outcome.STALE):
            return None
        if reading.outcome is Outcome.NO_SERIES:
            needed = must_be_fresh(self._spec, reading.metric)
            return _NO_SERIES if needed else self._unknown(reading.metric)
        return f"{reading.outcome.value.replace('_', ' ')}: {reading.text}"

    def _unknown(self, selector: str) -> str | None:
        """A metric that nobody exports is a misspelling, and would count as "never a failure"."""
        name = parse_selector(selector).name
        try:
            found = self.ask(f"count({name})")
        except BadAnswer as bad:
            return bad.text
        return None if found else f"nothing exports {name}; check its spelling, or let stable export it once"

    def ask(self, query: str) -> Any:
        """``data.result`` of one instant query. Raises BadAnswer."""
        if self._dead:
            raise BadAnswer(f"not asked, for {self._dead}")
        try:
            return self._metrics.patient()(self._once, query)
        except BadAnswer as bad:
            if bad.dead:
                self._dead = bad.text
            raise

    def _once(self, query: str) -> Any:
        left_s = self._metrics.seconds_left(self._since_s)
        where = _host(self._spec.prometheus_url)
        if left_s < LEAST_S:
            raise BadAnswer(f"Prometheus at {where} took too long for all queries together", dead=True)
        client, listener = self._metrics.connected(self._spec.prometheus_url)
        read_s = self._metrics.read_limit_s(left_s)
        listener.begin(read_s)
        params = {
            "time": f"{self._at_s - self._spec.settle_s:.3f}",
            "timeout": f"{max(1, round(read_s * 1000))}ms",
            "partial_response": "false",
        }
        try:
            client.headers = self._metrics.headers()
        except (OSError, ValueError):
            raise BadAnswer("the credentials file for Prometheus cannot be read", dead=True) from None
        try:
            result = client.custom_query(query, params=params, timeout=(min(CONNECT_S, left_s), read_s))
        except requests.RequestException as error:
            raise _of_transport(error, where) from None
        except PrometheusApiClientException:
            raise _of_status(listener, where) from None
        except (KeyError, TypeError, ValueError):
            raise BadAnswer(f"Prometheus at {where} sent no usable answer{listener.said}") from None
        if listener.warnings:
            raise BadAnswer(f"Prometheus at {where} warns that the answer may be partial: {listener.warnings}")
        return result


def _of_transport(error: requests.RequestException, where: str) -> BadAnswer:
    """The library's own texts hold the whole URL, so none of them is used."""
    if isinstance(error, requests.JSONDecodeError):
        return BadAnswer(f"what answers at {where} is not Prometheus: it sent no JSON")
    if isinstance(error, requests.TooManyRedirects):
        return BadAnswer(f"what answers at {where} redirects; give Prometheus' own address")
    if isinstance(error, requests.Timeout):
        return BadAnswer(f"Prometheus at {where} did not answer in time", dead=True)
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return Transient(f"Prometheus at {where} cannot be reached, or broke off", dead=True)
    return BadAnswer(f"the query to Prometheus at {where} could not be sent ({type(error).__name__})")


def _of_status(listener: Listener, where: str) -> BadAnswer:
    text = f"Prometheus at {where} answered {listener.status}{listener.said}"
    return Transient(text) if listener.status >= 500 else BadAnswer(text)


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or "its address"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
