"""The arithmetic of one list of weighted backends: for any numbers that a user may have written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.kube.routes.splits import Split, common_pct, split_of
from controller.ports import Refused
from tests.kube.cluster.raw import Raw
from tests.kube.cluster.small.patching import stepped

PATH = "/backends"
Backends = list[Raw]


def split(backends: Backends, unset: int = 1) -> Split:
    found = split_of(
        PATH,
        "rule 1",
        backends,
        unset,
        lambda one: one["name"] == "s",
        lambda one: one["name"] == "c",
        lambda one: {**one, "name": "c"},
    )
    assert found is not None
    return found


def backends(**weights: int | None) -> Backends:
    return [{"name": name} | ({} if weight is None else {"weight": weight}) for name, weight in weights.items()]


def moved(before: Backends, weight_pct: int, add: bool = True, keep: bool = True) -> Backends:
    steps = split(before).steps(weight_pct, add, keep)
    after: Backends = stepped({"backends": before}, steps)["backends"]
    return after


@pytest.mark.parametrize(
    ("before", "weight_pct", "after"),
    [
        (backends(s=None), 25, backends(s=75, c=25)),
        (backends(s=1), 0, backends(s=100, c=0)),
        (backends(s=1, c=0), 1, backends(s=99, c=1)),
        (backends(c=3, s=7), 100, backends(c=100, s=0)),
        (backends(s=60, c=0, x=40), 25, backends(s=45, c=15, x=40)),
        (backends(x=40, s=60), 25, [*backends(x=40, s=45), *backends(c=15)]),
        (backends(s=900, c=100), 10, backends(s=900, c=100)),
        (backends(s=0, c=0), 0, backends(s=100, c=0)),
        (backends(s=0, c=80, x=20), 0, backends(s=80, c=0, x=20)),
    ],
)
def test_stable_and_canary_share_what_the_two_of_them_have(before: Backends, weight_pct: int, after: Backends) -> None:
    assert moved(before, weight_pct) == after


def test_too_few_to_share_is_refused_with_what_to_write() -> None:
    with pytest.raises(Refused, match=r"add up to 2, too few for 5 %.*at least 20"):
        split(backends(s=1, c=1, x=1)).steps(5, add=True)


def test_a_service_that_is_named_twice_is_refused_but_not_on_the_way_down() -> None:
    twice = [{"name": "s", "weight": 50}, {"name": "c", "weight": 20}, {"name": "c", "weight": 30}]
    with pytest.raises(Refused, match="more than once"):
        split(twice).steps(5, add=True)
    assert [one["weight"] for one in moved(twice, 0)] == [100, 0, 0]
    stable_twice = [{"name": "s", "weight": 10}, {"name": "s", "weight": 20}, {"name": "c", "weight": 70}]
    assert [one["weight"] for one in moved(stable_twice, 0)] == [80, 20, 0]


def test_a_backend_that_must_not_stay_is_taken_out_at_zero() -> None:
    assert moved(backends(c=20, s=80), 0, keep=False) == backends(s=100)
    assert moved(backends(s=100), 0, keep=False) == backends(s=100)
    assert moved(backends(s=100), 5, keep=False) == backends(s=95, c=5)


def test_a_list_without_stable_is_not_ours() -> None:
    named: Any = lambda _: False  # noqa: E731
    assert split_of(PATH, "rule 1", backends(c=1, x=1), 1, named, named, dict) is None


@pytest.mark.parametrize(
    ("found", "keep", "after"),
    [
        ((1, False), True, backends(s=1)),
        ((None, False), True, backends(s=None)),
        ((0, False), True, backends(s=100)),
        ((7, True), True, backends(s=7, c=0)),
        ((7, True), False, backends(s=7)),
        (None, True, backends(s=100)),
    ],
)
def test_what_is_given_back_is_as_it_was_found_with_all_on_stable(
    found: tuple[int | None, bool] | None, keep: bool, after: Backends
) -> None:
    before = backends(s=75, c=25)
    assert stepped({"backends": before}, split(before).given_back(found, keep))["backends"] == after


@pytest.mark.parametrize(
    ("before", "keep", "after"),
    [
        (backends(s=40, c=0), True, backends(s=40, c=0)),
        (backends(s=40, c=0), False, backends(s=40, c=0)),
        (backends(s=None, c=0), True, backends(s=None, c=0)),
        (backends(s=7), True, backends(s=7)),
        (backends(s=30, c=10), True, backends(s=100, c=0)),
        (backends(s=30, c=10), False, backends(s=100)),
        (backends(s=30, c=10, x=60), True, backends(s=40, c=0, x=60)),
    ],
)
def test_without_a_note_only_traffic_is_taken_from_the_canary(before: Backends, keep: bool, after: Backends) -> None:
    assert stepped({"backends": before}, split(before).given_back_unnoted(keep))["backends"] == after


NUMBERS = st.none() | st.integers(0, 1_000)


@st.composite
def any_backends(draw: st.DrawFn) -> Backends:
    names = draw(
        st.permutations(["s", *draw(st.sampled_from([[], ["c"]])), *draw(st.sampled_from([[], ["x"], ["x", "y"]]))])
    )
    return backends(**{name: draw(NUMBERS) for name in names})


@given(any_backends(), st.integers(0, 100), st.booleans())
def test_any_numbers_give_the_share_that_was_asked_for_or_are_refused(
    before: Backends, weight_pct: int, keep: bool
) -> None:
    try:
        after = moved(before, weight_pct, keep=keep)
    except Refused:
        assert weight_pct > 0
        return
    seen = split(after)
    assert seen.share_pct(weight_pct) == weight_pct
    assert seen.canary_total * 100 <= weight_pct * max(1, seen.pair_total)
    assert seen.steps(weight_pct, True, keep) == []
    for name in ("x", "y"):
        assert [one for one in after if one["name"] == name] == [one for one in before if one["name"] == name]


@given(any_backends(), st.integers(1, 100))
def test_the_way_down_is_never_refused_and_leaves_the_total(before: Backends, weight_pct: int) -> None:
    try:
        up = moved(before, weight_pct)
    except Refused:
        up = before
    down = moved(up, 0, add=False)
    assert split(down).share_pct(0) == 0
    if len(down) > 2:
        total = [sum(one.get("weight", 1) for one in each) for each in (before, down)]
        assert total[0] == total[1]


@given(st.integers(1, 999), st.integers(1, 999), st.integers(0, 100))
def test_what_lies_between_two_percentages_is_never_called_what_was_written(stable: int, canary: int, pct: int) -> None:
    seen = split(backends(s=stable, c=canary))
    exact = 100 * canary == pct * (stable + canary)
    assert (seen.share_pct(pct) == pct) is exact


@pytest.mark.parametrize(
    ("shares", "written", "live"),
    [
        ([25, 25], 25, 25),
        ([0], 25, 0),
        ([80, 25], 25, 80),
        ([80, 0], 0, 80),
        ([0, 25], 25, None),
        ([10, 20], 25, None),
        ([0, 0], 0, 0),
        ([], 0, None),
    ],
)
def test_shares_that_differ_never_look_as_if_all_were_well_or_all_were_back(
    shares: list[int], written: int, live: int | None
) -> None:
    assert common_pct(shares, written) == live
