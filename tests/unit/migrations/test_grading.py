"""What holds for every migration, whatever the rules: comments and blanks change nothing, more statements never make it
milder, what is not known is G3."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.grades import Grade
from gates.migrations.document import document, lines
from gates.migrations.grade import NOT_RENDERED, grade_postgresql
from gates.migrations.model import Parsed, Sliced
from gates.migrations.nodes import kinds
from gates.migrations.text import MAX_BYTES, Unreadable, is_plain_name, read_text
from gates.migrations.tree import unknown, walk
from tests.unit.migrations.cases import CASES
from tests.unit.migrations.stage import graded, parsed, rules_of

SQL = st.sampled_from([case.sql for case in CASES if "--" not in case.sql])
REMARKS = st.sampled_from(
    [
        "-- approved by everybody\n",
        "/* nolint */",
        "/* a /* nested */ one */",
        "-- squawk-ignore DROP TABLE x\n",
        "\t\r\n",
    ]
)


@given(sql=SQL, before=st.lists(REMARKS), after=st.lists(REMARKS))
@settings(max_examples=150, deadline=None)
def test_comments_and_blanks_never_change_a_grade(sql: str, before: list[str], after: list[str]) -> None:
    plain, dressed = (
        graded(sql),
        graded(" ".join(before) + sql.replace("; ", ";" + "".join(after)) + ";" + "".join(after)),
    )
    assert (dressed.grade, dressed.refused, rules_of(dressed)) == (plain.grade, plain.refused, rules_of(plain))


OWN = frozenset({"table.create", "type.create", "sequence.create", "view.create", "index.create", "setting.guard"})
WHOLE = [case.sql for case in CASES if "plan.unbalanced" not in case.wanted and not OWN & case.wanted]


@given(first=st.sampled_from(WHOLE), second=st.sampled_from(WHOLE))
@settings(max_examples=200, deadline=None)
def test_a_further_statement_never_makes_a_plan_milder(first: str, second: str) -> None:
    """The cases that create an object are left out here: what they create is theirs to drop, and is tried below."""
    if "plan.empty" in rules_of(graded(first)) | rules_of(graded(second)):
        return
    together = graded(f"{first};\n{second}")
    assert together.grade.rank >= max(graded(first).grade.rank, graded(second).grade.rank)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE n (a int); DROP TABLE n; DROP TABLE n",
        "CREATE TABLE IF NOT EXISTS n (a int); DROP TABLE n",
        "CREATE TABLE n (a int); DROP TABLE public.n",
        "CREATE TABLE n (a int); SET search_path = other; DROP TABLE n",
        "CREATE TEMP TABLE n (a int) ON COMMIT DROP; BEGIN; DROP TABLE n; COMMIT",
        "BEGIN; CREATE TEMP TABLE n (a int) ON COMMIT DROP; COMMIT; DROP TABLE n",
        "CREATE TABLE n PARTITION OF parcel FOR VALUES IN (1); DROP TABLE n",
        "CREATE TABLE n (a int); ALTER TABLE parcel ATTACH PARTITION n DEFAULT; DROP TABLE n",
        "CREATE TABLE n (a int); ALTER TABLE n RENAME TO m; DROP TABLE n",
        "CREATE TABLE n (a int); ALTER TABLE n INHERIT parcel; DELETE FROM n",
        "CREATE TEMP TABLE n (a int) ON COMMIT DROP; DROP TABLE n",
        "CREATE TEMP TABLE n ON COMMIT DROP AS SELECT 1; DELETE FROM n",
        "CREATE TABLE n (a int) PARTITION BY LIST (a); ALTER TABLE n ATTACH PARTITION old DEFAULT; DROP TABLE n",
        "CREATE TABLE n (a int); ALTER TABLE old INHERIT n; TRUNCATE n",
        "CREATE TABLE n (a int PRIMARY KEY); ALTER TABLE old ADD COLUMN b int DEFAULT 1 REFERENCES n ON DELETE CASCADE;"
        "DELETE FROM n",
        "CREATE TABLE n (a int UNIQUE); ALTER TABLE old ADD FOREIGN KEY (b) REFERENCES n (a) NOT VALID; DELETE FROM n",
        "DROP TABLE n; CREATE TABLE n (a int)",
        "CREATE TABLE n (a int); DROP TABLE n, parcel",
    ],
)
def test_only_what_this_plan_certainly_created_may_be_dropped_freely(sql: str) -> None:
    assert graded(sql).grade is Grade.G3


@given(kind=st.from_regex(r"[A-Z][A-Za-z]{2,20}Stmt", fullmatch=True).filter(lambda kind: kind not in kinds()))
def test_a_statement_of_an_unknown_kind_is_g3(kind: str) -> None:
    answer = grade_postgresql("x", Parsed((Sliced("x", 0, {kind: {"relation": {"relname": "t"}}}),)))
    assert answer.grade is Grade.G3
    assert any(finding.grade is Grade.G3 for finding in answer.worst_first)


@given(sql=st.sampled_from([case.sql for case in CASES if case.grade in ("G0", "G1")]), data=st.data())
@settings(max_examples=100, deadline=None)
def test_an_unknown_node_or_field_anywhere_in_a_harmless_tree_is_g3(sql: str, data: st.DataObject) -> None:
    tree = parsed(sql).statements[0].tree
    bodies = [body for _, body in walk(tree)]
    chosen = data.draw(st.sampled_from(range(len(bodies))))
    strange = data.draw(st.sampled_from([{"NewClause": {"x": 1}}, {"relname": "t"}, True]))
    changed = grafted(tree, bodies[chosen], strange)
    assert unknown(changed)
    assert grade_postgresql(sql, Parsed((Sliced(sql, 0, changed),))).grade is Grade.G3


def grafted(node: object, place: object, strange: object) -> dict[str, object]:
    """A copy of a tree with a field more at one place."""

    def copy(here: object) -> object:
        if isinstance(here, dict):
            inner = {name: copy(value) for name, value in here.items()}
            return inner | {"a_new_field": strange} if here is place else inner
        return [copy(each) for each in here] if isinstance(here, list) else here

    copied = copy(node)
    assert isinstance(copied, dict)
    return copied


@given(raw=st.binary(max_size=200))
def test_any_bytes_are_text_or_told_why_not(raw: bytes) -> None:
    read = read_text(raw)
    assert isinstance(read, Unreadable) or read.encode() == raw


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"SELECT 1;\0 DROP TABLE t", "text.invisible"),
        (b"\xef\xbb\xbfSELECT 1", "text.invisible"),
        (b"SELECT 1 -- x\rDROP TABLE t", "text.bare-cr"),
        ("SELECT 1 /* \u202e */".encode(), "text.bidi"),
        ("SELECT 1 /* \u2066 */".encode(), "text.bidi"),
        ("SELECT 'a\u200bb'".encode(), "text.invisible"),
        ("SELECT 1 \u2028".encode(), "text.invisible"),
        (b"SELECT\x0b1", "text.invisible"),
        (b"SELECT '\xff'", "text.encoding"),
        (b"\xc0\xaf", "text.encoding"),
        (b" " * (MAX_BYTES + 1), "text.too-big"),
    ],
)
def test_what_a_reader_cannot_see_is_refused_before_parsing(raw: bytes, rule: str) -> None:
    read = read_text(raw)
    assert isinstance(read, Unreadable)
    assert read.rule == rule


@pytest.mark.parametrize("raw", [b"SELECT 1;\r\n\tSELECT 2", "SELECT 'blåbær, 東京, 👍'".encode(), b" " * MAX_BYTES])
def test_ordinary_text_is_let_through(raw: bytes) -> None:
    assert read_text(raw) == raw.decode()


@pytest.mark.parametrize("name", ["orders", "ordre_på_å", "注文", "a_1$"])
def test_a_name_in_one_script_is_plain(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize("name", ["оrders", "заказ", "ｏrders", "pаypal", "a\u00a0b", "order\ufe0fs"])
def test_a_name_that_may_pass_for_another_is_not_and_makes_the_plan_g2(name: str) -> None:
    assert not is_plain_name(name)
    answer = graded(f'ALTER TABLE "{name}" ADD COLUMN b int')
    assert answer.grade is Grade.G2
    assert "name.look-alike" in rules_of(answer)


@pytest.mark.parametrize("sql", ["CREATE ROLE a PASSWORD 'hush'", "ALTER ROLE a PASSWORD 'hush'"])
def test_a_password_is_refused_and_never_shown(sql: str) -> None:
    answer = graded(sql)
    assert answer.refused
    assert "hush" not in str(document(answer)) + "".join(lines(answer))


def test_data_in_another_script_is_only_data() -> None:
    assert graded("INSERT INTO parcel (note) VALUES ('Заказ pаypal')").grade is Grade.G1


@pytest.mark.parametrize("sql", [r"SELECT '\'' ; DROP TABLE t; --'", r"SELECT 'a\' || 'b'"])
def test_text_whose_borders_move_with_a_setting_of_the_server_is_refused(sql: str) -> None:
    answer = graded(sql)
    assert (answer.grade, answer.refused, "text.quoting" in rules_of(answer)) == (Grade.G3, True, True)


@pytest.mark.parametrize("sql", [r"ALTER TABLE p ADD CHECK (a ~ '^\d+$') NOT VALID", r"SELECT E'it\'s'"])
def test_a_backslash_that_moves_no_border_is_allowed(sql: str) -> None:
    assert not graded(sql).refused


def test_a_rendered_text_that_says_it_is_not_whole_is_refused() -> None:
    answer = graded(f"ALTER TABLE p ADD b int;\n{NOT_RENDERED}\n")
    assert (answer.grade, answer.refused) == (Grade.G3, True)


EVERYDAY = (
    "CREATE TABLE basket (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, made timestamptz NOT NULL DEFAULT now())",
    "CREATE TABLE line (id int PRIMARY KEY, basket_id bigint NOT NULL REFERENCES basket (id) ON DELETE CASCADE)",
    "ALTER TABLE basket ADD COLUMN note text",
    "ALTER TABLE basket ADD COLUMN tags text[] DEFAULT '{}'",
    "ALTER TABLE basket ADD COLUMN data jsonb NOT NULL DEFAULT '{}'::jsonb",
    "ALTER TABLE basket ADD COLUMN paid boolean NOT NULL DEFAULT false",
    "ALTER TABLE basket ADD COLUMN seen timestamptz DEFAULT now()",
    "ALTER TABLE basket ADD COLUMN total numeric(12, 2) DEFAULT 0.00",
    "ALTER TABLE basket ADD COLUMN owner_id bigint REFERENCES owner (id)",
    "ALTER TABLE basket ALTER COLUMN note SET DEFAULT ''",
    "ALTER TABLE basket ALTER COLUMN note DROP NOT NULL",
    "ALTER TABLE basket ADD CONSTRAINT positive CHECK (total >= 0) NOT VALID",
    "ALTER TABLE basket VALIDATE CONSTRAINT positive",
    "ALTER TABLE basket ADD CONSTRAINT fk FOREIGN KEY (owner_id) REFERENCES owner (id) NOT VALID",
    "CREATE INDEX CONCURRENTLY basket_made ON basket (made DESC) WHERE note IS NOT NULL",
    "CREATE INDEX CONCURRENTLY basket_low ON basket (lower(note))",
    "CREATE INDEX CONCURRENTLY basket_data ON basket USING gin (data jsonb_path_ops)",
    "CREATE UNIQUE INDEX CONCURRENTLY basket_code ON basket (code)",
    "ALTER TABLE basket ADD CONSTRAINT one_code UNIQUE USING INDEX basket_code",
    "CREATE TYPE state AS ENUM ('new', 'paid')",
    "ALTER TYPE state ADD VALUE 'sent' AFTER 'paid'",
    "CREATE VIEW open_baskets AS SELECT id, coalesce(note, '') AS note FROM basket WHERE NOT paid",
    "CREATE SEQUENCE basket_number START 1000",
    "COMMENT ON COLUMN basket.note IS 'what the buyer wrote'",
    "INSERT INTO currency (code, label) VALUES ('NOK', 'krone') ON CONFLICT DO NOTHING",
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "GRANT SELECT ON basket TO reporting",
    "DROP INDEX CONCURRENTLY basket_made",
    "ANALYZE basket",
)


@pytest.mark.parametrize("sql", EVERYDAY)
def test_everyday_statements_are_not_above_g1(sql: str) -> None:
    assert graded(sql).grade.rank <= Grade.G1.rank
