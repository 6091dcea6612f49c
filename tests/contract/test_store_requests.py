"""Requests on every store: compared and swapped, read back as they were, and one transaction with their record."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from controller.adapters.store.errors import Corrupt
from controller.adapters.store.migrate import migrate
from controller.adapters.store.sql import SqlStore
from controller.ports import Commit, Conflict, Page, Store
from gates.approvals.decide import decide
from gates.approvals.ends import kill
from gates.approvals.model import Request, State, Step
from gates.approvals.record import drafts
from gates.approvals.run import Outcome, begin, finish, reserve
from gates.grades import Grade
from tests.contract.test_store_audit import edit
from tests.unit.approvals.stage import BEN, CLEO, DORA, NOW_S, WORLD, as_approved, asked, ballot


def keep(store: Store, step: Step) -> Request:
    store.commit(Commit(drafts(step), requests=(step.request,)))
    return step.request


def test_a_request_is_read_back_at_every_step_of_its_way_as_it_was_written(store: Store) -> None:
    request = asked(Grade.G3)
    way = [request]
    store.commit(Commit(requests=(request,)))
    for account in (BEN, CLEO):
        way.append(keep(store, decide(way[-1], ballot(way[-1], account), WORLD, NOW_S + 60)))
        assert store.request("r-1") == way[-1]
    way.append(keep(store, reserve(way[-1], as_approved(request), WORLD, "use-1", NOW_S + 90)))
    way.append(keep(store, begin(way[-1], as_approved(request), WORLD, "use-1", NOW_S + 90)))
    assert store.open_requests() == [way[-1]]
    way.append(keep(store, finish(way[-1], "use-1", Outcome.SUCCEEDED, "done", NOW_S + 95, True)))
    assert store.request("r-1") == way[-1]
    assert store.open_requests() == []
    assert [record.draft.type for record in store.audit(Page())] == [
        "approved", "approved", "approval_reserved", "approval_executing", "approval_result",
    ]  # fmt: skip


@pytest.mark.requirement("LRP-08")
def test_of_two_approvers_at_the_same_instant_one_is_stored_and_the_other_looks_again(store: Store) -> None:
    request = asked(Grade.G3)
    store.commit(Commit(requests=(request,)))
    first, second = (decide(request, ballot(request, who), WORLD, NOW_S + 5) for who in (BEN, CLEO))
    keep(store, first)
    with pytest.raises(Conflict, match="read it again"):
        keep(store, second)
    seen = store.request("r-1")
    assert seen == first.request
    assert len(store.audit(Page())) == 1, "the record of the second is not there either"
    assert keep(store, decide(first.request, ballot(first.request, CLEO), WORLD, NOW_S + 5)).state is State.APPROVED


def test_of_many_that_take_the_same_use_at_once_one_gets_it(store: Store) -> None:
    request = asked()
    store.commit(Commit(requests=(request,)))
    approved = keep(store, decide(request, ballot(request, DORA), WORLD, NOW_S + 5))
    taken: list[str] = []

    def take(name: str) -> None:
        step = reserve(approved, as_approved(request), WORLD, name, NOW_S + 60)
        try:
            keep(store, step)
        except Conflict:
            return
        taken.append(name)

    threads = [threading.Thread(target=take, args=(f"use-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    found = store.request("r-1")
    assert found is not None
    assert found.reservation is not None
    assert taken == [found.reservation.id]


def test_a_request_is_put_in_once_and_never_from_a_revision_that_is_not_there(store: Store) -> None:
    store.commit(Commit(requests=(asked(),)))
    with pytest.raises(Conflict, match="exists already"):
        store.commit(Commit(requests=(asked(),)))
    with pytest.raises(Conflict, match="revision 6"):
        store.commit(Commit(requests=(replace(asked(), revision=7),)))
    with pytest.raises(Conflict, match="revision 1"):
        store.commit(Commit(requests=(replace(asked(request_id="r-9"), revision=2),)))
    with pytest.raises(AssertionError, match="draft"):
        store.commit(Commit(requests=(replace(asked(request_id="r-9"), revision=0),)))
    assert store.request("r-9") is None


def test_a_kill_of_several_is_one_transaction(store: Store) -> None:
    requests = [asked(request_id=f"r-{n}") for n in range(3)]
    store.commit(Commit(requests=tuple(requests)))
    steps = [kill(request, "eve", "kill k", NOW_S + 1) for request in requests]
    stale = replace(steps[2].request, revision=9)
    with pytest.raises(Conflict):
        store.commit(Commit(requests=(steps[0].request, steps[1].request, stale)))
    assert len(store.open_requests()) == 3
    store.commit(Commit(requests=tuple(step.request for step in steps)))
    assert store.open_requests() == []
    assert [request.state for request in store.requests_of("run-1")] == [State.KILLED] * 3
    assert store.requests_of("run-2") == []


def test_what_is_open_comes_oldest_first(store: Store) -> None:
    young, old = asked(request_id="r-1"), replace(asked(request_id="r-2"), opened_at_s=NOW_S - 60)
    store.commit(Commit(requests=(young, old)))
    assert [request.id for request in store.open_requests()] == ["r-2", "r-1"]


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE requests SET body = replace(body, \'"state":"pending"\', \'"state":"agreed"\')',
        "UPDATE requests SET body = '{}'",
        "UPDATE requests SET format = 9",
        "UPDATE requests SET revision = 7",
    ],
)
def test_a_request_that_cannot_be_read_is_said_and_not_left_out(
    sql_store: SqlStore, sql_path: Path, statement: str
) -> None:
    sql_store.commit(Commit(requests=(asked(),)))
    edit(sql_path, statement)
    for read in (lambda: sql_store.request("r-1"), sql_store.open_requests, lambda: sql_store.requests_of("run-1")):
        with pytest.raises(Corrupt, match="r-1"):
            read()


def test_a_store_of_the_first_schema_is_migrated_and_keeps_everything(sql_store: SqlStore, sql_path: Path) -> None:
    sql_store.close()
    with sqlite3.connect(sql_path) as connection:
        connection.execute("DROP TABLE requests")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.execute("UPDATE anchor SET epoch = 41")
    connection.close()
    assert migrate(sql_path) == "0002"
    store = SqlStore.open(sql_path)
    assert (store.epoch(), store.open_requests()) == (41, [])
    store.commit(Commit(requests=(asked(),)))
    assert store.request("r-1") == asked()
    store.close()
