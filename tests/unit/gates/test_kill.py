"""The kill switch as a value: scopes read strictly, a union that forgets nothing, and an answer for one target."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.kill import (
    NOT_ENGAGED,
    Engagement,
    KillAnswerKind,
    KillState,
    Scope,
    ScopeKind,
    Target,
    Verb,
    answer,
    covers,
    parse_scope,
    union,
)

SHOP = Target("production", "shop", "shop-1")
SHOP_AT_REST = Target("production", "shop")
SCOPES = {
    "fleet": Scope(ScopeKind.FLEET),
    "environment:production": Scope(ScopeKind.ENVIRONMENT, "production"),
    "application:shop": Scope(ScopeKind.APPLICATION, "shop"),
    "release:shop-1": Scope(ScopeKind.RELEASE, "shop-1"),
}


def engagement(name: str, scope: str = "fleet", verb: Verb = Verb.REVERT) -> Engagement:
    return Engagement(name, verb, parse_scope(scope), "ann", 1.0)


@pytest.mark.parametrize(("text", "scope"), SCOPES.items())
def test_a_scope_is_read_and_written_alike(text: str, scope: Scope) -> None:
    assert parse_scope(f"  {text} ") == scope
    assert str(scope) == text


def test_prod_is_accepted_as_a_name_of_production() -> None:
    assert parse_scope("environment:prod") == Scope(ScopeKind.ENVIRONMENT, "production")
    assert parse_scope("application:prod") == Scope(ScopeKind.APPLICATION, "prod")


@pytest.mark.parametrize(
    "text",
    ["", "all", "fleet:", "fleet:x", "Fleet", "shop", "application", "application:", "app:shop", "application:-x",
     "application:a b", "application:*", "release:" + "x" * 128, "environment: production"],
)  # fmt: skip
def test_an_unknown_scope_is_loud_and_engages_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="nothing was engaged"):
        parse_scope(text)


@pytest.mark.parametrize(
    ("scope", "target", "covered"),
    [
        ("fleet", SHOP, True),
        ("environment:production", SHOP, True),
        ("environment:staging", SHOP, False),
        ("application:shop", SHOP_AT_REST, True),
        ("application:pay", SHOP, False),
        ("release:shop-1", SHOP, True),
        ("release:shop-2", SHOP, False),
        ("release:shop-1", SHOP_AT_REST, False),
    ],
)
def test_what_a_scope_covers(scope: str, target: Target, covered: bool) -> None:
    assert covers(parse_scope(scope), target) is covered


@pytest.mark.parametrize(
    ("engaged", "readable", "kind", "ids"),
    [
        ((), True, KillAnswerKind.NONE, ()),
        ((), False, KillAnswerKind.UNREADABLE, ()),
        ((engagement("a", verb=Verb.HALT),), True, KillAnswerKind.HALT, ("a",)),
        ((engagement("a", verb=Verb.HALT), engagement("b")), True, KillAnswerKind.REVERT, ("a", "b")),
        ((engagement("a", verb=Verb.HALT),), False, KillAnswerKind.HALT, ("a",)),
        ((engagement("a", "application:pay"),), True, KillAnswerKind.NONE, ()),
        ((engagement("a", "application:pay"),), False, KillAnswerKind.UNREADABLE, ()),
    ],
)
def test_what_the_switch_means_for_one_target(
    engaged: tuple[Engagement, ...], readable: bool, kind: KillAnswerKind, ids: tuple[str, ...]
) -> None:
    said = answer(KillState(engaged, readable=readable, trouble="no disk"), SHOP)
    assert (said.kind, said.ids) == (kind, ids)


def test_the_answer_names_the_kill_that_decides() -> None:
    state = KillState((engagement("a", "fleet", Verb.HALT), engagement("b", "application:shop")))
    assert answer(state, SHOP).text == "kill b (revert) is engaged over application:shop by ann"
    assert answer(KillState(), SHOP) == NOT_ENGAGED
    assert "no disk" in answer(KillState(readable=False, trouble="no disk"), SHOP).text


def test_a_source_that_came_back_empty_releases_nothing() -> None:
    assert union((KillState((engagement("a"),)), KillState())).engaged == (engagement("a"),)


def test_a_release_in_any_source_releases_that_one_everywhere_and_no_other() -> None:
    one, two = KillState((engagement("a"), engagement("b"))), KillState((), frozenset({"a"}))
    for order in ((one, two), (two, one)):
        assert union(order) == KillState((engagement("b"),), frozenset({"a"}))


def test_one_unreadable_source_makes_the_union_unreadable_and_all_troubles_are_told() -> None:
    state = union((KillState(readable=False, trouble="file"), KillState(), KillState(readable=False)))
    assert (state.readable, state.trouble) == (False, "file; a kill source could not be read")


STATES = st.lists(
    st.builds(
        KillState,
        st.lists(st.sampled_from([engagement(n) for n in "abcd"]), max_size=4).map(tuple),
        st.frozensets(st.sampled_from("abcd"), max_size=2),
        st.booleans(),
    ),
    max_size=4,
)


@given(STATES, st.randoms(use_true_random=False))
def test_the_order_of_sources_does_not_matter(states: list[KillState], shuffler: object) -> None:
    shuffled = list(states)
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = union(states), union(shuffled)
    assert (one.engaged, one.released, one.readable) == (other.engaged, other.released, other.readable)


@given(STATES, STATES)
def test_one_more_source_without_releases_never_loosens_the_answer(few: list[KillState], more: list[KillState]) -> None:
    strength = [KillAnswerKind.NONE, KillAnswerKind.UNREADABLE, KillAnswerKind.HALT, KillAnswerKind.REVERT]
    extra = [KillState(s.engaged, readable=s.readable) for s in more]
    before, after = answer(union(few), SHOP), answer(union([*few, *extra]), SHOP)
    assert strength.index(after.kind) >= strength.index(before.kind)
