"""Serves the counters of many shops, as a service mesh would. They grow by the clock alone; nothing is simulated."""

from __future__ import annotations

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RATE_PER_S = 200.0
CANARY_SHARE = 0.05
BAD_SHARE = 0.002


def text(shops: int, seconds: float) -> str:
    lines = ["# TYPE http_requests_total counter"]
    for number in range(shops):
        for role, share in (("stable", 1 - CANARY_SHARE), ("canary", CANARY_SHARE)):
            total = RATE_PER_S * share * seconds
            labels = f'app="shop-{number}",role="{role}"'
            lines.append(f'http_requests_total{{{labels},code="200"}} {total * (1 - BAD_SHARE):.0f}')
            lines.append(f'http_requests_total{{{labels},code="500"}} {total * BAD_SHARE:.0f}')
    return "\n".join(lines) + "\n"


def main() -> None:
    port, shops = int(sys.argv[1]), int(sys.argv[2])
    begun_s = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = text(shops, time.monotonic() - begun_s).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Nobody reads it."""

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
