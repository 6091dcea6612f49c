"""Every judge the benchmark can run, by name: ours and the peers'."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.benchmarks.analysis.before import Before
from tests.benchmarks.analysis.judge import factory, factory_early, factory_plain
from tests.benchmarks.analysis.peers import PEERS

JUDGES: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "interlock": factory,
    "interlock-early": factory_early,
    "interlock-plain": factory_plain,
    "before": Before,
    **PEERS,
}
COMPARED = ("interlock", "before", *PEERS)
