"""A tiny HTTP server for the workload tests, started as ``workload_server.py VERSION PORT``.

The version says how it behaves: ``never*`` answers 503, ``crash*`` exits with code 3, ``stubborn*`` ignores SIGTERM,
``deaf*`` accepts and never answers, ``parent*`` leaves a child behind, ``sick-if:PATH:*`` answers 503 while PATH
exists, all others are well.
"""

import os
import signal
import socket
import sys


def main(version: str, port: int) -> None:
    print(f"version {version} on {port}", flush=True)
    if version.startswith("crash"):
        print(f"cannot open the \x1b[31mdatabase\x1b[0m with {os.environ.get('DATABASE', 'nothing')}", flush=True)
        raise SystemExit(3)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if version.startswith("stubborn") else lambda *_: os._exit(0))
    if version.startswith("parent") and os.fork() == 0:
        signal.pause()
    server = socket.create_server(("127.0.0.1", port), backlog=64)
    kept = []
    while True:
        connection, _ = server.accept()
        if version.startswith("deaf"):
            kept.append(connection)
            continue
        answer(connection, version)


def answer(connection: socket.socket, version: str) -> None:
    sick = version.startswith("sick-if:") and os.path.exists(version.split(":")[1])
    status = "503 Sick" if sick or version.startswith("never") else "200 OK"
    with connection:
        try:
            connection.recv(65536)
            body = f'{{"version": "{version}"}}'
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        except OSError:
            return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
