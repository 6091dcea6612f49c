"""How large a canary is for a share, and when stable gets back what its autoscaler took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.kube.workload.sizing import Autoscaler, canary_replicas, capacity_short, measure


@pytest.mark.parametrize(
    ("stable", "share_pct", "wanted"),
    [(10, 1, 1), (10, 10, 1), (10, 11, 2), (10, 50, 5), (3, 50, 2), (8, 25, 2), (4, 25, 1), (2, 25, 1), (10, 100, 10),
     (0, 50, 1), (1, 100, 1)],
)  # fmt: skip
def test_a_canary_has_its_share_of_stables_instances_rounded_up(stable: int, share_pct: int, wanted: int) -> None:
    assert canary_replicas(stable, share_pct, by_endpoints=False) == wanted


@pytest.mark.parametrize(
    ("stable", "share_pct", "wanted"), [(4, 50, 4), (4, 20, 1), (12, 25, 4), (3, 10, 1), (9, 10, 1)]
)
def test_without_a_proxy_the_share_is_that_of_all_endpoints(stable: int, share_pct: int, wanted: int) -> None:
    assert canary_replicas(stable, share_pct, by_endpoints=True) == wanted


@given(st.integers(0, 500), st.integers(1, 100), st.booleans())
def test_a_canary_is_never_none_and_grows_with_its_share(stable: int, share_pct: int, by_endpoints: bool) -> None:
    size = canary_replicas(stable, share_pct, by_endpoints)
    assert size >= 1
    assert canary_replicas(stable, max(1, share_pct - 1), by_endpoints) <= size or share_pct == 100
    assert by_endpoints or size <= max(1, stable)
    assert size * 100 >= stable * share_pct or size >= stable


@given(st.integers(1, 200), st.integers(1, 80))
def test_without_a_proxy_there_are_as_many_as_the_route_puts_in_and_never_above_the_share(
    stable: int, share_pct: int
) -> None:
    put_in = stable * share_pct // (100 - share_pct)
    assert canary_replicas(stable, share_pct, by_endpoints=True) >= put_in
    assert 100 * put_in <= share_pct * (stable + put_in)


@pytest.mark.parametrize(
    ("started", "now", "autoscaled", "of"), [(10, 5, True, 10), (10, 14, True, 14), (10, 5, False, 5), (2, 8, False, 8)]
)
def test_an_autoscaler_that_shrinks_stable_does_not_shrink_its_canary(
    started: int, now: int, autoscaled: bool, of: int
) -> None:
    assert measure(started, now, autoscaled) == of


HPA = Autoscaler("shop", most=12)


@pytest.mark.parametrize(
    ("started", "now", "autoscaler", "raised", "to"),
    [
        (10, 6, HPA, False, 10),
        (10, 10, HPA, False, None),
        (10, 14, HPA, False, None),
        (20, 6, HPA, False, 12),
        (20, 12, HPA, False, None),
        (10, 6, HPA, True, None),
        (10, 6, None, False, None),
    ],
)
def test_only_what_an_autoscaler_took_is_given_back_and_once(
    started: int, now: int, autoscaler: Autoscaler | None, raised: bool, to: int | None
) -> None:
    assert capacity_short(started, now, autoscaler, raised) == to
