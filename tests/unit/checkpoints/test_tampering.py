"""Ten ways to tamper with the record, and who sees them: the chain, the signed checkpoints, an outside witness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import pytest

from gates.audit import GENESIS, Draft, Record, link
from gates.checkpoints import examine as examining
from gates.checkpoints.examine import Report, Trust, Witness, examine
from gates.checkpoints.export import NoteLine, export
from gates.checkpoints.note import Checkpoint, rotation, sign
from tests.fakes.ed25519 import TestSigner, verify
from tests.unit.approvals.mutants import Mutant, planted

LOG = "interlock.example.org/audit"
OURS, ATTACKERS = TestSigner("interlock", b"ours"), TestSigner("interlock", b"the attacker's")
EVERY = 5
"""Records between checkpoints. The last record lies behind the last of them."""


@dataclass(frozen=True, slots=True)
class Log:
    records: tuple[Record, ...]
    notes: tuple[NoteLine, ...]


def chained(drafts: list[Draft]) -> tuple[Record, ...]:
    records: list[Record] = []
    for draft in drafts:
        records.append(link(len(records) + 1, records[-1].hash if records else GENESIS, draft))
    return tuple(records)


def checkpoints(records: tuple[Record, ...], signer: TestSigner = OURS) -> tuple[NoteLine, ...]:
    return tuple(
        NoteLine("checkpoint", sign(Checkpoint(LOG, size, records[size - 1].hash).body, signer))
        for size in range(EVERY, len(records) + 1, EVERY)
    )


def honest(count: int = 21) -> Log:
    records = chained([Draft("approved", 1e9 + n, "ben", f"decision {n}") for n in range(count)])
    return Log(records, checkpoints(records))


HONEST = honest()
SEEN = Witness(20, HONEST.records[19].hash, "a notice")


def drafts() -> list[Draft]:
    return [record.draft for record in HONEST.records]


def edited() -> list[Draft]:
    changed = drafts()
    changed[7] = replace(changed[7], text="nothing happened")
    return changed


def relinked(made: list[Draft]) -> Log:
    """The chain is made again from there on; the checkpoints cannot be."""
    return Log(chained(made), HONEST.notes)


def edit_in_place() -> Log:
    records = list(HONEST.records)
    records[7] = replace(records[7], draft=edited()[7])
    return Log(tuple(records), HONEST.notes)


def edit_and_link_again() -> Log:
    return relinked(edited())


def delete_and_link_again() -> Log:
    made = drafts()
    del made[7]
    return relinked(made)


def reorder_and_link_again() -> Log:
    made = drafts()
    made[7], made[8] = made[8], made[7]
    return relinked(made)


def duplicate_and_link_again() -> Log:
    made = drafts()
    return relinked([*made[:8], made[7], *made[8:]])


def cut_before_the_last_checkpoint() -> Log:
    return Log(HONEST.records[:17], HONEST.notes)


def cut_and_drop_the_newer_checkpoints() -> Log:
    return Log(HONEST.records[:17], HONEST.notes[:3])


def rewrite_with_another_key() -> Log:
    records = chained(edited())
    return Log(records, checkpoints(records, ATTACKERS))


def rewrite_with_the_stolen_key() -> Log:
    records = chained(edited())
    return Log(records, checkpoints(records, OURS))


def cut_behind_the_last_checkpoint() -> Log:
    return Log(HONEST.records[:20], HONEST.notes)


CHAIN, SIGNED = Trust(), Trust((OURS.key,), verify, origin=LOG)
WITNESSED = replace(SIGNED, witnesses=(SEEN,))

TABLE: list[tuple[Callable[[], Log], bool, bool, bool]] = [
    (edit_in_place, True, True, True),
    (edit_and_link_again, False, True, True),
    (delete_and_link_again, False, True, True),
    (reorder_and_link_again, False, True, True),
    (duplicate_and_link_again, False, True, True),
    (cut_before_the_last_checkpoint, False, True, True),
    (cut_and_drop_the_newer_checkpoints, False, False, True),
    (rewrite_with_another_key, False, True, True),
    (rewrite_with_the_stolen_key, False, False, True),
    (cut_behind_the_last_checkpoint, False, False, False),
]


def examined(log: Log, trust: Trust) -> Report:
    return examine(export(log.records, log.notes), trust)


@pytest.mark.parametrize(
    ("tamper", "chain", "signed", "witnessed"), TABLE, ids=lambda v: getattr(v, "__name__", str(v))
)
def test_who_sees_which_tampering(tamper: Callable[[], Log], chain: bool, signed: bool, witnessed: bool) -> None:
    log = tamper()
    assert log != HONEST
    caught = [not examined(log, trust).ok for trust in (CHAIN, SIGNED, WITNESSED)]
    assert caught == [chain, signed, witnessed]


def test_all_ten_are_in_the_table() -> None:
    assert len(TABLE) == 10
    caught = [(chain, signed, witnessed) for _, chain, signed, witnessed in TABLE]
    assert [sum(column) for column in zip(*caught, strict=True)] == [1, 7, 9]


@pytest.mark.parametrize("trust", [CHAIN, SIGNED, WITNESSED])
@pytest.mark.requirement("AH-17", "LR-09")
def test_an_honest_export_is_whole_for_everybody(trust: Trust) -> None:
    report = examined(HONEST, trust)
    assert report.findings == ()
    assert (report.records, report.head) == (21, HONEST.records[-1].hash)


def test_the_report_says_up_to_where_it_is_proven() -> None:
    report = examined(HONEST, WITNESSED)
    assert (report.checkpoints, report.signed_to, report.witnessed_to) == (4, 20, 20)
    assert (examined(HONEST, CHAIN).signed_to, examined(HONEST, CHAIN).checkpoints) == (0, 0)
    assert examined(cut_and_drop_the_newer_checkpoints(), SIGNED).signed_to == 15


def test_an_export_of_nothing_is_whole_but_a_witness_misses_what_it_has_seen() -> None:
    assert examined(Log((), ()), SIGNED).ok
    report = examined(Log((), ()), WITNESSED)
    assert [finding.code for finding in report.findings] == ["cut"]


def test_an_export_without_its_checkpoints_is_found_when_a_key_was_brought() -> None:
    report = examined(Log(HONEST.records, ()), SIGNED)
    assert [finding.code for finding in report.findings] == ["no_checkpoint"]


def _mutant(name: str, function: Any, *snippets: tuple[str, str]) -> Mutant:
    assert isinstance(function, FunctionType)
    return Mutant(name, "", ((function, snippets),))


MUTANTS = (
    _mutant("a break of the chain is passed over", examining._chain, ("if check.ok:", "if True:")),
    _mutant("heads are not compared", examining._compare, ("elif not _shows(walk, size, head):", "elif False:")),
    _mutant(
        "a missing end is not noticed",
        examining._compare,
        ("if size >= len(walk.heads):", "if False:"),
        ("elif not", "elif size < len(walk.heads) and not"),
    ),
    _mutant(
        "nobody looks at signatures", examining._checkpoint, ("if not note.signed_by", "if False and note.signed_by")
    ),
    _mutant("no checkpoint is as good as one", examining._unsigned, ("wanted = ", "wanted = False and ")),
    _mutant("anybody hands over the key", examining._known_keys, ("if not agreed or", "if")),
)


def told() -> list[tuple[str, ...]]:
    """Everything that is found in every tampered export, and in one with a forged rotation."""
    new = TestSigner("interlock-2", b"new")
    forged = (NoteLine("rotation", rotation(LOG, ATTACKERS, new)), *checkpoints(HONEST.records, new))
    logs = [HONEST, *(tamper() for tamper, *_ in TABLE), Log(HONEST.records, ()), Log(HONEST.records, forged)]
    reports = [examined(log, trust) for log in logs for trust in (CHAIN, SIGNED, WITNESSED)]
    return [tuple(finding.code for finding in report.findings) for report in reports]


@pytest.fixture(scope="module")
def whole() -> list[tuple[str, ...]]:
    return told()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_of_the_examination_lets_something_through(mutant: Mutant, whole: list[tuple[str, ...]]) -> None:
    with planted(mutant):
        left = told()
    assert any(not now and before for now, before in zip(left, whole, strict=True))
