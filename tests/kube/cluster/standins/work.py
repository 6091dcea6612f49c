"""A queue of keys with due times: each key is worked on by one thread at a time, and again after trouble."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from tests.kube.cluster.standins.hints import TROUBLE

Key = TypeVar("Key", bound=Hashable)
AGAIN_S = 0.05


class Work(Generic[Key]):
    """``do`` gets one key at a time; what it raises for the world's troubles is tried again soon."""

    def __init__(self, name: str, do: Callable[[Key], None], workers: int = 1) -> None:
        self._do = do
        self._due: dict[Key, float] = {}
        self._busy: set[Key] = set()
        self._turn = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._run, name=f"{name}-{n}", daemon=True) for n in range(workers)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def add(self, key: Key, after_s: float = 0.0) -> None:
        due_s = time.monotonic() + after_s
        with self._turn:
            self._due[key] = min(due_s, self._due.get(key, due_s))
            self._turn.notify()

    def _run(self) -> None:
        while (key := self._next()) is not None:
            try:
                self._do(key)
            except TROUBLE:
                self.add(key, AGAIN_S)
            finally:
                with self._turn:
                    self._busy.discard(key)
                    self._turn.notify()

    def _next(self) -> Key | None:
        with self._turn:
            while not self._closed:
                free = [(due_s, key) for key, due_s in self._due.items() if key not in self._busy]
                if not free:
                    self._turn.wait()
                    continue
                due_s, key = min(free, key=lambda one: one[0])
                wait_s = due_s - time.monotonic()
                if wait_s <= 0:
                    del self._due[key]
                    self._busy.add(key)
                    return key
                self._turn.wait(wait_s)
        return None

    def close(self) -> None:
        with self._turn:
            self._closed = True
            self._turn.notify_all()
        for thread in self._threads:
            thread.join(5)
