"""What a durable commit costs, as a ratio to bare SQLite doing as much, both measured turn by turn in one run."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from analysis.model import AnalysisSpec, CounterQuery, JudgeState, MetricState, Role, SeriesMark
from controller.adapters.store.codec import Codecs
from controller.adapters.store.sql import SqlStore
from controller.core.model import Application, CanaryPlan, Phase, Reason, Release
from controller.core.targets import HaproxyRoute, ProcessesTarget
from controller.ports import Commit, Message
from gates.audit import Draft

NUMBERS = {"canary_total": 1234.0, "canary_bad": 3.0, "stable_total": 98_765.0, "evidence": 1.2345, "weight_pct": 10}


def a_release() -> Release:
    """A release in the middle of its analysis: two metrics with their evidence, and the marks of eight series."""
    spec = AnalysisSpec("http://127.0.0.1:9090", (CounterQuery("errors", ("requests",), ("failures",)),))
    app = Application(
        "shop",
        "production",
        ProcessesTarget(("shop", "--port", "{port}")),
        HaproxyRoute("/run/guard.sock", "shop"),
        CanaryPlan((1, 5, 10, 25, 50)),
        spec,
    )
    marks = tuple(
        SeriesMark("errors", Role.CANARY, f'{{instance="127.0.0.1:{20_000 + n}"}}', 1.5, 2.0) for n in range(8)
    )
    metrics = tuple(MetricState(name, log_harm=(-0.125,) * 9, log_safe=(0.25,) * 9) for name in ("errors", "latency"))
    judge = JudgeState(1.0, 2.0, marks, metrics)
    reason = Reason("baking", "10 % for 5 minutes")
    return Release("rel-1", app, "v1", "v2", Phase.PROGRESSING, "ci", 1.0, 1.0, reason, judge=judge)


def a_commit(release: Release, turn: int) -> Commit:
    """What the loop commits when it takes a step: the release, one record, one message."""
    draft = Draft(
        "release_step", 1.8e9 + turn, "controller", "to 10 %: errors 0.2 % against 0.1 %", release.id, "shop",
        "production", 1, NUMBERS,
    )  # fmt: skip
    message = Message(f"rel-1:{turn}", "webhook", release.id, "shop", "http://127.0.0.1/hook", {"weight_pct": 10})
    return Commit((draft,), epoch=1, release=release, messages=(message,))


class Bare:
    """The standard library's sqlite3 with the same durability, writing three rows of the same size."""

    def __init__(self, path: Path, release_text: str) -> None:
        self._text = release_text
        self._sql = sqlite3.connect(path, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "CREATE TABLE releases (id INTEGER PRIMARY KEY, body TEXT)",
            "CREATE TABLE audit (seq INTEGER PRIMARY KEY, prev TEXT, hash TEXT, at_us INTEGER, body TEXT)",
            "CREATE TABLE outbox (id INTEGER PRIMARY KEY, key TEXT, body TEXT)",
            "INSERT INTO releases VALUES (1, '')",
        ):
            self._sql.execute(statement)

    def ready(self, turn: int) -> Callable[[], None]:
        return lambda: self._turn(turn)

    def _turn(self, turn: int) -> None:
        execute = self._sql.execute
        execute("BEGIN IMMEDIATE")
        execute("INSERT OR REPLACE INTO releases VALUES (1, ?)", (self._text,))
        execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", (turn + 1, "p" * 71, "h" * 71, turn, "b" * 220))
        execute("INSERT INTO outbox (key, body) VALUES (?, ?)", (f"rel-1:{turn}", "b" * 130))
        execute("COMMIT")

    def close(self) -> None:
        self._sql.close()


class Stored:
    """The store itself, committing the step again and again."""

    def __init__(self, path: Path, release: Release) -> None:
        self._store = SqlStore.open(path)
        self._store.lead("bench", 1.0)
        self._store.commit(Commit(create=release))
        self._release = replace(release, revision=1)

    def ready(self, turn: int) -> Callable[[], object]:
        commit = a_commit(self._release, turn)
        self._release = replace(self._release, revision=self._release.revision + 1)
        return lambda: self._store.commit(commit)

    def close(self) -> None:
        self._store.close()


def run(turns: int = 2_000, directory: str | None = None) -> dict[str, float]:
    """Medians and 99th percentiles in milliseconds, and the ratio of the medians."""
    release = a_release()
    with tempfile.TemporaryDirectory(dir=directory) as place:
        bare = Bare(Path(place) / "bare.db", Codecs().release.encode(release, release.id))
        stored = Stored(Path(place) / "store.db", release)
        times = _interleaved(turns, (bare.ready, stored.ready))
        bare.close()
        stored.close()
    warm = [series[turns // 10 :] for series in times]
    bare_ms, store_ms = (statistics.median(series) * 1e3 for series in warm)
    bare_p99_ms, store_p99_ms = (statistics.quantiles(series, n=100)[98] * 1e3 for series in warm)
    return {
        "turns": turns,
        "bare_sqlite_ms": round(bare_ms, 4),
        "store_commit_ms": round(store_ms, 4),
        "bare_sqlite_p99_ms": round(bare_p99_ms, 4),
        "store_commit_p99_ms": round(store_p99_ms, 4),
        "ratio": round(store_ms / bare_ms, 3),
        "ratio_p99": round(store_p99_ms / bare_p99_ms, 3),
    }


def _interleaved(turns: int, sides: Sequence[Callable[[int], Callable[[], object]]]) -> list[list[float]]:
    """The seconds of each turn of each side. Whoever goes first changes, so that neither always follows the other."""
    times: list[list[float]] = [[] for _ in sides]
    for turn in range(turns):
        for index in range(len(sides)) if turn % 2 else reversed(range(len(sides))):
            act = sides[index](turn)
            start = time.perf_counter()
            act()
            times[index].append(time.perf_counter() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=2_000)
    parser.add_argument("--directory", default=None, help="where the databases are made; the disk decides the figures")
    chosen = parser.parse_args()
    figures = run(chosen.turns, chosen.directory)
    print(json.dumps(figures, indent=2))
    print(f"a durable commit takes {figures['ratio']} times as long as bare SQLite on {os.uname().sysname} (aim: < 3)")


if __name__ == "__main__":
    main()
