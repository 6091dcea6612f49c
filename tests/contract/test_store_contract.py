"""What a commit is, on every store: all or nothing, compared and swapped, fenced, and chained in the record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.model import Intent, IntentKind, Phase
from controller.ports import Commit, Conflict, Fenced, Page, Store, StoredApplication, Unavailable
from gates.audit import GENESIS, verify
from tests.contract.conftest import (
    a_draft,
    a_message,
    a_release,
    a_token,
    an_answer,
    an_application,
    an_engagement,
    assert_empty,
    everything,
    stored,
)


def test_a_fresh_store_is_empty(store: Store) -> None:
    assert_empty(store)
    assert store.epoch() == 0
    assert store.next_wake_s() is None
    assert store.verify_audit().ok


def test_an_empty_commit_changes_nothing(store: Store) -> None:
    assert store.commit(Commit()) == ()
    assert_empty(store)


def test_every_part_of_a_commit_can_be_read_back(store: Store) -> None:
    epoch = store.lead("a", 1.0)
    commit = everything(epoch)
    records = store.commit(commit)
    assert [record.seq for record in records] == [1, 2]
    assert list(store.audit(Page())) == list(records)
    assert store.release("r-1") == stored(a_release())
    assert store.application("shop") == StoredApplication(an_application(), "v1", revision=1)
    assert store.kills().engaged == (an_engagement(),)
    assert store.kills().released == {"k-elsewhere"}
    assert [row.message for row in store.outbox_due(1e12, 10)] == list(commit.messages)
    assert store.tokens() == [a_token()]
    assert store.answered("key-1", "ci") == an_answer()


def test_the_returned_records_follow_the_chain(store: Store) -> None:
    first = store.commit(Commit((a_draft("a"), a_draft("b"))))
    second = store.commit(Commit((a_draft("c"),)))
    assert first[0].prev == GENESIS
    assert verify([*first, *second]).ok
    check = store.verify_audit()
    assert (check.ok, check.records, check.head) == (True, 3, second[0].hash)


def test_a_swap_gives_the_release_the_next_revision(store: Store) -> None:
    store.commit(Commit(create=a_release()))
    for revision in (1, 2, 3):
        release = store.release("r-1")
        assert release is not None
        assert release.revision == revision
        store.commit(Commit(release=replace(release, weight_pct=revision)))
    release = store.release("r-1")
    assert release is not None
    assert (release.revision, release.weight_pct) == (4, 3)


def test_a_swap_from_an_old_revision_is_a_conflict(store: Store) -> None:
    store.commit(Commit(create=a_release()))
    store.commit(Commit(release=stored(a_release())))
    with pytest.raises(Conflict, match="revision 1"):
        store.commit(Commit((a_draft(),), release=replace(stored(a_release()), weight_pct=50)))
    release = store.release("r-1")
    assert release is not None
    assert release.weight_pct == 0
    assert store.audit(Page()) == []


def test_a_swap_from_a_revision_not_yet_reached_is_a_conflict(store: Store) -> None:
    store.commit(Commit(create=a_release()))
    with pytest.raises(Conflict):
        store.commit(Commit(release=replace(a_release(), revision=7)))


def test_a_swap_of_a_release_that_is_not_there_is_a_conflict(store: Store) -> None:
    with pytest.raises(Conflict, match="r-1"):
        store.commit(Commit(release=stored(a_release())))
    assert store.release("r-1") is None


def test_a_second_active_release_of_an_application_is_a_conflict(store: Store) -> None:
    store.commit(Commit(create=a_release("r-1")))
    with pytest.raises(Conflict, match="active release"):
        store.commit(Commit(create=a_release("r-2")))
    assert store.release("r-2") is None


def test_a_release_of_another_application_may_be_active_beside_it(store: Store) -> None:
    store.commit(Commit(create=a_release("r-1", "shop")))
    store.commit(Commit(create=a_release("r-2", "cart")))
    assert [release.id for release in store.active("cart")] == ["r-2"]


def test_a_release_id_is_used_once(store: Store) -> None:
    store.commit(Commit(create=replace(a_release(), phase=Phase.FAILED)))
    with pytest.raises(Conflict, match="exists"):
        store.commit(Commit(create=a_release()))


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.FAILED])
def test_after_the_end_of_a_release_the_next_one_may_start(store: Store, phase: Phase) -> None:
    store.commit(Commit(create=a_release("r-1")))
    store.commit(Commit(release=replace(a_release("r-1"), revision=1, phase=phase)))
    store.commit(Commit(create=a_release("r-2")))
    assert [release.id for release in store.active("shop")] == ["r-2"]


def test_a_release_is_superseded_and_its_successor_created_in_one_commit(store: Store) -> None:
    store.commit(Commit(create=a_release("r-1")))
    old = replace(stored(a_release("r-1")), superseded_by="r-2")
    store.commit(Commit(release=old, create=a_release("r-2", created_at_s=200.0)))
    assert [release.id for release in store.active("shop")] == ["r-1", "r-2"]


def test_a_third_release_beside_a_superseded_and_an_active_one_is_a_conflict(store: Store) -> None:
    store.commit(Commit(create=replace(a_release("r-1"), superseded_by="r-2")))
    store.commit(Commit(create=a_release("r-2")))
    with pytest.raises(Conflict, match="active release"):
        store.commit(Commit(create=a_release("r-3")))


def test_a_release_cannot_become_active_again_beside_another(store: Store) -> None:
    store.commit(Commit(create=replace(a_release("r-1"), superseded_by="r-2")))
    store.commit(Commit(create=a_release("r-2")))
    with pytest.raises(Conflict, match="active release"):
        store.commit(Commit(release=stored(a_release("r-1"))))


def test_a_new_release_must_have_revision_zero(store: Store) -> None:
    with pytest.raises(AssertionError, match="revision 0"):
        store.commit(Commit(create=stored(a_release())))
    assert_empty(store)


def test_an_application_is_inserted_at_revision_zero_and_swapped_after(store: Store) -> None:
    store.commit(Commit(application=StoredApplication(an_application())))
    with pytest.raises(Conflict, match="shop"):
        store.commit(Commit(application=StoredApplication(an_application())))
    store.commit(Commit(application=StoredApplication(an_application(), "v2", revision=1)))
    assert store.application("shop") == StoredApplication(an_application(), "v2", revision=2)
    with pytest.raises(Conflict, match="revision 1"):
        store.commit(Commit(application=StoredApplication(an_application(), "v3", revision=1)))


def test_an_application_that_is_not_there_cannot_be_swapped(store: Store) -> None:
    with pytest.raises(Conflict):
        store.commit(Commit(application=StoredApplication(an_application(), revision=3)))
    assert store.application("shop") is None


def test_a_deleted_application_is_remembered_and_can_come_back(store: Store) -> None:
    store.commit(Commit(application=StoredApplication(an_application())))
    store.commit(Commit(application=StoredApplication(an_application(), revision=1, deleted=True)))
    gone = store.application("shop")
    assert gone is not None
    assert gone.deleted
    assert store.applications(Page()) == []
    store.commit(Commit(application=replace(gone, deleted=False)))
    assert [one.app.name for one in store.applications(Page())] == ["shop"]


def test_leading_raises_the_epoch_by_one_each_time(store: Store) -> None:
    assert [store.lead("a", 1.0), store.lead("b", 2.0), store.lead("a", 3.0)] == [1, 2, 3]
    assert store.epoch() == 3


def test_an_older_leader_is_fenced_and_leaves_nothing(store: Store) -> None:
    old = store.lead("old", 1.0)
    store.lead("new", 2.0)
    with pytest.raises(Fenced, match="epoch 1"):
        store.commit(everything(old))
    assert_empty(store)


def test_an_epoch_the_store_never_gave_is_fenced(store: Store) -> None:
    store.lead("a", 1.0)
    with pytest.raises(Fenced):
        store.commit(everything(2))
    assert_empty(store)


def test_being_fenced_is_said_before_a_conflict(store: Store) -> None:
    store.lead("a", 1.0)
    with pytest.raises(Fenced):
        store.commit(Commit(epoch=0, release=stored(a_release())))


def test_facts_of_people_need_no_epoch(store: Store) -> None:
    store.lead("a", 1.0)
    store.commit(Commit(create=a_release()))
    abort = Intent(IntentKind.ABORT, "ann", 5.0, "errors")
    store.commit(Commit((a_draft(),), release=replace(stored(a_release()), intent=abort)))
    release = store.release("r-1")
    assert release is not None
    assert release.intent == abort


def test_a_release_is_not_created_for_an_application_that_has_changed_since_it_was_read(store: Store) -> None:
    store.commit(Commit(application=StoredApplication(an_application())))
    read = store.application(an_application().name)
    assert read is not None
    store.commit(Commit(application=replace(read, deleted=True)))
    with pytest.raises(Conflict):
        store.commit(Commit(create=a_release(), application=read))
    assert store.release("r-1") is None


FAILING = {
    "stale release": Commit(release=replace(a_release("r-9"), revision=5)),
    "second active release": Commit(create=a_release("r-8", "busy")),
    "taken release id": Commit(create=a_release("r-busy", "other")),
    "stale application": Commit(application=StoredApplication(an_application(), revision=9)),
    "taken application": Commit(application=StoredApplication(an_application("busy"))),
    "taken kill": Commit(engage=an_engagement("k-busy")),
    "released kill": Commit(engage=an_engagement("k-gone")),
    "answered key": Commit(answered=an_answer("key-busy")),
}


@pytest.mark.parametrize("name", FAILING)
def test_when_one_part_fails_nothing_of_the_commit_is_there(store: Store, name: str) -> None:
    store.commit(
        Commit(
            create=a_release("r-busy", "busy"),
            application=StoredApplication(an_application("busy")),
            engage=an_engagement("k-busy"),
            release_kill="k-gone",
            answered=an_answer("key-busy"),
        )
    )
    failing = FAILING[name]
    whole = everything()
    mixed = replace(
        whole,
        release=failing.release,
        create=failing.create or whole.create,
        application=failing.application or whole.application,
        engage=failing.engage or whole.engage,
        answered=failing.answered or whole.answered,
    )
    with pytest.raises(Conflict):
        store.commit(mixed)
    assert store.release("r-1") is None
    assert store.application("shop") is None
    assert [one.id for one in store.kills().engaged] == ["k-busy"]
    assert store.kills().released == {"k-gone"}
    assert store.outbox_due(1e12, 10) == []
    assert store.tokens() == []
    assert store.answered("key-1", "ci") is None
    assert store.verify_audit().records == 0


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 2**60])
def test_a_record_that_has_no_canonical_form_leaves_nothing(store: Store, number: float) -> None:
    bad = replace(a_draft(), numbers={"evidence": number})
    with pytest.raises(ValueError, match=r"JSON"):
        store.commit(replace(everything(), records=(a_draft(), bad)))
    assert_empty(store)


def test_after_a_failed_commit_the_next_one_succeeds(store: Store) -> None:
    with pytest.raises(Conflict):
        store.commit(Commit((a_draft(),), release=stored(a_release())))
    assert [record.seq for record in store.commit(Commit((a_draft(),)))] == [1]


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        store.release("r-1")
    with pytest.raises(Unavailable, match="closed"):
        store.commit(Commit((a_draft(),)))


def test_a_message_key_is_stored_once(store: Store) -> None:
    store.commit(Commit((a_draft(),), messages=(a_message("m-1"),)))
    store.commit(Commit((a_draft(),), messages=(replace(a_message("m-1"), kind="other"), a_message("m-2"))))
    due = store.outbox_due(1e12, 10)
    assert [(row.message.key, row.message.kind) for row in due] == [("m-1", "webhook"), ("m-2", "webhook")]
