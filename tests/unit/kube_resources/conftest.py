from __future__ import annotations

import pytest

from tests.unit.kube_resources.stage import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()
