"""What every store answers: order, pages, what is due, kills, messages, tokens, answers, and what pruning leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from controller.core.model import Phase
from controller.ports import AuditFilter, Commit, Page, Refused, Store, StoredApplication
from gates.audit import verify
from gates.canonical import Json
from gates.kill import KillAnswerKind, Scope, ScopeKind, Target, answer
from tests.contract.conftest import (
    a_draft,
    a_message,
    a_release,
    a_token,
    an_answer,
    an_application,
    an_engagement,
)

MANY = 1_050


def pages(read: Callable[[Page], Sequence[str]], limit: int) -> list[str]:
    """Everything ``read`` gives, page by page."""
    found: list[str] = []
    after = ""
    while True:
        page = read(Page(after, limit))
        found += page
        if len(page) < limit:
            return found
        after = page[-1]


@pytest.mark.parametrize("limit", [50, 999, 1_000])
def test_a_thousand_releases_are_listed_newest_first_without_gap_or_repeat(store: Store, limit: int) -> None:
    for number in range(MANY):  # every third shares its second with the one before
        at_s = float(number - number % 3)
        store.commit(Commit(create=replace(a_release(f"r-{number:04}", created_at_s=at_s), phase=Phase.SUCCEEDED)))
    listed = pages(lambda page: [release.id for release in store.releases(page)], limit)
    assert listed == [f"r-{number:04}" for number in reversed(range(MANY))]


def test_a_thousand_applications_are_listed_by_name(store: Store) -> None:
    names = [f"app-{number:04}" for number in range(MANY)]
    for name in reversed(names):
        store.commit(Commit(application=StoredApplication(an_application(name), deleted=name.endswith("7"))))
    listed = pages(lambda page: [one.app.name for one in store.applications(page)], 100)
    assert listed == [name for name in names if not name.endswith("7")]


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_thousand_records_are_listed_in_order(store: Store, newest_first: bool) -> None:
    for start in range(0, MANY, 50):
        store.commit(Commit(tuple(a_draft(f"record {start + number}") for number in range(50))))
    listed = pages(
        lambda page: [str(record.seq) for record in store.audit(page, newest_first=newest_first)],
        100,
    )
    expected = [str(seq) for seq in range(1, MANY + 1)]
    assert listed == (expected[::-1] if newest_first else expected)


def test_releases_are_listed_by_application_and_phase(store: Store) -> None:
    store.commit(Commit(create=replace(a_release("r-1"), phase=Phase.SUCCEEDED)))
    store.commit(Commit(create=a_release("r-2")))
    store.commit(Commit(create=a_release("r-3", "cart")))
    assert [release.id for release in store.releases(Page(), application="shop")] == ["r-2", "r-1"]
    assert [release.id for release in store.releases(Page(), phase=Phase.PENDING)] == ["r-3", "r-2"]
    assert [release.id for release in store.releases(Page(), "shop", Phase.PENDING)] == ["r-2"]
    assert store.releases(Page(), "nobody") == []


@pytest.mark.parametrize("limit", [0, -1, 1_001])
def test_a_page_that_is_too_large_or_empty_is_refused(store: Store, limit: int) -> None:
    for read in (store.releases, store.applications, store.audit):
        with pytest.raises(Refused, match="1 to 1000"):
            read(Page(limit=limit))


def test_a_page_after_a_release_that_is_not_there_is_refused(store: Store) -> None:
    with pytest.raises(Refused, match="no such release"):
        store.releases(Page("r-unknown"))


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "²", "9" * 40])
def test_an_audit_page_after_something_else_than_a_number_is_refused(store: Store, after: str) -> None:
    with pytest.raises(Refused, match="sequence number"):
        store.audit(Page(after))


def test_an_audit_page_beyond_the_end_is_empty(store: Store) -> None:
    store.commit(Commit((a_draft(),)))
    assert store.audit(Page("1")) == []
    assert store.audit(Page("5000")) == []
    assert store.audit(Page("1"), newest_first=True) == []
    assert len(store.audit(Page("5000"), newest_first=True)) == 1


def test_records_are_found_by_release_application_and_type(store: Store) -> None:
    other = replace(a_draft("other", kind="kill_engaged"), release_id="r-2", application="cart")
    nobody = replace(a_draft("nobody"), release_id=None, application=None)
    store.commit(Commit((a_draft("mine"), other, nobody, a_draft("mine too"))))

    def found(wanted: AuditFilter, newest_first: bool = False) -> list[str]:
        return [record.draft.text for record in store.audit(Page(), wanted, newest_first)]

    assert found(AuditFilter(release_id="r-1")) == ["mine", "mine too"]
    assert found(AuditFilter(release_id="r-1"), newest_first=True) == ["mine too", "mine"]
    assert found(AuditFilter(application="cart")) == ["other"]
    assert found(AuditFilter(type="kill_engaged")) == ["other"]
    assert found(AuditFilter(release_id="r-1", type="kill_engaged")) == []


@pytest.mark.parametrize("at_s", [0.0, 1.000001, 1_800_000_000.123456, 1_800_000_000.1234567, 4_102_444_800.999999])
def test_a_record_keeps_whole_microseconds_and_its_hash(store: Store, at_s: float) -> None:
    (record,) = store.commit(Commit((a_draft(at_s=at_s),)))
    (read,) = store.audit(Page())
    assert read == record
    assert round(read.draft.at_s * 1e6) == round(at_s * 1e6)
    assert verify([read]).ok


def test_numbers_of_every_kind_come_back_as_they_were(store: Store) -> None:
    numbers: dict[str, Json] = {
        "float": 1.0,
        "large": 1e16,
        "small": 1e-7,
        "int": 7,
        "text": "é\n",
        "none": None,
        "list": [1, [2.5]],
    }
    (record,) = store.commit(Commit((replace(a_draft(), numbers=numbers),)))
    (read,) = store.audit(Page())
    assert read.draft.numbers == numbers
    assert {name: type(value) for name, value in read.draft.numbers.items()} == {
        name: type(value) for name, value in numbers.items()
    }
    assert read == record
    assert store.verify_audit().ok


def test_a_record_cannot_be_changed_through_the_numbers_it_was_made_of(store: Store) -> None:
    numbers: dict[str, list[int]] = {"steps": [1, 5]}
    store.commit(Commit((replace(a_draft(), numbers=numbers),)))
    numbers["steps"].append(100)
    numbers["more"] = []
    assert store.verify_audit().ok
    assert store.audit(Page())[0].draft.numbers == {"steps": [1, 5]}


def test_what_is_due_is_most_overdue_first_and_has_not_ended(store: Store) -> None:
    for name, wake_at_s, phase in (
        ("a", 30.0, Phase.PENDING),
        ("b", 10.0, Phase.PROGRESSING),
        ("c", 20.0, Phase.HALTED),
        ("d", 5.0, Phase.SUCCEEDED),
        ("e", 40.0, Phase.PENDING),
    ):
        store.commit(Commit(create=replace(a_release(name, name), wake_at_s=wake_at_s, phase=phase)))
    assert store.due(30.0, 10) == [("b", 10.0), ("c", 20.0), ("a", 30.0)]
    assert store.due(30.0, 2) == [("b", 10.0), ("c", 20.0)]
    assert store.due(9.0, 10) == []
    assert store.next_wake_s() == 10.0


def test_a_release_that_ended_is_never_woken_again(store: Store) -> None:
    store.commit(Commit(create=a_release()))
    store.commit(Commit(release=replace(a_release(), revision=1, phase=Phase.ROLLED_BACK)))
    assert store.due(1e12, 10) == []
    assert store.next_wake_s() is None
    assert store.active("shop") == []


def test_active_releases_are_oldest_first(store: Store) -> None:
    store.commit(Commit(create=replace(a_release("r-2", created_at_s=200.0), superseded_by="r-3")))
    store.commit(Commit(create=replace(a_release("r-1", created_at_s=100.0), superseded_by="r-3")))
    store.commit(Commit(create=a_release("r-3", created_at_s=300.0)))
    assert [release.id for release in store.active("shop")] == ["r-1", "r-2", "r-3"]


def test_kills_add_up_until_each_is_released(store: Store) -> None:
    target = Target("production", "shop")
    store.commit(Commit(engage=an_engagement("k-2", Scope(ScopeKind.APPLICATION, "shop"))))
    store.commit(Commit(engage=an_engagement("k-1")))
    assert [one.id for one in store.kills().engaged] == ["k-1", "k-2"]
    store.commit(Commit(release_kill="k-1"))
    assert [one.id for one in store.kills().engaged] == ["k-2"]
    assert answer(store.kills(), target).kind is KillAnswerKind.REVERT
    store.commit(Commit(release_kill="k-2"))
    assert store.kills().released == {"k-1", "k-2"}
    assert answer(store.kills(), target).kind is KillAnswerKind.NONE


def test_releasing_a_kill_twice_is_the_same_as_once(store: Store) -> None:
    store.commit(Commit(engage=an_engagement()))
    store.commit(Commit(release_kill="k-1"))
    store.commit(Commit(release_kill="k-1"))
    assert store.kills().engaged == ()


def test_messages_are_due_at_once_and_in_order(store: Store) -> None:
    store.commit(Commit((a_draft(at_s=1e9),), messages=tuple(a_message(f"m-{number}") for number in (3, 1, 2))))
    due = store.outbox_due(0.0, 10)
    assert [(row.message.key, row.attempts) for row in due] == [("m-3", 0), ("m-1", 0), ("m-2", 0)]
    assert due[0].message == a_message("m-3")
    assert [row.message.key for row in store.outbox_due(0.0, 1)] == ["m-3"]


def test_a_failed_message_waits_for_its_retry_and_counts_attempts(store: Store) -> None:
    store.commit(Commit((a_draft(),), messages=(a_message(),)))
    store.outbox_failed("m-1", 60.0, "refused " * 1_000)
    assert store.outbox_due(59.0, 10) == []
    store.outbox_failed("m-1", 120.0, "refused")
    (row,) = store.outbox_due(120.0, 10)
    assert (row.attempts, row.due_at_s) == (2, 120.0)


def test_a_delivered_message_is_done_once_and_for_all(store: Store) -> None:
    store.commit(Commit((a_draft(),), messages=(a_message("m-1"), a_message("m-2"))))
    store.outbox_done("m-1")
    store.outbox_done("m-1")
    store.outbox_failed("m-1", 0.0, "a late failure of another attempt")
    store.outbox_done("never heard of")
    store.outbox_failed("never heard of", 0.0, "")
    assert [row.message.key for row in store.outbox_due(1e12, 10)] == ["m-2"]


def test_a_token_is_changed_by_its_id(store: Store) -> None:
    store.commit(Commit(tokens=(a_token("t-1"), a_token("t-2"))))
    revoked = replace(a_token("t-1"), revoked_at_s=200.0, expires_at_s=300.0)
    store.commit(Commit(tokens=(revoked, replace(a_token("t-0"), created_at_s=500.0))))
    assert store.tokens() == [revoked, a_token("t-2"), replace(a_token("t-0"), created_at_s=500.0)]


def test_an_answer_belongs_to_its_key_and_its_actor(store: Store) -> None:
    store.commit(Commit(answered=an_answer("key-1", "ann")))
    store.commit(Commit(answered=an_answer("key-1", "bob")))
    assert store.answered("key-1", "ann") == an_answer("key-1", "ann")
    assert store.answered("key-1", "eve") is None
    assert store.answered("key-2", "ann") is None


def test_pruning_deletes_old_answers_and_delivered_messages_only(store: Store) -> None:
    for key, at_s in (("old", 10.0), ("new", 30.0)):
        store.commit(
            Commit(
                (a_draft(at_s=at_s),),
                messages=(a_message(f"{key}-done"), a_message(f"{key}-waiting")),
                answered=an_answer(key, at_s=at_s),
            )
        )
        store.outbox_done(f"{key}-done")
    store.commit(Commit(create=replace(a_release(created_at_s=1.0), phase=Phase.SUCCEEDED)))
    assert store.prune(20.0) == 2
    assert store.answered("old", "ci") is None
    assert store.answered("new", "ci") is not None
    assert [row.message.key for row in store.outbox_due(1e12, 10)] == ["old-waiting", "new-waiting"]
    assert store.verify_audit().records == 2
    assert store.release("r-1") is not None
    assert store.prune(20.0) == 0


def test_pruning_works_through_more_rows_than_one_transaction_takes(store: Store) -> None:
    for number in range(MANY):
        store.commit(Commit(answered=an_answer(f"key-{number}")))
    assert store.prune(1e12) == MANY
    assert store.answered("key-0", "ci") is None
