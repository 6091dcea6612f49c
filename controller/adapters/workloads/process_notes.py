"""Turns what was seen of a role's instances into its state and one line for people. Pure: it looks at nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller.adapters.workloads.health import Health
from controller.adapters.workloads.process_table import Instance, State, Table
from controller.core.model import RoleState


@dataclass(frozen=True, slots=True)
class Look:
    """One instance as it is now. ``end`` is how its process ended, None while it lives."""

    instance: Instance
    end: str | None
    health: Health

    @property
    def alive(self) -> bool:
        return self.end is None

    @property
    def ready(self) -> bool:
        return self.alive and self.health.ever and not self.health.lost


def role_state(table: Table, looks: Sequence[Look], wanted: int, tail: Callable[[str], str]) -> RoleState:
    """``running`` counts every live process, also those that drain; ``ready`` those that serve and answer well."""
    running = Counter(look.instance.version for look in looks if look.alive)
    ready = Counter(look.instance.version for look in looks if look.ready and look.instance.state is State.SERVING)
    return RoleState(
        wanted=wanted,
        running=tuple(sorted(running.items())),
        ready=tuple(sorted(ready.items())),
        note=_note(table, looks, tail),
    )


def _note(table: Table, looks: Sequence[Look], tail: Callable[[str], str]) -> str:
    if table.trouble:
        return table.trouble
    for describe in (_ended, _unwell):
        texts = [text for text in (describe(look, tail) for look in looks) if text]
        if texts:
            more = f" (and {len(texts) - 1} more like it)" if len(texts) > 1 else ""
            return texts[0] + more
    return ""


def _ended(look: Look, tail: Callable[[str], str]) -> str:
    instance = look.instance
    if instance.state in (State.DRAINING, State.STOPPING):
        return ""
    end = instance.last_end if look.alive or instance.state is State.WAITING else look.end
    if not end or (instance.state is State.SERVING and look.alive):
        return ""
    return f"instance on port {instance.port} {end}; {_times(instance.restarts)}{_output(instance, tail)}"


def _unwell(look: Look, tail: Callable[[str], str]) -> str:
    instance, health = look.instance, look.health
    if instance.state is State.STARTING and not (health.at_s is not None and health.bad):
        return ""
    if instance.state is State.STARTING or (instance.state is State.SERVING and health.lost):
        return f"instance on port {instance.port} is not well: {health.text}{_output(instance, tail)}"
    return ""


def _times(restarts: int) -> str:
    return {0: "not restarted yet", 1: "restarted once"}.get(restarts, f"restarted {restarts} times")


def _output(instance: Instance, tail: Callable[[str], str]) -> str:
    text = tail(instance.id)
    return f"; last output: {text}" if text else ""
