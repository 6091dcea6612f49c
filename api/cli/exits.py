"""The exit codes and what leads to each. One table, the same in the docs; a script may rely on every one of them."""

from __future__ import annotations

from enum import IntEnum

from api.client import Problem


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2
    HELD = 3
    REFUSED = 4
    UNREACHABLE = 5
    TIMED_OUT = 6
    PAUSED = 7
    HALTED = 8
    INTERRUPTED = 130


MEANINGS: dict[Exit, str] = {
    Exit.DONE: "done",
    Exit.FAILED: "failed, rolled back, aborted or superseded; a kill that is not fully effective; a broken audit chain",
    Exit.USAGE: "usage: a wrong flag, file, name or value",
    Exit.HELD: "held: it waits for an approval",
    Exit.REFUSED: "refused: a kill, a freeze, the policy, or a token that may not do this",
    Exit.UNREACHABLE: "the controller cannot be reached or cannot answer",
    Exit.TIMED_OUT: "the time-out of waiting is over; the release goes on",
    Exit.PAUSED: "paused: the release waits for a person",
    Exit.HALTED: "halted: by a kill, or because no automatic move is safe",
    Exit.INTERRUPTED: "Ctrl-C; the release goes on",
}

HELD_CODES = frozenset({"held", "approval_required"})
FAILED_CODES = frozenset({"conflict", "in_progress", "shown_once"})
"""Refusals that say "not now": nothing forbids the wish, and the same command may work a moment later."""
NOT_SERVING = frozenset({502, 503, 504})
REFUSING = frozenset({401, 403, 409, 423, 451})


def exit_of(problem: Problem) -> Exit:
    """The exit code for a controller that said no."""
    if problem.code in HELD_CODES:
        return Exit.HELD
    if problem.code in FAILED_CODES:
        return Exit.FAILED
    if problem.status in NOT_SERVING:
        return Exit.UNREACHABLE
    if problem.status in REFUSING:
        return Exit.REFUSED
    return Exit.FAILED if problem.status >= 500 or problem.status == 429 else Exit.USAGE


EPILOG = "Exit codes: " + ", ".join(f"{int(code)} {MEANINGS[code].split(':')[0].split(';')[0]}" for code in Exit) + "."
