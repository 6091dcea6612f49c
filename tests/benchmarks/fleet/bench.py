"""One run: the fleet comes up, rests, and then some of it is deployed; processor time, memory and calls are counted in
each state. Controller and Prometheus are real; the API server is whichever the machine has, and the figures say so."""

from __future__ import annotations

import http.client
import json
import os
import re
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from tests.benchmarks.bench_memory import resident_mib
from tests.benchmarks.fleet.objects import guarded, image, shop
from tests.demo.parts import Failed, Part, Parts, answers, free_ports, program_path, wait_until
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.real import absent
from tests.kube.cluster.starting import start_real, start_small

THREADS = 6
UP_S = 900.0
SCRAPE_S = 5
TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Size:
    applications: int = 1000
    releases: int = 200
    tick: str = "5s"
    seconds: float = 60.0
    own_queries: bool = False


@dataclass(frozen=True, slots=True)
class Fleet:
    size: Size
    cluster: Cluster
    controller: Part
    url: str
    token: str
    prometheus: str

    def ask(self, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        headers["Idempotency-Key"] = str(uuid.uuid4())
        data = None if body is None else json.dumps(body).encode()
        while True:
            try:
                with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=30) as got:
                    return json.load(got)
            except urllib.error.HTTPError as refused:
                if refused.code != TOO_MANY:
                    raise Failed(f"{path}: {refused.code} {refused.read().decode(errors='replace')}") from None
                time.sleep(float(refused.headers["Retry-After"]))


def run(size: Size = Size()) -> dict[str, object]:
    missing = absent()
    figures: dict[str, object] = {
        "api_server": "the small one of the tests" if missing else "kube-apiserver",
        "applications": size.applications,
        "releases": size.releases,
        "tick": size.tick,
        "queries": "each its own" if size.own_queries else "shared",
    }
    with (
        start_small() if missing else start_real() as started,
        Parts() as parts,
        started.fresh("fleet", Path(tempfile.mkdtemp(dir=parts.directory))) as cluster,
    ):
        return figures | _states(size, cluster, parts)


def _states(size: Size, cluster: Cluster, parts: Parts) -> dict[str, object]:
    _in_parallel(lambda n: [cluster.client.create(cluster.kind_of(one), "fleet", one) for one in shop(n)], size)
    _until(lambda: len(cluster.ready_pods()) >= size.applications, "every shop serves")
    fleet = _controller(size, cluster, parts)
    _in_parallel(lambda n: cluster.apply(guarded(n, fleet.prometheus, size.tick, size.own_queries)), size)
    _until(lambda: _accepted(cluster) == size.applications, "every Application is accepted")
    at_rest = _measured(fleet, settle_s=70.0)
    names = [f"shop-{number}" for number in range(size.releases)]
    ids = {name: _deploy(fleet, name) for name in names}
    _until(lambda: _baking(fleet) >= size.releases, "every release bakes")
    deploying = _measured(fleet, settle_s=15.0)
    return {"at_rest": at_rest, "deploying": deploying, "status_to_verified": _verified(fleet, ids)}


def _deploy(fleet: Fleet, name: str) -> str:
    return str(fleet.ask("/v1/releases", {"application": name, "version": image("2.0")})["release"]["id"])


def _verified(fleet: Fleet, ids: Mapping[str, str]) -> dict[str, object]:
    """From when the stand-in for the gateway's controller says that a weight is live, to the release's own word."""
    took_s = []
    for name, release in ids.items():
        since = datetime.fromisoformat(fleet.ask(f"/v1/releases/{release}")["weight_live_since"])
        took_s.append(since.timestamp() - fleet.cluster.gateway.confirmed_s["httproutes", "fleet", name])
    took_s.sort()
    p50, p99 = (took_s[int(part * (len(took_s) - 1))] for part in (0.5, 0.99))
    return {"p50_s": round(p50, 3), "p99_s": round(p99, 3), "max_s": round(took_s[-1], 3), "releases": len(took_s)}


def _in_parallel(do: Callable[[int], object], size: Size) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(do, range(size.applications)))


