"""The guard and its client as they are, on a HAProxy, a disk and a clock that live in memory.

Nothing of the guard is rewritten here: a request takes the same way through parser, core and keeper as in the real
process. What lies: HAProxy applies a group of commands without other traffic in between, and nothing takes time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from controller.adapters.routers.haproxy import HaproxyRouter
from controller.core.model import Application
from controller.guard.keeper import Keeper
from controller.guard.model import Deny, NoBackend, ProxyTrouble, Saved, Server, Shown, World
from controller.guard.reply import denial
from controller.guard.statefile import decode, encode
from controller.guard.wire import encode_line, parse
from controller.ports import Unavailable


class MemoryHaproxy:
    """HAProxy's runtime state. ``reload`` forgets every command, as a real reload does."""

    def __init__(self) -> None:
        self.up = True
        self.configured: dict[str, tuple[Server, ...]] = {}
        self.running: dict[str, dict[str, Server]] = {}

    def add_switch(self, backend: str, stable: str = "stable", canary: str = "canary") -> None:
        self._add(backend, (Server(stable, "-", 0, 2, 0, 100), Server(canary, "-", 0, 2, 0, 0)))

    def add_pool(self, pool: str, slots: int) -> None:
        self._add(pool, tuple(Server(f"s{number}", "127.0.0.1", 1, 0, 5, 1) for number in range(1, slots + 1)))

    def _add(self, backend: str, servers: tuple[Server, ...]) -> None:
        self.configured[backend] = servers
        self.running[backend] = {server.name: server for server in servers}

    def reload(self) -> None:
        for backend, servers in self.configured.items():
            self.running[backend] = {server.name: server for server in servers}

    def look(self, backend: str) -> Shown:
        return self.push(backend, ())

    def push(self, backend: str, commands: tuple[str, ...]) -> Shown:
        if not self.up:
            raise ProxyTrouble("HAProxy's socket: Connection refused")
        complaints = tuple(said for command in commands if (said := self.run(command)))
        if backend not in self.running:
            raise NoBackend(f"HAProxy has no backend {backend}: it says Can't find backend.")
        return Shown(tuple(self.running[backend].values()), complaints)

    def run(self, command: str) -> str:
        """One command of the runtime socket; returns what HAProxy complains of, or nothing."""
        words = command.split()
        backend, _, name = words[2].partition("/")
        server = self.running.get(backend, {}).get(name)
        if server is None:
            return "No such server."
        if words[:2] == ["set", "weight"]:
            server = replace(server, weight=int(words[3]))
        elif words[3] == "addr":
            server = replace(server, host=words[4], port=int(words[6]))
        else:
            kept = server.admin_state & 0x04
            admin = {"ready": 0, "drain": 0x08, "maint": 0x01}[words[4]]
            server = replace(server, admin_state=kept | admin, op_state=0 if admin == 0x01 else 2)
        self.running[backend][name] = server
        return ""

    def share_pct(self, backend: str, stable: str = "stable", canary: str = "canary") -> float:
        """What part of new requests the canary gets, by the weights of the servers that take any."""
        weights = {s.name: s.weight for s in self.running[backend].values() if s.admin == "ready" and s.op_state == 2}
        total = sum(weights.values())
        return 100 * weights.get(canary, 0) / total if total else 0.0


class FakeRouter(HaproxyRouter):
    """Router and Endpoints for tests and the simulation; ``clock`` gives monotonic seconds.

    The world may be broken through ``haproxy`` (drift, ``reload``, ``up``), ``files`` (HALT files), ``disk_full`` and
    ``guard_up``. ``tick`` is one pass of the guard's loop, ``restart`` is a crash of the guard and a new start.
    """

    def __init__(self, clock: Callable[[], float], slots: int = 8) -> None:
        super().__init__(timeout_s=1.0)
        self.haproxy = MemoryHaproxy()
        self.files: set[str] = set()
        self.disk_full = False
        self.guard_up = True
        self.events: list[tuple[str, dict[str, object]]] = []
        self._clock = clock
        self._slots = slots
        self._disk = encode(Saved())
        self._keeper = self._start()

    def add(self, app: Application) -> None:
        """Configure the backends that ``app`` names."""
        route = app.haproxy
        self.haproxy.add_switch(route.backend, route.stable_server, route.canary_server)
        for pool in (route.stable_pool, route.canary_pool):
            if pool is not None:
                self.haproxy.add_pool(pool, self._slots)

    def tick(self) -> None:
        if self.guard_up:
            self._keeper.tick()

    def restart(self) -> None:
        self._keeper = self._start()

    def exchange(self, guard: str, line: bytes, timeout_s: float = 1.0) -> dict[str, Any]:
        if not self.guard_up:
            raise Unavailable(f"the guard at {guard} cannot be reached: Connection refused")
        try:
            answer = self._keeper.handle(parse(line))
        except Deny as no:
            answer = denial(no)
        decoded: dict[str, Any] = json.loads(encode_line(answer))
        return decoded

    def _start(self) -> Keeper:
        keeper = Keeper(decode(self._disk), self.haproxy, self._save, self._look_around, self._log)
        keeper.tick()
        return keeper

    def _save(self, saved: Saved) -> None:
        if self.disk_full:
            raise OSError(28, "No space left on device")
        self._disk = encode(saved)

    def _look_around(self) -> World:
        return World(self._clock(), frozenset(self.files))

    def _log(self, event: str, **fields: object) -> None:
        self.events.append((event, fields))
