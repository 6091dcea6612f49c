"""The plan of moves: by table for what happens when, and by many random worlds for what must never happen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.adapters.workloads.process_table import Instance, State
from controller.adapters.workloads.rolling import (
    BACKOFF_CAP_S,
    MAX_STARTS,
    Drain,
    Drop,
    Kill,
    Move,
    Restart,
    Revive,
    Seen,
    StartNew,
    Terminate,
    Wanted,
    backoff_s,
    plan,
)

NOW_S = 1_000.0


def seen(name: str, version: str, state: State, *, age_s: float = 0.0, alive: bool = True, ready: bool = True) -> Seen:
    instance = Instance(name, version, 20_000, state, NOW_S - age_s, 1, "b")
    return Seen(instance, alive and state is not State.WAITING, ready and state is not State.WAITING)


def names(moves: tuple[Move, ...]) -> list[tuple[str, str]]:
    return [(type(move).__name__, move.version if isinstance(move, StartNew) else move.instance.id) for move in moves]


V1 = seen("a", "v1", State.SERVING)
V1B = seen("b", "v1", State.SERVING)
V2 = seen("n", "v2", State.SERVING)
STARTING = seen("n", "v2", State.STARTING, ready=False)


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        ((), Wanted("v1", 2, 5), [("StartNew", "v1"), ("StartNew", "v1")]),
        ((), Wanted(None, 2, 5), []),
        ((V1, V1B), Wanted("v1", 2, 5), []),
        ((V1, V1B), Wanted("v2", 2, 5), [("StartNew", "v2")]),
        ((V1, V1B, STARTING), Wanted("v2", 2, 5), []),
        ((V1, V1B, V2), Wanted("v2", 2, 5), [("Drain", "a"), ("StartNew", "v2")]),
        ((V1, V1B, V2), Wanted("v2", 2, 5, pool_ok=False), [("StartNew", "v2")]),
        ((V1, V1B, STARTING), Wanted("v1", 2, 5), [("Terminate", "n")]),
        ((seen("a", "v1", State.SERVING, age_s=9), V1B), Wanted("v1", 1, 5), [("Drain", "b")]),
        ((V1,), Wanted(None, 2, 5), [("Drain", "a")]),
        ((V1,), Wanted(None, 2, 5, pool_ok=False), []),
        ((STARTING,), Wanted(None, 2, 5, pool_ok=False), [("Terminate", "n")]),
        ((seen("w", "v1", State.WAITING, age_s=0.1),), Wanted("v1", 1, 5), []),
        ((seen("w", "v1", State.WAITING, age_s=0.6),), Wanted("v1", 1, 5), [("Restart", "w")]),
        ((seen("w", "v1", State.WAITING, age_s=-99),), Wanted("v1", 1, 5), [("Restart", "w")]),
        ((seen("w", "v1", State.WAITING),), Wanted(None, 1, 5), [("Drop", "w")]),
        ((seen("d", "v1", State.DRAINING, age_s=4),), Wanted(None, 1, 5), []),
        ((seen("d", "v1", State.DRAINING, age_s=5),), Wanted(None, 1, 5), [("Terminate", "d")]),
        ((seen("d", "v1", State.DRAINING, age_s=5),), Wanted(None, 1, 5, pool_ok=False), []),
        ((seen("d", "v1", State.DRAINING, alive=False),), Wanted(None, 1, 5), [("Drop", "d")]),
        ((seen("d", "v1", State.DRAINING),), Wanted("v1", 1, 5), [("Revive", "d")]),
        ((seen("s", "v1", State.STOPPING, age_s=4),), Wanted(None, 1, 5), []),
        ((seen("s", "v1", State.STOPPING, age_s=5),), Wanted(None, 1, 5, pool_ok=False), [("Kill", "s")]),
        ((seen("s", "v1", State.STOPPING),), Wanted("v1", 1, 5), [("StartNew", "v1")]),
    ],
)
def test_the_next_moves(there: tuple[Seen, ...], wanted: Wanted, expected: list[tuple[str, str]]) -> None:
    assert names(plan(there, wanted, NOW_S)) == expected


def test_a_crash_loop_is_restarted_ever_more_rarely_up_to_the_cap() -> None:
    waits = [backoff_s(restarts) for restarts in range(12)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1], backoff_s(10_000)) == (0.5, BACKOFF_CAP_S, BACKOFF_CAP_S)


def test_one_pass_starts_a_bounded_number() -> None:
    assert len(plan((), Wanted("v1", 100, 5), NOW_S)) == MAX_STARTS


def test_what_serves_badly_goes_before_what_serves_well() -> None:
    bad = replace(V1B, ready=False)
    assert names(plan((V1, bad, V2), Wanted("v2", 2, 5), NOW_S))[0] == ("Drain", "b")


INSTANCES = st.lists(
    st.tuples(
        st.sampled_from(["v1", "v2", "v3"]),
        st.sampled_from(list(State)),
        st.booleans(),
        st.booleans(),
        st.floats(-100, 100),
    ),
    max_size=8,
)


def _world(rows: list[tuple[str, State, bool, bool, float]]) -> tuple[Seen, ...]:
    return tuple(
        seen(f"i{number}", version, state, age_s=age_s, alive=alive, ready=alive and ready)
        for number, (version, state, alive, ready, age_s) in enumerate(rows)
    )


def _serving(one: Seen) -> bool:
    return one.instance.state is State.SERVING and one.alive and one.ready


@settings(deadline=None, max_examples=400)
@given(INSTANCES, st.sampled_from(["v1", "v2"]), st.integers(1, 4), st.booleans())
def test_no_plan_takes_more_ready_ones_away_than_are_left_over(
    rows: list[tuple[str, State, bool, bool, float]], version: str, count: int, pool_ok: bool
) -> None:
    world = _world(rows)
    moves = plan(world, Wanted(version, count, 5, pool_ok), NOW_S)
    taken = {move.instance.id for move in moves if isinstance(move, Drain | Terminate | Kill | Drop)}
    ready = [one for one in world if _serving(one)]
    left = [one for one in ready if one.instance.id not in taken]
    assert len(left) >= min(len(ready), count)
    assert pool_ok or left == ready


@settings(deadline=None, max_examples=400)
@given(INSTANCES, st.sampled_from(["v1", "v2", None]), st.integers(1, 4))
def test_every_instance_gets_one_move_at_most_and_one_version_is_never_started_beyond_its_number(
    rows: list[tuple[str, State, bool, bool, float]], version: str | None, count: int
) -> None:
    world = _world(rows)
    moves = plan(world, Wanted(version, count, 5), NOW_S)
    touched = [move.instance.id for move in moves if not isinstance(move, StartNew)]
    assert len(touched) == len(set(touched))
    live = (State.STARTING, State.SERVING, State.WAITING)
    new = sum(one.instance.version == version and one.instance.state in live for one in world)
    added = sum(isinstance(move, StartNew | Revive) for move in moves)
    assert added == 0 or new + added <= count
    assert version is not None or not any(isinstance(move, StartNew | Restart | Revive) for move in moves)
