"""Asks a running guard from a terminal, with nothing else alive: status, halt, unhalt, trust. It can raise nothing.

``python -m controller.guard.ask SOCKET halt BACKEND --id ID [--keep-weight]``
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Sequence
from typing import Any

TIMEOUT_S = 10.0
"""The guard answers within two HAProxy time-outs of a second each, after at most a few others."""

ANSWER_BYTES = 8 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    try:
        answer = ask(options.socket, request(options, options.socket))
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"the guard at {options.socket} did not answer: {error}\n")
        return 5
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    return 0 if answer.get("ok") else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m controller.guard.ask", description=__doc__)
    parser.add_argument("socket")
    parser.add_argument("op", choices=("status", "read", "halt", "unhalt", "trust"))
    parser.add_argument("backend", nargs="?")
    parser.add_argument("--id", default="by-hand", help="the engagement id to latch or to take off")
    parser.add_argument("--reason", default="by hand")
    parser.add_argument("--keep-weight", action="store_true", help="halt without sending traffic back to stable")
    options = parser.parse_args(arguments)
    if options.op in ("read", "halt", "unhalt") and not options.backend:
        parser.error(f"{options.op} needs the name of a backend")
    return options


def request(options: argparse.Namespace, path: str) -> dict[str, object]:
    """The request as the guard takes it. Unhalting uses the route's own epoch: a person does not lead."""
    match options.op:
        case "status" | "trust":
            return {"op": options.op}
        case "read":
            return {"op": "read", "backend": options.backend}
        case "halt":
            mark = {"release_id": None, "code": "by_hand", "text": options.reason, "engagement": options.id}
            return {"op": "halt", "backend": options.backend, "mark": mark, "revert": not options.keep_weight}
    epoch = ask(path, {"op": "read", "backend": options.backend})["route"]["epoch"]
    return {"op": "unhalt", "backend": options.backend, "engagements": [options.id], "epoch": epoch}


def ask(path: str, body: dict[str, object]) -> dict[str, Any]:
    """One request on its own connection."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(path)
        connection.sendall(json.dumps(body).encode() + b"\n")
        answer = bytearray()
        while not answer.endswith(b"\n") and len(answer) < ANSWER_BYTES:
            chunk = connection.recv(65_536)
            if not chunk:
                break
            answer += chunk
    reply: dict[str, Any] = json.loads(answer)
    return reply


if __name__ == "__main__":
    sys.exit(main())
