"""The command that grades a file of steps on this machine, without a controller: `grade-steps`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from api.cli.command import command
from api.cli.exits import Exit
from api.cli.options import argument, flag, option
from api.cli.session import Session, Usage
from gates.grades import Grade
from gates.grading.answer import Answer, answer, as_json
from gates.grading.facts import StepError, read
from gates.grading.rulebook import PROFILES, Policy, Profile

PANEL = "Grade"
LINE_BYTES_MAX = 1_048_576
"""Bytes of one step: the changed files of a very big release."""
LINES_MAX = 100_000
"""Steps of one file; a longer history is graded in parts."""

FILE = Annotated[str, argument("FILE", 'JSON lines of {"id": ..., "step": {...}}; - is stdin.')]
FAIL_AT = Annotated[
    str | None, option("--fail-at", "GRADE", "End with code 3 when a step is graded so high: G1, G2 or G3.")
]
PROFILE = Annotated[
    str | None, option("--profile", "NAME", "read-only, strict, selective or shadow; only tighter than the policy.")
]
POLICY = Annotated[Path | None, option("--policy", "FILE", "Policy to go by, YAML; the built-in one if not given.")]
FULL = Annotated[bool, flag("--full", "With --json: axes, controls, mode, decision and digests too.")]


def register(app: typer.Typer) -> None:
    command(app, "grade-steps", PANEL)(grade_steps)


def grade_steps(
    session: Session,
    file: FILE,
    policy_file: POLICY = None,
    fail_at: FAIL_AT = None,
    profile: PROFILE = None,
    full: FULL = False,
) -> Exit:
    """Grade the steps of a file, G0 to G3, with the reasons.

    The facts of the file count as verified. A line that is no step is graded G3 and refused, and the command ends
    with code 2 after the last line. No controller is asked.

    Example: interlock grade-steps steps.jsonl --json --fail-at G3
    """
    limit, asked = _grade(fail_at), _profile(profile)
    policy = _policy(session, policy_file)
    rows: list[tuple[str, str, str, str]] = []
    highest, refused = Grade.G0, 0
    for number, line in _lines(file):
        said, given, trouble = _one(number, line, policy, asked, full)
        refused += given is None
        grade = Grade.G3 if given is None else given.grade
        highest = max(highest, grade, key=lambda one: one.rank)
        if session.out.as_json:
            session.out.event(said)
        else:
            rows.append((str(said["id"]), grade.value, _outcome(given), _first(given) or trouble))
    session.out.table(("id", "grade", "outcome", "because"), rows)
    if refused:
        session.out.note(f"{refused} of the lines are no steps: each counts as G3", "yellow")
        return Exit.USAGE
    return Exit.HELD if limit is not None and highest.rank >= limit.rank else Exit.DONE


def _one(
    number: int, line: str, policy: Policy, asked: Profile | None, full: bool
) -> tuple[dict[str, Any], Answer | None, str]:
    """The answer to a line as JSON and as a value; None when the line is no step, with what is wrong."""
    name: object = number
    try:
        data = json.loads(line, object_pairs_hook=_distinct)
        if not isinstance(data, dict) or "step" not in data:
            raise StepError('a line is {"id": ..., "step": {...}}')
        name = _name(data.get("id", number))
        given = answer(read(data["step"]), policy, asked)
    except (ValueError, RecursionError) as error:
        text = f"line {number}: {error}" if not isinstance(error, RecursionError) else f"line {number}: nested too deep"
        return {"id": name, "grade": "G3", "refused": True, "reasons": [text]}, None, text
    short: dict[str, Any] = {"id": name, "grade": given.grade.value, "reasons": list(given.reasons)}
    if full:
        short["answer"] = as_json(given)
    return short, given, ""


def _name(value: object) -> str | int:
    """The id as it came when it is one, so that lines can be matched again."""
    return value if isinstance(value, str | int) else str(value)[:100]


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name given twice is read one way here and another way elsewhere, so it is refused."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise StepError("a name is given twice in one object")
    return found


def _lines(file: str) -> Iterator[tuple[int, str]]:
    """The lines that hold something, numbered from 1. One byte more than is allowed is read, and no further."""
    try:
        with ExitStack() as open_files:
            stream = sys.stdin.buffer if file == "-" else open_files.enter_context(Path(file).open("rb"))
            yield from _numbered(file, stream)
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror or error}") from error


def _numbered(file: str, stream: BinaryIO) -> Iterator[tuple[int, str]]:
    number = 0
    while raw := stream.readline(LINE_BYTES_MAX + 1):
        number += 1
        if number > LINES_MAX:
            raise Usage(f"{file} has more than {LINES_MAX} lines; split it")
        if len(raw) > LINE_BYTES_MAX:
            raise Usage(f"line {number} has more than {LINE_BYTES_MAX} bytes, which is no step")
        if text := raw.decode("utf-8", errors="replace").strip():
            yield number, text
    if number == 0:
        raise Usage(f"{file} is empty; write one JSON object per line")


def _outcome(given: Answer | None) -> str:
    return "refused" if given is None else given.decided.outcome.value


def _first(given: Answer | None) -> str:
    """The reason that weighs most."""
    if given is None or not given.graded.fired:
        return ""
    return max(given.graded.fired, key=lambda one: (one.finding.floor.rank, *_weight(one.finding.axes))).finding.because


def _weight(axes: Any) -> tuple[int, int, int]:
    return axes.reversibility, axes.blast, axes.stakes


def _policy(session: Session, file: Path | None) -> Policy:
    if file is None:
        return Policy()
    # It takes half a second, and most commands need no policy.
    from gates.policy.document import BYTES_MAX, PolicyError
    from gates.policy.lint import load

    try:
        with file.open("rb") as stream:
            policy, warnings = load(stream.read(BYTES_MAX + 1))
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror or error}") from error
    except PolicyError as error:
        raise Usage(f"{file} is no policy to go by\n{error}") from error
    for warning in warnings:
        session.out.note(f"warning: {warning}", "yellow")
    return policy


def _grade(text: str | None) -> Grade | None:
    if text is None:
        return None
    if text.upper() not in ("G1", "G2", "G3"):
        raise Usage(f"--fail-at takes G1, G2 or G3, not {text[:20]!r}")
    return Grade(text.upper())


def _profile(text: str | None) -> Profile | None:
    if text is None:
        return None
    if text not in {one.value for one in PROFILES}:
        raise Usage(f"--profile takes {', '.join(PROFILES)}, not {text[:20]!r}")
    return Profile(text)
