"""Each scenario runs on every router that its row names, and each of those on both levels of cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kube.cluster.cluster import Cluster
from tests.kube.scenarios.kits import KITS, Kit
from tests.kube.scenarios.rows import ROWS
from tests.kube.scenarios.stage import Stage

Make = Callable[..., Stage]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kit" in metafunc.fixturenames:
        numbers = [mark.args[0] for mark in metafunc.definition.iter_markers("scenario")]
        wanted = {router for number in numbers for router in ROWS[number - 1].routers}
        kits = [kit for kit in KITS if not numbers or kit.id in wanted]
        metafunc.parametrize("kit", kits, ids=[kit.id for kit in kits])


@pytest.fixture
def make(cluster: Cluster, kit: Kit, tmp_path: Path) -> Iterator[Make]:
    made: list[Stage] = []

    def build(**options: Any) -> Stage:
        made.append(Stage(cluster, kit, tmp_path, **options))
        return made[-1]

    yield build
    for stage in made:
        stage.close()


@pytest.fixture
def stage(make: Make) -> Stage:
    return make()
