"""The guard's language: every request it takes, and that everything else is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.model import Mark, RouteState
from controller.guard.model import (
    MAX_TEXT,
    Address,
    Claim,
    Deny,
    Halt,
    Lower,
    Names,
    Read,
    Renew,
    Request,
    Route,
    SetEndpoints,
    ShowPool,
    Status,
    Trust,
    Unhalt,
    Write,
)
from controller.guard.reply import decode_route, encode_route
from controller.guard.wire import encode_line, parse

NAMES = Names("shop")
MARK = {"release_id": "r1", "code": "kill", "text": "x", "engagement": "k1"}
KILL = Mark("r1", "kill", "x", "k1")
WRITE = {
    "op": "write",
    "backend": "shop",
    "weight_pct": 5,
    "release_id": "r1",
    "epoch": 1,
    "revision": 2,
    "lease_s": 60,
}
FILL = {"op": "endpoints", "backend": "shop", "pool": "p", "epoch": 1, "endpoints": [{"host": "::1", "port": 80}]}


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        ({"op": "read", "backend": "shop"}, Read(NAMES)),
        ({"op": "read", "backend": "b", "stable": "s", "canary": "c"}, Read(Names("b", "s", "c"))),
        ({"op": "claim", "backend": "shop", "epoch": 3}, Claim(NAMES, 3)),
        (WRITE, Write(NAMES, 5, "r1", 1, 2, 60.0)),
        (
            {"op": "renew", "backend": "shop", "release_id": "r1", "epoch": 1, "lease_s": 0.5},
            Renew(NAMES, "r1", 1, 0.5),
        ),
        ({"op": "lower", "backend": "shop", "mark": MARK | {"engagement": None}, "epoch": 1}, None),
        ({"op": "halt", "backend": "shop", "mark": MARK, "revert": True}, Halt(NAMES, KILL, True)),
        (
            {"op": "unhalt", "backend": "shop", "engagements": ["k1", "k1"], "epoch": 1},
            Unhalt(NAMES, frozenset({"k1"}), 1),
        ),
        (FILL, SetEndpoints("p", (Address("::1", 80),), 1, "shop")),
        ({"op": "slots", "pool": "p"}, ShowPool("p")),
        ({"op": "status"}, Status()),
        ({"op": "ping"}, Status()),
        ({"op": "trust"}, Trust()),
    ],
)
def test_what_is_understood(body: dict[str, object], request_: Request | None) -> None:
    expected = request_ or Lower(NAMES, Mark("r1", "kill", "x"), 1)
    assert parse(encode_line(body)) == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"op": "raise"}, "unknown op"),
        ({"op": 1}, "op"),
        ({"extra": 1}, "unknown field 'extra'"),
        ({"backend": "shop;quit"}, "backend"),
        ({"backend": "shop/x"}, "backend"),
        ({"backend": "shop\nquit"}, "backend"),
        ({"backend": "x" * 121}, "backend"),
        ({"backend": ""}, "backend"),
        ({"backend": None}, "backend"),
        ({"stable": "canary"}, "two servers"),
        ({"weight_pct": 5.0}, "weight_pct"),
        ({"weight_pct": True}, "weight_pct"),
        ({"weight_pct": "5"}, "weight_pct"),
        ({"weight_pct": 101}, "weight_pct"),
        ({"weight_pct": -1}, "weight_pct"),
        ({"epoch": 2**60}, "epoch"),
        ({"revision": -1}, "revision"),
        ({"lease_s": 3601}, "lease_s"),
        ({"lease_s": "60"}, "lease_s"),
        ({"lease_s": False}, "lease_s"),
        ({"release_id": ""}, "release_id"),
        ({"release_id": "r" * 201}, "release_id"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(change: dict[str, object], said: str) -> None:
    with pytest.raises(Deny, match=said) as denied:
        parse(encode_line(WRITE | change))
    assert denied.value.kind == "refused"


@pytest.mark.parametrize("field", ["backend", "weight_pct", "release_id", "epoch", "revision", "lease_s"])
def test_a_missing_field_is_refused_by_its_name(field: str) -> None:
    with pytest.raises(Deny, match=f"{field} is missing"):
        parse(encode_line({key: value for key, value in WRITE.items() if key != field}))


@pytest.mark.parametrize(
    "endpoints",
    [
        "127.0.0.1:80",
        [{"host": "127.0.0.1"}],
        [{"port": 80}],
        [{"host": "localhost", "port": 80}],
        [{"host": "127.1", "port": 80}],
        [{"host": "127.0.0.1", "port": 0}],
        [{"host": "127.0.0.1", "port": 99_999}],
        [{"host": "127.0.0.1", "port": 80, "drain": 1}],
        [{"host": "127.0.0.1", "port": 80, "weight": 1}],
        [{"host": "127.0.0.1", "port": 80}, {"host": "127.0.0.1", "port": 80, "drain": True}],
        [{"host": "10.0.0.1", "port": port} for port in range(1, 258)],
        [{"host": "127.0.0.1\n", "port": 80}],
        [{"host": None, "port": 80}],
    ],
)
def test_endpoints_that_are_not_addresses_are_refused(endpoints: object) -> None:
    with pytest.raises(Deny) as denied:
        parse(encode_line(FILL | {"endpoints": endpoints}))
    assert denied.value.kind == "refused"


@pytest.mark.parametrize(
    "mark", [None, {}, "kill", MARK | {"engagement": None}, MARK | {"engagement": ""}, MARK | {"text": 1}]
)
def test_a_halt_needs_a_mark_with_an_engagement(mark: object) -> None:
    with pytest.raises(Deny, match="mark"):
        parse(encode_line({"op": "halt", "backend": "shop", "mark": mark, "revert": True}))


def test_a_long_reason_is_cut_and_does_not_refuse_a_kill() -> None:
    request = parse(
        encode_line({"op": "halt", "backend": "shop", "mark": MARK | {"text": "x" * 9_999}, "revert": True})
    )
    assert request == Halt(NAMES, replace(KILL, text="x" * MAX_TEXT), True)


@pytest.mark.parametrize("line", [b"", b"\xff", b"[]", b"1", b"null", b"{", b'{"op":NaN}', b"[" * 50_000, b'{"a":1}'])
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(Deny) as denied:
        parse(line)
    assert denied.value.kind == "refused"


TEXTS = st.text('ab;/\n0"\u00e9', max_size=8)


@given(st.dictionaries(st.sampled_from([*WRITE, *FILL, "mark", "revert", "engagements"]), TEXTS | st.integers()))
def test_whatever_comes_is_understood_or_denied(body: dict[str, object]) -> None:
    for op in ("read", "write", "halt", "endpoints", "unhalt"):
        try:
            parse(json.dumps(body | {"op": op}).encode())
        except Deny:
            continue


def test_a_route_comes_out_of_the_wire_as_it_went_in() -> None:
    route = Route(NAMES, 5, 7, 3, "r1", 60.0, False, (KILL,), KILL, 2, lease_until_s=50.0, live_pct=5, trouble="t")
    wire = json.loads(encode_line(encode_route(route, 40.0)))
    assert decode_route(wire) == RouteState(7, 3, 5, 5, "r1", 10.0, False, (KILL,), KILL, 2, "t")
    bare = json.loads(encode_line(encode_route(Route(NAMES), 40.0)))
    assert decode_route(bare) == RouteState(0, 0, 0, None)
