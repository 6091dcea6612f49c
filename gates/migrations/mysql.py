"""Grades MySQL migrations by a short list of forms. There is no grammar behind it, so all that is not on it is G3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gates.grades import Grade
from gates.migrations.grade import refused
from gates.migrations.model import Answer, Finding, Lock, StatementReport, grade_of
from gates.migrations.mysql_words import Statement, Unclear, statements_of


@dataclass(frozen=True, slots=True)
class Form:
    """One form of statement that is known. ``matches`` sees its bare words."""

    id: str
    grade: Grade
    matches: Callable[[tuple[str, ...]], bool]
    reason: str
    remedy: str = ""
    lock: Lock = Lock.NONE


_ENDINGS = {"INSTANT": ("ALGORITHM", "=", "INSTANT"), "INPLACE": ("ALGORITHM", "=", "INPLACE")}
_UNSURE = frozenset({"SELECT", "PARTITION", "TABLESPACE", "DIRECTORY", "ENGINE", "CONNECTION", "REPLACE", "IGNORE"})
_ADD_COLUMN_WORDS = frozenset(
    {
        "FOREIGN",
        "REFERENCES",
        "UNIQUE",
        "PRIMARY",
        "KEY",
        "CHECK",
        "GENERATED",
        "AS",
        "AUTO_INCREMENT",
        "INDEX",
        "CONSTRAINT",
    }
)


_TABLE_OPTIONS = frozenset(
    {"ENGINE", "=", "INNODB", "DEFAULT", "CHARSET", "CHARACTER", "SET", "COLLATE", "COMMENT", "LITERAL",
     "AUTO_INCREMENT", "UTF8MB4", "UTF8MB4_0900_AI_CI", "UTF8MB4_UNICODE_CI", "UTF8MB4_BIN", "ROW_FORMAT", "DYNAMIC"}
)  # fmt: skip


def _starts(words: tuple[str, ...], *wanted: str) -> bool:
    return words[: len(wanted)] == wanted


def _commands(words: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """What follows ALTER TABLE name, cut at the commas outside brackets."""
    depth, parts = 0, [[]]  # type: tuple[int, list[list[str]]]
    for word in words[_after_name(words) :]:
        depth += (word == "(") - (word == ")")
        if word == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(word)
    return tuple(tuple(part) for part in parts)


def _after_name(words: tuple[str, ...]) -> int:
    """Past ALTER TABLE and a name that may hold a schema."""
    return 5 if words[3:4] == (".",) else 3


def _alters(*beginnings: tuple[str, ...]) -> Callable[[tuple[str, ...]], bool]:
    """An ALTER TABLE of which every command begins so, apart from ALGORITHM and LOCK."""

    def matches(words: tuple[str, ...]) -> bool:
        commands = [part for part in _commands(words) if part[:1] not in (("ALGORITHM",), ("LOCK",))]
        known = commands and all(any(_starts(part, *wanted) for wanted in beginnings) for part in commands)
        return _starts(words, "ALTER", "TABLE") and bool(known) and not _UNSURE & set(words)

    return matches


def _asks(words: tuple[str, ...], algorithm: str) -> bool:
    return _ENDINGS[algorithm] in _commands(words) or _contains(words, _ENDINGS[algorithm])


def _contains(words: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return any(words[at : at + len(wanted)] == wanted for at in range(len(words)))


_ADDS_COLUMN = _alters(("ADD", "COLUMN"))
_ADDS_INDEX = _alters(("ADD", "INDEX"), ("ADD", "KEY"), ("ADD", "UNIQUE", "INDEX"), ("ADD", "UNIQUE", "KEY"))


def _plain_column(words: tuple[str, ...]) -> bool:
    """Nothing but type, NULL or NOT NULL, and a constant default."""
    default = "DEFAULT" not in words or not _contains(words, ("DEFAULT", "("))
    bare_not_null = any(_contains(part, ("NOT", "NULL")) and "DEFAULT" not in part for part in _commands(words))
    return default and not bare_not_null and not _ADD_COLUMN_WORDS & set(words)


def _creates_index(words: tuple[str, ...]) -> bool:
    return _starts(words, "CREATE", "INDEX") or _starts(words, "CREATE", "UNIQUE", "INDEX")


def _online(words: tuple[str, ...]) -> bool:
    return _asks(words, "INPLACE") and _contains(words, ("LOCK", "=", "NONE"))


def _creates_table(words: tuple[str, ...]) -> bool:
    """CREATE TABLE name ( ... ) and then nothing but ordinary options of storage."""
    if not _starts(words, "CREATE", "TABLE") or {"SELECT", "LIKE", "AS"} & set(words) or "(" not in words:
        return False
    depth, end = 0, 0
    for at, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if word == ")" and depth == 0:
            end = end or at
    return depth == 0 and set(words[end + 1 :]) <= _TABLE_OPTIONS and "(" in words[:7]


def _inserts_constants(words: tuple[str, ...]) -> bool:
    if not _starts(words, "INSERT", "INTO") or "VALUES" not in words:
        return False
    return set(words[words.index("VALUES") + 1 :]) <= {
        "(",
        ")",
        ",",
        "LITERAL",
        "NULL",
        "TRUE",
        "FALSE",
        "-",
        "DEFAULT",
    }


FORMS = (
    Form("mysql.create-table", Grade.G0, lambda words: _creates_table(words) and "REFERENCES" not in words,
         "a new table; nothing else is touched"),
    Form("mysql.create-table-reference", Grade.G1, lambda words: _creates_table(words) and "REFERENCES" in words,
         "a foreign key locks the referenced table for a moment"),
    Form("mysql.add-column-instant", Grade.G1,
         lambda words: _ADDS_COLUMN(words) and _plain_column(words) and _asks(words, "INSTANT"),
         "the server refuses it rather than copy the table; it cannot be rolled back"),
    Form("mysql.add-column", Grade.G2,
         lambda words: _ADDS_COLUMN(words) and not (_plain_column(words) and _asks(words, "INSTANT")),
         "the server may copy the table while writes wait", "a plain column with ALGORITHM=INSTANT", Lock.SHARE),
    Form("mysql.add-index-online", Grade.G1,
         lambda words: (_ADDS_INDEX(words) or _creates_index(words)) and _online(words),
         "the server refuses it rather than stop writes"),
    Form("mysql.add-index", Grade.G2,
         lambda words: (_ADDS_INDEX(words) or _creates_index(words)) and not _online(words),
         "writes may wait until the index is built", "ALGORITHM=INPLACE, LOCK=NONE", Lock.SHARE),
    Form("mysql.drop-index", Grade.G2,
         lambda words: _starts(words, "DROP", "INDEX") or _alters(("DROP", "INDEX"), ("DROP", "KEY"))(words),
         "queries may get slow, and a unique index no longer forbids duplicates", "make it INVISIBLE first"),
    Form("mysql.change-column", Grade.G2,
         _alters(("MODIFY",), ("CHANGE",), ("ALTER", "COLUMN"), ("RENAME", "COLUMN")),
         "a change of type copies the table while writes wait; a new name breaks the running version",
         "a new column, or an online tool", Lock.SHARE),
    Form("mysql.rename-table", Grade.G2,
         lambda words: _starts(words, "RENAME", "TABLE") or _alters(("RENAME", "TO"), ("RENAME", "AS"))(words),
         "the running version uses the old name and fails", "a view under the old name"),
    Form("mysql.insert", Grade.G1, _inserts_constants, "new rows of constants"),
)  # fmt: skip


def grade_mysql(text: str, forms: tuple[Form, ...] = FORMS) -> Answer:
    """The grade of ``text``. Other forms than the real ones are for tests of the list."""
    try:
        statements = statements_of(text)
    except Unclear as error:
        return refused("mysql", "mysql.unclear", str(error), "write it in plain SQL")
    if not statements:
        return refused(
            "mysql", "plan.empty", "it holds no statement, so what it does is not in the text", "hand in SQL"
        )
    reports = tuple(_report(index, statement, forms) for index, statement in enumerate(statements))
    together = tuple(_no_way_back(len(statements)))
    grade = grade_of(together + tuple(each for report in reports for each in report.findings))
    told = "MySQL is graded by a short list of forms, without its grammar; sizes and types are not known"
    return Answer("mysql", grade, False, reports, together, (told,))


def _report(index: int, statement: Statement, forms: tuple[Form, ...]) -> StatementReport:
    found = tuple(
        Finding(form.id, form.grade, form.reason, form.remedy, index, lock=form.lock)
        for form in forms
        if form.matches(statement.bare)
    )
    if not found:
        reason = "it is not on the short list of MySQL forms, so it may do anything"
        found = (Finding("mysql.unknown", Grade.G3, reason, "a form on the list", index, lock=Lock.UNKNOWN),)
    lock = max((each.lock for each in found), key=tuple(Lock).index)
    return StatementReport(index, statement.text, statement.bare[0], grade_of(found), lock, None, found)


def _no_way_back(count: int) -> Iterator[Finding]:
    if count > 1:
        yield Finding(
            "mysql.no-transaction", Grade.G1,
            "MySQL commits at every change of schema: if one fails, those before it stay", "one statement per plan",
        )  # fmt: skip
