"""The SQL store when its file is locked, full, read-only, damaged, foreign or of another version."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.store.database import Limits
from controller.adapters.store.errors import NotAStore, SchemaTooNew, SchemaTooOld
from controller.adapters.store.sql import SqlStore
from controller.core.model import Phase
from controller.ports import Commit, Page, Refused, Unavailable
from tests.contract.conftest import (
    a_draft,
    a_message,
    a_release,
    an_answer,
    everything,
    stored,
)
from tests.contract.test_store_audit import edit

NOBODY = 65_534
IMPATIENT = Limits(busy_s=0.05)


def test_the_file_is_for_its_owner_only(sql_store: SqlStore, sql_path: Path) -> None:
    sql_store.commit(Commit((a_draft(),)))
    for path in sql_path.parent.glob("interlock.db*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_commit_is_durable_and_logged_ahead(sql_store: SqlStore) -> None:
    connections = sql_store._connections
    with connections.define() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5_000}


def test_a_reading_connection_cannot_write(sql_store: SqlStore) -> None:
    with pytest.raises(Unavailable, match="read-only"), sql_store._connections.read() as connection:
        connection.exec_driver_sql("DELETE FROM audit")


def test_what_was_stored_is_there_after_opening_again(sql_store: SqlStore, sql_path: Path) -> None:
    epoch = sql_store.lead("a", 1.0)
    sql_store.commit(everything(epoch))
    sql_store.close()
    again = SqlStore.open(f"sqlite:///{sql_path}")
    assert again.release("r-1") == stored(a_release())
    assert again.epoch() == 1
    assert again.verify_audit().records == 2
    again.close()


def test_a_database_locked_by_another_process_is_unavailable_and_works_when_it_is_free(sql_path: Path) -> None:
    store = SqlStore.open(sql_path, IMPATIENT)
    other = sqlite3.connect(sql_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked by another process"):
        store.commit(Commit((a_draft(),)))
    assert store.audit(Page()) == [], "reading goes on meanwhile"
    other.execute("ROLLBACK")
    other.close()
    assert len(store.commit(Commit((a_draft(),)))) == 1
    store.close()


def test_a_writer_that_gets_no_turn_is_unavailable(sql_path: Path) -> None:
    store = SqlStore.open(sql_path, IMPATIENT)
    with store._connections.write(), pytest.raises(Unavailable, match="busy"):
        store.commit(Commit((a_draft(),)))
    store.commit(Commit((a_draft(),)))
    store.close()


def test_a_reader_that_gets_no_connection_is_unavailable(sql_path: Path) -> None:
    store = SqlStore.open(sql_path, replace(IMPATIENT, readers=1))
    with store._connections.read(), pytest.raises(Unavailable, match="no reader"):
        store.release("r-1")
    assert store.release("r-1") is None
    store.close()


def fill(store: SqlStore) -> int:
    """Commit until it is refused; the number of commits that were not."""
    done = 0

    def commit_on() -> None:
        nonlocal done
        for number in range(1_000):
            body = "s3cret " * 700
            store.commit(Commit((a_draft(),), answered=replace(an_answer(f"key-{number}"), body=body)))
            done += 1

    with pytest.raises(Unavailable, match="full") as caught:
        commit_on()
    assert_shows_nothing_stored(caught.value)
    return done


def assert_shows_nothing_stored(trouble: BaseException | None) -> None:
    while trouble is not None:
        assert "s3cret" not in str(trouble)
        trouble = trouble.__cause__ or trouble.__context__


def test_a_full_disk_is_unavailable_leaves_nothing_and_ends_when_there_is_room(sql_path: Path) -> None:
    store = SqlStore.open(sql_path, Limits(max_pages=120))
    store.commit(Commit(create=a_release()))
    answers = fill(store)
    assert answers > 0
    assert store.answered(f"key-{answers}", "ci") is None
    assert store.verify_audit().records == answers
    assert store.release("r-1") == stored(a_release()), "reading goes on"
    assert store.prune(1e12) == answers
    store.commit(Commit((a_draft(),), release=stored(a_release()), messages=(a_message(),)))
    assert store.verify_audit().records == answers + 1
    store.close()


@pytest.fixture
def powerless() -> Iterator[Path]:
    """A directory, with this process as someone who may not write it. Root may write anything, so root steps down."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory
        directory.chmod(0o755)