def _until(holds: Callable[[], bool], what: str) -> None:
    begun_s = time.monotonic()
    while True:
        try:
            if holds():
                break
        except (OSError, http.client.HTTPException) as trouble:
            sys.stderr.write(f"asked again: {type(trouble).__name__}: {trouble}\n")
        if time.monotonic() - begun_s > UP_S:
            raise Failed(f"not within {UP_S:g} s: {what}")
        time.sleep(2)
    sys.stderr.write(f"after {time.monotonic() - begun_s:.0f} s: {what}\n")


def _accepted(cluster: Cluster) -> int:
    found = cluster.list("applications")
    conditions = [(one.get("status") or {}).get("conditions") or [] for one in found]
    return sum(any(c["type"] == "Accepted" and c["status"] == "True" for c in some) for some in conditions)


def _baking(fleet: Fleet) -> int:
    found = fleet.cluster.list("applications")
    return sum(bool((one.get("status") or {}).get("weightPct")) for one in found)


def _controller(size: Size, cluster: Cluster, parts: Parts) -> Fleet:
    port, metrics_port, prometheus_port = free_ports(3)
    parts.start(
        "exporter", [sys.executable, "-m", "tests.benchmarks.fleet.exporter", str(metrics_port), str(size.releases)]
    )
    prometheus = _prometheus(parts, prometheus_port, metrics_port)
    settings = {
        "dataDir": str(parts.directory / "data"),
        "port": port,
        "kubeconfig": str(cluster.kubeconfig),
        "kubeNamespaces": [cluster.namespace],
    }
    file = parts.directory / "settings.yaml"
    file.write_text(yaml.safe_dump(settings))
    part = parts.start("controller", [sys.executable, "-m", "api.cli", "serve", "--config", str(file)])
    wait_until(part, lambda: answers(f"http://127.0.0.1:{port}/healthz"), UP_S)
    found = re.search(r"\bil_[A-Za-z0-9_-]+", part.log.read_text())
    if found is None:
        raise Failed(f"the controller printed no first token: {part.tail()}")
    return Fleet(size, cluster, part, f"http://127.0.0.1:{port}", found.group(0), prometheus)


def _prometheus(parts: Parts, port: int, metrics_port: int) -> str:
    config = parts.directory / "prometheus.yml"
    targets = [{"targets": [f"127.0.0.1:{metrics_port}"]}]
    scrape = {"job_name": "mesh", "honor_labels": True, "static_configs": targets}
    every = {"scrape_interval": f"{SCRAPE_S}s", "scrape_timeout": f"{SCRAPE_S}s"}
    config.write_text(json.dumps({"global": every, "scrape_configs": [scrape]}))
    command = [
        program_path("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={parts.directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    part = parts.start("prometheus", command, {"GOMAXPROCS": "1"})
    wait_until(part, lambda: answers(f"http://127.0.0.1:{port}/-/ready"))
    return f"http://127.0.0.1:{port}"


def _measured(fleet: Fleet, settle_s: float) -> dict[str, object]:
    """Over ``size.seconds``, after ``settle_s`` in which what came before may come to rest."""
    time.sleep(settle_s)
    pid, calls = fleet.controller.process.pid, _calls(fleet)
    asked, cpu_s, begun_s = _queries(fleet), _cpu_s(pid), time.monotonic()
    time.sleep(fleet.size.seconds)
    passed_s = time.monotonic() - begun_s
    cpu_s, asked = _cpu_s(pid) - cpu_s, _queries(fleet) - asked
    made = _calls(fleet) - calls
    figures: dict[str, object] = {
        "cores": round(cpu_s / passed_s, 3),
        "resident_mib": round(resident_mib(pid), 1),
        "api_calls_per_s": round(sum(made.values()) / passed_s, 2),
        "api_calls": dict(made.most_common(8)),
        "prometheus_queries_per_s": round(asked / passed_s, 2),
    }
    sys.stderr.write(f"{json.dumps(figures)}\n")
    return figures


def _calls(fleet: Fleet) -> Counter[str]:
    return Counter(f"{call.verb} {call.resource}" for call in fleet.cluster.calls())


def _queries(fleet: Fleet) -> float:
    with urllib.request.urlopen(f"{fleet.prometheus}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    mine = [one for one in lines if one.startswith("prometheus_http_requests_total") and "/api/v1/query" in one]
    return sum(float(one.rpartition(" ")[2]) for one in mine)


def _cpu_s(pid: int) -> float:
    """User and system time of a process, from the kernel's own account."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
