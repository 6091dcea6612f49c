"""What keeps a release without harm, told as stories: a note of a newer leader, and a stable that is too small."""

from __future__ import annotations

import re
from dataclasses import replace

from controller.core.model import Application, Overload, Phase
from tests.sim.cluster import cluster_route
from tests.sim.run import Result, run
from tests.sim.scenario import STABLE, AppPlan, Event, Health, Scenario, Version, application
from tests.sim.test_regressions import met


def planned(app: Application, health: Health) -> AppPlan:
    return AppPlan(app, STABLE, (Version(STABLE, ready_after_s=1), Version("v2", health, 0, ready_after_s=1)), 400.0)


def told(name: str, plans: tuple[AppPlan, ...], *events: Event) -> Result:
    deploys = tuple(Event(2.0, "deploy", (plan.app.name, "v2", "")) for plan in plans)
    result = run(Scenario(name, plans, (*deploys, *events), safety_s=200))
    assert (result.oracle, result.text) == ("", "")
    return result


def when(result: Result, mark: str) -> float:
    """The simulated second of the first line with ``mark``."""
    return float(re.findall(r"[\d.]+", next(line for line in result.trace if mark in line))[0])


def test_a_note_of_a_newer_leader_holds_its_application_alone_and_no_rollback() -> None:
    shop = application("shop", (10, 50), 10.0)
    shop = replace(shop, router=cluster_route("shop"))
    plans = planned(shop, Health.CATASTROPHIC), planned(application("toys", (10, 50), 10.0), Health.GOOD)
    result = told("note", plans, Event(5.0, "note", ("shop",)), Event(150.0, "note_over", ("shop",)))
    assert met(result, "EVENT note shop", "HELD shop", "TRAFFIC shop 10 -> 0 %", "router.lower shop", "'rolling_back'")
    assert when(result, "TRAFFIC shop 10 -> 0 %") < 5.0 + shop.canary.lease_s
    assert met(result, "HELD shop", "TRAFFIC toys 10 -> 50 %")
    assert "LEADS n2" not in "\n".join(result.trace)


def short(*events: Event) -> Result:
    app = application("shop", (10, 50), 10.0)
    app = replace(app, canary=replace(app.canary, overload=Overload(100, 15.0)))
    return told("short", (planned(app, Health.ERRORS),), Event(6.0, "stable_short", ("shop", "2", "120")), *events)


def test_a_rollback_waits_for_a_small_stable_as_long_as_the_plan_says() -> None:
    result = short()
    halted_s, back_s = when(result, "'to_phase': 'halted'"), when(result, "TRAFFIC shop 10 -> 0 %")
    assert "'code': 'stable_short'" in next(line for line in result.trace if "'to_phase': 'halted'" in line)
    assert 15.0 <= back_s - halted_s <= 15.0 + 2
    assert result.first_phase is Phase.ROLLED_BACK


def test_an_abort_does_not_wait_for_a_small_stable() -> None:
    halted_s = when(short(), "'to_phase': 'halted'")
    result = short(Event(halted_s + 2.0, "abort", ("shop",)))
    assert when(result, "TRAFFIC shop 10 -> 0 %") == halted_s + 2.0
