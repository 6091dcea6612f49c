"""MySQL: the few forms that are known, and that everything else is G3."""

from __future__ import annotations

import pytest

from gates.grades import Grade
from gates.migrations.mysql import FORMS, grade_mysql

CASES = (
    ("CREATE TABLE parcel (id bigint PRIMARY KEY, note varchar(20) DEFAULT 'x')", "G0", "mysql.create-table"),
    ("CREATE TABLE leg (id int, p int REFERENCES parcel (id))", "G1", "mysql.create-table-reference"),
    ("ALTER TABLE post.parcel ADD COLUMN note text, ALGORITHM=INSTANT", "G1", "mysql.add-column-instant"),
    ("ALTER TABLE parcel ADD COLUMN note text", "G2", "mysql.add-column"),
    ("ALTER TABLE parcel ADD COLUMN a int NOT NULL, ALGORITHM=INSTANT", "G2", "mysql.add-column"),
    ("ALTER TABLE parcel ADD COLUMN a char(36) DEFAULT (uuid()), ALGORITHM=INSTANT", "G2", "mysql.add-column"),
    ("CREATE INDEX i ON parcel (a) ALGORITHM=INPLACE LOCK=NONE", "G1", "mysql.add-index-online"),
    ("ALTER TABLE parcel ADD INDEX i (a), ALGORITHM=INPLACE, LOCK=NONE", "G1", "mysql.add-index-online"),
    ("CREATE INDEX i ON parcel (a)", "G2", "mysql.add-index"),
    ("DROP INDEX i ON parcel", "G2", "mysql.drop-index"),
    ("ALTER TABLE `parcel` MODIFY a bigint", "G2", "mysql.change-column"),
    ("RENAME TABLE a TO b", "G2", "mysql.rename-table"),
    ("INSERT INTO parcel (a) VALUES (1), ('x')", "G1", "mysql.insert"),
)
OPAQUE = (
    "DROP TABLE parcel",
    "ALTER TABLE parcel DROP COLUMN a, ALGORITHM=INSTANT",
    "ALTER TABLE parcel ADD COLUMN a int, DROP COLUMN b, ALGORITHM=INSTANT",
    "TRUNCATE parcel",
    "DELETE FROM parcel WHERE id = 1",
    "UPDATE parcel SET a = 1",
    "INSERT INTO parcel SELECT * FROM other",
    "INSERT INTO parcel VALUES (sleep(9))",
    "CREATE TABLE a SELECT * FROM b",
    "CREATE TABLE a LIKE b",
    "CREATE TABLE a (b int) DROP TABLE c",
    "CREATE TABLE a (b int",
    "CREATE TABLE a (b int) ENGINE=CONNECT",
    "SET foreign_key_checks = 0",
    "LOAD DATA INFILE 'x' INTO TABLE parcel",
    "CALL p()",
    "GRANT ALL ON *.* TO x",
    "SELECT 1",
)
UNCLEAR = (
    "/*!50000 DROP TABLE accounts */",
    "CREATE TABLE a (b int) /*+ SET_VAR(x=1) */",
    "/*M! DROP TABLE x */ CREATE TABLE a (b int)",
    r"INSERT INTO a VALUES ('\''); DROP TABLE b; -- ')",
    "DELIMITER // CREATE TABLE a (b int)//",
    "CREATE TABLE a (b int); @x",
    "-- nothing",
    "CREATE TABLE a (b int) --DROP",
    "CREATE TABLE a (b varchar(9) DEFAULT 'open",
)


@pytest.mark.parametrize(("sql", "grade", "rule"), CASES)
def test_a_known_form_has_its_grade(sql: str, grade: str, rule: str) -> None:
    answer = grade_mysql(sql + ";")
    assert (answer.grade.value, [each.rule for each in answer.worst_first]) == (grade, [rule])


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.id)
def test_without_a_form_its_case_is_g3(form: object) -> None:
    left = tuple(each for each in FORMS if each is not form)
    lost = [sql for sql, _, rule in CASES if rule == getattr(form, "id", "")]
    assert lost
    assert {grade_mysql(sql, left).grade for sql in lost} == {Grade.G3}


@pytest.mark.parametrize("sql", OPAQUE)
def test_what_is_on_no_list_is_g3(sql: str) -> None:
    assert grade_mysql(sql).grade is Grade.G3


@pytest.mark.parametrize("sql", UNCLEAR)
def test_what_the_server_may_read_otherwise_is_refused(sql: str) -> None:
    answer = grade_mysql(sql)
    assert (answer.grade, answer.refused) == (Grade.G3, True)


def test_comments_change_nothing_and_several_statements_have_no_way_back() -> None:
    sql = "# a\n-- b\n/* c */ CREATE TABLE a (b int); CREATE TABLE c (d int) # e"
    answer = grade_mysql(sql)
    assert [each.rule for each in answer.worst_first] == [
        "mysql.no-transaction",
        "mysql.create-table",
        "mysql.create-table",
    ]
