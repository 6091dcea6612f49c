"""Picks free local ports for instances, so that two that start at the same time never get the same one."""

from __future__ import annotations

import socket
import threading
from itertools import chain

from controller.ports import Refused


class Ports:
    """Which port each instance of this controller was given. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given: dict[str, int] = {}

    def pick(self, instance: str, low: int, high: int, after: int) -> int:
        """The next port above ``after``, in a circle, that nobody has. Raises Refused when there is none.

        In a circle, so that a port just given up is not at once used by another version.
        """
        first = after + 1 if low <= after < high else low
        with self._lock:
            taken = {port for owner, port in self._given.items() if owner != instance}
            for port in chain(range(first, high + 1), range(low, first)):
                if port not in taken and is_free(port):
                    self._given[instance] = port
                    return port
        raise Refused(f"no free port in target.ports {low}-{high}: widen the range, or stop what holds it")

    def give_back(self, instance: str) -> None:
        with self._lock:
            self._given.pop(instance, None)


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` now. Ports of connections that are only winding down count as free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
