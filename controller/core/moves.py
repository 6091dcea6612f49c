"""The legal moves of a release, and nothing else. The diagram in the docs is drawn from this table."""

from __future__ import annotations

from controller.core.model import Phase
from gates.moves import Moves

MOVES: Moves[Phase] = Moves(
    {
        Phase.PENDING: frozenset({Phase.PREPARING, Phase.PROMOTING, Phase.FAILED}),
        Phase.PREPARING: frozenset({Phase.PROGRESSING, Phase.ROLLING_BACK, Phase.HALTED}),
        Phase.PROGRESSING: frozenset({Phase.PAUSED, Phase.PROMOTING, Phase.ROLLING_BACK, Phase.HALTED}),
        Phase.PAUSED: frozenset({Phase.PROGRESSING, Phase.PROMOTING, Phase.ROLLING_BACK, Phase.HALTED}),
        Phase.PROMOTING: frozenset({Phase.SUCCEEDED, Phase.ROLLING_BACK, Phase.HALTED}),
        Phase.ROLLING_BACK: frozenset({Phase.ROLLED_BACK, Phase.FAILED}),
        Phase.HALTED: frozenset({Phase.PENDING, Phase.ROLLING_BACK}),
        Phase.SUCCEEDED: frozenset(),
        Phase.ROLLED_BACK: frozenset(),
        Phase.FAILED: frozenset(),
    }
)

ENDED = MOVES.ends
