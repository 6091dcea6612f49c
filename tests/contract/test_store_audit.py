"""The stored chain against someone with a database editor: every edit is found, and a long chain is walked quickly."""

from __future__ import annotations

import sqlite3
import tracemalloc
from pathlib import Path

import pytest

from controller.adapters.store.audit_rows import BATCH
from controller.adapters.store.errors import Corrupt
from controller.adapters.store.sql import SqlStore
from controller.ports import Commit, Page
from gates.audit import verify
from tests.contract.conftest import a_draft

RECORDS = 7


def edit(path: Path, *statements: str) -> None:
    """Change the database behind the store's back."""
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.fixture
def chained(sql_store: SqlStore) -> SqlStore:
    sql_store.commit(Commit(tuple(a_draft(f"record {number}") for number in range(RECORDS))))
    return sql_store


EDITS = {
    "type": "UPDATE audit SET type = 'other' WHERE seq = 4",
    "actor": "UPDATE audit SET actor = 'nobody' WHERE seq = 4",
    "text": "UPDATE audit SET text = 'harmless' WHERE seq = 4",
    "time": "UPDATE audit SET at_us = at_us + 1 WHERE seq = 4",
    "release": "UPDATE audit SET release_id = NULL WHERE seq = 4",
    "application": "UPDATE audit SET application = 'cart' WHERE seq = 4",
    "environment": "UPDATE audit SET environment = 'staging' WHERE seq = 4",
    "epoch": "UPDATE audit SET epoch = 9 WHERE seq = 4",
    "numbers": "UPDATE audit SET numbers = '{}' WHERE seq = 4",
    "late": "UPDATE audit SET late = 1 WHERE seq = 4",
    "hash": "UPDATE audit SET hash = 'sha256:' || substr(prev, 8) WHERE seq = 4",
    "prev": "UPDATE audit SET prev = hash WHERE seq = 4",
    "unreadable numbers": "UPDATE audit SET numbers = '{' WHERE seq = 4",
    "numbers of another kind": "UPDATE audit SET numbers = '[]' WHERE seq = 4",
    "numbers without canonical form": "UPDATE audit SET numbers = '{\"a\": 1e999}' WHERE seq = 4",
    "unreadable time": "UPDATE audit SET at_us = 'noon' WHERE seq = 4",
    "a text that is none": "UPDATE audit SET text = X'FF' WHERE seq = 4",
    "a gap": "DELETE FROM audit WHERE seq = 4",
    "the first one gone": "DELETE FROM audit WHERE seq = 1",
    "a number before the first": "UPDATE audit SET seq = 0 WHERE seq = 1",
    "cut tail": "DELETE FROM audit WHERE seq > 4",
    "everything gone": "DELETE FROM audit",
    "an addition": "INSERT INTO audit SELECT 8, hash, hash, at_us, type, actor, text, release_id, application,"
    " environment, epoch, numbers, late FROM audit WHERE seq = 7",
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_the_stored_chain_is_found(chained: SqlStore, sql_path: Path, name: str) -> None:
    assert chained.verify_audit().ok
    edit(sql_path, EDITS[name])
    check = chained.verify_audit()
    assert not check.ok
    assert check.trouble


def test_two_records_that_changed_places_are_found(chained: SqlStore, sql_path: Path) -> None:
    swap = ("UPDATE audit SET seq = 99 WHERE seq = 3", "UPDATE audit SET seq = 3 WHERE seq = 4")
    edit(sql_path, *swap, "UPDATE audit SET seq = 4 WHERE seq = 99")
    check = chained.verify_audit()
    assert not check.ok
    assert "record 3" in check.trouble


def test_a_tail_that_was_cut_and_linked_anew_is_found_by_the_anchor(chained: SqlStore, sql_path: Path) -> None:
    forged = [record.draft for record in chained.audit(Page(limit=6))]
    other = SqlStore.open(":memory:")
    replacement = other.commit(Commit((*forged, a_draft("a kinder story"))))[-1]
    other.close()
    assert verify([*chained.audit(Page(limit=6)), replacement]).ok
    edit(
        sql_path,
        f"UPDATE audit SET text = 'a kinder story', hash = '{replacement.hash}' WHERE seq = {RECORDS}",
    )
    check = chained.verify_audit()
    assert not check.ok
    assert "written last" in check.trouble


def test_the_check_says_how_many_records_are_good(chained: SqlStore, sql_path: Path) -> None:
    edit(sql_path, EDITS["text"])
    check = chained.verify_audit()
    assert (check.ok, check.records) == (False, 3)
    assert check.head == chained.audit(Page("2", 1))[0].hash


def test_a_record_that_cannot_be_read_is_named_by_its_number(chained: SqlStore, sql_path: Path) -> None:
    edit(sql_path, EDITS["unreadable numbers"])
    with pytest.raises(Corrupt, match="'4' of audit"):
        chained.audit(Page())
    assert [record.seq for record in chained.audit(Page("4"))] == [5, 6, 7]


def test_a_chain_without_its_anchor_is_not_opened(chained: SqlStore, sql_path: Path) -> None:
    chained.close()
    edit(sql_path, "DELETE FROM anchor")
    with pytest.raises(Exception, match="anchors its audit chain"):
        SqlStore.open(sql_path)


def test_a_chain_of_many_batches_is_verified_to_its_last_record(sql_store: SqlStore, sql_path: Path) -> None:
    records = 20 * BATCH
    drafts = tuple(a_draft(f"record {number}") for number in range(BATCH))
    for _ in range(records // BATCH):
        sql_store.commit(Commit(drafts))
    check = sql_store.verify_audit()
    assert (check.ok, check.records) == (True, records)
    edit(sql_path, f"UPDATE audit SET text = 'harmless' WHERE seq = {records - 1}")
    assert sql_store.verify_audit().records == records - 2


def test_verifying_holds_a_few_batches_in_memory_however_long_the_chain(sql_store: SqlStore) -> None:
    for _ in range(10):
        sql_store.commit(Commit(tuple(a_draft("x" * 200) for _ in range(BATCH))))
    tracemalloc.start()
    try:
        assert sql_store.verify_audit().records == 10 * BATCH
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * BATCH * 1_000, "more than about three batches of 1 KB records"
