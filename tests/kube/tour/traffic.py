"""What the users of the shop would have: requests by the share that the route gives, counted as a proxy counts them.

It stands in for a gateway and pods, which no test cluster runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import is_ready
from tests.kube.scenarios.kits import CANARY, STABLE, HttpRouteKit

RATE_PER_S = 400.0
PERIOD_S = 0.2


class Traffic:
    """``broken`` is the share of failed answers by image tag. ``served`` and ``failed`` are counted over all."""

    def __init__(self, cluster: Cluster, broken: Mapping[str, float]) -> None:
        self._cluster, self._broken = cluster, broken
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], float] = {}
        self.highest_pct = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._serving = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._serving.start()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        self._server.shutdown()
        self._server.server_close()

    def failed(self) -> float:
        with self._lock:
            return sum(count for (_, code), count in self._counts.items() if code != "200")

    def text(self) -> str:
        with self._lock:
            lines = [f'http_requests_total{{role="{r}",code="{c}"}} {n:.0f}' for (r, c), n in self._counts.items()]
        return "# TYPE http_requests_total counter\n" + "\n".join(lines) + "\n"

    def _run(self) -> None:
        before_s = time.monotonic()
        while not self._stopping.wait(PERIOD_S):
            now_s = time.monotonic()
            self._serve(now_s - before_s)
            before_s = now_s

    def _serve(self, seconds: float) -> None:
        share = HttpRouteKit().share_pct(self._cluster)
        self.highest_pct = max(self.highest_pct, share)
        for role, name, pct in (("stable", STABLE, 100 - share), ("canary", CANARY, share)):
            tags = self._tags(name)
            for tag in tags:
                requests = RATE_PER_S * seconds * pct / 100 / len(tags)
                bad = requests * self._broken.get(tag, 0.0)
                with self._lock:
                    for code, count in (("200", requests - bad), ("500", bad)):
                        self._counts[role, code] = self._counts.get((role, code), 0.0) + count

    def _tags(self, deployment: str) -> list[str]:
        pods = [pod for pod in self._cluster.pods() if str(pod["metadata"]["name"]).rsplit("-", 2)[0] == deployment]
        images = [str(pod["spec"]["containers"][0]["image"]) for pod in pods if is_ready(pod)]
        return [image.partition("@")[0].rpartition(":")[2] for image in images]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        traffic = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = traffic.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                """Nobody reads it."""

        return Handler
