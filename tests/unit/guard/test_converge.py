"""Comparing the record with HAProxy: which share is exact, what is drift, which way is corrected, which commands."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.model import Mark
from controller.guard.converge import (
    differs,
    judged,
    observed,
    push_commands,
    repair_commands,
    share_pct,
    slot_commands,
    switch,
)
from controller.guard.model import Address, Deny, Names, Pool, Route, Server, Shown, World
from controller.guard.pools import placed

NAMES = Names("shop")
NOW = World(1_000.0)
AT_10 = Route(NAMES, 10, 5, 1, "r1", 60.0, lease_until_s=1_060.0, settled=True, pushed=True, live_pct=10, raw=(90, 10))
HALTED = replace(AT_10, halts=(Mark(None, "kill", "x", "k1"),))


def shown(
    stable: int, canary: int, *others: Server, stable_admin: int = 0, canary_admin: int = 0, op: int = 2
) -> Shown:
    pair = (Server("stable", "-", 0, 2, stable_admin, stable), Server("canary", "-", 0, op, canary_admin, canary))
    return Shown((*pair, *others))


@pytest.mark.parametrize(
    ("servers", "share"),
    [
        (shown(99, 1), 1),
        (shown(100, 0), 0),
        (shown(0, 100), 100),
        (shown(198, 2), 1),
        (shown(100, 1), None),
        (shown(2, 1), None),
        (shown(0, 0), None),
        (shown(99, 1, op=0), 0),
        (shown(99, 1, op=3), 0),
        (shown(99, 1, op=1), None),
        (shown(99, 1, canary_admin=0x01), 0),
        (shown(99, 1, canary_admin=0x08), 0),
        (shown(99, 1, canary_admin=0x04), 1),
        (shown(99, 1, stable_admin=0x01), 100),
        (shown(100, 0, stable_admin=0x01), None),
        (shown(99, 1, Server("third", "-", 0, 2, 0, 1)), None),
        (shown(99, 1, Server("third", "-", 0, 2, 0, 0)), 1),
    ],
)
def test_the_share_is_a_whole_percentage_that_is_served_or_none(servers: Shown, share: int | None) -> None:
    seen = switch(NAMES, servers)
    assert seen is not None
    assert share_pct(seen) == share


@pytest.mark.parametrize(
    ("servers", "difference"),
    [
        (shown(90, 10), ""),
        (shown(90, 10, op=0), ""),
        (shown(90, 10, canary_admin=0x01), ""),
        (shown(100, 0), "weights stable 100, canary 0"),
        (shown(180, 20), "weights stable 180, canary 20"),
        (shown(90, 10, stable_admin=0x01), "stable is in maint"),
        (shown(90, 10, stable_admin=0x08), "stable is in drain"),
    ],
)
def test_an_edit_is_a_difference_and_health_is_none(servers: Shown, difference: str) -> None:
    seen = switch(NAMES, servers)
    assert seen is not None
    assert differs(AT_10, seen) == difference
    assert bool(repair_commands(AT_10, servers)) == bool(difference)


def test_a_backend_without_one_of_the_servers_is_trouble_and_nothing_is_known() -> None:
    after = observed(AT_10, Shown((Server("stable", "-", 0, 2, 0, 100),)))
    assert (after.live_pct, after.raw) == (None, None)
    assert "lacks the server" in after.trouble
    assert repair_commands(AT_10, Shown(())) == ()


def test_drift_is_counted_once_with_what_was_seen() -> None:
    once = judged(AT_10, shown(100, 0), NOW)
    assert (once.drift_count, once.drift, once.weight_pct) == (1, "weights stable 100, canary 0", 10)
    again = judged(once, shown(100, 0), NOW)
    assert again.drift_count == 1
    assert judged(AT_10, shown(90, 10), NOW).drift_count == 0


@pytest.mark.parametrize(
    ("route", "servers", "weight_pct"),
    [
        pytest.param(HALTED, shown(100, 0), 0, id="a halted route follows a reload down"),
        pytest.param(HALTED, shown(95, 5), 5, id="and any lower share"),
        pytest.param(HALTED, shown(100, 5), 4, id="rounded down"),
        pytest.param(HALTED, shown(100, 10), 9, id="a larger stable is a lower share too"),
        pytest.param(HALTED, shown(50, 50), 10, id="but is not followed up"),
        pytest.param(HALTED, shown(45, 10), 10, id="nor when the share is higher through a smaller stable"),
        pytest.param(HALTED, shown(0, 0), 0, id="nobody serving counts as low"),
        pytest.param(replace(AT_10, settled=False), shown(100, 0), 0, id="nothing is raised right after the start"),
        pytest.param(
            replace(AT_10, settled=False), shown(90, 10), 10, id="and nothing is lost when all is as recorded"
        ),
        pytest.param(AT_10, shown(100, 0), 10, id="in the normal case the record stands"),
        pytest.param(Route(NAMES), shown(0, 0), 0, id="a record of 0 is not below itself"),
    ],
)
def test_where_rising_is_not_allowed_the_record_follows_down(route: Route, servers: Shown, weight_pct: int) -> None:
    after = judged(route, servers, NOW)
    assert after.weight_pct == weight_pct
    assert after.settled
    assert (after.revision > route.revision) == (weight_pct != route.weight_pct)
    assert (after.lease_until_s is None) == (weight_pct == 0)


def test_an_unreadable_directory_of_halt_files_keeps_drift_from_being_corrected_upward() -> None:
    assert judged(AT_10, shown(100, 0), World(1_000.0, files_readable=False)).weight_pct == 0


@given(st.integers(0, 100), st.integers(0, 100))
def test_between_the_two_commands_the_share_is_never_above_the_higher_of_old_and_new(old: int, new: int) -> None:
    weight = {"stable": 100 - old, "canary": old}
    for command in push_commands(replace(AT_10, weight_pct=new, raw=(100 - old, old))):
        _, _, server, value = command.split()
        weight[server.partition("/")[2]] = int(value)
        total = sum(weight.values())
        assert not total or Fraction(100 * weight["canary"], total) <= max(old, new)
    assert weight == {"stable": 100 - new, "canary": new}


def test_a_falling_canary_goes_first_and_so_does_one_of_unknown_weight() -> None:
    falling = push_commands(replace(AT_10, weight_pct=0))
    assert falling == ("set weight shop/canary 0", "set weight shop/stable 100")
    assert push_commands(replace(AT_10, raw=None))[0] == "set weight shop/canary 10"
    assert push_commands(replace(AT_10, weight_pct=11))[0] == "set weight shop/stable 89"


PARKED = 5


def slot(number: int, port: int = 1, admin: int = PARKED) -> Server:
    return Server(f"s{number}", "10.0.0.1", port, 0 if admin & 1 else 2, admin, 1)


def pool(*addresses: Address) -> Pool:
    return Pool("p", 1, addresses)


A, B, C = (Address("10.0.0.1", port) for port in (81, 82, 83))


@pytest.mark.parametrize(
    ("wanted", "slots", "commands"),
    [
        pytest.param(pool(), (slot(1), slot(2)), (), id="nothing wanted, nothing there"),
        pytest.param(
            pool(A),
            (slot(1), slot(2)),
            ("set server p/s1 addr 10.0.0.1 port 81", "set server p/s1 state ready"),
            id="a new address takes the first free slot",
        ),
        pytest.param(pool(B, A), (slot(1, 81, 4), slot(2, 82, 0)), (), id="addresses keep their slots in any order"),
        pytest.param(
            pool(A), (slot(1), slot(2, 81)), ("set server p/s2 state ready",), id="its old slot is used again"
        ),
        pytest.param(
            pool(A), (slot(1, 81), slot(2, 81, 0)), (), id="of two slots with its address the one in use is its own"
        ),
        pytest.param(
            pool(replace(A, drain=True)), (slot(1, 81, 0),), ("set server p/s1 state drain",), id="a draining address"
        ),
        pytest.param(
            pool(replace(A, drain=True)),
            (slot(1),),
            ("set server p/s1 addr 10.0.0.1 port 81", "set server p/s1 state drain"),
            id="a draining address that is new",
        ),
        pytest.param(pool(), (slot(1, 81, 0),), ("set server p/s1 state drain",), id="first drained"),
        pytest.param(pool(), (slot(1, 81, 8),), ("set server p/s1 state maint",), id="then parked"),
        pytest.param(
            pool(C),
            (slot(1, 81, 0), slot(2, 82, 8)),
            (
                "set server p/s2 state maint",
                "set server p/s2 addr 10.0.0.1 port 83",
                "set server p/s2 state ready",
                "set server p/s1 state drain",
            ),
            id="a full pool gives up a drained slot first, and the new one is in before the old one goes",
        ),
    ],
)
def test_the_commands_that_fill_a_pool(wanted: Pool, slots: tuple[Server, ...], commands: tuple[str, ...]) -> None:
    assert slot_commands(wanted, slots) == commands


def test_more_addresses_than_slots_are_denied() -> None:
    with pytest.raises(Deny, match="1 server slots, 2"):
        slot_commands(pool(A, B), (slot(1),))


@given(
    st.lists(st.tuples(st.integers(80, 85), st.booleans()), max_size=4, unique_by=lambda item: item[0]),
    st.lists(st.tuples(st.integers(79, 86), st.sampled_from([0, 4, 8, 12, 1, 5])), min_size=4, max_size=4),
)
def test_from_any_slots_two_passes_reach_the_endpoints_and_stay_there(
    wanted: list[tuple[int, bool]], found: list[tuple[int, int]]
) -> None:
    target = pool(*(Address("10.0.0.1", port, drain) for port, drain in wanted))
    slots = tuple(slot(number, port, admin) for number, (port, admin) in enumerate(found))
    for _ in range(2):
        for command in slot_commands(target, slots):
            slots = tuple(_after(server, command.split()) for server in slots)
    assert slot_commands(target, slots) == ()
    assert placed(target, slots)
    in_use = sorted((server.port, server.admin == "drain") for server in slots if not server.maint)
    assert in_use == sorted(wanted)


def _after(server: Server, words: list[str]) -> Server:
    if words[2] != f"p/{server.name}":
        return server
    if words[3] == "addr":
        return replace(server, host=words[4], port=int(words[6]))
    return replace(server, admin_state={"ready": 0, "drain": 8, "maint": 1}[words[4]])
