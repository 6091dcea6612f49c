"""One controller at a time on one server: who waits, who is refused, and what comes after the server was away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from controller.adapters.store.location import no_password, turn_on
from controller.adapters.store.turn import Turn
from controller.main import DataDirectoryBusy, _Later, build, migrate_store, opened_store
from controller.ports import Commit, Fenced, Refused, Unavailable
from controller.runtime.node import Node
from controller.settings import Settings
from tests.contract.conftest import ON_POSTGRES, a_draft
from tests.contract.postgres_stage import Server, programs

pytestmark = [*ON_POSTGRES, pytest.mark.skipif(programs() is None, reason="left out, see the end of the run")]

HOLD = """
import sys
from controller.adapters.store.location import no_password, turn_on
turn = turn_on(sys.argv[1], no_password)
turn.take(0.0)
print("held", flush=True)
sys.stdin.read()
"""
SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = "
SESSIONS += "(SELECT oid FROM pg_database WHERE datname = current_database())"


def name_of(url: str) -> str:
    return url.split("/")[3].split("?")[0]


def settings(tmp_path: Path, url: str, name: str = "data", **more: Any) -> Settings:
    return Settings.model_validate({"dataDir": tmp_path / name, "store": url, **more})


def test_a_second_controller_is_refused_until_the_first_lets_go(turn: Turn, other: Turn) -> None:
    turn.take(0.0)
    turn.keep()
    with pytest.raises(Refused, match="another interlock runs on the store postgresql://"):
        other.take(0.3)
    turn.close()
    other.take(0.0)


def test_another_database_of_the_same_server_has_a_turn_of_its_own(turn: Turn, postgres: Server) -> None:
    turn.take(0.0)
    beside = turn_on(postgres.url(), no_password)
    beside.take(0.0)
    beside.close()


def test_a_controller_that_is_killed_loses_its_turn_at_once(postgres_url: str, other: Turn) -> None:
    command = [sys.executable, "-c", HOLD, postgres_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(Refused):
            other.take(0.0)
        process.kill()
        other.take(5.0)


def test_a_turn_is_taken_anew_after_its_session_was_lost(
    turn: Turn, other: Turn, postgres: Server, postgres_url: str
) -> None:
    turn.take(0.0)
    postgres.sql(SESSIONS, name_of(postgres_url))
    turn.keep()
    with pytest.raises(Refused):
        other.take(0.0)


def test_a_turn_that_another_took_meanwhile_is_not_taken_back(
    turn: Turn, other: Turn, postgres: Server, postgres_url: str
) -> None:
    turn.take(0.0)
    postgres.sql(SESSIONS, name_of(postgres_url))
    other.take(1.0)
    for _ in range(2):
        with pytest.raises(Refused, match="another interlock runs"):
            turn.keep()


def test_without_a_server_the_turn_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file or directory"):
        turn_on(f"postgresql://boss@/shop?host={tmp_path}", no_password).take(0.0)


def test_one_controller_builds_on_a_store_and_a_second_with_its_own_data_directory_is_refused(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.main.TURN_S", 0.3)
    node = build(settings(tmp_path, postgres_url))
    with pytest.raises(Refused, match="another interlock runs on the store"):
        build(settings(tmp_path, postgres_url, "other"))
    with pytest.raises(DataDirectoryBusy):
        build(settings(tmp_path, postgres_url))
    with pytest.raises(Refused):
        migrate_store(settings(tmp_path, postgres_url, "other"), apply=True)
    node.stop()
    with opened_store(settings(tmp_path, postgres_url, "other")) as held:
        assert held.store.epoch() == 1
    assert not (tmp_path / "data" / "interlock.db").exists()


def test_a_controller_that_lost_its_turn_and_was_overtaken_is_fenced_and_lets_the_next_one_start(
    tmp_path: Path, postgres: Server, postgres_url: str
) -> None:
    old = build(settings(tmp_path, postgres_url))
    postgres.sql(SESSIONS, name_of(postgres_url))
    new = build(settings(tmp_path, postgres_url, "other"))
    with pytest.raises(Fenced, match="epoch 1 is over"):
        old.doors.store.commit(Commit((a_draft(),), epoch=1))
    new.stop()
    old.stop()
    again = build(settings(tmp_path, postgres_url, "other"))
    assert again.doors.store.epoch() == 3
    again.stop()


def test_a_controller_that_does_not_lead_any_more_lets_its_turn_go(turn: Turn, other: Turn) -> None:
    class Fenced:
        leads = True

        def leading(self) -> bool:
            return self.leads

    later, node = _Later(), Fenced()
    later.turn, later.node = turn, cast(Node, node)
    turn.take(0.0)
    later.keep_turn()
    with pytest.raises(Refused):
        other.take(0.0)
    node.leads = False
    later.keep_turn()
    other.take(0.0)


def test_the_password_is_read_from_its_file_for_each_connection(tmp_path: Path, postgres_url: str) -> None:
    file = tmp_path / "password"
    made = settings(tmp_path, postgres_url, storePasswordFile=file)
    with pytest.raises(Unavailable, match=r"password file .* cannot be read"):
        build(made)
    file.write_text("ignored by a server that asks for none\n")
    build(made).stop()
