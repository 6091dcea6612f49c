"""HAProxy's runtime socket: sends one group of commands per connection and parses the answer. It decides nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from controller.guard.model import NoBackend, ProxyTrouble, Server, Shown

ANSWER_BYTES = 1 << 20
"""A pool of 256 slots is 30 KiB; anything near this is not the answer to what was asked."""

COMMANDS_PER_GROUP = 60
"""HAProxy reads a command line into one buffer (16 KiB by default); 60 commands of at most 250 bytes fit."""

MISSING = ("can't find backend", "no such backend", "no such server")
CHANGED = ("changed from", "no need to change")


class RuntimeSocket:
    """``address`` is the path of a Unix socket or ``HOST:PORT``. HAProxy closes the connection after each group."""

    def __init__(self, address: str, timeout_s: float, clock: Callable[[], float]) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._address = address
        host, colon, port = address.rpartition(":")
        self._tcp = (host.strip("[]"), int(port)) if colon and port.isdigit() and "/" not in host else None

    def look(self, backend: str) -> Shown:
        """The servers of ``backend`` as they are. Raises ProxyTrouble, NoBackend when it is not there."""
        return self.push(backend, ())

    def push(self, backend: str, commands: Sequence[str]) -> Shown:
        """Run ``commands`` in order and read ``backend`` back, in one round trip unless there are very many."""
        complaints: tuple[str, ...] = ()
        while len(commands) > COMMANDS_PER_GROUP:
            complaints += parse_complaints(self._run(commands[:COMMANDS_PER_GROUP]).splitlines())
            commands = commands[COMMANDS_PER_GROUP:]
        shown = parse_shown(self._run((*commands, f"show servers state {backend}")), backend)
        return Shown(shown.servers, complaints + shown.complaints)

    def _run(self, commands: Sequence[str]) -> str:
        deadline_s = self._clock() + self._timeout_s
        answer = bytearray()
        try:
            with self._connect() as connection:
                connection.sendall(";".join(commands).encode("ascii") + b"\n")
                while chunk := connection.recv(65_536):
                    answer += chunk
                    left_s = deadline_s - self._clock()
                    if len(answer) > ANSWER_BYTES or left_s <= 0:
                        raise ProxyTrouble(f"HAProxy's answer at {self._address} did not end")
                    connection.settimeout(left_s)
        except OSError as error:
            raise ProxyTrouble(f"HAProxy's socket {self._address}: {error.strerror or error}") from error
        return answer.decode("utf-8", "replace")

    def _connect(self) -> socket.socket:
        if self._tcp is not None:
            return socket.create_connection(self._tcp, timeout=self._timeout_s)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._timeout_s)
            connection.connect(self._address)
        except OSError:
            connection.close()
            raise
        return connection


def parse_complaints(lines: Sequence[str]) -> tuple[str, ...]:
    """What HAProxy said to commands that are silent, or only report a change, when they succeed."""
    said = (line.strip() for line in lines)
    return tuple(line for line in said if line and not any(mark in line for mark in CHANGED))


def parse_shown(text: str, backend: str) -> Shown:
    """Complaints, then the table of ``show servers state`` (format 1), whose columns are found by their names."""
    lines = text.splitlines()
    start = next((i for i in range(len(lines) - 1) if lines[i] == "1" and lines[i + 1].startswith("# ")), None)
    if start is None:
        complaints = parse_complaints(lines)
        said = "; ".join(complaints)[:300] or "nothing"
        if any(line.lower().startswith(MISSING) for line in complaints):
            raise NoBackend(f"HAProxy has no backend {backend}: it says {said}")
        raise ProxyTrouble(f"HAProxy did not show backend {backend}: it says {said}")
    columns = {name: i for i, name in enumerate(lines[start + 1][2:].split())}
    rows = (line.split() for line in lines[start + 2 :] if line)
    try:
        servers = tuple(_server(row, columns) for row in rows if row[columns["be_name"]] == backend)
    except (KeyError, IndexError, ValueError) as error:
        raise ProxyTrouble(f"HAProxy's table of servers of {backend} could not be read: {error!r}") from error
    return Shown(servers, parse_complaints(lines[:start]))


def _server(row: Sequence[str], columns: dict[str, int]) -> Server:
    return Server(
        name=row[columns["srv_name"]],
        host=row[columns["srv_addr"]],
        port=int(row[columns["srv_port"]]),
        op_state=int(row[columns["srv_op_state"]]),
        admin_state=int(row[columns["srv_admin_state"]]),
        weight=int(row[columns["srv_uweight"]]),
    )
