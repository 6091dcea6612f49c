"""Runs one scenario to its end: a phase in which anything may fail, then phases in which everything has to come to an
end, each with a failure code of its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from controller.core.model import IntentKind, Phase, Release
from controller.core.moves import ENDED
from controller.ports import Page, Store
from tests.sim.faults import Fault
from tests.sim.oracles import Failed
from tests.sim.scenario import Health, Scenario
from tests.sim.sim import Simulation
from tests.sim.trouble import everything_back

SETTLE_S = 900
"""Simulated seconds within which every release must end or wait for a person once faults stop: three releases of one
application in a row, each up to its horizon of 240 s, with deadlines of 60 and 90 s."""
ABORT_S = 240
"""Within which everything ends once a person has aborted it: a deadline, a drain, a few passes."""
CATASTROPHE_S = 45.0

Waits = Callable[[Simulation, Release], bool]


@dataclass(frozen=True, slots=True)
class Result:
    """How a run went. ``oracle`` is empty when every oracle held."""

    scenario: Scenario
    digest: str
    calls: int
    steps: int
    releases: int
    played: Mapping[int, Fault]
    oracle: str = ""
    text: str = ""
    trace: tuple[str, ...] = ()
    first_phase: Phase | None = None
    safe_calls: int = 0
    writes: tuple[int, ...] = ()

    @property
    def failed(self) -> bool:
        return bool(self.oracle)


def make_store(scenario: Scenario) -> Store:
    if scenario.sql:
        from controller.adapters.store.sql import SqlStore

        return SqlStore.open(":memory:")
    from tests.fakes.store import MemoryStore

    return MemoryStore()


def run(scenario: Scenario, given: Mapping[int, Fault] | None = None) -> Result:
    """One whole run. Production's own assertions count as failures too."""
    store = make_store(scenario)
    sim = Simulation(scenario, store, given)
    oracle, text = "", ""
    try:
        _phases(sim)
    except Failed as failed:
        oracle, text = failed.oracle, failed.text
    except AssertionError as bug:
        oracle, text = "assertion", f"{bug!r} at {traceback.extract_tb(bug.__traceback__)[-1]}"
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as bug:
        oracle, text = "exception", f"{bug!r} at {traceback.extract_tb(bug.__traceback__)[-1]}"
    oldest = list(store.releases(Page(limit=200)))[-1:]
    store.close()
    return Result(
        scenario,
        sim.digest(),
        sim.counts.calls,
        sim.counts.steps,
        sim.counts.releases,
        dict(sim.tape.played),
        oracle,
        text,
        tuple(sim.trace),
        oldest[0].phase if oldest else None,
        sim.safe_calls,
        tuple(sim.writes),
    )


def _phases(sim: Simulation) -> None:
    safety(sim)
    sim.safe_calls = sim.counts.calls
    everything_back(sim)
    sim.note("FAULTS STOP")
    _until(sim, SETTLE_S, "I8", waits)
    sim.note("PEOPLE CLEAN UP")
    clean_up(sim)
    _until(sim, SETTLE_S, "I8-released", waits_for_resume)
    sim.note("ABORT WHAT IS LEFT")
    sim.people.all_wish("abort")
    _until(sim, ABORT_S, "I8-aborted", lambda _sim, release: False)
    for _ in range(15):
        sim.step()
    sim.oracles.at_end()
    if sim.scenario.calm:
        _calm(sim)


def safety(sim: Simulation) -> None:
    while sim.world.time_s < sim.scenario.safety_s and not (_idle(sim) and sim.world.time_s > 10):
        sim.step()


def _idle(sim: Simulation) -> bool:
    """Nothing is running, and nothing more is going to happen to it."""
    return not sim.pending and not sim.people.waiting and all(not sim.store.active(name) for name in sim.world.apps)


def _until(sim: Simulation, bound_s: float, code: str, may_wait: Waits) -> None:
    end_s = sim.world.time_s + bound_s
    quiet = 0
    while quiet < 3:
        left = [r for name in sim.world.apps for r in sim.store.active(name) if not may_wait(sim, r)]
        quiet = quiet + 1 if not left and not sim.people.waiting else 0
        if sim.world.time_s > end_s:
            shown = "; ".join(f"{r.id} {r.phase.value} {r.weight_pct} % {r.reason.code}: {r.reason.text}" for r in left)
            sim.oracles.fail(code, f"not at rest {bound_s:g} s later: {shown or 'people still try'}")
        sim.step()


def waits(sim: Simulation, release: Release) -> bool:
    """Whether ``release`` rightly waits for a person: a pause, or a kill that holds it."""
    return waits_for_resume(sim, release) or _held(sim, release) or _behind(sim, release, waits)


def waits_for_resume(sim: Simulation, release: Release) -> bool:
    if release.phase in ENDED or release.phase is Phase.PAUSED:
        return True
    if release.intent is not None and release.intent.kind is IntentKind.PAUSE:
        return release.phase in (Phase.PENDING, Phase.PREPARING)
    return _behind(sim, release, waits_for_resume)


def _behind(sim: Simulation, release: Release, waiting: Waits) -> bool:
    """Whether the releases it has to wait for all wait themselves."""
    if release.phase is not Phase.PENDING:
        return False
    others = [r for r in sim.store.active(release.app.name) if r.id != release.id and r.phase is not Phase.PENDING]
    return bool(others) and all(waiting(sim, other) for other in others)


def _held(sim: Simulation, release: Release) -> bool:
    route = sim.world.router.record(sim.world.route(release.app.name).backend)
    pressed = bool(sim.oracles.pressed()) or bool(route is not None and route.halts)
    stuck = release.phase is Phase.PENDING or release.phase is Phase.HALTED
    return pressed and stuck and (release.halt is None or release.halt.by_kill)


def clean_up(sim: Simulation) -> None:
    """People release every kill and let go on what was paused."""
    for _ in range(20):
        if sim.people.release_everything():
            break
        sim.step()
    else:
        sim.oracles.fail("I8-released", "the kills cannot be released although nothing fails any more")
    sim.people.all_wish("resume")


def _calm(sim: Simulation) -> None:
    """With no fault and nobody interfering the version alone decides."""
    plan = sim.scenario.apps[0]
    made, release = sim.scenario.version("shop", "v2"), sim.store.release("shop-1")
    assert release is not None
    healthy = made.health is Health.GOOD or (made.bad_traffic and made.from_pct > plan.app.canary.steps[-1])
    if healthy and release.phase is not Phase.SUCCEEDED:
        sim.oracles.fail("calm", f"a good version ended as {release.phase.value}: {release.reason.text}")
    if not healthy and release.phase is Phase.SUCCEEDED:
        sim.oracles.fail("calm", f"a version that is {made.health.value} was promoted")


def without(scenario: Scenario, dropped: frozenset[int]) -> Scenario:
    """The same scenario without some of its events."""
    return replace(scenario, events=tuple(e for n, e in enumerate(scenario.events) if n not in dropped))
