"""Runs judges on traces, the same traces for each, and sums up: false rollbacks, detection, delay, harm done, cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from statistics import median
from typing import Any

from tests.benchmarks.analysis.judges import JUDGES
from tests.benchmarks.analysis.scenarios import SCENARIOS
from tests.benchmarks.analysis.traces import Trace, context, generate

RELEASES_A_TASK = 5


@dataclass
class Cell:
    """One judge on one scenario."""

    releases: int = 0
    rolled_back: int = 0
    promoted: int = 0
    early: int = 0
    delays_s: list[float] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)
    promoted_s: list[float] = field(default_factory=list)
    ticks: int = 0
    took_s: float = 0.0

    def add(self, other: Cell) -> None:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def judged(self) -> int:
        """Releases that were not rolled back before their harm began."""
        return self.releases - self.early

    @property
    def rolled_back_pct(self) -> float:
        return 100 * self.rolled_back / max(1, self.judged)

    @property
    def promoted_pct(self) -> float:
        return 100 * self.promoted / max(1, self.judged)

    @property
    def delay_s(self) -> float | None:
        return median(self.delays_s) if self.delays_s else None

    @property
    def delay_p95_s(self) -> float | None:
        return sorted(self.delays_s)[int(0.95 * (len(self.delays_s) - 1))] if self.delays_s else None

    @property
    def tick_us(self) -> float:
        return 1e6 * self.took_s / max(1, self.ticks)


Results = dict[str, dict[str, Cell]]
"""By scenario, then by judge."""


def decide(judge: Any, trace: Trace) -> tuple[str, float, int]:
    """The judge's answer, when it came, and after how many ticks."""
    ticks, t = 0, 0.0
    for t, canary, stable, pods in trace.ticks():
        ticks += 1
        answer = judge.observe(t, canary, stable, pods)
        if answer != "continue":
            return answer, t, ticks
    return "inconclusive", t, ticks


def one_release(names: Sequence[str], scenario_name: str, seed: int, interval_s: int = 0) -> dict[str, Cell]:
    scenario = SCENARIOS[scenario_name]
    if interval_s:
        scenario = replace(scenario, interval_s=interval_s)
    trace = generate(scenario, seed)
    cells: dict[str, Cell] = {}
    for name in names:
        start_s = time.perf_counter()
        answer, t, ticks = decide(JUDGES[name](context(scenario)), trace)
        cell = Cell(1, ticks=ticks, took_s=time.perf_counter() - start_s)
        cells[name] = cell
        if scenario.harmful and answer == "rollback" and t < scenario.onset_s:
            cell.early = 1
            continue
        if answer == "rollback":
            cell.rolled_back, cell.delays_s = 1, [t - scenario.onset_s]
        elif answer == "promote":
            cell.promoted, cell.promoted_s = 1, [t]
        until_s = t if answer == "rollback" else scenario.horizon_s
        cell.bad = [trace.bad_until(until_s)]
    return cells


def _task(task: tuple[Sequence[str], str, int, int, int]) -> tuple[str, dict[str, Cell]]:
    names, scenario, first_seed, releases, interval_s = task
    sums = {name: Cell() for name in names}
    for seed in range(first_seed, first_seed + releases):
        for name, cell in one_release(names, scenario, seed, interval_s).items():
            sums[name].add(cell)
    return scenario, sums


def run(
    names: Sequence[str],
    scenarios: Iterable[str],
    releases: Mapping[bool, int],
    seed: int,
    interval_s: int = 0,
    jobs: int = 1,
    progress: Callable[[str], object] = lambda _text: None,
) -> Results:
    """``releases`` says how many per healthy (False) and per harmful (True) scenario."""
    tasks = [
        (names, scenario, seed + start, min(RELEASES_A_TASK, count - start), interval_s)
        for scenario in scenarios
        for count in (releases[SCENARIOS[scenario].harmful],)
        for start in range(0, count, RELEASES_A_TASK)
    ]
    results: Results = {scenario: {name: Cell() for name in names} for _, scenario, *_ in tasks}
    with get_context("spawn").Pool(jobs) as pool:
        for done, (scenario, cells) in enumerate(pool.imap_unordered(_task, tasks), start=1):
            for name, cell in cells.items():
                results[scenario][name].add(cell)
            progress(f"{done} of {len(tasks)} parts")
    return results
