"""A port in trouble: everything passes through to what is behind it, except the calls a test planted something for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Troubled:
    """``fail`` lets a method raise instead of being done; ``watch`` and ``after`` look at a call before or after it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._errors: dict[str, Exception] = {}
        self._watch: dict[str, Callable[..., object]] = {}
        self._after: dict[str, Callable[..., object]] = {}

    def fail(self, error: Exception, *methods: str) -> None:
        self._errors.update(dict.fromkeys(methods, error))

    def watch(self, method: str, look: Callable[..., object]) -> None:
        """Call ``look`` with the arguments right before ``method`` is done; what it raises is raised instead."""
        self._watch[method] = look

    def after(self, method: str, look: Callable[..., object]) -> None:
        """The same right after it was done: what is raised then is an effect whose answer was lost."""
        self._after[method] = look

    def heal(self) -> None:
        for planted in (self._errors, self._watch, self._after):
            planted.clear()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*args: Any, **fields: Any) -> Any:
            if name in self._watch:
                self._watch[name](*args, **fields)
            if name in self._errors:
                raise self._errors[name]
            answer = found(*args, **fields)
            if name in self._after:
                self._after[name](*args, **fields)
            return answer

        return call
