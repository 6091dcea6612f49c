"""Opening a request: what is not judgeable, or decidable by nobody, is never shown; and what a card holds."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.approvals import ask as asking
from gates.approvals.ask import draft, submit
from gates.approvals.card import SOLO_TEXT, Surroundings, as_text, card
from gates.approvals.decide import decide
from gates.approvals.mask import masked
from gates.approvals.model import Content, Context, Item, Origin, Request, State, Step, Verdict
from gates.approvals.pin import pin
from gates.approvals.policy import G2_TERMS, G3_TERMS, Policy, PolicyError, Solo, World
from gates.audit import TYPES
from gates.grades import Grade
from gates.kill import KillAnswer, KillAnswerKind
from gates.people.directory import Directory, directory
from tests.unit.approvals.stage import (
    ACCOUNTS,
    ANA,
    BEN,
    CLEO,
    CONTENT,
    CONTEXT,
    DORA,
    NOBODY,
    NOW_S,
    ORIGIN,
    PEOPLE,
    WORLD,
    approved,
    asked,
    ballot,
    codes,
    voted,
)  # fmt: skip

KILLED = replace(WORLD, kill=KillAnswer(KillAnswerKind.HALT, ("k",), "kill k is engaged"))
UNREADABLE = replace(WORLD, kill=KillAnswer(KillAnswerKind.UNREADABLE, (), "the file cannot be read"))


def submitted(world: World = WORLD, now_s: float = NOW_S, origin: Origin = ORIGIN, **changes: Any) -> Step:
    content = replace(CONTENT, **{k: v for k, v in changes.items() if k in Content.__slots__})
    context = replace(CONTEXT, **{k: v for k, v in changes.items() if k in Context.__slots__})
    return submit(draft("r-1", "run-1", content, context, origin, WORLD, NOW_S), world, now_s)


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"verb": ""}, ["incomplete"]),
    ({"cluster": "", "namespace": ""}, ["incomplete"]),
    ({"items": ()}, ["incomplete"]),
    ({"items": (Item("", "Table", "orders", "1"),)}, ["incomplete"]),
    ({"verification": ()}, ["no_verification"]),
    ({"diff": ""}, ["not_judgeable"]),
    ({"undo": "", "alternatives": ()}, ["not_judgeable"]),
    ({"diff": "x" * 200_001}, ["too_large"]),
    ({"items": tuple(Item(str(n), "Pod", str(n), "1") for n in range(1_001))}, ["too_large"]),
    ({"origin": Origin(ANA, authors=(NOBODY,))}, ["unknown_maker"]),
    ({"application": "pay", "grade": Grade.G3}, ["no_approver"]),
    ({"world": replace(WORLD, directory=directory(PEOPLE[:1], ACCOUNTS[:3], [*ORIGIN.authors[1:]]))}, ["no_approver"]),
    ({"world": replace(WORLD, stopped_runs=frozenset({"run-1"}))}, ["run_stopped"]),
    ({"world": KILLED}, ["killed"]),
    ({"world": UNREADABLE}, ["killed"]),
    ({"world": replace(WORLD, kill_epoch=4)}, ["kill_epoch"]),
    ({"now_s": NOW_S + 1_800}, ["expired"]),
    ({"verb": "", "verification": (), "diff": ""}, ["incomplete", "no_verification", "not_judgeable"]),
]


@pytest.mark.parametrize(("changes", "expected"), REFUSED)
@pytest.mark.requirement("SK-10", "SK-15", "SK-28", "HG-11")
def test_what_cannot_be_judged_or_decided_is_not_shown_and_everything_missing_is_said(
    changes: dict[str, Any], expected: list[str]
) -> None:
    step = submitted(**changes)
    assert codes(step) == expected
    assert (step.request.state, step.records) == (State.DRAFT, ())


@pytest.mark.parametrize("left_out", asking.ASKING, ids=lambda rule: rule.__name__)
def test_each_rule_of_asking_matters(left_out: asking.Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers() -> list[list[str]]:
        tampered = replace(draft("r-1", "run-1", CONTENT, CONTEXT, ORIGIN, WORLD, NOW_S), digest="sha256:0")
        return [*(codes(submitted(**changes)) for changes, _ in REFUSED), codes(submit(tampered, WORLD, NOW_S))]

    whole = answers()
    monkeypatch.setattr(asking, "ASKING", tuple(rule for rule in asking.ASKING if rule is not left_out))
    assert answers() != whole


def test_a_request_is_shown_once_and_says_what_it_needs() -> None:
    step = submitted(grade=Grade.G3)
    assert step.request.state is State.PENDING
    assert "2 approvals, 1 by a senior of the owning team, 1 from outside" in step.request.reason
    assert codes(submit(step.request, WORLD, NOW_S)) == ["already_decided"]


@pytest.mark.parametrize(("wanted_s", "lives_s"), [(None, 1_800), (1, 120), (600, 600), (1e9, 72 * 3_600)])
@pytest.mark.requirement("HG-11", "AH-08")
def test_every_request_has_an_end_within_the_bounds(wanted_s: float | None, lives_s: float) -> None:
    request = draft("r", "run", CONTENT, CONTEXT, ORIGIN, WORLD, NOW_S, wanted_s)
    assert request.expires_at_s - NOW_S == lives_s


@pytest.mark.parametrize("name", [field.name for field in fields(Content)] + [field.name for field in fields(Context)])
@pytest.mark.requirement("SKP-02", "AH-11", "LRP-08")
def test_any_change_of_what_runs_or_was_shown_gives_another_digest(name: str) -> None:
    part: Any = CONTENT if name in Content.__slots__ else CONTEXT
    other = replace(part, **{name: changed(getattr(part, name))})
    content, context = (other, CONTEXT) if part is CONTENT else (CONTENT, other)
    before = pin("r", CONTENT, CONTEXT, ORIGIN, NOW_S)
    assert pin("r", content, context, ORIGIN, NOW_S) != before


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, Grade):
        return Grade.G3
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, tuple):
        return (*value, value[0]) if value else ("x",)
    return replace(value, stakes=2)


def test_the_id_the_origin_and_the_expiry_are_pinned_too() -> None:
    digests = {
        pin("r", CONTENT, CONTEXT, ORIGIN, NOW_S),
        pin("s", CONTENT, CONTEXT, ORIGIN, NOW_S),
        pin("r", CONTENT, CONTEXT, Origin(BEN), NOW_S),
        pin("r", CONTENT, CONTEXT, ORIGIN, NOW_S + 1e-6),
        pin("r", replace(CONTENT, items=(*CONTENT.items, Item("2", "a", "b", "c"))), CONTEXT, ORIGIN, NOW_S),
        pin("r", replace(CONTENT, items=(Item("2", "a", "b", "c"), *CONTENT.items)), CONTEXT, ORIGIN, NOW_S),
    }
    assert len(digests) == 6


AROUND = Surroundings({"canary": "at 0 %"}, 41, "sha256:head")
ORDER = [
    "request", "code", "state", "reason", "run", "what", "diff", "effect", "grade", "why", "evidence", "alternatives",
    "guards", "verification", "policy", "makers", "approvals", "expires_at_s", "audit", "answers",
]  # fmt: skip


@pytest.mark.requirement("SK-07", "SK-08", "SK-14", "SK-26", "HG-14", "AS-05", "AH-19", "LRP-05")
def test_a_card_has_everything_in_the_order_in_which_it_is_read() -> None:
    request = voted(asked(Grade.G3), BEN)
    shown = card(request, WORLD, AROUND, NOW_S + 60)
    assert list(shown) == ORDER
    assert shown["approvals"] == {
        "by": ["ben via page"],
        "missing": ["1 more", "somebody from outside the makers' teams"],
    }
    assert shown["makers"] == ["ana"]
    assert list(shown["answers"]) == ["deny", "stop", "approve"]
    assert shown["answers"]["approve"]["needs"] == ["full page", "step-up login", "typed: orders"]
    assert "do nothing" in shown["alternatives"]
    assert shown["audit"] == {"size": 41, "head": "sha256:head"}


@pytest.mark.parametrize("name", [field.name for field in fields(Content)] + [field.name for field in fields(Context)])
def test_everything_that_runs_and_everything_pinned_is_on_the_card_in_both_forms(name: str) -> None:
    part: Any = CONTENT if name in Content.__slots__ else CONTEXT
    other = replace(part, **{name: changed(getattr(part, name))})
    content, context = (other, CONTEXT) if part is CONTENT else (CONTENT, other)
    cards = [
        card(draft("r", "run", a, b, ORIGIN, WORLD, NOW_S), WORLD, AROUND, NOW_S)
        for a, b in ((CONTENT, CONTEXT), (content, context))
    ]
    for shown in cards:  # what differs by the digest alone would prove nothing
        del shown["diff"]["digest"], shown["code"], shown["expires_at_s"]
    assert json.dumps(cards[0]) != json.dumps(cards[1])
    assert as_text(cards[0]) != as_text(cards[1])


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part)]
    return [str(value)]


@pytest.mark.requirement("AS-14", "SK-21")
def test_the_text_of_a_card_leaves_out_nothing_of_its_object() -> None:
    shown = card(approved(Grade.G3), WORLD, AROUND, NOW_S + 60)
    text = as_text(shown)
    assert [leaf for leaf in leaves(shown) if leaf not in text] == []
    assert "deny:" in text
    assert "approve:" not in text, "there is nothing left to approve"


def test_a_request_that_has_ended_offers_nothing_to_press() -> None:
    ended = decide(asked(), ballot(asked(), verdict=Verdict.DENY, reason="no"), WORLD, NOW_S).request
    assert card(ended, WORLD, AROUND, NOW_S)["answers"] == {}


SECRETS = [
    ("password: hunter2", "hunter2"),
    ('  "apiKey": "abc def",', "abc def"),
    ("DB_PASSWORD=hunter2", "hunter2"),
    ("url: postgres://app:hunter2@db/shop", "hunter2"),
    ("+ Authorization: Bearer abc.def", "abc.def"),
    ("-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----", "hunter2"),
]


@pytest.mark.parametrize(("diff", "secret"), SECRETS)
def test_a_secret_is_in_no_request_and_on_no_card(diff: str, secret: str) -> None:
    request = draft("r", "run", CONTENT, replace(CONTEXT, diff=f"a\n{diff}\nb: kept"), ORIGIN, WORLD, NOW_S)
    assert secret not in repr(request)
    assert secret not in as_text(card(request, WORLD, AROUND, NOW_S))
    assert "b: kept" in request.context.diff


@given(st.text(max_size=200))
def test_hiding_secrets_fails_on_no_text(text: str) -> None:
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize("text", ["x", "token", "token:", "a.", "://a:", "-----BEGIN PRIVATE KEY-----", " ", "secret="])
def test_hiding_secrets_takes_no_longer_for_a_diff_made_to_be_slow(text: str) -> None:
    """Quadratic work on this length would run into the test's time-out."""
    masked(text * (200_000 // len(text)))


ALONE = directory(PEOPLE[:1], ACCOUNTS[:3], ORIGIN.authors[1:])
SOLO = World(ALONE, Policy(owners={"shop": "shop"}, solo=Solo("ana")), WORLD.kill, 3)
SOLO_G3 = replace(SOLO, policy=replace(SOLO.policy, solo=Solo("ana", irreversible=True)))


def alone(known: Directory, grade: Grade = Grade.G2, world: World = SOLO) -> Request:
    return asked(grade, replace(world, directory=known), solo=True)


def test_alone_one_approves_ones_own_after_ten_minutes_and_the_card_says_so() -> None:
    request = alone(ALONE)
    early = decide(request, ballot(request, ANA), SOLO, NOW_S + 599)
    assert codes(early) == ["solo_delay"]
    done = decide(request, ballot(request, ANA), SOLO, NOW_S + 600)
    assert done.request.state is State.APPROVED
    assert SOLO_TEXT in as_text(card(request, SOLO, AROUND, NOW_S))


def test_alone_is_over_as_soon_as_a_second_human_may_approve() -> None:
    two = directory(PEOPLE[:2], ACCOUNTS[:5], ORIGIN.authors[1:])
    request = alone(two)
    step = decide(request, ballot(request, ANA), replace(SOLO, directory=two), NOW_S + 700)
    assert codes(step) == ["maker"]


def test_alone_needs_an_explicit_word_for_g3_and_the_request_must_say_it_too() -> None:
    with pytest.raises(AssertionError, match="no_approver"):
        alone(ALONE, Grade.G3)
    request = alone(ALONE, Grade.G3, SOLO_G3)
    late = {"stepped_up_at_s": NOW_S + 600}
    assert decide(request, ballot(request, ANA, **late), SOLO_G3, NOW_S + 600).request.state is State.APPROVED
    assert codes(decide(request, ballot(request, ANA), SOLO_G3, NOW_S + 600)) == ["step_up"]
    with pytest.raises(AssertionError, match="no_approver"):
        asked(Grade.G2, SOLO)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"irreversible": replace(G3_TERMS, approvals=1)}, "G3: approvals is 1, the floor is 2"),
        ({"irreversible": replace(G3_TERMS, senior=0)}, "G3: senior is 0"),
        ({"irreversible": replace(G3_TERMS, face_to_face=False)}, "cannot be switched off"),
        ({"guarded": replace(G2_TERMS, approvals=0)}, "G2: approvals is 0"),
        ({"guarded": replace(G2_TERMS, lives_s=119)}, "lives 120 to 259200 s"),
        ({"guarded": replace(G2_TERMS, lives_s=float("inf"))}, "lives 120 to 259200 s"),
        ({"guarded": replace(G2_TERMS, unused_s=901)}, "at most 900 s"),
        ({"evidence_s": 0}, "evidence may be"),
    ],
)
def test_a_policy_looser_than_the_floor_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(PolicyError, match=told):
        Policy(**changes)


@pytest.mark.requirement("HG-18")
def test_a_policy_may_want_a_senior_and_a_junior_is_then_refused() -> None:
    senior = replace(WORLD, policy=Policy(guarded=replace(G2_TERMS, tier=2), owners={"shop": "shop"}))
    request = asked(world=senior)
    assert codes(decide(request, ballot(request, DORA), senior, NOW_S)) == ["tier"]
    assert codes(decide(request, ballot(request, CLEO), senior, NOW_S)) == ["tier"]
    assert decide(request, ballot(request, BEN), senior, NOW_S).done


def test_every_record_of_a_request_has_a_type_of_the_audit_record() -> None:
    step = submitted()
    assert {record.type for record in step.records} <= set(TYPES)
