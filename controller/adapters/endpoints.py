"""What fills the server slots of a pool with the addresses of ready instances. It says what, a router knows how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from analysis.model import Role
from controller.core.model import Application


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One instance's address. With ``drain`` it finishes what it has and is given nothing new."""

    host: str
    port: int
    drain: bool = False


class Endpoints(Protocol):
    def set_endpoints(self, app: Application, role: Role, endpoints: Sequence[Endpoint], epoch: int) -> None:
        """Make ``endpoints`` the whole pool of ``role``: what is not listed is drained and taken out.

        Converging, so call it on every pass. Raises Fenced, Refused, Unavailable or Unknown (see controller.ports).
        """
        ...