class _SteppedDown:
    def __enter__(self) -> None:
        self._user = os.geteuid()
        if self._user == 0:
            os.seteuid(NOBODY)

    def __exit__(self, *_: object) -> None:
        if self._user == 0:
            os.seteuid(0)


def test_a_read_only_database_says_so(powerless: Path) -> None:
    path = powerless / "interlock.db"
    store = SqlStore.open(path)
    store.commit(Commit(create=a_release()))
    store.close()
    path.chmod(0o444)
    powerless.chmod(0o555)
    with _SteppedDown(), pytest.raises((Unavailable, Refused), match=r"read-only|cannot be opened|permission"):
        SqlStore.open(path)
    powerless.chmod(0o755)
    path.chmod(0o600)
    again = SqlStore.open(path)
    assert again.release("r-1") == stored(a_release())
    again.close()


def test_a_store_that_cannot_be_created_says_why(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No such file or directory"):
        SqlStore.open(tmp_path / "missing" / "interlock.db")


@pytest.mark.parametrize(
    "url",
    ["mysql+pymysql://host/db", "sqlite:///x.db?mode=ro", "http://", "://"],
)
def test_another_kind_of_url_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="sqlite:///path"):
        SqlStore.open(url)


def test_a_file_that_is_no_database_is_not_touched(sql_path: Path) -> None:
    text = b"a diary, not a database\n" * 500
    sql_path.write_bytes(text)
    with pytest.raises(Unavailable, match="not an SQLite database"):
        SqlStore.open(sql_path)
    assert sql_path.read_bytes() == text


def test_a_database_of_something_else_is_not_touched(sql_path: Path) -> None:
    edit(sql_path, "CREATE TABLE diary (day TEXT)")
    with pytest.raises(NotAStore, match="something else"):
        SqlStore.open(sql_path)
    with sqlite3.connect(sql_path) as connection:
        assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["diary"]
    connection.close()


def test_a_newer_schema_is_refused_with_what_to_do(sql_store: SqlStore, sql_path: Path) -> None:
    sql_store.close()
    edit(sql_path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="use the version that wrote it"):
        SqlStore.open(sql_path)


def test_an_older_schema_is_refused_with_what_to_do(
    sql_store: SqlStore, sql_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql_store.close()
    monkeypatch.setattr("controller.adapters.store.opening.REVISIONS", ("0001", "0002"))
    with pytest.raises(SchemaTooOld, match="backup, and migrate"):
        SqlStore.open(sql_path)


WRONG: tuple[dict[str, Any], ...] = (
    {"weight_pct": 5.5},
    {"weight_pct": 5.0},
    {"weight_pct": "5"},
    {"actor": 7},
    {"actor": "\ud800"},
    {"reason": "text"},
    {"bypassed": ("abort",)},
    {"wake_at_s": "soon"},
)


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_value_that_could_not_be_read_back_is_never_written(sql_store: SqlStore, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="'r-1' is not written"):
        sql_store.commit(Commit((a_draft(),), create=replace(a_release(), **wrong)))
    assert sql_store.release("r-1") is None
    assert sql_store.audit(Page()) == []


def test_a_release_larger_than_any_release_is_refused(sql_store: SqlStore) -> None:
    huge = replace(a_release(), actor="x" * (5 * 1024 * 1024), phase=Phase.FAILED)
    with pytest.raises(Refused, match="at most"):
        sql_store.commit(Commit(create=huge))
