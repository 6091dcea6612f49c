"""The store on PostgreSQL when the server is away, silent, full, read-only or another's, and what it never tells."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import bindparam, text, update

from controller.adapters.store.errors import NotAStore, SchemaTooNew, SchemaTooOld
from controller.adapters.store.schema import anchor
from controller.adapters.store.sql import SqlStore
from controller.ports import Commit, Conflict, Fenced, Page, PortError, Refused, Unavailable, Unknown
from tests.contract.conftest import IMPATIENT, ON_POSTGRES, a_draft, a_release, assert_empty, everything, stored
from tests.contract.postgres_stage import Server, programs, running

pytestmark = [*ON_POSTGRES, pytest.mark.skipif(programs() is None, reason="left out, see the end of the run")]

SECRET = "s3cr3t-Pa55"


def name_of(url: str) -> str:
    return url.split("/")[3].split("?")[0]


def writer_pid(store: SqlStore) -> int:
    """Of the server's process that the store's writer talks to."""
    with store._connections.define() as connection:
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def at_commit(server: Server, url: str, what: str) -> None:
    """Have the server do ``what`` while it carries out the COMMIT of a release."""
    server.sql(
        f"""CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER trouble AFTER INSERT ON releases DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION trouble();""",
        name_of(url),
    )


def test_two_controllers_chain_without_a_gap_and_the_older_is_fenced(here: SqlStore, postgres_url: str) -> None:
    with closing(SqlStore.open(postgres_url)) as other:
        old = here.lead("old", 1.0)
        here.commit(Commit((a_draft("1"),), epoch=old))
        new = other.lead("new", 2.0)
        with pytest.raises(Fenced, match="epoch 1 is over"):
            here.commit(everything(old))
        assert_nothing_more(other, 1)
        other.commit(Commit((a_draft("2"),), epoch=new))
        here.commit(Commit((a_draft("3"),)))
        assert [record.draft.text for record in other.audit(Page())] == ["1", "2", "3"]
        assert here.verify_audit().records == 3


def test_two_controllers_that_write_at_once_leave_one_chain_and_exactly_one_wins_each_swap(postgres_url: str) -> None:
    stores = [SqlStore.open(postgres_url), SqlStore.open(postgres_url)]
    with closing(stores[0]), closing(stores[1]):
        stores[0].commit(Commit(create=a_release()))
        for revision in range(1, 13):
            gate = Barrier(len(stores), timeout=10)

            def swap(store: SqlStore, revision: int = revision, gate: Barrier = gate) -> str:
                gate.wait()
                try:
                    drafts = tuple(a_draft(str(number)) for number in range(3))
                    store.commit(Commit(drafts, release=replace(a_release(), revision=revision)))
                except Conflict:
                    return "Conflict"
                return "done"

            with ThreadPoolExecutor(2) as pool:
                assert sorted(pool.map(swap, stores)) == ["Conflict", "done"]
        check = stores[0].verify_audit()
        assert (check.ok, check.records) == (True, 36)


def test_two_controllers_that_write_at_once_about_different_things_leave_one_chain(postgres_url: str) -> None:
    stores = [SqlStore.open(postgres_url), SqlStore.open(postgres_url)]
    gate = Barrier(len(stores), timeout=10)

    def write(store: SqlStore) -> None:
        gate.wait()
        for number in range(40):
            store.commit(Commit((a_draft(str(number)), a_draft("again"))))

    with closing(stores[0]), closing(stores[1]):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(write, stores))
        check = stores[0].verify_audit()
        assert (check.ok, check.records) == (True, 160)


def assert_nothing_more(store: SqlStore, records: int) -> None:
    assert store.release("r-1") is None
    assert store.verify_audit().records == records


def test_while_another_process_commits_a_writer_waits_its_limit_and_says_so(here: SqlStore, postgres_url: str) -> None:
    other = SqlStore.open(postgres_url)
    with other._connections.define() as connection:
        connection.execute(text("SELECT * FROM anchor FOR UPDATE"))
        with pytest.raises(Unavailable, match="holds the lock of the writers"):
            here.commit(Commit((a_draft(),)))
        assert here.audit(Page()) == [], "reading goes on meanwhile"
    assert len(here.commit(Commit((a_draft(),)))) == 1
    other.close()


def test_a_connection_that_was_lost_while_nobody_used_it_costs_no_commit(
    here: SqlStore, postgres: Server, postgres_url: str
) -> None:
    here.commit(Commit((a_draft(),)))
    postgres.sql(f"SELECT pg_terminate_backend({writer_pid(here)})")
    assert [record.seq for record in here.commit(Commit((a_draft(),)))] == [2]


def test_a_silent_server_keeps_nobody_waiting_longer_than_the_limit(here: SqlStore) -> None:
    here.commit(Commit((a_draft(),)))
    with frozen(writer_pid(here)):
        began_s = time.monotonic()
        here.commit(Commit((a_draft(),)))
        assert time.monotonic() - began_s < 10.0, "another of the server's processes answers"


def test_a_server_that_falls_silent_in_a_transaction_leaves_nothing_of_it(here: SqlStore) -> None:
    pid = writer_pid(here)

    def change() -> None:
        with here._connections.write() as transaction:
            transaction.run(update(anchor).values(epoch=bindparam("to")), {"to": 7})
            with frozen(pid):
                transaction.run(update(anchor).values(epoch=bindparam("to")), {"to": 8})

    with pytest.raises(Unavailable, match="not answered within"):
        change()
    assert here.lead("a", 1.0) == 1


def test_a_server_that_falls_silent_during_a_commit_leaves_it_open_whether_it_happened(here: SqlStore) -> None:
    pid = writer_pid(here)
    with ExitStack() as meanwhile, pytest.raises(Unknown, match="read before you repeat"), here._connections.write():
        meanwhile.enter_context(frozen(pid))
    assert here.lead("a", 1.0) == 1


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_connection_lost_during_a_commit_leaves_it_open_whether_it_happened(
    here: SqlStore, postgres: Server, postgres_url: str
) -> None:
    at_commit(postgres, postgres_url, "PERFORM pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(Unknown, match="may or may not be there"):
        here.commit(Commit((a_draft(),), create=a_release()))
    assert here.release("r-1") is None


@pytest.mark.parametrize(
    ("state", "kind", "says"),
    [
        ("53100", Unavailable, "disk is full"),
        ("40001", Conflict, "another writer"),
        ("40P01", Conflict, "another writer"),
        ("58030", Unknown, "may or may not be there"),
    ],
)
def test_an_error_of_the_commit_itself_is_told_as_what_it_means(
    here: SqlStore, postgres: Server, postgres_url: str, state: str, kind: type[PortError], says: str
) -> None:
    at_commit(postgres, postgres_url, f"RAISE EXCEPTION 'as planned' USING ERRCODE = '{state}'")
    with pytest.raises(kind, match=says) as caught:
        here.commit(Commit((a_draft(),), create=a_release()))
    assert type(caught.value) is kind
    assert_nothing_more(here, 0)
    assert len(here.commit(Commit((a_draft(),)))) == 1


@pytest.mark.parametrize(("state", "kind"), [("53100", Unavailable), ("40001", Conflict)])
def test_an_error_before_the_commit_leaves_nothing(
    here: SqlStore, postgres: Server, postgres_url: str, state: str, kind: type[PortError]
) -> None:
    postgres.sql(
        f"""CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'as planned' USING ERRCODE = '{state}'; END $$;
        CREATE TRIGGER trouble BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION trouble();""",
        name_of(postgres_url),
    )
    with pytest.raises(kind):
        here.commit(everything())
    assert_empty(here)


def test_a_character_that_the_database_cannot_keep_keeps_no_record_from_being_written(here: SqlStore) -> None:
    record = here.commit(Commit((a_draft("said \x00 nothing"),)))[0]
    assert here.audit(Page()) == [record]
    assert here.verify_audit().ok
    with pytest.raises(Refused, match="cannot keep"):
        here.release("r-\x00")


def test_a_reading_connection_cannot_write(here: SqlStore) -> None:
    with pytest.raises(Unavailable, match="takes no writes"), here._connections.read() as connection:
        connection.execute(text("DELETE FROM audit"))


def test_a_store_uses_a_bounded_number_of_connections(here: SqlStore, postgres: Server, postgres_url: str) -> None:
    with here._connections.read(), here._connections.read():
        with pytest.raises(Unavailable, match="no reader"):
            here.release("r-1")
        count = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name_of(postgres_url)}'"
        assert postgres.sql(count).out == ["3"]


def test_a_database_of_something_else_is_not_touched(postgres: Server, postgres_url: str) -> None:
    postgres.sql("CREATE TABLE diary (day text)", name_of(postgres_url))
    with pytest.raises(NotAStore, match="something else"):
        SqlStore.open(postgres_url)
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert postgres.sql(tables, name_of(postgres_url)).out == ["diary"]


def test_a_database_that_cannot_keep_every_text_is_refused(postgres: Server) -> None:
    postgres.sql("CREATE DATABASE narrow TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(NotAStore, match="ENCODING 'UTF8'"):
        SqlStore.open(postgres.url("narrow"))


def test_another_schema_is_refused_with_what_to_do(
    here: SqlStore, postgres: Server, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.sql("UPDATE alembic_version SET version_num = '9999'", name_of(postgres_url))
    with pytest.raises(SchemaTooNew, match="use the version that wrote it"):
        SqlStore.open(postgres_url)
    postgres.sql("UPDATE alembic_version SET version_num = '0001'", name_of(postgres_url))
    monkeypatch.setattr("controller.adapters.store.opening.REVISIONS", ("0001", "0002"))
    with pytest.raises(SchemaTooOld, match="migrate"):
        SqlStore.open(postgres_url)


def test_a_database_or_a_server_that_is_not_there_is_named(postgres: Server) -> None:
    with pytest.raises(Unavailable, match="does not exist"):
        SqlStore.open(postgres.url("nowhere"))
    with pytest.raises(Unavailable, match="No such file or directory"):
        SqlStore.open("postgresql://boss@/shop?host=/nonexistent")
    with pytest.raises(Unavailable, match="refused"):
        SqlStore.open("postgresql://boss@127.0.0.1:1/shop")


def test_of_several_hosts_the_one_that_answers_is_used(postgres: Server, postgres_url: str) -> None:
    url = postgres_url.replace("host=", "host=/nonexistent,")
    store = SqlStore.open(url)
    store.commit(everything())
    assert store.release("r-1") == stored(a_release())
    store.close()


def test_a_user_who_may_not_make_tables_is_told_what_is_needed(postgres: Server, postgres_url: str) -> None:
    postgres.sql("DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    with pytest.raises(Unavailable, match="may not do that"):
        SqlStore.open(postgres_url.replace("boss@", "guest@"))


BAD_URLS = {
    f"postgresql://boss:{SECRET}@db/shop": "storePasswordFile",
    f"postgresql://boss@db/shop?password={SECRET}": "storePasswordFile",
    "postgresql://boss@db/shop?options=-cfsync%3Doff": "options",
    "postgresql://boss@db": "database|dbname",
    "postgresql://db/shop": "user",
    f"postgresql://boss:{SECRET}@db:port/shop?x=%zz": "cannot be read",
}


@pytest.mark.parametrize("url", BAD_URLS, ids=range(len(BAD_URLS)))
def test_a_url_that_cannot_be_used_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(Refused, match=BAD_URLS[url]) as caught:
        SqlStore.open(url)
    assert SECRET not in str(caught.value)


@contextmanager
def closed_server() -> Iterator[Server]:
    """One of this test's own, which asks for a password."""
    folder = programs()
    assert folder is not None
    with running(folder) as server:
        server.sql(f"CREATE ROLE shop LOGIN PASSWORD '{SECRET}'; CREATE DATABASE shop OWNER shop")
        rules = server.data / "pg_hba.conf"
        rules.write_text("local all boss trust\nlocal all all scram-sha-256\n")
        server.sql("SELECT pg_reload_conf()")
        yield server


