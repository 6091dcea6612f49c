"""The kill switch's own file: durable when it says so, whole after a crash, and never forgetful when damaged."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from controller.ports import Unavailable
from controller.runtime import killfile
from controller.runtime.killfile import LINE_BYTES_MAX, KillFile
from gates.kill import KillState, Verb, parse_scope
from tests.unit.core.build import an_engagement


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kill.jsonl"


def test_no_file_means_nothing_was_ever_engaged(path: Path) -> None:
    assert KillFile(path).read() == KillState()


def test_what_was_engaged_is_read_by_the_next_process_word_for_word(path: Path) -> None:
    one = an_engagement("k-1", Verb.HALT, parse_scope("application:shop"))
    two = an_engagement("k-2", Verb.REVERT)
    file = KillFile(path)
    file.engage(one)
    file.engage(two)
    assert KillFile(path).read() == KillState((one, two))
    assert (path.stat().st_mode & 0o777) == 0o600


def test_a_release_takes_only_its_own_engagement_back(path: Path) -> None:
    file = KillFile(path)
    file.engage(an_engagement("k-1"))
    file.engage(an_engagement("k-2"))
    file.release("k-1")
    assert KillFile(path).read() == KillState((an_engagement("k-2"),), frozenset({"k-1"}))


def test_an_engagement_that_was_released_before_it_was_written_stays_released(path: Path) -> None:
    file = KillFile(path)
    file.release("k-1")
    file.engage(an_engagement("k-1"))
    assert file.read().engaged == ()


def test_reading_again_costs_no_second_look_at_an_unchanged_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = KillFile(path)
    file.engage(an_engagement())
    first = file.read()
    monkeypatch.setattr(Path, "read_bytes", lambda _self: pytest.fail("read twice"))
    assert file.read() is first


def test_a_change_by_another_process_is_seen(path: Path) -> None:
    mine, other = KillFile(path), KillFile(path)
    assert mine.read().engaged == ()
    other.engage(an_engagement("k-1"))
    assert mine.read().engaged == (an_engagement("k-1"),)
    other.release("k-1")
    assert mine.read().engaged == ()


@pytest.mark.parametrize("torn", [b'{"op":"eng', b"\x00", b'{"op":"release","id":"k-1"}'])
def test_a_line_torn_by_a_crash_was_never_acknowledged_and_does_not_glue_to_the_next(path: Path, torn: bytes) -> None:
    KillFile(path).engage(an_engagement("k-1"))
    with path.open("ab") as file:
        file.write(torn)
    assert KillFile(path).read().engaged == (an_engagement("k-1"),)
    KillFile(path).engage(an_engagement("k-2"))
    assert KillFile(path).read() == KillState((an_engagement("k-1"), an_engagement("k-2")))
    assert torn not in path.read_bytes().splitlines()


def test_a_file_that_holds_only_a_torn_line_is_begun_anew(path: Path) -> None:
    path.write_bytes(b'{"op":"engage","id"')
    KillFile(path).engage(an_engagement("k-1"))
    assert KillFile(path).read() == KillState((an_engagement("k-1"),))


@pytest.mark.parametrize(
    "line",
    [
        b"not json\n",
        b"[]\n",
        b'{"op":"forget","id":"k-1"}\n',
        b'{"op":"release"}\n',
        b'{"op":"engage","id":"k-1","verb":"halt","scope":"everything","actor":"ann","at_s":1}\n',
        b'{"op":"engage","id":"k-1","verb":"stop","scope":"fleet","actor":"ann","at_s":1}\n',
        b'{"op":"engage","id":"k-1","verb":"halt","scope":"fleet","actor":"ann","at_s":"soon"}\n',
        b"\xff\xfe\n",
    ],
)
def test_a_damaged_line_holds_everything_and_says_what_to_do(path: Path, line: bytes) -> None:
    file = KillFile(path)
    file.engage(an_engagement())
    with path.open("ab") as raw:
        raw.write(line)
    state = file.read()
    assert (state.readable, state.engaged) == (False, ())
    assert "repair or remove it by hand" in state.trouble


def test_empty_lines_are_no_damage(path: Path) -> None:
    KillFile(path).engage(an_engagement())
    path.write_bytes(b"\n" + path.read_bytes() + b"\n\n")
    assert KillFile(path).read() == KillState((an_engagement(),))


def test_a_file_that_cannot_be_opened_is_unreadable_not_empty(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    state = KillFile(tmp_path / "file" / "kill.jsonl").read()
    assert (state.readable, state.engaged) == (False, ())
    directory = tmp_path / "directory"
    directory.mkdir()
    assert KillFile(directory).read().readable is False


@pytest.mark.parametrize("written", [0, 5])
def test_a_full_disk_is_told_and_leaves_nothing_half_written_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    file = KillFile(path)
    file.engage(an_engagement("k-1"))
    real_write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda fd, data: real_write(fd, data[:written]))
        with pytest.raises(Unavailable, match="disk is full"):
            file.engage(an_engagement("k-2"))
    assert KillFile(path).read() == KillState((an_engagement("k-1"),))
    file.engage(an_engagement("k-3"))
    assert KillFile(path).read() == KillState((an_engagement("k-1"), an_engagement("k-3")))


def test_a_disk_that_does_not_sync_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(Unavailable, match="Input/output error"):
        KillFile(path).engage(an_engagement())


def test_the_file_and_its_directory_are_synced_before_engage_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    KillFile(path).engage(an_engagement("k-1"))
    assert synced == [str(path), str(path.parent)]
    KillFile(path).engage(an_engagement("k-2"))
    assert synced == [str(path), str(path.parent), str(path)]


def test_long_words_are_cut_so_that_no_reason_can_keep_a_kill_out(path: Path) -> None:
    long = an_engagement()
    KillFile(path).engage(type(long)(long.id, long.verb, long.scope, "a" * 999, 1.0, "ü" * 9_999))
    (kept,) = KillFile(path).read().engaged
    assert (len(kept.actor), len(kept.reason)) == (200, 1_000)
    assert path.stat().st_size <= LINE_BYTES_MAX * 2


def test_many_writers_at_once_lose_no_line(path: Path) -> None:
    file = KillFile(path)
    threads = [threading.Thread(target=file.engage, args=(an_engagement(f"k-{n:02}"),)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [e.id for e in KillFile(path).read().engaged] == [f"k-{n:02}" for n in range(16)]


def long_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> KillState:
    monkeypatch.setattr(killfile, "COMPACT_LINES", 5)
    file = KillFile(path)
    for number in range(3):
        file.engage(an_engagement(f"k-{number}"))
        file.release(f"k-{number}")
    file.engage(an_engagement("k-9", Verb.HALT, parse_scope("application:shop")))
    return file.read()


def test_a_long_file_is_written_anew_and_means_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = long_file(path, monkeypatch)
    KillFile(path).compact()
    assert path.read_bytes().count(b"\n") == 4
    assert KillFile(path).read() == before
    assert (path.stat().st_mode & 0o777) == 0o600


def test_a_short_an_absent_or_a_damaged_file_is_not_written_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    KillFile(path).compact()
    assert not path.exists()
    long_file(path, monkeypatch)
    path.write_bytes(path.read_bytes() + b"nonsense\n")
    damaged = path.read_bytes()
    KillFile(path).compact()
    assert path.read_bytes() == damaged
    monkeypatch.setattr(killfile, "COMPACT_LINES", 1000)
    path.write_bytes(damaged.removesuffix(b"nonsense\n"))
    KillFile(path).compact()
    assert path.read_bytes() == damaged.removesuffix(b"nonsense\n")


def test_a_disk_that_fails_while_the_file_is_written_anew_leaves_the_old_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_file(path, monkeypatch)
    before = path.read_bytes()
    monkeypatch.setattr(os, "write", lambda _fd, _data: 0)
    with pytest.raises(Unavailable, match="disk is full"):
        KillFile(path).compact()
    assert path.read_bytes() == before
