"""``python -m tests.kube.tour``: the guided run of docs/kubernetes.md on a cluster of its own. A good version is
promoted, a bad one is rolled back, a kill stops the third. Exit code 0 only when each ended as it must."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.demo.parts import Failed, Haproxy, Missing, Part, Parts, answers, free_ports, wait_until
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw
from tests.kube.cluster.real import absent
from tests.kube.cluster.starting import start_real, start_small
from tests.kube.registry_stage import Registry, manifest
from tests.kube.scripted import scripted
from tests.kube.tour.traffic import Traffic

BROKEN = {"2.1": 0.2}
DEPLOY_S = 90


@dataclass(frozen=True, slots=True)
class Tour:
    cluster: Cluster
    traffic: Traffic
    environment: dict[str, str]

    def interlock(self, *arguments: str) -> int:
        """One command, as a user types it, with what it prints."""
        say(f"$ interlock {' '.join(arguments)}")
        command = [sys.executable, "-m", "api.cli", *arguments]
        return subprocess.run(command, env=self.environment, check=False, timeout=DEPLOY_S + 30).returncode

    def show(self) -> Raw:
        status: Raw = self.cluster.get("applications", "shop").get("status") or {}
        row = {name: status.get(name, "") for name in ("phase", "weightPct", "verdict", "stableVersion")}
        say("  applications/shop: " + ", ".join(f"{name}={value}" for name, value in row.items()))
        return status


def say(line: str = "") -> None:
    print(line, flush=True)


def main() -> int:
    missing = absent()
    say("cluster: " + ("the small API server of the tests (" + missing + ")" if missing else "a real kube-apiserver"))
    say("pods, gateway and users are stand-ins; Prometheus, the controller and the command line are real")
    begun_s = time.monotonic()
    try:
        with (
            start_small() if missing else start_real() as started,
            Parts() as parts,
            started.fresh("shop-tour", Path(tempfile.mkdtemp(dir=parts.directory))) as cluster,
        ):
            troubles = _run(cluster, parts)
    except (Missing, Failed) as failed:
        say(str(failed))
        return 1
    say(f"done in {time.monotonic() - begun_s:.0f} s: " + ("every step ended as it must" if not troubles else ""))
    for trouble in troubles:
        say(f"NOT AS IT MUST: {trouble}")
    return 1 if troubles else 0


def _run(cluster: Cluster, parts: Parts) -> list[str]:
    with _tour(cluster, parts) as tour:
        return [*_good(tour), *_bad(tour), *_killed(tour)]


def _good(tour: Tour) -> list[str]:
    say("\n1. version 2.0 is good: it goes through the weights and becomes stable")
    code = tour.interlock("deploy", "shop", "2.0", "--wait", "--timeout", f"{DEPLOY_S}s")
    images = {pod["spec"]["containers"][0]["image"].partition("@")[0] for pod in tour.cluster.pods("app=shop")}
    tour.show()
    ended = code == 0 and {image.rpartition(":")[2] for image in images} == {"2.0"}
    return [] if ended else [f"the good version ended with {code} and {images}"]


def _bad(tour: Tour) -> list[str]:
    say("\n2. version 2.1 fails one request in five: it is rolled back by itself")
    tour.traffic.highest_pct = 0.0
    before = tour.traffic.failed()
    code = tour.interlock("deploy", "shop", "2.1", "--wait", "--timeout", f"{DEPLOY_S}s")
    failed = tour.traffic.failed() - before
    say(f"  failed requests: {failed:.0f}; the canary never had more than {tour.traffic.highest_pct:g} % of them")
    tour.show()
    return [] if code == 1 else [f"the bad version ended with {code}"]


def _killed(tour: Tour) -> list[str]:
    say("\n3. somebody hits the kill switch while version 2.2 is on its way")
    tour.interlock("deploy", "shop", "2.2")
    end_s = time.monotonic() + 40
    while time.monotonic() < end_s and not (tour.show().get("weightPct") or 0):
        time.sleep(1)
    code = tour.interlock("kill", "application:shop", "--reason", "the guided run")
    refs = tour.cluster.get("httproutes", "shop")["spec"]["rules"][-1]["backendRefs"]
    weights = {ref["name"]: ref.get("weight", 1) for ref in refs}
    say(f"  the route's weights right after it: {weights}")
    return [] if code == 0 and weights.get("shop-canary", 0) == 0 else [f"after the kill: {code}, {weights}"]


@contextmanager
def _tour(cluster: Cluster, parts: Parts) -> Iterator[Tour]:
    registry = Registry()
    for tag in ("1.0", "2.0", "2.1", "2.2"):
        registry.kept["web", tag] = manifest(tag)
    with scripted(registry) as server:
        registry.server = server
        image = f"{registry.host}/web"
        say("the shop as it was before Interlock: a Deployment, a Service, an HTTPRoute")
        for name in ("shop", "other"):
            cluster.apply(builders.service(name))
        cluster.apply(builders.http_route("shop", [], rules=[_other(), {"backendRefs": [builders.backend("shop", 1)]}]))
        cluster.deployment("shop", f"{image}:1.0", 3)
        cluster.rolled_out("shop")
        traffic = Traffic(cluster, BROKEN)
        traffic.start()
        try:
            prometheus = parts.prometheus(Haproxy(_nothing(parts), 0, traffic.port, parts.directory / "none"))
            url, token = _controller(parts, cluster, registry.host)
            environment = {**os.environ, "INTERLOCK_URL": url, "INTERLOCK_TOKEN": token, **parts.environment}
            cluster.apply(_application(prometheus.url))
            tour = Tour(cluster, traffic, environment)
            cluster.wait(lambda: _accepted(cluster), "the Application object is accepted", 20)
            tour.show()
            yield tour
        finally:
            traffic.stop()


def _other() -> Raw:
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": "/other"}}],
        "backendRefs": [builders.backend("other")],
    }


def _nothing(parts: Parts) -> Part:
    return parts.start("nothing", [sys.executable, "-c", "pass"])


def _accepted(cluster: Cluster) -> bool:
    conditions = (cluster.get("applications", "shop").get("status") or {}).get("conditions") or []
    return any(one["type"] == "Accepted" and one["status"] == "True" for one in conditions)


def _controller(parts: Parts, cluster: Cluster, registry: str) -> tuple[str, str]:
    (port,) = free_ports(1)
    settings = {
        "dataDir": str(parts.directory / "data"),
        "port": port,
        "kubeconfig": str(cluster.kubeconfig),
        "kubeNamespaces": [cluster.namespace],
        "registryPlainHttp": [registry],
    }
    file = parts.directory / "settings.yaml"
    file.write_text(yaml.safe_dump(settings))
    part = parts.start("controller", [sys.executable, "-m", "api.cli", "serve", "--config", str(file)])
    wait_until(part, lambda: answers(f"http://127.0.0.1:{port}/healthz"))
    found = re.search(r"\bil_[A-Za-z0-9_-]+", part.log.read_text())
    if found is None:
        raise Failed(f"the controller printed no first token: {part.tail()}")
    return f"http://127.0.0.1:{port}", found.group(0)


def _application(prometheus: str) -> Raw:
    """That of docs/kubernetes.md, with seconds where production has minutes."""
    counter = 'http_requests_total{role="$role"%s}'
    errors = {"name": "errors", "total": [counter % ""], "bad": [counter % ',code=~"5.."'], "sloBadFraction": 0.02}
    spec = {
        "environment": "production",
        "target": {"kubernetes": {"deployment": "shop", "service": "shop"}},
        "router": {"gatewayApi": {"httpRoute": "shop"}},
        "canary": {"steps": [5, 20, 50], "minBake": "4s", "drain": "2s", "poll": "500ms", "lease": "20s"},
        "metrics": {"prometheus": prometheus, "counters": [errors]},
        "analysis": {
            "warmup": "1s", "block": "1s", "minRequests": 30, "staleAfter": "5s", "noData": {"rollbackAfter": "20s"},
            "breaker": {"failSeconds": 2},
        },
    }  # fmt: skip
    return {"apiVersion": "interlock.dev/v1alpha1", "kind": "Application", "metadata": {"name": "shop"}, "spec": spec}


if __name__ == "__main__":
    sys.exit(main())
