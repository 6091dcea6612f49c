"""The plan: what is pinned, what is not, and that nothing in it can change without another digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.canonical import canonical
from gates.grades import Grade
from gates.migrations.model import Phase
from gates.migrations.mysql import grade_mysql
from gates.migrations.plan import (
    Check,
    Crash,
    Limits,
    Origin,
    Plan,
    PlannedStatement,
    Proposal,
    Schema,
    Session,
    Target,
    Tools,
    document,
)
from gates.migrations.planning import MAX_STATEMENTS, PlanRefused, phase_of, planned, rules_digest, split_of
from tests.unit.migrations.cases import CASES
from tests.unit.migrations.stage import graded, parsed

SQL = "BEGIN; ALTER TABLE p ADD b int; COMMIT; CREATE INDEX CONCURRENTLY i ON p (b); ALTER TABLE p ADD c int"


def statements(sql: str) -> tuple[PlannedStatement, ...]:
    return planned(graded(sql), parsed(sql))


def plan(sql: str = SQL) -> Plan:
    return Plan(
        statements=statements(sql),
        session=Session(role="migrator", search_path="public"),
        target=Target("orders", "db.example", 5432, "CN=db", "orders", 16384, "7300000000000000001", 3, 150018, True),
        schema=Schema("sha256:a", "sha256:b", "41", "42"),
        origin=Origin("shop", "c0ffee", "0042.sql", "ab12", "", "r-1", "sha256:c", Phase.EXPAND),
        tools=Tools("0.1.0", rules_digest(), "postgast 0.2.0", "cd34", "15.18", "sha256:d"),
        grade=Grade.G1,
        findings=("index.create-concurrently",),
        limits=Limits(),
        undo=statements("DROP INDEX CONCURRENTLY i"),
        checks=(Check("SELECT count(*) FROM p WHERE b IS NULL", "0"),),
        nonce="n-1",
    )


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every single value in a plan."""
    if is_dataclass(value):
        for each in fields(value):
            yield from places(getattr(value, each.name), (*path, each.name))
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from places(each, (*path, index))
    else:
        yield path


def with_changed(value: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return other(value)
    step, *rest = path
    if isinstance(step, int):
        return (*value[:step], with_changed(value[step], tuple(rest)), *value[step + 1 :])
    return replace(value, **{step: with_changed(getattr(value, step), tuple(rest))})


def other(value: Any) -> Any:
    """Some other value of the same kind, as near as can be."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, Enum):
        return next(each for each in type(value) if each is not value)
    if isinstance(value, bytes):
        return value + b" "
    if value is None:
        return 0
    return value + 1 if isinstance(value, int) else value + " "


@pytest.mark.parametrize("path", list(places(plan())), ids=lambda path: ".".join(map(str, path)))
def test_any_single_value_changed_is_another_plan(path: tuple[Any, ...]) -> None:
    assert with_changed(plan(), path).digest != plan().digest


@pytest.mark.parametrize("name", ["statements", "undo", "checks", "findings"])
def test_a_part_left_out_or_in_another_order_is_another_plan(name: str) -> None:
    parts = getattr(plan(), name)
    assert replace(plan(), **{name: parts[1:]}).digest != plan().digest
    if len(parts) > 1:
        assert replace(plan(), **{name: parts[::-1]}).digest != plan().digest


@given(at=st.integers(0, 200), letter=st.binary(min_size=1, max_size=1))
@settings(max_examples=100)
def test_any_byte_of_a_statement_changed_is_another_plan(at: int, letter: bytes) -> None:
    first, *rest = plan().statements
    at %= len(first.sql)
    changed = first.sql[:at] + letter + first.sql[at + 1 :]
    same = changed == first.sql
    assert (replace(plan(), statements=(replace(first, sql=changed), *rest)).digest == plan().digest) is same


def test_the_digest_is_over_the_canonical_bytes_with_a_prefix_of_its_own() -> None:
    pinned = hashlib.sha256(b"migration-plan/v1\0" + canonical(document(plan()))).hexdigest()
    assert plan().digest == f"sha256:{pinned}"
    assert plan().digest == plan().digest


def test_what_is_said_about_a_plan_is_not_pinned() -> None:
    assert Proposal(plan(), "a title").plan.digest == Proposal(plan(), "another", "words").plan.digest


def test_no_fraction_can_stand_in_a_plan() -> None:
    with pytest.raises(AssertionError, match="float has no place"):
        document(replace(plan(), nonce=1.5))  # type: ignore[arg-type]


def test_the_plan_has_groups_of_its_own_and_no_begin_of_the_text() -> None:
    assert [(each.sql, each.group, each.crash) for each in statements(SQL)] == [
        (b"ALTER TABLE p ADD b int", 0, Crash.ROLLED_BACK),
        (b"CREATE INDEX CONCURRENTLY i ON p (b)", None, Crash.PROBE),
        (b"ALTER TABLE p ADD c int", 1, Crash.ROLLED_BACK),
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql[:60])
def test_every_statement_of_a_plan_stands_in_the_text_byte_for_byte_and_none_is_lost(case: Any) -> None:
    answer = graded(case.sql)
    if answer.refused:
        with pytest.raises(PlanRefused):
            planned(answer, parsed(case.sql))
        return
    kept = [each.text.encode() for each in parsed(case.sql).statements if "TransactionStmt" not in each.tree]
    assert [each.sql for each in statements(case.sql)] == kept
    assert all(each.sql in case.sql.encode() for each in statements(case.sql))


def test_a_mixed_text_is_refused_with_the_split_proposed() -> None:
    sql = "BEGIN; ALTER TABLE p ADD b int; ALTER TABLE p DROP COLUMN a; CREATE VIEW v AS SELECT 1; COMMIT"
    with pytest.raises(PlanRefused) as refused:
        statements(sql)
    assert refused.value.split is not None
    before, after = refused.value.split
    assert [each.sql for each in statements(before)] == [b"ALTER TABLE p ADD b int", b"CREATE VIEW v AS SELECT 1"]
    assert [each.sql for each in statements(after)] == [b"ALTER TABLE p DROP COLUMN a"]
    assert [phase_of(graded(text)) for text in refused.value.split] == [Phase.EXPAND, Phase.CONTRACT]


def test_what_is_not_mixed_has_no_split() -> None:
    assert split_of(graded("DROP TABLE p")) is None
    assert phase_of(graded("ANALYZE p")) is Phase.NEITHER


def test_mysql_has_no_plans_yet_and_says_so() -> None:
    with pytest.raises(PlanRefused, match="plans for mysql are not supported"):
        planned(grade_mysql("CREATE TABLE a (b int)"), parsed("SELECT 1"))


def test_too_many_statements_are_told_with_the_limit() -> None:
    with pytest.raises(PlanRefused, match=f"{MAX_STATEMENTS} are allowed"):
        statements("ANALYZE p;" * (MAX_STATEMENTS + 1))


def test_the_digest_of_the_rules_is_stable_and_has_the_usual_form() -> None:
    assert rules_digest() == rules_digest()
    assert rules_digest().startswith("sha256:")
