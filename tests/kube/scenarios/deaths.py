"""A controller that dies at every write: the first time before it has reached the server or the store, the second time
after. It counts writes and waits for nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from controller.core.model import Phase
from tests.kube.scenarios.stage import Stage

API_WRITES = ("create", "patch", "delete")
SECONDS_MAX = 150
"""Of counted time, deaths included; an undisturbed story needs less than a hundred."""

Key = tuple[object, ...]


class Died(BaseException):
    """The process is gone; nothing of the product may catch it."""


@dataclass(slots=True)
class Deaths:
    """Writes are told apart by what they are for: the object, the fields they touch, and where the release stands. What
    only a new leader's number makes different is the same write."""

    stage: Stage
    met: Counter[tuple[Key, Key]] = field(default_factory=Counter)
    before: list[tuple[Key, Key]] = field(default_factory=list)
    after: list[tuple[Key, Key]] = field(default_factory=list)

    def plant(self) -> None:
        api, memory = self.stage.api, self.stage.memory
        for verb in API_WRITES:
            setattr(api, verb, self._deadly(getattr(api, verb), lambda *args, v=verb: (v, *_of_call(v, args))))
        memory.commit = self._deadly(memory.commit, lambda commit: ("commit", *_of_commit(commit)))

    def heal(self) -> None:
        for verb in API_WRITES:
            delattr(self.stage.api, verb)
        del self.stage.memory.commit

    def never_after(self) -> set[Key]:
        """Writes that were cut before they landed and never after. One that the release no longer needed, since it had
        moved on meanwhile, is to have been cut where it stood then."""
        after = {what for what, _ in self.after}
        return {what for what, _ in self.before} - after

    def _deadly(self, real: Callable[..., Any], key_of: Callable[..., Key]) -> Callable[..., Any]:
        def call(*args: Any, **fields: Any) -> Any:
            if fields.get("dry_run"):
                return real(*args, **fields)
            key = key_of(*args), self._where()
            self.met[key] += 1
            if self.met[key] == 1:
                self.before.append(key)
                raise Died
            answer = real(*args, **fields)
            if self.met[key] == 2:
                self.after.append(key)
                raise Died
            return answer

        return call

    def _where(self) -> Key:
        release = self.stage.newest()
        return release.phase.value, release.step, release.weight_pct


def _of_call(verb: str, args: tuple[Any, ...]) -> Key:
    kind, _, what, *more = args
    if verb == "create":
        return kind.plural, what["metadata"].get("name", "")
    touched = () if verb == "delete" else tuple(sorted(_fields(more[0])))
    return kind.plural, what, touched, *(more[1:2] if verb == "patch" else ())


def _fields(patch: Any, under: str = "") -> set[str]:
    if isinstance(patch, list):
        return {str(step["path"]) for step in patch}
    if not isinstance(patch, dict):
        return {under}
    return {path for key, value in patch.items() for path in _fields(value, f"{under}/{key}")}


def _of_commit(commit: Any) -> Key:
    return tuple(
        (record.type, record.numbers.get("to_pct"), record.numbers.get("to_phase")) for record in commit.records
    )


def run_story(stage: Stage, ends: Phase, look: Callable[[], None] = lambda: None) -> None:
    """Until the release has ended as it must. Whoever dies is followed by a new process, which remembers nothing."""
    for _ in range(SECONDS_MAX):
        try:
            stage.second()
        except Died:
            look()
            stage.restart()
        look()
        if stage.newest().phase is ends:
            return
    raise AssertionError(f"not {ends.value} after {SECONDS_MAX} seconds: {stage.sentence()}")
