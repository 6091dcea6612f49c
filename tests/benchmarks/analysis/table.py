"""The benchmark's results as Markdown: what each judge did, and how it compares with ours. It computes no statistics
but sums and ratios."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.benchmarks.analysis.run import Cell, Results
from tests.benchmarks.analysis.scenarios import SCENARIOS

NEVER = "never"
OURS = ("interlock", "interlock-early", "interlock-plain")


def tables(results: Results, names: Sequence[str]) -> str:
    return "\n".join(_tables(results, names))


def _tables(results: Results, names: Sequence[str]) -> Iterator[str]:
    healthy = {name: cells for name, cells in results.items() if not SCENARIOS[name].harmful}
    harmful = {name: cells for name, cells in results.items() if SCENARIOS[name].harmful}
    if healthy:
        yield "### Healthy releases rolled back (%)"
        yield ""
        yield from _head("scenario", names)
        for scenario, cells in healthy.items():
            yield _row(scenario, (f"{cells[name].rolled_back_pct:.1f}" for name in names))
        yield _row("**all of them**", (f"{_pooled(healthy, name):.2f}" for name in names))
    if harmful:
        yield ""
        yield "### Harmful releases: found (%), median / 95th percentile of delay (s), median of bad requests served"
        yield ""
        yield from _head("scenario", names)
        for scenario, cells in harmful.items():
            yield _row(scenario, (_found(cells[name]) for name in names))
        if len(names) > 1:
            yield from _ratios(harmful, names)
    yield ""
    yield from _promotions(results, [name for name in names if name in OURS])
    yield ""
    yield "Cost of one tick (µs): " + ", ".join(f"{name} {_cost(results, name):.0f}" for name in names)


def _ratios(harmful: Results, names: Sequence[str]) -> Iterator[str]:
    first, others = names[0], names[1:]
    yield ""
    yield f"### Median delay as a multiple of {first}'s (above 1: slower; in brackets: found less often)"
    yield ""
    yield from _head("scenario", others)
    for scenario, cells in harmful.items():
        yield _row(scenario, (_ratio(cells[first], cells[name]) for name in others))


def _promotions(results: Results, names: Sequence[str]) -> Iterator[str]:
    yield "### Promoted (%), median of the time (s)"
    yield ""
    yield from _head("scenario", names)
    for scenario, cells in results.items():
        yield _row(scenario, (_promoted(cells[name]) for name in names))


def _head(first: str, names: Sequence[str]) -> Iterator[str]:
    yield _row(first, names)
    yield "|" + "---|" * (len(names) + 1)


def _row(first: str, cells: Iterator[str] | Sequence[str]) -> str:
    return f"| {first} | " + " | ".join(cells) + " |"


def _pooled(healthy: Results, name: str) -> float:
    return sum(cells[name].rolled_back_pct for cells in healthy.values()) / len(healthy)


def _found(cell: Cell) -> str:
    bad = sorted(cell.bad)[len(cell.bad) // 2] if cell.bad else 0
    early = f" (early {cell.early})" if cell.early else ""
    if cell.delay_s is None or cell.delay_p95_s is None:
        return f"0 · {NEVER} · {bad}{early}"
    return f"{cell.rolled_back_pct:.0f} · {cell.delay_s:.0f} / {cell.delay_p95_s:.0f} · {bad}{early}"


def _ratio(ours: Cell, theirs: Cell) -> str:
    if not ours.delay_s or theirs.delay_s is None:
        return NEVER if theirs.delay_s is None else "-"
    found = f" ({theirs.rolled_back_pct:.0f} %)" if theirs.rolled_back_pct < ours.rolled_back_pct - 1 else ""
    return f"{theirs.delay_s / ours.delay_s:.2f}{found}"


def _promoted(cell: Cell) -> str:
    if not cell.promoted_s:
        return "0"
    return f"{cell.promoted_pct:.1f} · {sorted(cell.promoted_s)[len(cell.promoted_s) // 2]:.0f}"


def _cost(results: Mapping[str, Mapping[str, Cell]], name: str) -> float:
    total = Cell()
    for cells in results.values():
        total.add(cells[name])
    return total.tick_us
