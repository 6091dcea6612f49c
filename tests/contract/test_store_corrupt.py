"""One row that cannot be read is held and reported, and everything beside it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.adapters.store.errors import Corrupt
from controller.adapters.store.sql import SqlStore
from controller.ports import Commit, Page, StoredApplication
from gates.kill import KillState
from tests.contract.conftest import a_draft, a_message, a_release, an_application, an_engagement, stored
from tests.contract.test_store_audit import edit

CORRUPTIONS = {
    "no JSON": "UPDATE releases SET body = '{' WHERE id = 'r-bad'",
    "unknown field": "UPDATE releases SET body = json_set(body, '$.surprise', 1) WHERE id = 'r-bad'",
    "missing field": "UPDATE releases SET body = json_remove(body, '$.canary') WHERE id = 'r-bad'",
    "wrong type": "UPDATE releases SET body = json_set(body, '$.weight_pct', '5') WHERE id = 'r-bad'",
    "unknown phase": "UPDATE releases SET body = json_set(body, '$.phase', 'dancing') WHERE id = 'r-bad'",
    "another revision": "UPDATE releases SET body = json_set(body, '$.revision', 7) WHERE id = 'r-bad'",
    "another release": "UPDATE releases SET body = json_set(body, '$.id', 'r-2') WHERE id = 'r-bad'",
    "newer format": "UPDATE releases SET format = 2 WHERE id = 'r-bad'",
    "bytes": "UPDATE releases SET body = X'FF00' WHERE id = 'r-bad'",
    "a number": "UPDATE releases SET body = 7 WHERE id = 'r-bad'",
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corrupt_release_is_held_and_the_others_go_on(sql_path: Path, name: str) -> None:
    held: list[Corrupt] = []
    store = SqlStore.open(sql_path, held=held.append)
    for number, release_id in enumerate(("r-1", "r-bad", "r-3")):
        store.commit(Commit(create=a_release(release_id, f"app-{release_id}", float(number))))
    edit(sql_path, CORRUPTIONS[name])
    with pytest.raises(Corrupt, match="'r-bad' of releases"):
        store.release("r-bad")
    with pytest.raises(Corrupt, match="'r-bad' of releases"):
        store.active("app-r-bad")
    assert [release_id for release_id, _ in store.due(1.0, 10)] == ["r-1", "r-3", "r-bad"]
    assert [release.id for release in store.releases(Page())] == ["r-3", "r-1"]
    assert [(error.table, error.key) for error in held] == [("releases", "r-bad")]
    assert [release.id for release in store.releases(Page(limit=2))] == ["r-3", "r-1"], "a full page stays full"
    store.commit(Commit(release=stored(a_release("r-1", "app-r-1"))))
    store.close()


def test_an_unknown_format_is_named(sql_store: SqlStore, sql_path: Path) -> None:
    sql_store.commit(Commit(create=a_release("r-bad")))
    edit(sql_path, CORRUPTIONS["newer format"])
    with pytest.raises(Corrupt, match="format 2 and this version of Interlock reads format 1"):
        sql_store.release("r-bad")


def test_a_corrupt_application_is_held_and_the_others_are_listed(sql_path: Path) -> None:
    held: list[Corrupt] = []
    store = SqlStore.open(sql_path, held=held.append)
    for name in ("cart", "shop"):
        store.commit(Commit(application=StoredApplication(an_application(name))))
    edit(sql_path, "UPDATE applications SET body = '{}' WHERE name = 'cart'")
    with pytest.raises(Corrupt, match="'cart' of applications"):
        store.application("cart")
    assert [one.app.name for one in store.applications(Page())] == ["shop"]
    assert len(held) == 1
    store.close()


def test_a_corrupt_kill_makes_the_switch_unreadable_and_the_others_still_count(
    sql_store: SqlStore, sql_path: Path
) -> None:
    sql_store.commit(Commit(engage=an_engagement("k-1")))
    sql_store.commit(Commit(engage=an_engagement("k-2")))
    edit(sql_path, "UPDATE kills SET body = '{}' WHERE id = 'k-1'")
    state = sql_store.kills()
    assert not state.readable
    assert "k-1" in state.trouble
    assert [one.id for one in state.engaged] == ["k-2"]


def test_a_kill_that_was_released_is_not_even_decoded_but_its_release_still_counts(
    sql_store: SqlStore, sql_path: Path
) -> None:
    """The history of kills only grows, and every pass asks for it."""
    sql_store.commit(Commit(engage=an_engagement("k-1")))
    sql_store.commit(Commit(release_kill="k-1"))
    edit(sql_path, "UPDATE kills SET body = '{}' WHERE id = 'k-1'")
    assert sql_store.kills() == KillState(released=frozenset({"k-1"}))


def test_a_corrupt_message_keeps_no_other_from_being_delivered(sql_path: Path) -> None:
    held: list[Corrupt] = []
    store = SqlStore.open(sql_path, held=held.append)
    store.commit(Commit((a_draft(),), messages=tuple(a_message(f"m-{number}") for number in range(3))))
    edit(sql_path, "UPDATE outbox SET body = '{}' WHERE key = 'm-0'")
    assert [row.message.key for row in store.outbox_due(1e12, 1)] == ["m-1"]
    assert [error.key for error in held] == ["m-0"]
    store.close()
