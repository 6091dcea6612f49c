"""What happens to the world by itself: parts go down and come back, clocks step, somebody edits the proxy by hand."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from analysis.model import Role
from controller.ports import PortError
from tests.sim.faults import Fault, Kind
from tests.sim.oracles import HALT_FILE
from tests.sim.scenario import Event

if TYPE_CHECKING:
    from tests.sim.sim import Simulation

FROZEN_STEPS = 15
"""For a process that is to freeze at its next call of a kind: longer than a lease."""
HOUR_S = 3600.0
AHEAD_S = 20.0


def happen(sim: Simulation, event: Event) -> None:
    """Carry out one event. An unknown kind is a mistake of the scenario."""
    world, proxy = sim.world, sim.world.router.haproxy
    match event.kind:
        case "prom_down" | "prom_nan" | "prom_stale":
            world.prometheus.state = event.kind.removeprefix("prom_")
        case "prom_down_over" | "prom_nan_over" | "prom_stale_over":
            world.prometheus.state = "up"
        case "haproxy_down":
            proxy.up = False
        case "haproxy_down_over":
            proxy.up = True
            _reload(sim)
        case "reload":
            _reload(sim)
        case "push_fails" | "push_lost":
            proxy.next_push = event.kind.removeprefix("push_")
        case "guard_down":
            world.router.guard_up = False
        case "guard_down_over":
            world.router.guard_up = True
            _restart_guard(sim)
        case "guard_restart":
            _restart_guard(sim)
        case "store_down" | "store_down_over":
            world.store_up = event.kind.endswith("_over")
        case "disk_full" | "disk_full_over":
            world.disk_full = world.router.disk_full = not event.kind.endswith("_over")
        case "guard_disk_full" | "guard_disk_full_over":
            world.router.disk_full = not event.kind.endswith("_over")
        case "halt_file":
            _halt_by_file(sim)
        case "halt_file_over":
            _file_gone(sim)
        case "clock_back":
            world.step_clock(-HOUR_S)
        case "clock_back_over":
            world.step_clock(max(0.0, -world.clock_offset_s))
        case "clock_ahead":
            world.step_clock(AHEAD_S)
        case "next_call":
            kind, call = event.args
            sim.tape.awaited[call] = Fault(Kind(kind), FROZEN_STEPS)
        case "node_crash":
            _crash(sim)
        case "rival":
            sim.start_node()
        case _:
            _to_one(sim, event)


def _to_one(sim: Simulation, event: Event) -> None:
    """What happens to one application, which is its first argument."""
    world = sim.world
    match event.kind:
        case "stable_sick" | "stable_sick_over":
            sim.oracles.disturbed(event.args[0])
            world.sicken(event.args[0], event.kind == "stable_sick")
        case "stable_short":
            name, count, for_s = event.args
            sim.oracles.disturbed(name)
            world.shorten(name, int(count), int(for_s))
        case "note":
            world.router.note(world.app(event.args[0]))
        case "note_over":
            world.router.unnote(world.app(event.args[0]), sim.oracles.led)
        case "incident":
            world.incidents.add(event.args[0])
        case "incident_over":
            world.incidents.discard(event.args[0])
        case "unconfirmed":
            world.unconfirmed.add(event.args[0])
        case "unconfirmed_over":
            world.unconfirmed.discard(event.args[0])
        case "drift":
            _drift(sim, event.args[0], int(event.args[1]))
        case "instances_crash":
            application, role, count = event.args
            sim.oracles.disturbed(application)
            world.workloads[application].crash(application, Role(role), None if count == "all" else int(count))
        case _:
            raise AssertionError(f"no such event: {event.kind}")


def _crash(sim: Simulation) -> None:
    if sim.nodes:
        sim.kill_node(sim.nodes[0])


def _halt_by_file(sim: Simulation) -> None:
    """The stop that needs nothing but a shell. It counts from the moment the guard has seen it and HAProxy obeys."""
    router = sim.world.router
    router.files.add("HALT")
    if router.guard_up and router.haproxy.up:
        router.tick()
        sim.oracles.halt_file(True)


def _file_gone(sim: Simulation) -> None:
    """The file is removed and the guard is told, which only a person at its machine can do."""
    router = sim.world.router
    router.files.discard("HALT")
    sim.oracles.halt_file(False)
    for application in sim.world.apps:
        app = sim.world.app(application)
        record = router.record(sim.world.route(application).backend)
        if router.guard_up and record is not None:
            with contextlib.suppress(PortError):
                router.unhalt(app, frozenset({HALT_FILE.id}), router.notes.get(application, record.epoch))


def _restart_guard(sim: Simulation) -> None:
    sim.oracles.guard_began_anew()
    sim.world.router.restart()


def _reload(sim: Simulation) -> None:
    if sim.world.router.haproxy.up:
        sim.world.router.haproxy.reload()
        for application in sim.world.apps:
            sim.oracles.disturbed(application)


def _drift(sim: Simulation, application: str, weight_pct: int) -> None:
    """Somebody sets the weights by hand, past the guard."""
    proxy, route = sim.world.router.haproxy, sim.world.route(application)
    if proxy.up:
        sim.oracles.disturbed(application)
        for server, weight in ((route.stable_server, 100 - weight_pct), (route.canary_server, weight_pct)):
            proxy.run(f"set weight {route.backend}/{server} {weight}")


def everything_back(sim: Simulation) -> None:
    """The faults stop: whatever is down comes up, clocks are right, and one process at least is started."""
    world = sim.world
    world.prometheus.state = "up"
    if not world.router.haproxy.up:
        happen(sim, Event(0, "haproxy_down_over"))
    if not world.router.guard_up:
        happen(sim, Event(0, "guard_down_over"))
    world.router.haproxy.next_push = ""
    world.store_up, world.disk_full, world.router.disk_full = True, False, False
    world.step_clock(-world.clock_offset_s)
    _file_gone(sim)
    world.incidents.clear()
    world.unconfirmed.clear()
    for application in world.apps:
        world.sicken(application, False)
        world.lengthen(application)
        world.router.unnote(world.app(application), sim.oracles.led)
    sim.tape.open = False
    if not sim.nodes:
        sim.restart_at_s = world.time_s
    sim.pending.clear()
