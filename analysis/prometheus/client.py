"""Reads raw samples from Prometheus. The only importer of its client; whatever goes wrong is an outcome, never a raise.

The client library waits for ever, retries on its own, drops warnings and answers trouble with six kinds of exception.
All of that is dealt with here, and no text that leaves here holds a URL's credentials or a header.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from requests.adapters import Retry
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from analysis.model import AnalysisSpec, Calibration, Readings, Role
from analysis.prometheus.gate import QUERIES_PER_S, Gate
from analysis.prometheus.listen import Listener, Transient
from analysis.prometheus.passes import Pass, host_of
from analysis.prometheus.past import learned
from analysis.prometheus.sharing import Sharing, member_of
from analysis.read import required_part
from analysis.samples import GateStats

READ_S = 8.0
DEADLINE_S = 12.0  # of one pass over all queries: a dead Prometheus must not hold a release's worker for minutes
ATTEMPTS = 2  # one repetition: a pooled connection that Prometheus has closed fails once and only once
RETRY_WAIT_S = 0.2
GATES_MAX = 1_000  # Prometheus servers whose budget is kept
CLIENTS_MAX = 16  # Prometheus servers one thread keeps a session for
CREDENTIALS_MAX = 16_384  # bytes of the credentials file
PORTS = {"http": 80, "https": 443}


class PrometheusMetrics:
    """The metrics port. One session per thread; ``monotonic`` and ``sleep`` are injected, so tests need no waiting.

    ``credentials`` is a file that holds a token or, without ``bearer``, ``USER:PASSWORD``. It is read again for every
    query, so that rotation needs no restart. Whoever may write an application may name any address in it: only those
    of ``credentials_for`` (scheme, host and port) get the credentials.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
        credentials: Path | None = None,
        bearer: bool = True,
        read_s: float = READ_S,
        deadline_s: float = DEADLINE_S,
        queries_per_s: float = QUERIES_PER_S,
        credentials_for: Sequence[str] = (),
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._credentials = credentials
        self._bearer = bearer
        self._credentials_for = frozenset(origin_of(url) for url in credentials_for) - {None}
        self._read_s = read_s
        self._deadline_s = deadline_s
        self._queries_per_s = queries_per_s
        self._local = threading.local()
        self._sharing = Sharing(monotonic)
        self._gates: dict[str, Gate] = {}
        self._gates_lock = threading.Lock()

    def read(self, spec: AnalysisSpec, versions: Mapping[Role, str], application: str, at_s: float) -> Readings:
        """Every query of ``spec`` for each role, at one fixed time.

        Releases with the same selectors share their queries; ``at_s`` of the answer says when they were asked.
        """
        asking = Pass(self, spec, application, at_s)
        member = member_of(spec, versions, application)
        readings, was_shared = self._sharing.read(spec, member, at_s, asking.ask, self._deadline_s)
        if was_shared and readings is not None:
            self.gate(spec.prometheus_url).shared(len(readings.items))
        if readings is None:
            readings = Readings(at_s, asking.alone(versions))
        return Readings(readings.at_s, (*readings.items, *asking.gauges(versions)))

    def check(self, spec: AnalysisSpec, versions: Mapping[Role, str], application: str, at_s: float) -> str | None:
        """Whether a release could be judged: every query is answered, and stable has what it is measured by.

        A healthy version has no failures and a new one has nothing, so those may be empty, but the metric must exist.
        What stable did in the last hour must have been judgeable, too.
        """
        return Pass(self, required_part(spec), application, at_s).check(versions)

    def look(self, spec: AnalysisSpec, stable: str, application: str, at_s: float) -> Readings:
        """What stable's queries answer now, asked for this application alone."""
        return Readings(at_s, Pass(self, spec, application, at_s).alone({Role.STABLE: stable}))

    def learn(
        self, spec: AnalysisSpec, stable: str, application: str, at_s: float, canary_pods: int
    ) -> Calibration | None:
        """How much stable's own pods differ, from hours of their past; None where there is too little to tell."""
        return learned(spec, stable, application, at_s, canary_pods, Pass(self, spec, application, at_s).ask)

    def stats(self) -> tuple[GateStats, ...]:
        """What was asked of each Prometheus so far, and whether its breaker is open."""
        with self._gates_lock:
            gates = list(self._gates.values())
        return tuple(gate.stats() for gate in gates)

    def gate(self, url: str) -> Gate:
        with self._gates_lock:
            if url not in self._gates:
                while len(self._gates) >= GATES_MAX:
                    del self._gates[next(iter(self._gates))]
                self._gates[url] = Gate(host_of(url), self._monotonic, self._queries_per_s)
            return self._gates[url]

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

    def headers(self, url: str) -> dict[str, str] | None:
        """Those for ``url`` alone. Raises OSError or ValueError when the credentials cannot be read."""
        if self._credentials is None or origin_of(url) not in self._credentials_for:
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


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port that a request for ``url`` goes to, read as the HTTP library reads it. None where there is
    no telling, or where the address brings credentials of its own."""
    try:
        parts = urlsplit(requests.Request("POST", url).prepare().url or "")
        port = parts.port or PORTS.get(parts.scheme, 0)
    except (requests.RequestException, ValueError):
        return None
    # Programs disagree about which side of a backslash is the host.
    if not parts.hostname or not port or "@" in parts.netloc or "\\" in url:
        return None
    return parts.scheme, parts.hostname, port


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
