"""The legal moves of a request, and nothing else. A way into APPROVED or RESERVED that is not here does not exist."""

from __future__ import annotations

from gates.approvals.model import State
from gates.moves import Moves

MOVES: Moves[State] = Moves(
    {
        State.DRAFT: frozenset({State.PENDING, State.WITHDRAWN, State.SUPERSEDED, State.KILLED}),
        State.PENDING: frozenset(
            {
                State.APPROVED,
                State.RESERVED,  # by break-glass alone
                State.DENIED,
                State.EXPIRED,
                State.WITHDRAWN,
                State.SUPERSEDED,
                State.STALE,
                State.KILLED,
            }
        ),
        State.APPROVED: frozenset(
            {
                State.RESERVED,
                State.DENIED,
                State.EXPIRED,
                State.WITHDRAWN,
                State.SUPERSEDED,
                State.STALE,
                State.KILLED,
            }
        ),
        State.RESERVED: frozenset({State.EXECUTING, State.STALE, State.KILLED}),
        State.EXECUTING: frozenset({State.SUCCEEDED, State.FAILED, State.INDETERMINATE, State.KILLED}),
        State.SUCCEEDED: frozenset(),
        State.FAILED: frozenset(),
        State.INDETERMINATE: frozenset(),
        State.DENIED: frozenset(),
        State.EXPIRED: frozenset(),
        State.WITHDRAWN: frozenset(),
        State.SUPERSEDED: frozenset(),
        State.STALE: frozenset(),
        State.KILLED: frozenset(),
    }
)

ENDS = MOVES.ends
