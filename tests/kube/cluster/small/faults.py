"""Trouble on request: what a test can make the small API server do to its clients."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from tests.kube.cluster.small.access import Attempt
from tests.kube.cluster.small.failures import ApiError


class Trouble(StrEnum):
    """DELAY: wait before it is carried out. DELAY_AFTER: carry it out, then wait. ANSWER: refuse with ``code``.

    CUT_BEFORE, CUT_AFTER: end the connection without an answer, the request not yet or already carried out.
    GARBAGE: carry it out and answer 200 with something that is not JSON; in a watch: a line of it.
    SILENT: a watch that is open and never says anything more. END: a watch that ends now. GONE: a watch that ends with
    an ERROR event of code 410.
    """

    DELAY = "delay"
    DELAY_AFTER = "delay after"
    ANSWER = "answer"
    CUT_BEFORE = "cut before"
    CUT_AFTER = "cut after"
    GARBAGE = "garbage"
    SILENT = "silent"
    END = "end"
    GONE = "gone"


WATCH_TROUBLES = frozenset({Trouble.SILENT, Trouble.END, Trouble.GONE})


@dataclass(slots=True)
class Fault:
    """One trouble for the requests that fit: an empty text fits everything. ``times`` None: until it is taken away."""

    trouble: Trouble
    verb: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    times: int | None = None
    seconds: float = 0.0
    code: int = 0
    retry_after_s: int | None = None
    happened: int = 0

    def fits(self, attempt: Attempt) -> bool:
        wanted = (
            (self.verb, attempt.verb), (self.resource, attempt.asked), (self.namespace, attempt.namespace),
            (self.name, attempt.name),
        )  # fmt: skip
        return all(not asked or asked == found for asked, found in wanted) and self.times != 0

    def take(self) -> None:
        self.happened += 1
        if self.times is not None:
            self.times -= 1

    def refusal(self) -> ApiError:
        told, reason = ANSWERS.get(self.code, ("an error on the server was asked for", "InternalError"))
        details = {"retryAfterSeconds": self.retry_after_s} if self.retry_after_s is not None else {}
        return ApiError(self.code, reason, told, details)


ANSWERS = {
    409: ("Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest "
          "version and try again", "Conflict"),
    429: ("Too many requests, please try again later.", "TooManyRequests"),
    503: ("the server is currently unable to handle the request", "ServiceUnavailable"),
    504: ("request did not complete within the allotted timeout", "Timeout"),
}  # fmt: skip


@dataclass(slots=True)
class Faults:
    """The list of troubles in force. The first that fits a request is what happens to it."""

    _faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        with self._lock:
            self._faults = [one for one in self._faults if one is not fault]

    @contextmanager
    def on(self, fault: Fault) -> Iterator[Fault]:
        self.add(fault)
        try:
            yield fault
        finally:
            self.remove(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def next(self, attempt: Attempt, *, watching: bool = False) -> Fault | None:
        """Take what happens to this request, or, when ``watching``, to this open watch."""
        with self._lock:
            for fault in self._faults:
                if fault.fits(attempt) and self._can(fault, attempt, watching=watching):
                    fault.take()
                    return fault
        return None

    def _can(self, fault: Fault, attempt: Attempt, *, watching: bool) -> bool:
        if watching:
            return fault.trouble in WATCH_TROUBLES or fault.trouble is Trouble.GARBAGE
        return fault.trouble not in WATCH_TROUBLES and not (
            fault.trouble is Trouble.GARBAGE and attempt.verb == "watch"
        )
