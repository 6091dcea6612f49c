"""What the controller reads of stored requests, as a Protocol of its own. They are written by a commit of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gates.approvals.model import Request


class Requests(Protocol):
    """The part of the store that holds what waits for a person. Reads raise Unavailable."""

    def request(self, request_id: str) -> Request | None: ...

    def open_requests(self) -> Sequence[Request]:
        """All that have not ended, oldest first. Raises rather than leave one out: a kill must reach every one."""

    def requests_of(self, run: str) -> Sequence[Request]:
        """All of a run, ended ones too, by id."""
