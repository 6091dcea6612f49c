"""What the doors are given of a running node: commands, the kill switch, reads, health. It touches no world itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analysis.samples import GateStats
from controller.commands import Commands
from controller.forecasts import Outlook
from controller.ports import Clock, Store, StoredApplication
from controller.runtime.health import Health
from controller.runtime.killswitch import KillSwitch
from controller.runtime.selftest import SelfTested


@dataclass(frozen=True, slots=True)
class Doors:
    """Built by the composition root and handed to the HTTP application; tests build it on fakes."""

    commands: Commands
    kills: KillSwitch
    store: Store
    clock: Clock
    health: Callable[[], Health]
    outlook: Callable[[StoredApplication], Outlook]
    asked: Callable[[], tuple[GateStats, ...]]
    self_test: Callable[[], SelfTested | None]
