"""Checks an export of the audit record without a controller. It reads one file and reaches nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from api.cli.exits import Exit
from api.cli.output import Output
from api.cli.session import Usage
from gates.checkpoints.examine import Report, Trust, Witness, examine, parse_witness
from gates.checkpoints.export import LINE_CHARS_MAX


def verify_file(out: Output, file: str, witnesses: Sequence[str]) -> Exit:
    """Examine the export in ``file`` and say what it proves."""
    trust = Trust(witnesses=_witnesses(witnesses))
    try:
        if file == "-":
            report = examine(_lines(sys.stdin), trust)
        else:
            with Path(file).open(encoding="utf-8") as opened:
                report = examine(_lines(opened), trust)
    except (OSError, UnicodeError) as error:
        raise Usage(f"{file} cannot be read: {error}") from error
    if out.as_json:
        out.document({"ok": report.ok, **asdict(report)})
    _tell(out, report)
    return Exit.DONE if report.ok else Exit.FAILED


def _witnesses(given: Sequence[str]) -> tuple[Witness, ...]:
    try:
        return tuple(parse_witness(text) for text in given)
    except ValueError as error:
        raise Usage(f"--witness: {error}") from error


def _lines(opened: TextIO) -> Iterator[str]:
    """A line that is too long comes in pieces, each of which is then no line of an export."""
    while line := opened.readline(LINE_CHARS_MAX + 1):
        yield line


def _tell(out: Output, report: Report) -> None:
    for finding in report.findings:
        out.line(f"{out.cross} {finding.code}: {finding.text}", "bold red")
    whole = f"{report.records} records, unbroken; head {report.head}"
    if report.ok:
        out.line(f"{out.tick} {whole}", "green")
    if report.witnessed_to:
        out.line(f"a witness has seen the first {report.witnessed_to} of them")
    else:
        out.note("no witness was given: a whole new chain, or one without its end, would look the same")
