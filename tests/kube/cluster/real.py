"""The real API server with etcd and, where its binary exists, the controller manager: started on free ports of
loopback in a folder of their own, and ended with everything that they left."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tests.demo.parts import Failed, Part, Parts, free_ports
from tests.kube.cluster.small.journal import Call

ASSETS = "KUBEBUILDER_ASSETS"
DEFAULT_ASSETS = Path("/usr/local/kubebuilder/bin")
MANAGER = "kube-controller-manager"
NEEDED = ("kube-apiserver", "etcd")
START_S = 50.0
"""A cold start takes 4 s on two free cores; a busy machine needs more."""
CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "resourcequota-controller",
    "disruption-controller",
)
AUDIT_POLICY = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: "
AUDIT_POLICY += "[{level: None, users: [controller-manager, stand-ins]}, {level: Metadata}]\n"


def assets() -> Path:
    return Path(os.environ.get(ASSETS) or DEFAULT_ASSETS)


def absent() -> str | None:
    """Why there is no real API server here, or None."""
    missing = [name for name in NEEDED if not os.access(assets() / name, os.X_OK)]
    if not missing and shutil.which("openssl") is None:
        return "left out: the real API server (the openssl command, which makes its keys, is not installed)"
    if not missing:
        return None
    return f"left out: the real API server ({' and '.join(missing)} not in {assets()}; set {ASSETS})"


def has_controllers() -> bool:
    """Whether the controllers' own binary is there too; envtest does not bring it."""
    return os.access(assets() / MANAGER, os.X_OK)


@dataclass(slots=True)
class Real:
    """``tokens`` is who may come in, all of them as masters; everyone else needs a ServiceAccount and RBAC."""

    tokens: Mapping[str, str]
    parts: Parts = field(default_factory=Parts)
    url: str = ""
    etcd_url: str = ""
    controllers: bool = False
    _calls: list[Call] = field(default_factory=list)
    _read_bytes: int = 0

    @property
    def ca_file(self) -> Path:
        """The server's own certificate, which it makes on its first start, with that of its authority."""
        return self.parts.directory / "certificates" / "apiserver.crt"

    def start(self) -> None:
        self.parts.__enter__()
        try:
            client_port, peer_port, api_port = free_ports(3)
            self.etcd_url, self.url = f"http://127.0.0.1:{client_port}", f"https://127.0.0.1:{api_port}"
            self._write_files()
            etcd = self.parts.start("etcd", self._etcd(peer_port))
            server = self.parts.start("kube-apiserver", self._server(api_port))
            self._until_ready(server, etcd)
            if has_controllers():
                self.parts.start(MANAGER, self._manager())
                self.controllers = True
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.parts.__exit__()

    def _write_files(self) -> None:
        folder = self.parts.directory
        lines = [f'{token},{user},{user},"system:masters"' for user, token in self.tokens.items()]
        (folder / "tokens.csv").write_text("\n".join(lines) + "\n")
        (folder / "audit.yaml").write_text(AUDIT_POLICY)
        (folder / "audit.log").touch()
        key, public = folder / "accounts.key", folder / "accounts.pub"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
        openssl("ec", "-in", str(key), "-pubout", "-out", str(public))
        config = kubeconfig(self.url, self.tokens["controller-manager"], str(self.ca_file))
        (folder / "manager.json").write_text(json.dumps(config))

    def _etcd(self, peer_port: int) -> list[str]:
        return [
            str(assets() / "etcd"), "--data-dir", str(self.parts.directory / "etcd"), "--unsafe-no-fsync",
            "--listen-client-urls", self.etcd_url, "--advertise-client-urls", self.etcd_url,
            "--listen-peer-urls", f"http://127.0.0.1:{peer_port}",
        ]  # fmt: skip

    def _server(self, port: int) -> list[str]:
        folder = self.parts.directory
        options = {
            "etcd-servers": self.etcd_url,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": port,
            "endpoint-reconciler-type": "none",
            "cert-dir": folder / "certificates",
            "token-auth-file": folder / "tokens.csv",
            "authorization-mode": "Node,RBAC",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": folder / "accounts.pub",
            "service-account-signing-key-file": folder / "accounts.key",
            "service-cluster-ip-range": "10.96.0.0/16",
            "enable-admission-plugins": "ValidatingAdmissionPolicy,ResourceQuota",
            # Pods of the tests have no ServiceAccount, whose controller does not run.
            "disable-admission-plugins": "ServiceAccount",
            "audit-policy-file": folder / "audit.yaml",
            "audit-log-path": folder / "audit.log",
        }
        return [str(assets() / "kube-apiserver"), *(f"--{name}={value}" for name, value in options.items())]

    def _manager(self) -> list[str]:
        options = {
            "kubeconfig": self.parts.directory / "manager.json",
            "controllers": ",".join(CONTROLLERS),
            "leader-elect": "false",
            "secure-port": 0,
            "kube-api-qps": 300,
            "kube-api-burst": 600,
        }
        return [str(assets() / MANAGER), *(f"--{name}={value}" for name, value in options.items())]

    def _until_ready(self, server: Part, etcd: Part) -> None:
        end_s = time.monotonic() + START_S
        while not self._ready():
            for part in (server, etcd):
                if not part.alive:
                    raise Failed(f"{part.name} ended: {part.tail()}")
            if time.monotonic() > end_s:
                raise Failed(f"kube-apiserver is not ready after {START_S:g} s: {server.tail()}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        if not self.ca_file.exists():
            return False
        token = next(iter(self.tokens.values()))
        request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": f"Bearer {token}"})
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file))
            with urllib.request.urlopen(request, timeout=2, context=context) as response:
                return bool(response.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    def compact(self, version: int) -> None:
        body = json.dumps({"revision": str(version)}).encode()
        request = urllib.request.Request(f"{self.etcd_url}/v3/kv/compaction", body)
        with urllib.request.urlopen(request, timeout=5) as response:
            response.read()

    def calls(self) -> list[Call]:
        """From the audit log, which the server writes before it answers."""
        with (self.parts.directory / "audit.log").open("rb") as log:
            log.seek(self._read_bytes)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        events = [json.loads(line) for line in whole.splitlines()]
        # A watch counts when it begins, as it may never end.
        stages = {True: "ResponseStarted", False: "ResponseComplete"}
        self._calls += [call_of(one) for one in events if one["stage"] == stages[one["verb"] == "watch"]]
        return list(self._calls)


def call_of(event: dict[str, object]) -> Call:
    asked = event.get("objectRef") or {}
    answered, user = event.get("responseStatus") or {}, event["user"]
    assert isinstance(asked, dict)
    assert isinstance(answered, dict)
    assert isinstance(user, dict)
    resource, below = asked.get("resource", ""), asked.get("subresource", "")
    stamp = datetime.fromisoformat(str(event["requestReceivedTimestamp"]))
    at_s = time.monotonic() - (datetime.now(stamp.tzinfo) - stamp).total_seconds()
    return Call(
        user["username"], str(event["verb"]), f"{resource}/{below}" if below else resource,
        asked.get("namespace", ""), asked.get("name", ""), str(event["requestURI"]), answered.get("code", 0), at_s,
    )  # fmt: skip


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


def kubeconfig(url: str, token: str, ca_file: str | None, namespace: str = "default") -> dict[str, object]:
    """JSON is YAML, so that this needs no writer."""
    cluster = {"server": url} | ({"certificate-authority": ca_file} if ca_file else {})
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
        "current-context": "test",
    }
