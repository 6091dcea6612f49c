"""Two tiny servers and a client, to count where the requests through a real HAProxy go."""

from __future__ import annotations

import socket
import threading


class CountingServer:
    """A tiny HTTP server that answers every request with its name, on many keep-alive connections."""

    def __init__(self, name: str) -> None:
        body = name.encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        self._answer = head + body
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            buffer = b""
            try:
                while chunk := connection.recv(65_536):
                    buffer += chunk
                    while (end := buffer.find(b"\r\n\r\n")) >= 0:
                        buffer = buffer[end + 4 :]
                        connection.sendall(self._answer)
            except OSError:
                return


def fetch_many(port: int, count: int) -> list[str]:
    """The bodies of ``count`` requests on one keep-alive connection, in order."""
    bodies = []
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        reader = connection.makefile("rb")
        for _ in range(count):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
            status = reader.readline().split()[1].decode()
            length = 0
            while (line := reader.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = reader.read(length).decode()
            bodies.append(body if status == "200" else status)
        reader.close()
    return bodies
