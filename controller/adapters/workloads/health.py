"""Asks instances over HTTP whether they are well, in the background, so that no caller waits for one that hangs.

It remembers what came back and decides nothing about what to do with it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, replace

import httpx

from controller.ports import Clock

INTERVAL_S = 1.0
"""Each instance is asked at most this often, however many callers there are."""

STALE_AFTER_S = 15.0
"""An older answer is not used: the caller waits for a new one, at most for the check's time-out."""

PATIENCE_S = 0.25
"""How long a caller that has an answer waits for a newer one. A well instance answers within it."""

GOOD_IN_A_ROW = 2
BAD_IN_A_ROW = 2
"""Two, so that one lucky or one lost answer changes nothing."""

MAX_BODY_BYTES = 65_536
"""A health answer is a line or a small document; more is cut off as wrong."""

WORKERS = 8
"""Checks at the same time. One that hangs holds one worker for its time-out only."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask. With ``version_field`` the answer must be JSON that names the version in that field."""

    url: str
    timeout_s: float
    version_field: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    good: bool
    text: str = ""
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """``good`` and ``bad`` are counted in a row; ``ever`` says whether a good answer was seen at all."""

    good: int = 0
    bad: int = 0
    ever: bool = False
    at_s: float | None = None
    text: str = "not asked yet"
    version: str | None = None

    @property
    def steady(self) -> bool:
        return self.good >= GOOD_IN_A_ROW

    @property
    def lost(self) -> bool:
        return self.bad >= BAD_IN_A_ROW

    def after(self, answer: Answer, at_s: float) -> Health:
        if answer.good:
            return Health(self.good + 1, 0, True, at_s, "", answer.version)
        return Health(0, self.bad + 1, self.ever, at_s, answer.text, self.version)


Ask = Callable[[Question], Answer]


class Checks:
    """Health of many instances by key. Thread-safe. Threads are started with the first question, not before."""

    def __init__(self, ask: Ask, clock: Clock, interval_s: float = INTERVAL_S) -> None:
        self._ask = ask
        self._clock = clock
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._health: dict[str, Health] = {}
        self._running: dict[str, tuple[Future[None], float, float]] = {}
        self._pool = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="health")

    def ask(self, questions: Iterable[tuple[str, Question]]) -> None:
        """Ask what is due. Does not wait."""
        for key, question in questions:
            with self._lock:
                now_s = self._clock.monotonic_s()
                known = self._health.setdefault(key, Health())
                recent = known.at_s is not None and now_s - known.at_s < self._interval_s
                if recent or key in self._running:
                    continue
                future = self._pool.submit(self._run, key, question)
                self._running[key] = (future, now_s, question.timeout_s)

    def settle(self, keys: Collection[str]) -> None:
        """Wait for the checks under way: a moment where an answer is known, else at most for their time-out."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            known = [self._running[key][0] for key in keys if key in self._running and self._fresh(key, now_s)]
            unknown = [self._running[key] for key in keys if key in self._running and not self._fresh(key, now_s)]
        if unknown:
            wait_for([future for future, _, _ in unknown], timeout=max(limit_s for _, _, limit_s in unknown) + 0.5)
        if known:
            wait_for(known, timeout=PATIENCE_S)

    def health(self, key: str) -> Health:
        """What is known. A check that does not come to an end counts as bad."""
        with self._lock:
            known = self._health.get(key, Health())
            running = self._running.get(key)
            now_s = self._clock.monotonic_s()
            if running is not None and now_s - running[1] > 2 * running[2] + 1.0:
                return replace(known, good=0, bad=BAD_IN_A_ROW, text="the check did not come to an end")
            return known

    def keep_only(self, prefix: str, keys: Collection[str]) -> None:
        """Forget every key that starts with ``prefix`` and is not in ``keys``."""
        with self._lock:
            for key in [known for known in self._health if known.startswith(prefix) and known not in keys]:
                del self._health[key]

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fresh(self, key: str, now_s: float) -> bool:
        at_s = self._health.get(key, Health()).at_s
        return at_s is not None and now_s - at_s <= STALE_AFTER_S

    def _run(self, key: str, question: Question) -> None:
        answer = Answer(False, "the check itself failed")
        try:
            answer = self._ask(question)
        finally:
            with self._lock:
                self._running.pop(key, None)
                if key in self._health:
                    self._health[key] = self._health[key].after(answer, self._clock.monotonic_s())


class HttpAsk:
    """Asks over HTTP. Follows no redirect, uses no proxy of the environment, reads no more than it must."""

    def __init__(self, http: httpx.Client, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    def __call__(self, question: Question) -> Answer:
        try:
            return self._answer(question)
        except httpx.TimeoutException:
            return Answer(False, f"no answer within {question.timeout_s:g} s")
        except httpx.ConnectError:
            return Answer(False, "cannot connect")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Answer(False, f"{type(error).__name__} while asking")

    def _answer(self, question: Question) -> Answer:
        end_s = self._clock.monotonic_s() + question.timeout_s
        options = httpx.Timeout(question.timeout_s)
        with self._http.stream("GET", question.url, timeout=options, follow_redirects=False) as response:
            body = b""
            for chunk in response.iter_bytes(chunk_size=4096):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return Answer(False, f"the answer is larger than {MAX_BODY_BYTES} bytes")
                if self._clock.monotonic_s() > end_s:
                    return Answer(False, f"the answer took longer than {question.timeout_s:g} s")
        if not 200 <= response.status_code < 300:
            return Answer(False, f"answered {response.status_code}")
        return _with_version(body, question.version_field) if question.version_field else Answer(True)


def _with_version(body: bytes, field: str) -> Answer:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return Answer(False, "the answer is not JSON, so it names no version")
    version = document.get(field) if isinstance(document, dict) else None
    if not isinstance(version, str) or not 0 < len(version) <= 256:
        return Answer(False, f"the answer has no version in the field {field!r}")
    return Answer(True, version=version)


def health_client() -> httpx.Client:
    """A client for health checks: no proxy from the environment, and a new connection for every question."""
    return httpx.Client(
        trust_env=False, limits=httpx.Limits(max_keepalive_connections=0), headers={"Connection": "close"}
    )
