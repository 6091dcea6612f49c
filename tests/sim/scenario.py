"""What one seed is made of: applications, versions, what people do, what happens to the world. Drawn once; it runs
nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum

from analysis.model import AnalysisSpec, CounterQuery
from controller.core.model import Application, CanaryPlan, Overload
from controller.core.targets import HaproxyRoute, ProcessesTarget
from tests.sim.cluster import cluster_route, in_cluster
from tests.sim.faults import NO_FAULTS, RISE, Mix, draw_mix

STABLE = "v1"
SAFETY_S = 240
"""Simulated seconds in which anything may fail; a good release takes 60 to 120 of them."""


class Health(StrEnum):
    """How a version behaves once the canary's weight is at or above its threshold; below it, well."""

    GOOD = "good"
    ERRORS = "errors"
    CATASTROPHIC = "catastrophic"
    HANG = "hang"
    CRASHES = "crashes"
    NEVER_READY = "never_ready"


@dataclass(frozen=True, slots=True)
class Version:
    """``from_pct`` is the weight from which a version with errors or hangs shows them."""

    name: str
    health: Health = Health.GOOD
    from_pct: int = 0
    ready_after_s: int = 2

    @property
    def bad_traffic(self) -> bool:
        return self.health in (Health.ERRORS, Health.CATASTROPHIC, Health.HANG)

    @property
    def lasting(self) -> bool:
        """Whether its instances stay ready once they are."""
        return self.health not in (Health.CRASHES, Health.NEVER_READY)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at a time whether or not the controller likes it. ``args`` depend on ``kind``."""

    at_s: float
    kind: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AppPlan:
    app: Application
    stable: str | None
    versions: tuple[Version, ...]
    rate: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """``calm`` promises that nothing fails and nobody interferes, so that the outcome follows from the version."""

    seed: str
    apps: tuple[AppPlan, ...]
    events: tuple[Event, ...] = ()
    mix: Mix = NO_FAULTS
    calm: bool = False
    safety_s: float = SAFETY_S
    sql: bool = False

    def version(self, application: str, name: str) -> Version:
        for plan in self.apps:
            if plan.app.name == application:
                return next((v for v in plan.versions if v.name == name), Version(name))
        raise AssertionError(f"no application {application}")


def spec() -> AnalysisSpec:
    """The analysis with times that suit a bake of seconds; its statistics are those of production."""
    return AnalysisSpec(
        prometheus_url="http://127.0.0.1:9",
        counters=(CounterQuery("errors", ("total",), ("bad",), slo_bad_fraction=0.05),),
        warmup_s=4.0,
        stale_after_s=5.0,
        no_data_timeout_s=30.0,
        window_s=24.0,
        block_s=4.0,
        settle_s=0.5,
    )


def application(name: str, steps: tuple[int, ...], bake_s: float, max_weight_pct: int = 50) -> Application:
    plan = CanaryPlan(
        steps=steps,
        min_bake_s=bake_s,
        max_weight_pct=max_weight_pct,
        max_duration_s=240.0,
        prepare_deadline_s=60.0,
        promote_deadline_s=90.0,
        drain_s=3.0,
        lease_s=12.0,
        poll_s=3.0,
    )
    environment = "production" if name != "toys" else "staging"
    route = HaproxyRoute(guard="/guard", backend=f"be_{name}")
    target = ProcessesTarget(command=("serve", "{version}", "{port}"), replicas=3)
    return Application(name, environment, target, route, plan, spec())


def draw(seed: int) -> Scenario:
    """The scenario of ``seed``: about one in eight is calm, the others draw their own mix of trouble."""
    rng = random.Random(f"{seed}:scenario")
    calm = rng.random() < 0.12
    names = ("shop",) if calm or rng.random() < 0.6 else ("shop", "toys")
    apps = tuple(_app(rng, name, calm) for name in names)
    placed = random.Random(f"{seed}:placed")
    apps = tuple(_placed(placed, plan) for plan in apps)
    if calm:
        return Scenario(str(seed), apps, (Event(2.0, "deploy", ("shop", "v2", "")),), calm=True, sql=seed % 200 == 7)
    events: list[Event] = []
    for plan in apps:
        events += _deploys(rng, plan)
        events += _wishes(rng, plan)
    events += _kills(rng, apps)
    events += _world(rng, apps)
    events += _late(random.Random(f"{seed}:late"), apps)
    for plan in apps:
        events += _held(placed, plan)
    events.sort(key=lambda event: (event.at_s, event.kind, event.args))
    return Scenario(str(seed), apps, tuple(events), draw_mix(rng), sql=seed % 200 == 7)


def _app(rng: random.Random, name: str, calm: bool) -> AppPlan:
    steps = rng.choice(((10, 50), (5, 20, 50), (1, 10, 30), (10,), (2, 5, 25, 40)))
    app = application(name, steps, rng.choice((10.0, 12.0, 15.0)))
    if rng.random() < 0.2 and steps[-1] < 50:
        app = replace(app, canary=replace(app.canary, max_weight_pct=steps[-1]))
    versions = tuple(_version(rng, f"v{number}", steps) for number in (2, 3, 4))
    stable = STABLE if rng.random() < 0.95 or calm else None
    rate = rng.choice((150.0, 400.0)) if calm or rng.random() < 0.9 else 1.0
    return AppPlan(app, stable, (Version(STABLE), *versions), rate)


def _placed(rng: random.Random, plan: AppPlan) -> AppPlan:
    """Whether it is in a cluster, and what a rollback does when stable is too small."""
    app = plan.app
    if rng.random() < 0.35:
        app = replace(app, router=cluster_route(app.name))
    if rng.random() < 0.4:
        overload = Overload(rng.choice((60, 100)), rng.choice((5.0, 15.0)))
        app = replace(app, canary=replace(app.canary, overload=overload))
        if rng.random() < 0.5:  # a good version is never taken back, and would meet none of it
            bad = Version("v2", rng.choice((Health.ERRORS, Health.CATASTROPHIC)), app.canary.steps[0])
            plan = replace(plan, versions=(plan.versions[0], bad, *plan.versions[2:]))
    return replace(plan, app=app)


def _held(rng: random.Random, plan: AppPlan) -> list[Event]:
    """Notes of newer leaders on a route in a cluster, and a stable that lost instances for a while."""
    events: list[Event] = []
    name = plan.app.name
    if in_cluster(plan) and rng.random() < 0.6:
        at_s = rng.uniform(5, 80)
        events.append(Event(at_s, "note", (name,)))
        events.append(Event(at_s + rng.choice((4, 15, 40)), "note_over", (name,)))
        if rng.random() < 0.4:
            events.append(Event(at_s + rng.uniform(0, 5), "abort", (name,)))
    if plan.app.canary.overload.wait_s and rng.random() < 0.9:
        at_s = rng.uniform(4, 30)
        events.append(Event(at_s, "stable_short", (name, rng.choice(("1", "2")), str(rng.choice((20, 120, 120))))))
        if rng.random() < 0.25:
            events.append(Event(at_s + rng.uniform(1, 40), "abort", (name,)))
    return events


def _version(rng: random.Random, name: str, steps: tuple[int, ...]) -> Version:
    kinds = (Health.GOOD, Health.ERRORS, Health.CATASTROPHIC, Health.HANG, Health.CRASHES, Health.NEVER_READY)
    health = rng.choices(kinds, (10, 4, 4, 2, 1, 1))[0]
    return Version(name, health, rng.choice((0, *steps)), rng.choice((1, 2, 6)))


def _deploys(rng: random.Random, plan: AppPlan) -> list[Event]:
    name, first_s = plan.app.name, rng.uniform(1, 10)
    events = [Event(first_s, "deploy", (name, "v2", ""))]
    if rng.random() < 0.3:
        events.append(Event(first_s + rng.uniform(1, 90), "deploy", (name, rng.choice(("v3", STABLE)), "replace")))
    if rng.random() < 0.15:
        events.append(Event(first_s + rng.uniform(20, 120), "deploy", (name, "v4", "replace")))
    if rng.random() < 0.2:
        events.append(Event(first_s + rng.uniform(60, 200), "retry", (name,)))
    if rng.random() < 0.15:
        events.append(Event(first_s + rng.uniform(5, 80), "edit", (name,)))
    return events


def _wishes(rng: random.Random, plan: AppPlan) -> list[Event]:
    """What people ask of whatever runs. A bad version is pushed harder: somebody is sure that it is fine."""
    events: list[Event] = []
    name, pushed = plan.app.name, plan.versions[1].bad_traffic
    wishes = {
        "abort": 0.25,
        "promote_step": 0.5 if pushed else 0.2,
        "promote_full": 0.3 if pushed else 0.1,
        "pause": 0.12,
    }
    for kind, chance in wishes.items():
        if rng.random() < chance:
            at_s = rng.uniform(3, 60 if pushed else 120)
            events.append(Event(at_s, kind, (name,)))
            if kind == "pause" and rng.random() < 0.7:
                events.append(Event(at_s + rng.uniform(2, 60), "resume", (name,)))
            if kind.startswith("promote"):
                events += [Event(at_s + rng.uniform(0, 25), kind, (name,)) for _ in range(rng.randint(0, 3))]
    return events


def _kills(rng: random.Random, apps: tuple[AppPlan, ...]) -> list[Event]:
    events: list[Event] = []
    for number in range(2):
        if rng.random() < 0.3:
            app = rng.choice(apps).app
            scopes = ("fleet", f"environment:{app.environment}", f"application:{app.name}", f"release:{app.name}")
            at_s = rng.choice((rng.uniform(8, 60), rng.uniform(2, 120)))  # most releases carry traffic early
            tag = f"kill{number}"
            events.append(Event(at_s, "kill", (tag, rng.choice(("halt", "revert")), rng.choice(scopes))))
            if rng.random() < 0.6:
                events.append(Event(at_s + rng.uniform(2, 60), "unkill", (tag,)))
            if rng.random() < 0.25:
                kind, call = rng.choice(("crash_after", "freeze")), rng.choice(("router.halt", "file.engage"))
                events.append(Event(at_s, "next_call", (kind, call)))
            if rng.random() < 0.3:
                events += _halted_in_the_dark(rng, app.name, tag, at_s)
            if rng.random() < 0.6:
                kinds = ("reload", "reload", "guard_restart", "node_crash")
                events += [Event(at_s + rng.uniform(1, 8), rng.choice(kinds)) for _ in range(2)]
    return events


def _halted_in_the_dark(rng: random.Random, name: str, tag: str, at_s: float) -> list[Event]:
    """The store goes away around a kill and an abort, and both are over in the moment it comes back."""
    down_s = at_s + rng.uniform(-1, 3)
    over_s = max(at_s, down_s) + rng.uniform(2, 6)
    return [
        Event(down_s, "store_down"),
        Event(over_s - 0.5, "abort", (name,)),
        Event(over_s, "store_down_over"),
        Event(over_s, "unkill", (tag,)),
    ]


_LASTING = (
    *("prom_down", "prom_nan", "prom_stale", "haproxy_down", "guard_down", "guard_disk_full"),
    *("store_down", "disk_full", "clock_back", "halt_file"),
)
_DANGEROUS = (RISE, "router.lower", "router.claim", "router.unhalt", "store.commit", "workload.ensure")
_AT_ONCE = ("push_fails", "push_lost", "reload", "guard_restart", "node_crash", "rival", "clock_ahead")


def _world(rng: random.Random, apps: tuple[AppPlan, ...]) -> list[Event]:
    events: list[Event] = []
    for kind in _LASTING:
        for _ in range(rng.randint(1, 3) if rng.random() < 0.15 else 0):
            at_s = rng.uniform(5, 150)
            events.append(Event(at_s, kind))
            over_s = at_s + rng.choice((2, 5, 12, 30, 60)) * rng.uniform(0.5, 1.5)
            events.append(Event(over_s, f"{kind}_over"))
            if kind == "store_down" and rng.random() < 0.5:
                events.append(Event(rng.uniform(at_s, over_s), "abort", (rng.choice(apps).app.name,)))
    for _ in range(rng.randint(3, 8) if rng.random() < 0.25 else 0):
        at_s, kind = rng.uniform(10, 120), rng.choice(("prom_nan", "prom_down"))
        events += [Event(at_s, kind), Event(at_s + rng.uniform(2, 6), f"{kind}_over")]
    if rng.random() < 0.2:
        kind, call = rng.choice(("crash_after", "crash_before", "lost", "freeze")), rng.choice(_DANGEROUS)
        events.append(Event(rng.uniform(3, 100), "next_call", (kind, call)))
    for kind in _AT_ONCE:
        events += [Event(rng.uniform(5, 150), kind) for _ in range(rng.randint(1, 4) if rng.random() < 0.2 else 0)]
    for plan in apps:
        events += _to_one(rng, plan.app.name)
    return events


def _late(rng: random.Random, apps: tuple[AppPlan, ...]) -> list[Event]:
    """A proxy that was told a weight and does not say yet that it has taken it, as in a cluster."""
    events: list[Event] = []
    for plan in apps:
        for _ in range(rng.randint(1, 2) if rng.random() < 0.15 else 0):
            at_s = rng.uniform(2, 120)
            events.append(Event(at_s, "unconfirmed", (plan.app.name,)))
            events.append(Event(at_s + rng.choice((2, 8, 20, 50)), "unconfirmed_over", (plan.app.name,)))
    return events


def _to_one(rng: random.Random, name: str) -> list[Event]:
    """Trouble of one application: instances, what it depends on, and somebody at the proxy by hand."""
    events: list[Event] = []
    if rng.random() < 0.15:
        events.append(Event(rng.uniform(5, 150), "drift", (name, str(rng.choice((0, 3, 30, 100))))))
    for role in ("stable", "canary"):
        if rng.random() < 0.12:
            count = rng.choice(("1", "all"))
            events.append(Event(rng.uniform(5, 150), "instances_crash", (name, role, count)))
    for kind in ("incident", "stable_sick"):
        if rng.random() < 0.12:
            at_s = rng.uniform(5, 120)
            events += [Event(at_s, kind, (name,)), Event(at_s + rng.uniform(5, 50), f"{kind}_over", (name,))]
            if rng.random() < 0.5:
                events.append(Event(at_s + rng.uniform(1, 5), "abort", (name,)))
    return events
