"""What the composition root passes on: the epoch to lead above, and the credentials for Prometheus."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis.prometheus import PrometheusMetrics
from controller import main
from controller.adapters.store.sql import SqlStore
from controller.adapters.store.writes import EPOCH_LEAP_MAX
from controller.main import build, opened_store
from controller.ports import AuditFilter, Page, Refused
from controller.settings import Settings
from controller.wishes import Rejected, Submission
from tests.unit.core.build import a_cluster_app


def settings(tmp_path: Path, **given: Any) -> Settings:
    return Settings.model_validate({"dataDir": tmp_path / "data", **given})


def epoch_of(made: Settings) -> int:
    with opened_store(made) as held:
        return held.store.epoch()


def test_a_start_leads_above_the_epoch_it_is_told_and_the_record_says_so(tmp_path: Path) -> None:
    made = settings(tmp_path)
    node = build(made, min_epoch=42)
    found = node.doors.store.audit(Page(), AuditFilter(type="epoch_raised"))
    node.stop()
    assert "--min-epoch 42" in found[0].draft.text
    assert epoch_of(made) == 42
    build(made).stop()
    assert epoch_of(made) == 43
    build(made, min_epoch=42).stop()
    assert epoch_of(made) == 44


def test_a_leap_that_no_number_of_starts_explains_is_refused_and_changes_nothing() -> None:
    store = SqlStore.open(":memory:")
    assert store.lead("a", 1.0, EPOCH_LEAP_MAX) == EPOCH_LEAP_MAX
    with pytest.raises(Refused, match="more than 1000000 above"):
        store.lead("a", 1.0, 3 * EPOCH_LEAP_MAX)
    assert store.epoch() == EPOCH_LEAP_MAX
    store.close()


@pytest.mark.parametrize(("name", "bearer"), [("prometheusTokenFile", True), ("prometheusBasicFile", False)])
def test_the_credentials_for_prometheus_reach_its_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, bearer: bool
) -> None:
    given: list[dict[str, Any]] = []

    def made(*args: Any, **more: Any) -> PrometheusMetrics:
        given.append(more)
        return PrometheusMetrics(*args, **more)

    monkeypatch.setattr(main, "PrometheusMetrics", made)
    listed = ["https://prometheus.test:9090"]
    build(settings(tmp_path, **{name: tmp_path / "secret", "prometheusCredentialsFor": listed})).stop()
    assert given == [{"credentials": tmp_path / "secret", "bearer": bearer, "credentials_for": listed}]


def test_without_a_cluster_its_client_is_never_imported(tmp_path: Path) -> None:
    """It takes some 40 MB, which a controller behind HAProxy does not owe anybody."""
    look = "import sys, controller.main, api.cli.main; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False, timeout=60).returncode == 0


def test_an_application_in_a_cluster_is_refused_where_there_is_none(tmp_path: Path) -> None:
    node = build(settings(tmp_path))
    try:
        node.doors.commands.register(a_cluster_app(), "ann")
        with pytest.raises(Rejected, match="started without a cluster: set inCluster or kubeconfig"):
            node.doors.commands.submit(Submission("shop", "2", "ci"))
    finally:
        node.stop()
