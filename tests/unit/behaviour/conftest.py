"""The world that every behaviour is shown in: one application, version v1 serving, a controller leading."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.behaviour.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
