"""A short story, and the process stopped at its 1st, 2nd, 3rd … last port call, before or after the call lands. However
it is cut, the story has to end the way it was going to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from controller.core.model import Phase
from tests.sim.faults import Fault, Kind
from tests.sim.run import Result, run
from tests.sim.scenario import STABLE, AppPlan, Event, Health, Scenario, Version, application


@dataclass(frozen=True, slots=True)
class Story:
    """``ends`` is the phase that its first release must reach whatever is cut."""

    name: str
    scenario: Scenario
    ends: Phase


def _story(name: str, ends: Phase, health: Health, *events: Event, steps: tuple[int, ...] = (10, 50)) -> Story:
    versions = (Version(STABLE, ready_after_s=1), Version("v2", health, 0, ready_after_s=1))
    plan = AppPlan(application("shop", steps, 8.0), STABLE, versions, 400.0)
    deploy = Event(2.0, "deploy", ("shop", "v2", ""))
    return Story(name, Scenario(f"crash-{name}", (plan,), (deploy, *events), safety_s=120), ends)


STORIES = (
    _story("good", Phase.SUCCEEDED, Health.GOOD),
    _story("bad", Phase.ROLLED_BACK, Health.CATASTROPHIC),
    _story(
        "kill",
        Phase.SUCCEEDED,
        Health.GOOD,
        Event(12.0, "kill", ("k", "revert", "application:shop")),
        Event(16.0, "unkill", ("k",)),
        steps=(10,),
    ),
    _story("promote_full", Phase.SUCCEEDED, Health.GOOD, Event(10.0, "promote_full", ("shop",))),
    _story("abort", Phase.ROLLED_BACK, Health.GOOD, Event(14.0, "abort", ("shop",))),
)


def whole(story: Story) -> Result:
    """The story uncut; its number of calls is the number of places to cut it."""
    return judged(story, run(story.scenario, {}))


def cut(story: Story, at: int, after: bool) -> Result:
    kind = Kind.CRASH_AFTER if after else Kind.CRASH_BEFORE
    return judged(story, run(story.scenario, {at: Fault(kind)}))


def cuts(story: Story, uncut: Result) -> Iterator[tuple[int, bool]]:
    """Before every call, and after every one that changes something: after a read is before the next call."""
    for at in range(1, uncut.safe_calls + 1):
        yield at, False
        if at in uncut.writes:
            yield at, True


def judged(story: Story, result: Result) -> Result:
    """A run that broke no oracle has to have ended as the story does, too."""
    if not result.failed and result.first_phase is not story.ends:
        ended = result.first_phase.value if result.first_phase else "nothing"
        return replace(result, oracle="outcome", text=f"{story.name} ended as {ended}, not {story.ends.value}")
    return result
