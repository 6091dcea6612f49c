"""The rules that keep the store on PostgreSQL whole, each broken on purpose: the tests beside this file must notice."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from controller.adapters.store import writes
from controller.adapters.store.postgres import Postgres
from controller.adapters.store.schema import anchor
from controller.adapters.store.transaction import Transaction
from controller.adapters.store.turn import Turn
from controller.ports import Commit, Conflict, PortError, Unavailable
from gates.audit import Record
from tests.contract import test_store_postgres as store_tests
from tests.contract import test_store_turn as turn_tests
from tests.contract.conftest import ON_POSTGRES
from tests.contract.postgres_stage import programs

pytestmark = [*ON_POSTGRES, pytest.mark.skipif(programs() is None, reason="left out, see the end of the run")]

Change = Callable[[pytest.MonkeyPatch], None]


def attribute(owner: object, name: str, value: object) -> Change:
    return lambda patch: patch.setattr(owner, name, value)


def yes(*_: object) -> bool:
    return True


def no(*_: object) -> bool:
    return False


APPLY = writes.apply


def unfenced(transaction: Transaction, commit: Commit, made: writes.Rows) -> tuple[Record, ...]:
    return APPLY(transaction, replace(commit, epoch=None), made)


COMMIT_ERROR = store_tests.test_an_error_of_the_commit_itself_is_told_as_what_it_means
UNLOCKED = select(anchor.c.epoch, anchor.c.audit_seq, anchor.c.audit_hash)
MUTANTS: dict[str, tuple[Change, Callable[..., None], dict[str, Any]]] = {
    "a commit does not lock the head of the chain": (
        attribute(writes, "_LOCK_ANCHOR", UNLOCKED),
        store_tests.test_two_controllers_that_write_at_once_about_different_things_leave_one_chain,
        {},
    ),
    "an unknown commit is said to be undone": (
        attribute(Postgres, "undone", yes),
        store_tests.test_a_connection_lost_during_a_commit_leaves_it_open_whether_it_happened,
        {},
    ),
    "an undone commit is said to be unknown": (
        attribute(Postgres, "undone", no),
        COMMIT_ERROR,
        {"state": "53100", "kind": Unavailable, "says": "disk is full"},
    ),
    "a collision is no conflict": (
        attribute(Postgres, "overtaken", no),
        COMMIT_ERROR,
        {"state": "40001", "kind": Conflict, "says": "another writer"},
    ),
    "a lost connection is kept": (
        attribute(Postgres, "lost", no),
        store_tests.test_a_connection_that_was_lost_while_nobody_used_it_costs_no_commit,
        {},
    ),
    "every commit sees the store as it was before it waited": (
        attribute(Postgres, "begin", "BEGIN ISOLATION LEVEL REPEATABLE READ"),
        store_tests.test_two_controllers_that_write_at_once_about_different_things_leave_one_chain,
        {},
    ),
    "the epoch is not looked at": (
        attribute(writes, "apply", unfenced),
        store_tests.test_two_controllers_chain_without_a_gap_and_the_older_is_fenced,
        {},
    ),
    "a turn is always free": (
        attribute(Turn, "take", no),
        turn_tests.test_a_second_controller_is_refused_until_the_first_lets_go,
        {},
    ),
    "a lost turn is not taken anew": (
        attribute(Turn, "keep", no),
        turn_tests.test_a_turn_is_taken_anew_after_its_session_was_lost,
        {},
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_noticed(name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    change, noticing, given = MUTANTS[name]
    wanted = [parameter for parameter in inspect.signature(noticing).parameters if parameter not in given]
    made = {fixture: request.getfixturevalue(fixture) for fixture in wanted}
    change(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception, PortError, psycopg.Error)):
        noticing(**made, **given)