def chain_of(trouble: BaseException | None) -> str:
    told = ""
    while trouble is not None:
        told += f"{trouble!r} {trouble}"
        trouble = trouble.__cause__ or trouble.__context__
    return told


def test_the_password_is_asked_for_again_and_is_in_no_error_and_in_no_log_of_the_server() -> None:
    password = "wrong-" + SECRET
    with closed_server() as server:
        url = server.url("shop", "shop")
        with pytest.raises(Unavailable, match="password") as caught:
            SqlStore.open(url, password=lambda: password)
        assert SECRET not in chain_of(caught.value)
        with pytest.raises(Unavailable, match="password"):
            SqlStore.open(url)
        password = SECRET
        store = SqlStore.open(url, password=lambda: password)
        store.commit(everything())
        password = "changed-" + SECRET
        server.sql(f"ALTER ROLE shop PASSWORD '{password}'")
        postmaster_goes_and_comes(server)
        assert eventually(store) == stored(a_release())
        store.close()
        assert SECRET not in server.log


def postmaster_goes_and_comes(server: Server) -> None:
    server.stop()
    server.start()


def eventually(store: SqlStore) -> object:
    """A pooled connection that the crash broke fails once; the pool is new afterwards."""
    with suppress(Unavailable):
        store.release("r-1")
    return store.release("r-1")


