"""What a planted bug is. It holds none; the catalogue does."""

from __future__ import annotations

from dataclasses import dataclass

from tests.sim.mutants.hook import Patch


@dataclass(frozen=True, slots=True)
class Mutant:
    """``patches`` change one or more modules; ``why`` says what the bug is, in a few words."""

    name: str
    why: str
    patches: tuple[Patch, ...]


def mutant(name: str, why: str, *patches: tuple[str, str, str]) -> Mutant:
    return Mutant(name, why, tuple(Patch(*patch) for patch in patches))
