"""The schema's history: it leads from nothing to exactly what the code uses, and migrating never loses anything."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from controller.adapters.store.errors import NotAStore, SchemaTooNew
from controller.adapters.store.migrate import SCRIPTS, Plan, migrate, plan
from controller.adapters.store.schema import METADATA, REVISIONS
from controller.adapters.store.sql import SqlStore
from controller.ports import Refused
from tests.contract.conftest import ON_POSTGRES, a_release, everything, stored
from tests.contract.postgres_stage import Server, programs
from tests.contract.test_store_audit import edit


def layout(path: Path) -> list[tuple[str, str]]:
    """Every table and index as SQLite keeps it: alembic does not compare the conditions of partial indexes."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
    connection.close()
    return sorted((name, " ".join((sql or "").split())) for name, sql in rows)


def statements(dump: str) -> list[str]:
    """In an order of their own: tables that were made in another order are the same tables."""
    return sorted(" ".join(part.split()) for part in dump.split("\n\n") if not part.strip().startswith(("\\", "--")))


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with sqlite3.connect(path) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    connection.close()
    return rows


def test_migrating_nothing_gives_the_store_that_opening_nothing_gives(tmp_path: Path) -> None:
    assert migrate(tmp_path / "migrated.db") == REVISIONS[-1]
    SqlStore.open(tmp_path / "opened.db").close()
    assert layout(tmp_path / "migrated.db") == layout(tmp_path / "opened.db")
    assert contents(tmp_path / "migrated.db") == contents(tmp_path / "opened.db")


def test_the_newest_schema_is_what_the_code_uses(sql_path: Path) -> None:
    migrate(sql_path)
    engine = create_engine(f"sqlite:///{sql_path}", poolclass=NullPool)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_the_code_knows_every_revision_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    walked = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(walked)) == REVISIONS


def test_a_migrated_store_works(sql_path: Path) -> None:
    migrate(sql_path)
    store = SqlStore.open(sql_path)
    store.commit(everything(store.lead("a", 1.0)))
    assert store.release("r-1") == stored(a_release())
    assert store.verify_audit().ok
    store.close()


def test_migrating_a_current_store_changes_nothing(sql_store: SqlStore, sql_path: Path) -> None:
    sql_store.commit(everything())
    sql_store.close()
    before = contents(sql_path)
    assert migrate(f"sqlite:///{sql_path}") == REVISIONS[-1]
    assert contents(sql_path) == before


def test_a_newer_store_is_not_migrated_down(sql_store: SqlStore, sql_path: Path) -> None:
    sql_store.close()
    edit(sql_path, "UPDATE alembic_version SET version_num = '9999'")
    before = contents(sql_path)
    with pytest.raises(SchemaTooNew):
        migrate(sql_path)
    assert contents(sql_path) == before


def test_a_database_of_something_else_is_not_migrated(sql_path: Path) -> None:
    edit(sql_path, "CREATE TABLE diary (day TEXT)")
    before = layout(sql_path)
    with pytest.raises(NotAStore):
        migrate(sql_path)
    assert layout(sql_path) == before


def test_a_migration_that_fails_leaves_nothing(sql_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr("alembic.operations.Operations.bulk_insert", fail)
    monkeypatch.setattr("alembic.op.bulk_insert", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        migrate(sql_path)
    assert layout(sql_path) == []
    SqlStore.open(sql_path).close()


def test_a_path_with_a_percent_sign_can_be_migrated(tmp_path: Path) -> None:
    path = tmp_path / "100%s"
    path.mkdir()
    assert migrate(path / "interlock.db") == REVISIONS[-1]


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(Refused):
        migrate("mysql://host/db")


def test_the_store_is_opened_without_alembic() -> None:
    program = (
        "import sys; from controller.adapters.store.sql import SqlStore; from controller.adapters.store import migrate;"
        "SqlStore.open(':memory:').close(); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 0


def test_what_would_be_applied_is_told_and_not_done(sql_path: Path) -> None:
    assert plan(sql_path) == Plan(str(sql_path), None, REVISIONS)
    assert layout(sql_path) == []
    migrate(sql_path)
    assert plan(sql_path) == Plan(str(sql_path), REVISIONS[-1], ())


def test_what_would_be_applied_to_a_newer_store_is_refused(sql_store: SqlStore, sql_path: Path) -> None:
    sql_store.close()
    edit(sql_path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew):
        plan(sql_path)


class TestOnPostgres:
    pytestmark: ClassVar = [*ON_POSTGRES, pytest.mark.skipif(programs() is None, reason="left out, see the end")]

    def test_migrating_nothing_gives_the_tables_that_opening_nothing_gives(
        self, postgres: Server, postgres_url: str
    ) -> None:
        name = postgres_url.split("/")[3].split("?")[0]
        opened_url = postgres_url.replace(name, f"{name}_opened")
        postgres.sql(f"CREATE DATABASE {name}_opened TEMPLATE template0")
        assert plan(postgres_url).pending == REVISIONS
        assert migrate(postgres_url) == REVISIONS[-1]
        SqlStore.open(opened_url).close()
        migrated, opened = postgres.layout(name), postgres.layout(f"{name}_opened")
        assert "CREATE UNIQUE INDEX releases_one_active" in opened
        assert 'COLLATE pg_catalog."C"' in opened
        assert statements(migrated) == statements(opened)

    def test_a_migrated_store_works_and_migrating_it_again_changes_nothing(self, postgres_url: str) -> None:
        migrate(postgres_url)
        store = SqlStore.open(postgres_url)
        store.commit(everything(store.lead("a", 1.0)))
        assert migrate(postgres_url) == REVISIONS[-1]
        assert store.release("r-1") == stored(a_release())
        assert store.verify_audit().ok
        store.close()

    def test_a_migration_that_fails_leaves_nothing(
        self, postgres: Server, postgres_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("in the middle")

        monkeypatch.setattr("alembic.operations.Operations.bulk_insert", fail)
        monkeypatch.setattr("alembic.op.bulk_insert", fail)
        with pytest.raises(RuntimeError, match="in the middle"):
            migrate(postgres_url)
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert postgres.sql(tables, postgres_url.split("/")[3].split("?")[0]).out == ["0"]
        SqlStore.open(postgres_url).close()

    def test_two_processes_that_open_an_empty_database_at_once_make_one_store(self, postgres_url: str) -> None:
        with ThreadPoolExecutor(4) as pool:
            stores = list(pool.map(lambda _: SqlStore.open(postgres_url), range(4)))
        assert [store.lead("a", 1.0) for store in stores] == [1, 2, 3, 4]
        for store in stores:
            store.close()