def test_a_server_that_crashed_takes_the_next_commit_and_has_lost_none() -> None:
    folder = programs()
    assert folder is not None
    with running(folder) as server:
        store = SqlStore.open(server.url(), IMPATIENT)
        store.commit(everything(store.lead("a", 1.0)))
        server.stop()
        with pytest.raises(Unavailable):
            store.commit(Commit((a_draft(),)))
        with pytest.raises(Unavailable):
            store.release("r-1")
        server.start()
        store.commit(Commit((a_draft(),), epoch=1, release=stored(a_release())))
        assert store.verify_audit().records == 3
        store.close()


def test_a_server_that_became_a_standby_takes_nothing_and_says_so() -> None:
    folder = programs()
    assert folder is not None
    with running(folder) as server:
        store = SqlStore.open(server.url(), IMPATIENT)
        store.commit(everything())
        server.stop("fast")
        (server.data / "standby.signal").touch()
        server.start()
        with pytest.raises(Unavailable, match=r"read-only|takes no writes"):
            store.commit(Commit((a_draft(),)))
        assert eventually(store) == stored(a_release()), "reading goes on"
        server.stop("fast")
        (server.data / "standby.signal").unlink()
        server.start()
        assert len(store.commit(Commit((a_draft(),)))) == 1
        store.close()
