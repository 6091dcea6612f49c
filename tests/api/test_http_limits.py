"""Rate limits: on everything but stops, per credential and per address, with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.http.limits import KEYS_MAX, Buckets
from controller.settings import HttpSettings
from tests.api.http_stage import Stage
from tests.fakes.clock import ManualClock

TIGHT = {"ratePerS": 1.0, "rateBurst": 3, "anonymousRatePerS": 1.0, "anonymousBurst": 2}


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path, HttpSettings.model_validate(TIGHT))
    stage.add_application()
    stage.add_release()
    yield stage
    stage.close()


def test_a_credential_gets_its_burst_and_then_its_rate(tight: Stage) -> None:
    codes = [tight.call("GET", "/v1/releases", "viewer").status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]
    refused = tight.call("GET", "/v1/releases", "viewer")
    assert refused.headers["retry-after"] == "1"
    assert "never limited" in refused.json()["detail"]
    tight.clock.advance(1)
    assert tight.call("GET", "/v1/releases", "viewer").status_code == 200


def test_one_credential_does_not_use_up_the_rate_of_another(tight: Stage) -> None:
    for _ in range(5):
        tight.call("GET", "/v1/releases", "viewer")
    assert tight.call("GET", "/v1/releases", "operator").status_code == 200


def test_stops_are_never_limited(tight: Stage) -> None:
    for _ in range(5):
        tight.call("GET", "/v1/releases", "operator")
    assert tight.call("GET", "/v1/releases", "operator").status_code == 429
    for path, body in (
        ("releases/shop-1/pause", {}),
        ("kill-switch", {"scope": "fleet"}),
        ("releases/shop-1/abort", {}),
    ):
        codes = {tight.call("POST", f"/v1/{path}", "operator", json=body).status_code for _ in range(20)}
        assert codes <= {200, 202}, path


def test_strangers_are_slowed_down_by_address(tight: Stage) -> None:
    codes = [tight.call("GET", "/v1/releases", "").status_code for _ in range(4)]
    assert codes == [401, 401, 429, 429]
    assert tight.call("GET", "/v1/releases", "viewer").status_code == 200


def test_probes_are_limited_too(tight: Stage) -> None:
    codes = [tight.call("GET", "/metrics", "").status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]


def test_memory_for_callers_is_bounded() -> None:
    clock = ManualClock()
    buckets = Buckets(1.0, 1, clock.monotonic_s)
    for number in range(KEYS_MAX + 500):
        buckets.take(str(number))
    assert len(buckets._levels) == KEYS_MAX


@pytest.mark.parametrize(("rate_per_s", "wait_s"), [(10.0, 1), (1.0, 1), (0.1, 10)])
def test_the_wait_is_as_long_as_the_next_request_needs(rate_per_s: float, wait_s: int) -> None:
    clock = ManualClock()
    buckets = Buckets(rate_per_s, 1, clock.monotonic_s)
    assert buckets.take("a") == 0
    assert buckets.take("a") == wait_s
    clock.advance(wait_s)
    assert buckets.take("a") == 0


def test_a_clock_that_jumps_gives_no_more_than_the_burst() -> None:
    clock = ManualClock()
    buckets = Buckets(1.0, 2, clock.monotonic_s)
    clock.advance(1e9)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 1]
