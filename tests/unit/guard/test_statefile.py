"""The record on disk: what is written is read, and nothing else is taken for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.model import Mark
from controller.guard.model import Address, Names, Pool, Route, Saved
from controller.guard.statefile import FILE, Corrupt, StateFile, decode, encode

KILL = Mark("r1", "kill", 'a "quoted" text ü }', "k1")
SHOP = Route(Names("shop", "s", "c"), 20, 5, 2, "r1", 60.0, True, (KILL,), KILL, 3)
SAVED = Saved((SHOP, Route(Names("till"))), (Pool("p", 4, (Address("::1", 80, True), Address("10.0.0.1", 81))),), True)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    assert file.load() == Saved()
    file.save(SAVED)
    assert file.load() == SAVED
    file.save(Saved())
    assert file.load() == Saved()
    assert os.listdir(tmp_path) == [FILE]


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_any_changed_byte_is_noticed(at: int, value: int) -> None:
    raw = bytearray(encode(SAVED))
    at %= len(raw)
    if raw[at] == value:
        return
    raw[at] = value
    try:
        assert decode(bytes(raw)) == SAVED
    except (ValueError, KeyError, TypeError, AttributeError):
        return


@pytest.mark.parametrize("cut", range(0, len(encode(SAVED)) - 1, 7))
def test_a_record_that_was_cut_short_is_corrupt(tmp_path: Path, cut: int) -> None:
    (tmp_path / FILE).write_bytes(encode(SAVED)[:cut])
    with pytest.raises(Corrupt):
        StateFile(tmp_path).load()


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"{}", b"\xff\xfe", b'{"format":1}', b"[" * 100_000])
def test_other_files_are_corrupt_and_not_an_empty_record(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / FILE).write_bytes(raw)
    with pytest.raises(Corrupt) as corrupt:
        StateFile(tmp_path).load()
    assert corrupt.value.names == ()


def test_the_names_of_routes_are_made_out_in_a_damaged_record(tmp_path: Path) -> None:
    raw = encode(SAVED).replace(b'"weight_pct":20', b'"weight_pct":21')
    (tmp_path / FILE).write_bytes(raw)
    with pytest.raises(Corrupt, match="checksum") as corrupt:
        StateFile(tmp_path).load()
    assert corrupt.value.names == (Names("shop", "s", "c"), Names("till"))


def test_a_name_made_out_of_a_damaged_record_is_never_a_command(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(
        b'{"backend":"a;quit","stable":"s","canary":"c"}{"backend":"b","stable":"s","canary":"c"}'
    )
    with pytest.raises(Corrupt) as corrupt:
        StateFile(tmp_path).load()
    assert corrupt.value.names == (Names("b", "s", "c"),)


def test_corrupt_records_are_kept_each_under_its_own_name(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    for text in ("one", "two"):
        (tmp_path / FILE).write_text(text)
        file.set_aside()
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["one", "two"]


def test_a_failed_save_leaves_the_record_before_it(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.save(SAVED)
    (tmp_path / f"{FILE}.new").mkdir()
    with pytest.raises(OSError, match=r"guard\.json\.new"):
        file.save(Saved())
    assert file.load() == SAVED
