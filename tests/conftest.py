"""For every test: how examples are drawn, and what is left out where the real API server is not on the machine."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.contract import postgres_stage
from tests.kube.cluster.real import absent

# A machine that others load makes drawing examples slow, and that is no fault of what is tested.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

REAL_API_SERVER = {"kube", "helm"}
"""The xdist_groups of the tests that need it; they are hundreds, and one line for all of them says enough."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if absent() is None:
        return
    left_out = [one for one in items if needs_real_api_server(one)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [one for one in items if one not in set(left_out)]


def needs_real_api_server(item: pytest.Item) -> bool:
    return any(mark.args[0] in REAL_API_SERVER for mark in item.iter_markers("xdist_group"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for why in (absent(), postgres_stage.absent()):
        if why is not None:
            terminalreporter.write_line(why)
