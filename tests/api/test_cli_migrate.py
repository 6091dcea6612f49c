"""`interlock migrate` as a person runs it: what is pending, applying it, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from controller.adapters.store.schema import REVISIONS
from controller.adapters.store.sql import SqlStore
from controller.main import opened_store
from controller.settings import Settings
from tests.contract.test_store_audit import edit

NEWEST = REVISIONS[-1]


def migrate(directory: Path, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "api.cli", "migrate", "--data-dir", str(directory), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=Path.cwd())
    return ended.returncode, " ".join((ended.stdout + ended.stderr).split())


def test_what_is_pending_is_shown_and_only_applied_when_asked(tmp_path: Path) -> None:
    code, told = migrate(tmp_path)
    assert code == 0
    assert f"nothing yet; to apply: {', '.join(REVISIONS)} (interlock migrate --apply)" in told
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"
    code, told = migrate(tmp_path, "--apply")
    assert code == 0
    assert f"nothing yet before, applied {', '.join(REVISIONS)}" in told
    code, told = migrate(tmp_path)
    assert code == 0
    assert f"schema {NEWEST}, which is what this version needs; nothing to apply" in told
    SqlStore.open(tmp_path / "interlock.db").close()


@pytest.mark.parametrize("arguments", [(), ("--apply",)])
def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    path = tmp_path / "interlock.db"
    SqlStore.open(path).close()
    edit(path, "UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    code, told = migrate(tmp_path, *arguments)
    assert code == 1
    assert "use the version that wrote it" in told
    assert path.read_bytes() == before


def test_a_store_in_use_is_refused(tmp_path: Path) -> None:
    with opened_store(Settings.model_validate({"dataDir": tmp_path})):
        code, told = migrate(tmp_path, "--apply")
    assert code == 1
    assert "another interlock runs on" in told
