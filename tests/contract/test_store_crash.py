"""The SQL store when its process is killed in the middle of commits, and when the disk fails during one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from controller.adapters.store.sql import SqlStore
from controller.ports import Commit, Page
from tests.contract.conftest import ON_POSTGRES, a_release
from tests.contract.postgres_stage import programs

pytestmark = pytest.mark.timeout(60)

KILLS = 4
PATIENCE_S = 30


SERVER = [pytest.param("postgres_url", id="postgres", marks=ON_POSTGRES)] if programs() else []
PLACES = [pytest.param("sql_path", id="sqlite"), *SERVER]


@pytest.fixture
def sql_path_or_url(request: pytest.FixtureRequest) -> Path | str:
    found: Path | str = request.getfixturevalue(request.param)
    return found


def start(path: Path | str, limit_bytes: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.contract.store_process", str(path), str(limit_bytes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill_after(path: Path | str, commits: int) -> int:
    """Kill a process in the middle of its commits; the last one that it knew to be durable."""
    with start(path) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(commits)]
        process.kill()
        lines += process.stdout.readlines()  # what it had printed before the kill reached it
    whole = [line for line in lines if line.endswith("\n")]
    return int(whole[-1])


def assert_whole(path: Path | str, revision: int) -> None:
    """Release, records and messages are those of exactly ``revision`` commits after the first."""
    store = SqlStore.open(path)
    release = store.release("r-1")
    assert release is not None
    assert release.revision == revision
    check = store.verify_audit()
    assert check.ok, check.trouble
    assert check.records == 2 * (revision - 1)
    texts = [record.draft.text for record in store.audit(Page(limit=2), newest_first=True)]
    assert texts == [f"{revision} second", f"{revision} first"]
    assert len(store.outbox_due(1e12, 100_000)) == min(revision - 1, 1_000)
    store.close()


@pytest.mark.parametrize("sql_path_or_url", PLACES, indirect=True)
def test_kill_9_in_the_middle_of_commits_loses_none_and_leaves_no_half_one(sql_path_or_url: Path | str) -> None:
    sql_path = sql_path_or_url
    store = SqlStore.open(sql_path)
    store.commit(Commit(create=a_release()))
    store.close()
    for turn in range(KILLS):
        printed = kill_after(sql_path, 5 + 7 * turn)
        store = SqlStore.open(sql_path)
        release = store.release("r-1")
        store.close()
        assert release is not None
        assert release.revision in {printed, printed + 1}, "a commit that returned is there, and at most one more"
        assert_whole(sql_path, release.revision)


def test_a_disk_that_fails_during_a_commit_leaves_no_half_one_and_the_store_works_again(sql_path: Path) -> None:
    store = SqlStore.open(sql_path)
    store.commit(Commit(create=a_release()))
    store.close()
    with start(sql_path, limit_bytes=400_000) as process:
        output, _ = process.communicate(timeout=PATIENCE_S)
    *numbers, trouble, revision, verified = output.splitlines()
    assert process.returncode == 0
    assert len(numbers) > 3
    assert trouble.startswith("Unknown: "), "an error of COMMIT itself: the caller has to read first"
    assert "disk" in trouble
    seen = int(revision.removeprefix("revision "))
    assert seen in {int(numbers[-1]), int(numbers[-1]) + 1}
    assert verified == f"verified True {2 * (seen - 1) + 1}"
    again = SqlStore.open(sql_path)
    assert again.verify_audit().records == 2 * (seen - 1) + 1
    again.close()
