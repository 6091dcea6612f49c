"""A port in trouble: everything passes through to what is behind it, except the calls a test planted a failure for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Troubled:
    """``fail`` lets a method raise instead of being done, ``lose`` lets it be done and its answer be lost."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._before: dict[str, Exception] = {}
        self._after: dict[str, Exception] = {}
        self._watch: dict[str, Callable[..., object]] = {}
        self.calls: list[str] = []

    def fail(self, error: Exception, *methods: str) -> None:
        self._before.update(dict.fromkeys(methods, error))

    def lose(self, error: Exception, *methods: str) -> None:
        self._after.update(dict.fromkeys(methods, error))

    def watch(self, method: str, look: Callable[..., object]) -> None:
        """Call ``look`` with the arguments right before ``method`` is done."""
        self._watch[method] = look

    def heal(self) -> None:
        self._before.clear()
        self._after.clear()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*args: Any, **fields: Any) -> Any:
            self.calls.append(name)
            if name in self._watch:
                self._watch[name](*args, **fields)
            if name in self._before:
                raise self._before[name]
            answer = found(*args, **fields)
            if name in self._after:
                raise self._after[name]
            return answer

        return call
