"""Signed notes, keys and their handing over, and lines that are no part of an export."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.audit import Draft
from gates.checkpoints.cadence import Last, due
from gates.checkpoints.examine import FINDINGS_MAX, Trust, Witness, examine, parse_witness
from gates.checkpoints.export import LineError, NoteLine, export, parse_line
from gates.checkpoints.note import (
    Checkpoint,
    NoteError,
    parse_checkpoint,
    parse_key,
    parse_note,
    parse_rotation,
    rotation,
    sign,
)  # fmt: skip
from tests.fakes.ed25519 import ORDER, TestSigner, verify
from tests.unit.checkpoints.test_tampering import ATTACKERS, HONEST, LOG, OURS, SIGNED, chained, checkpoints

VECTORS = [
    # RFC 8032, section 7.1: seed, public key, message, signature
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
        "b00d291612bb0c00",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), VECTORS)
def test_the_signatures_of_these_tests_are_ed25519(seed: str, public: str, message: str, signature: str) -> None:
    signer, text = TestSigner("rfc", bytes.fromhex(seed)), bytes.fromhex(message)
    assert signer.key.public.hex() == public
    assert signer.sign(text).hex() == signature
    assert verify(signer.key.public, text, bytes.fromhex(signature))
    assert not verify(signer.key.public, text + b"x", bytes.fromhex(signature))
    large = bytes.fromhex(signature)
    scalar = (int.from_bytes(large[32:], "little") + ORDER).to_bytes(32, "little")
    assert not verify(signer.key.public, text, large[:32] + scalar)


BODY = Checkpoint(LOG, 20, HONEST.records[19].hash).body


def test_a_checkpoint_is_a_signed_note_as_other_tools_read_it() -> None:
    note = sign(BODY, OURS)
    lines = note.split("\n")
    assert (lines[0], lines[1], lines[3], lines[5]) == (LOG, "20", "", "")
    assert lines[4].startswith("\u2014 interlock ")
    parsed = parse_note(note)
    assert parse_checkpoint(parsed.body) == Checkpoint(LOG, 20, HONEST.records[19].hash)
    assert parsed.signed_by([OURS.key, ATTACKERS.key], verify) == (OURS.key,)


def test_a_key_is_handed_on_as_text_and_a_slip_of_the_pen_is_seen() -> None:
    text = str(OURS.key)
    assert parse_key(text) == OURS.key
    for wrong in (text.replace("interlock", "interlocl"), text[:-6] + "AAAAA=", "", "a+b+c", text.replace("+", " ")):
        with pytest.raises(NoteError):
            parse_key(wrong)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_note_with_any_character_changed_is_not_signed_by_us(data: st.DataObject) -> None:
    note = sign(BODY, OURS)
    place = data.draw(st.integers(0, len(note) - 1))
    other = data.draw(st.characters(exclude_categories=["Cs"]).filter(lambda c: c != note[place]))
    try:
        parsed = parse_note(note[:place] + other + note[place + 1 :])
    except NoteError:
        return
    same = parsed == parse_note(note)
    assert same or parsed.signed_by([OURS.key], verify) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a\n\nb",
        BODY,
        BODY + "\n",
        BODY + "\n- interlock AAAA\n",
        BODY + "\n\u2014 interlock AAAA\n",
        "a" * 5_000,
    ],
)
def test_what_is_no_note_is_said_to_be_none(text: str) -> None:
    with pytest.raises(NoteError):
        parse_note(text)


@pytest.mark.parametrize(
    "body", ["", "a\n1\n", "a\n01\nAAAA\n", "a\n-1\nAAAA\n", BODY.replace("20", "2e1"), BODY + "x\n"]
)
def test_what_is_no_checkpoint_is_said_to_be_none(body: str) -> None:
    with pytest.raises(NoteError):
        parse_checkpoint(body)


NEW = TestSigner("interlock-2", b"the next one")


def handed_over(old: TestSigner, new: TestSigner) -> tuple[NoteLine, ...]:
    line = NoteLine("rotation", rotation(LOG, old, new))
    return (*checkpoints(HONEST.records[:10]), line, *checkpoints(HONEST.records, new)[2:])


def codes(notes: tuple[NoteLine, ...], trust: Trust = SIGNED) -> list[str]:
    return [finding.code for finding in examine(export(HONEST.records, notes), trust).findings]


def test_a_key_is_followed_by_another_when_both_have_signed() -> None:
    assert codes(handed_over(OURS, NEW)) == []
    assert parse_rotation(parse_note(rotation(LOG, OURS, NEW)).body) == (LOG, NEW.key)


def test_a_key_that_no_trusted_one_handed_over_to_is_not_trusted() -> None:
    assert codes(handed_over(ATTACKERS, NEW)) == ["rotation", "signature", "signature"]
    alone = NoteLine("rotation", sign(f"{LOG}\nkey\n{NEW.key}\n", OURS))
    assert "rotation" in codes((alone, *checkpoints(HONEST.records, NEW)))
    assert codes((NoteLine("rotation", "x"), *HONEST.notes)) == ["rotation"]
    assert "rotation" in codes(handed_over(OURS, NEW), replace(SIGNED, origin="another log"))


def test_a_checkpoint_of_another_log_or_of_nobody_is_a_finding() -> None:
    other = NoteLine("checkpoint", sign(Checkpoint("other", 5, HONEST.records[4].hash).body, OURS))
    assert codes((*HONEST.notes, other)) == ["origin"]
    assert codes((*HONEST.notes, NoteLine("checkpoint", "x"))) == ["checkpoint"]
    assert "signature" in codes(checkpoints(HONEST.records, ATTACKERS))


def test_without_a_verifier_no_signature_counts() -> None:
    report = examine(export(HONEST.records, HONEST.notes), Trust((OURS.key,)))
    assert (report.ok, report.signed_to, report.checkpoints) == (True, 0, 0)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
drafts = st.builds(
    Draft,
    type=texts,
    at_s=st.integers(0, 2**51).map(lambda us: us / 1e6),
    actor=texts,
    text=texts,
    release_id=st.none() | texts,
    application=st.none() | texts,
    environment=st.none() | texts,
    epoch=st.none() | st.integers(0, 1_000),
    numbers=st.dictionaries(texts, st.integers(-1_000, 1_000) | st.floats(-1e6, 1e6) | texts, max_size=3),
    late=st.booleans(),
)


@given(st.lists(drafts, max_size=5))
def test_an_export_is_read_back_as_it_was(made: list[Draft]) -> None:
    records = chained(made)
    assert [parse_line(line) for line in export(records)] == list(records)
    assert examine(export(records), Trust()).ok


GOOD = next(iter(export(HONEST.records)))


def changed(**fields: object) -> str:
    record = json.loads(GOOD)["record"] | fields
    return json.dumps({"record": {name: value for name, value in record.items() if value is not ...}})


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "null",
        "[]",
        "{}",
        '{"record": 1}',
        '{"checkpoint": 1}',
        '{"other": "x"}',
        '{"checkpoint": "a", "rotation": "b"}',
        '{"checkpoint": "a", "checkpoint": "b"}',
        changed(more=1),
        changed(seq=...),
        changed(seq="1"),
        changed(seq=True),
        changed(seq=0),
        changed(v=2),
        changed(late=0),
        changed(at_us=1e15),
        changed(at_us=2**60),
        changed(prev="md5:0"),
        changed(numbers=[]),
        changed(numbers={"a": 2**60}),
        changed(text="\ud800"),
        GOOD.replace('"numbers":{', '"numbers":{"a":1e999,'),
        GOOD.replace('"numbers":{', '"numbers":{"a":NaN,'),
        GOOD.replace('"numbers":{', '"numbers":{"a":' + "[" * 5_000 + "]" * 5_000 + ","),
        " " * 1_000_001,
    ],
)
def test_a_line_that_is_not_wholly_understood_is_said_and_not_skipped(line: str) -> None:
    broken = line.replace("1e999,}", "1e999}").replace("NaN,}", "NaN}").replace("],}", "]}")
    with pytest.raises(LineError):
        parse_line(broken)
    if broken.strip():
        assert [finding.code for finding in examine([broken], Trust()).findings] == ["line"]


def test_a_file_that_is_something_else_ends_after_some_findings() -> None:
    report = examine((f"line {n}" for n in range(10**9)), Trust())
    assert len(report.findings) == FINDINGS_MAX


@given(st.text())
def test_no_text_makes_the_examination_fail(text: str) -> None:
    examine(text.split("\n"), SIGNED)


def test_a_witness_is_written_as_a_number_and_a_head() -> None:
    head = HONEST.records[19].hash
    assert parse_witness(f"20:{head}") == Witness(20, head, "the witness")
    for wrong in ("", "20", f"x:{head}", f"20:{head[:-1]}", f"20:{head.upper()}", f"-1:{head}"):
        with pytest.raises(ValueError, match="NUMBER"):
            parse_witness(wrong)


@pytest.mark.parametrize(
    ("size", "newest", "now_s", "expected"),
    [
        (10, [], 1_000, False),  # nothing new
        (11, ["weight"], 59, False),
        (11, ["weight"], 60, True),
        (11, ["kill_engaged"], 1, True),
        (11, ["approved"], 1, True),
        (11, ["break_glass_opened"], 1, True),
        (109, ["weight"], 1, False),
        (110, ["weight"], 1, True),
        (11, ["weight"], -5, True),  # a clock set back
        (9, ["kill_engaged"], 1_000, False),
    ],
)
def test_a_checkpoint_is_due_after_decisions_kills_records_and_time(
    size: int, newest: list[str], now_s: float, expected: bool
) -> None:
    assert due(Last(10, 0.0), size, newest, now_s) is expected
