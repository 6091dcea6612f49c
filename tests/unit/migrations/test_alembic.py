"""Alembic revisions: plain operations are rendered and graded, everything else is opaque and never run."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from controller.adapters.migrations import rendering
from controller.adapters.migrations.grading import grade_alembic
from controller.adapters.migrations.parsing import find_parser
from controller.adapters.migrations.render_worker import answer
from controller.adapters.migrations.rendering import render_alembic
from controller.adapters.migrations.revision import Opaque, operations_of
from gates.grades import Grade

HEAD = '''"""add note"""
from collections.abc import Sequence

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision: str = "ab12"
down_revision: str | None = "ab11"
branch_labels = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
'''
NOTE = 'op.add_column("parcel", sa.Column("note", sa.String(length=20), server_default=sa.text("now()")))'


def revision(body: str, head: str = HEAD) -> str:
    return head + textwrap.indent(textwrap.dedent(body), "    ") + "\n\ndef downgrade() -> None:\n    helper()\n"


def sql_of(body: str) -> str:
    told = answer(revision(body).encode())
    assert "sql" in told, told
    return " ".join(told["sql"].split())


@pytest.mark.parametrize(
    ("body", "sql"),
    [
        (NOTE, "BEGIN; ALTER TABLE parcel ADD COLUMN note VARCHAR(20) DEFAULT now(); COMMIT;"),
        ('op.execute("DROP TABLE x")', "BEGIN; DROP TABLE x; COMMIT;"),
        ('op.drop_column("parcel", "note")', "BEGIN; ALTER TABLE parcel DROP COLUMN note; COMMIT;"),
        (
            "with op.get_context().autocommit_block():\n"
            "    op.create_index('i', 'p', ['a'], postgresql_concurrently=True)",
            "BEGIN; COMMIT; CREATE INDEX CONCURRENTLY i ON p (a); BEGIN; COMMIT;",
        ),
        (
            "with op.batch_alter_table('p', schema=None) as batch_op:\n"
            "    batch_op.drop_constraint('c', type_='check')",
            "BEGIN; ALTER TABLE p DROP CONSTRAINT c; COMMIT;",
        ),
        (
            'op.create_table("p", sa.Column("j", postgresql.JSONB(astext_type=sa.Text())))',
            "BEGIN; CREATE TABLE p ( j JSONB ); COMMIT;",
        ),
        ('"""words"""\npass', "BEGIN; COMMIT;"),
    ],
)
def test_plain_operations_are_rendered_as_alembic_does(body: str, sql: str) -> None:
    assert sql_of(body) == sql


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("if not op.get_context().is_offline_mode():\n    op.drop_table('p')", "If may do another thing"),
        ("for name in ['a', 'b']:\n    op.drop_table(name)", "For may do another thing"),
        ("bind = op.get_bind()", "Assign may do another thing"),
        ("op.get_bind().execute('DROP TABLE p')", "is on no list"),
        ("op.execute(f'DROP TABLE {1}')", "JoinedStr is computed"),
        ("op.execute('DROP ' + 'TABLE p')", "BinOp is computed"),
        ("op.execute('DROP {}'.format('x'))", "is on no list"),
        ("op.execute(open('/etc/passwd').read())", "is on no list"),
        ("op.execute(helper())", "it uses helper"),
        ("print('x')", "it uses print"),
        ("op.execute.__globals__", "is on no list"),
        ("op.impl.execute('x')", "is on no list"),
        ("op.get_context().connection.execute('x')", "is on no list"),
        ("sa.create_engine('sqlite://')", "is on no list"),
        ("sa.util.langhelpers", "is on no list"),
        ("op.execute((lambda: 'x')())", "computed when it runs"),
        ("op.execute([x for x in 'ab'])", "is computed"),
        ("import os\nos.system('x')", "Import may do another thing"),
        ("with op.batch_alter_table('p') as op:\n    op.drop_table('q')", "another meaning"),
        ("with op.batch_alter_table('p') as sa:\n    pass", "another meaning"),
        ("raise ValueError", "Raise may do another thing"),
        ("yield", "is computed"),
    ],
)
def test_anything_else_is_opaque(body: str, told: str) -> None:
    with pytest.raises(Opaque, match=told):
        operations_of(revision(body))


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (HEAD.replace("from alembic import op", "from alembic import op, context"), "it imports alembic.context"),
        ("import os\n" + HEAD, "it imports os"),
        ("from shop.models import Base\n" + HEAD, "it imports shop.models.Base"),
        ("from .helpers import x\n" + HEAD, "it imports helpers.x"),
        ("from . import typing\n" + HEAD, "it imports typing"),
        ("print('now')\n" + HEAD, "runs when it is imported"),
        ("class A: pass\n" + HEAD, "ClassDef beside the functions"),
        ("x = print('now')\n" + HEAD, "Assign beside the functions"),
        (HEAD.replace("def upgrade", "@print\ndef upgrade"), "runs when it is imported|one plain function"),
        (HEAD.replace("upgrade()", "upgrade(engine)"), "without arguments"),
        (HEAD + "    pass\n\n\ndef upgrade():\n", "one plain function"),
        (HEAD.replace("upgrade", "forward"), "no function upgrade"),
        ("from django.db import migrations\n" + HEAD, "it imports django.db.migrations"),
        ("def x(:\n" + HEAD, "no Python that can be read"),
    ],
)
def test_a_module_that_does_more_than_define_is_opaque(head: str, told: str) -> None:
    with pytest.raises(Opaque, match=told):
        operations_of(revision("pass", head))


def test_operations_that_alembic_refuses_are_opaque_in_its_words() -> None:
    assert "Alembic cannot render it" in answer(revision("op.drop_table()").encode())["opaque"]
    assert "Alembic cannot render it" in answer(revision("op(1)").encode())["opaque"]


@pytest.mark.real
@pytest.mark.timeout(60)
def test_a_revision_is_graded_by_the_sql_it_renders_to() -> None:
    answer = grade_alembic(revision(NOTE + '\nop.execute("DROP TABLE x")').encode(), find_parser())
    assert (answer.grade, answer.refused) == (Grade.G3, True)
    assert {"table.drop", "plan.mixed", "column.add"} <= {each.rule for each in answer.worst_first}


def test_an_opaque_revision_is_g3_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    answer = grade_alembic(f"open({str(mark)!r}, 'w')\n{revision('pass')}".encode(), find_parser())
    assert (answer.grade, answer.refused, answer.findings[0].rule) == (Grade.G3, True, "source.opaque")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "import json, os; print(json.dumps({'sql': 'SELECT 1 -- ' + os.environ['TZ']}))",
            "two renderings of it differ",
        ),
        (
            "import json; print(json.dumps({'sql': str(sorted({'a', 'b', 'c'}, key=hash))}))",
            "two renderings of it differ",
        ),
        ("raise SystemExit(4)", "status 4"),
        ("import os; os.kill(os.getpid(), 9)", "status -9"),
        ("import threading; threading.Event().wait()", "did not end within"),
    ],
)
def test_what_differs_or_fails_is_opaque(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str) -> None:
    (tmp_path / "pretender.py").write_text(code)
    surroundings = tuple({**each, "PYTHONPATH": str(tmp_path)} for each in rendering.SURROUNDINGS)
    monkeypatch.setattr(rendering, "SURROUNDINGS", surroundings)
    monkeypatch.setattr(rendering, "MODULE", "pretender")
    assert told in render_alembic(b"", timeout_s=0.7 if "wait" in code else 20).opaque


def test_bytes_that_a_reader_cannot_see_are_refused_in_python_too() -> None:
    answer = grade_alembic(revision(NOTE).encode() + "# \u202e".encode(), find_parser())
    assert answer.findings[0].rule == "text.bidi"
