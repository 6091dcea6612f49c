"""What the simulation has found, each as a story of its own that fails without the fix. Stories are never deleted."""

from __future__ import annotations

from controller.core.model import Phase
from tests.sim.run import Result, run
from tests.sim.scenario import STABLE, AppPlan, Event, Scenario, Version, application


def told(name: str, *events: Event) -> Result:
    """A good version of one application, and what happens to it."""
    versions = (Version(STABLE, ready_after_s=1), Version("v2", ready_after_s=1))
    plan = AppPlan(application("shop", (10, 50), 10.0), STABLE, versions, 400.0)
    deploy = Event(2.0, "deploy", ("shop", "v2", ""))
    result = run(Scenario(name, (plan,), (deploy, *events), safety_s=160))
    assert (result.oracle, result.text) == ("", "")
    return result


def met(result: Result, *marks: str) -> bool:
    """Whether every mark is in the trace, in this order."""
    lines = iter(result.trace)
    return all(any(mark in line for line in lines) for mark in marks)


def test_the_first_weight_after_a_lapsed_lease_asks_the_metrics_again() -> None:
    result = told(
        "lapsed",
        Event(9.0, "next_call", ("slow", "store.commit")),
        Event(20.0, "prom_down"),
        Event(40.0, "prom_down_over"),
    )
    assert met(result, "lease_expired", "metrics_check", "prom_down_over", "'authority': 'start_check'")


def test_a_kill_that_was_over_before_the_store_was_back_is_on_record() -> None:
    result = told(
        "late-kill",
        Event(10.0, "store_down"),
        Event(11.0, "kill", ("k", "revert", "application:shop")),
        Event(14.0, "store_down_over"),
        Event(14.0, "unkill", ("k",)),
    )
    assert met(result, "file=effective store=failed", "kill_engaged:", "kill_released:")


def test_a_kill_whose_process_died_right_after_the_route_can_be_released() -> None:
    result = told(
        "orphan",
        Event(10.0, "next_call", ("crash_after", "router.halt")),
        Event(10.0, "kill", ("k", "revert", "application:shop")),
        Event(11.0, "unkill", ("k",)),
    )
    assert met(result, "router.halt", "CRASH", "kill_released:", "router.unhalt")
    assert result.first_phase is Phase.SUCCEEDED


def test_an_abort_that_only_the_route_carries_outlives_a_kill() -> None:
    result = told(
        "aborted-in-a-halt",
        Event(10.0, "kill", ("k", "halt", "application:shop")),
        Event(12.0, "store_down"),
        Event(13.0, "abort", ("shop",)),
        Event(15.0, "store_down_over"),
        Event(15.0, "unkill", ("k",)),
    )
    assert met(result, "is recorded when the store is back", "'to_phase': 'rolling_back', 'code': 'aborted'")
    assert result.first_phase is Phase.ROLLED_BACK


def test_a_route_that_was_unreadable_at_weight_0_does_not_roll_a_good_version_back() -> None:
    result = told(
        "waited-at-0",
        Event(9.0, "next_call", ("slow", "store.commit")),
        Event(20.0, "prom_down"),
        Event(32.0, "next_call", ("error", "router.read")),
        Event(36.0, "prom_down_over"),
        Event(36.0, "next_call", ("error", "router.write up")),
    )
    assert met(result, "lease_expired", "code='at_zero'", "'authority': 'start_check'")
    assert result.first_phase is Phase.SUCCEEDED


def test_a_release_that_never_had_traffic_ends_on_a_route_that_tells_nothing() -> None:
    result = told(
        "never-routed",
        Event(2.5, "haproxy_down"),
        Event(2.5, "unconfirmed", ("shop",)),
        Event(8.0, "abort", ("shop",)),
        Event(60.0, "haproxy_down_over"),
        Event(60.0, "unconfirmed_over", ("shop",)),
    )
    assert met(result, "haproxy_down", "'to_phase': 'failed', 'code': 'aborted'", "haproxy_down_over")
    assert result.first_phase is Phase.FAILED
