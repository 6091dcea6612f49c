"""Which server is spoken to, with which credentials, and what is never looked up or started by itself."""

from __future__ import annotations

import base64
import json
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.kube import connect as connecting
from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.credentials import REREAD_S
from controller.adapters.kube.kinds import POD
from controller.ports import PortError, Refused, Unavailable
from tests.fakes.clock import ManualClock
from tests.kube.scripted import Heard, Scripted, Wire, certificate, kubeconfig, scripted, serving
from tests.tree import imports, python


def done(_heard: Heard, wire: Wire) -> None:
    wire.answer(200, {"kind": "Pod"})


def service_account(folder: Path, authority: Path, token: str = "first") -> KubeSettings:
    """As the kubelet lays it out: the token is a link into a folder that is swapped as a whole."""
    (folder / "v1").mkdir()
    (folder / "v1" / "token").write_text(token + "\n")
    (folder / "..data").symlink_to("v1")
    (folder / "token").symlink_to("..data/token")
    (folder / "ca.crt").write_text(authority.read_text())
    return KubeSettings(in_cluster=True, service_account=str(folder))


def rotate(folder: Path, token: str) -> None:
    (folder / "v2").mkdir()
    (folder / "v2" / "token").write_text(token)
    (folder / "..new").symlink_to("v2")
    (folder / "..new").rename(folder / "..data")


def pod_environment(server: Scripted) -> dict[str, str]:
    return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}


def shown(api: KubeApi, server: Scripted) -> str | None:
    """The Authorization header of one call."""
    api.get(POD, "shop", "a")
    return server.heard[-1].headers.get("authorization")


def test_in_a_cluster_the_pods_token_is_really_sent_and_only_the_clusters_authority_is_trusted(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    settings = service_account(tmp_path, crt)
    with scripted(done, serving(crt, key)) as server:
        api = connect(settings, ManualClock(), pod_environment(server))
        assert shown(api, server) == "Bearer first"
        api.patch(POD, "shop", "a", {})
        assert server.heard[-1].headers["authorization"] == "Bearer first"
        api.close()


def test_a_server_with_another_authority_gets_no_token(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    (other := tmp_path / "other").mkdir()
    settings = service_account(tmp_path, certificate(other)[0])
    with scripted(done, serving(crt, key)) as server:
        api = connect(settings, ManualClock(), pod_environment(server))
        with pytest.raises(Unavailable, match="its certificate is not trusted"):
            api.get(POD, "shop", "a")
        api.close()
    assert server.heard == []


def test_a_rotated_token_is_sent_within_a_minute(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    settings, clock = service_account(tmp_path, crt), ManualClock()
    with scripted(done, serving(crt, key)) as server:
        api = connect(settings, clock, pod_environment(server))
        assert shown(api, server) == "Bearer first"
        rotate(tmp_path, "second")
        clock.advance(REREAD_S - 1)
        assert shown(api, server) == "Bearer first"
        clock.advance(1)
        assert shown(api, server) == "Bearer second"
        api.close()


def test_a_token_that_is_not_accepted_any_more_is_read_again_for_the_next_call(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    settings = service_account(tmp_path, crt)

    def script(heard: Heard, wire: Wire) -> None:
        wire.answer(200 if heard.headers["authorization"] == "Bearer second" else 401, {})

    with scripted(script, serving(crt, key)) as server:
        api = connect(settings, ManualClock(), pod_environment(server))
        with pytest.raises(Unavailable, match="does not accept these credentials"):
            api.get(POD, "shop", "a")
        rotate(tmp_path, "second")
        api.get(POD, "shop", "a")
        api.close()
    assert len(server.heard) == 2


def test_a_token_file_that_is_gone_for_a_moment_stops_nothing(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    settings, clock = service_account(tmp_path, crt), ManualClock()
    with scripted(done, serving(crt, key)) as server:
        api = connect(settings, clock, pod_environment(server))
        shown(api, server)
        for broken in (lambda: (tmp_path / "token").unlink(), lambda: (tmp_path / "token").write_text(" \n")):
            broken()
            clock.advance(REREAD_S + 1)
            assert shown(api, server) == "Bearer first"
        api.close()


@pytest.mark.parametrize("token", ["", "two words", "with\x00zero", "t" * 70_000])
def test_a_file_without_a_token_is_said_to_be_that_and_nothing_is_sent(tmp_path: Path, token: str) -> None:
    crt, key = certificate(tmp_path)
    settings = service_account(tmp_path, crt, token)
    with scripted(done, serving(crt, key)) as server:
        api = connect(settings, ManualClock(), pod_environment(server))
        with pytest.raises(Unavailable, match=r"token file .* holds no token") as caught:
            api.get(POD, "shop", "a")
        assert token == "" or token not in str(caught.value)
        api.close()
    assert server.heard == []


def test_outside_a_pod_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="this is no pod"):
        connect(KubeSettings(in_cluster=True), ManualClock(), {})
    around = {"KUBERNETES_SERVICE_HOST": "::1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(Refused, match="automountServiceAccountToken"):
        connect(KubeSettings(in_cluster=True, service_account=str(tmp_path)), ManualClock(), around)


@pytest.mark.parametrize("settings", [KubeSettings(), KubeSettings(kubeconfig="x", in_cluster=True)])
def test_nothing_is_guessed_when_the_settings_do_not_say_where_the_cluster_is(
    settings: KubeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, "http://127.0.0.1:1"))
    with pytest.raises(Refused, match="say where the cluster is"):
        connect(settings, ManualClock())


def from_file(server: Scripted, folder: Path, user: dict[str, Any], clock: Any = None, **cluster: Any) -> KubeApi:
    path = kubeconfig(folder, server.url, user, **cluster)
    return connect(KubeSettings(kubeconfig=path), clock or SystemClock())


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({"token": "t-1"}, "Bearer t-1"),
        ({"username": "me", "password": "pw"}, "Basic " + base64.b64encode(b"me:pw").decode()),
        ({}, None),
    ],
)
def test_a_kubeconfigs_credentials_are_really_sent(tmp_path: Path, user: dict[str, Any], header: str | None) -> None:
    with scripted(done) as server:
        api = from_file(server, tmp_path, user)
        assert shown(api, server) == header
        api.close()


def test_a_kubeconfigs_token_file_is_read_again_and_wins_over_a_token_in_it(tmp_path: Path) -> None:
    """The client's own loader reads it once, and would be locked out an hour later."""
    clock = ManualClock()
    (tmp_path / "token").write_text("first")
    with scripted(done) as server:
        api = from_file(server, tmp_path, {"tokenFile": "token", "token": "old"}, clock)
        assert shown(api, server) == "Bearer first"
        (tmp_path / "token").write_text("second")
        clock.advance(REREAD_S)
        assert shown(api, server) == "Bearer second"
        api.close()


def test_another_context_can_be_chosen(tmp_path: Path) -> None:
    with scripted(done) as server:
        path = Path(kubeconfig(tmp_path, "https://nowhere.invalid"))
        document = json.loads(path.read_text())
        document["clusters"].append({"name": "there", "cluster": {"server": server.url}})
        document["contexts"].append({"name": "there", "context": {"cluster": "there", "user": "me"}})
        path.write_text(json.dumps(document))
        api = connect(KubeSettings(kubeconfig=str(path), context="there"), SystemClock())
        assert shown(api, server) is None
        api.close()


def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    context = serving(crt, key)
    context.load_verify_locations(crt)
    context.verify_mode = ssl.CERT_REQUIRED
    encoded = {name: base64.b64encode(path.read_bytes()).decode() for name, path in (("crt", crt), ("key", key))}
    user = {"client-certificate-data": encoded["crt"], "client-key-data": encoded["key"]}
    with scripted(done, context) as server:
        api = from_file(server, tmp_path, user, **{"certificate-authority-data": encoded["crt"]})
        assert shown(api, server) is None
        assert api.get(POD, "shop", "a") == {"kind": "Pod"}
        api.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no kubeconfig"),
        ("", "is empty"),
        ("[1, 2]", "cannot be used"),
        ("{clusters: [}", "cannot be used"),
        ("{current-context: gone, contexts: [], clusters: [], users: []}", "gone"),
        ("!!python/object/apply:os.system ['true']", "cannot be used"),
    ],
)
def test_an_unusable_kubeconfig_is_refused_in_words(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Refused, match=said):
        connect(KubeSettings(kubeconfig=str(path)), SystemClock())


def test_a_token_is_not_sent_in_the_clear_to_another_machine(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "http://kubernetes.example.com", {"token": "t"})
    with pytest.raises(Refused, match=r"kubernetes\.example\.com is spoken to without TLS"):
        connect(KubeSettings(kubeconfig=path), SystemClock())


PLUGIN = """#!{python}
import json, pathlib, sys, time
ran = pathlib.Path({ran!r})
ran.write_text(ran.read_text() + "x" if ran.exists() else "x")
time.sleep({wait})
status = {{"token": "from-the-plugin"}}
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}}))
"""


def plugin(folder: Path, wait_s: float = 0) -> tuple[dict[str, Any], Path]:
    """A user of a kubeconfig whose token comes from a program, and the file that grows with every run of it."""
    program, ran = folder / "plugin", folder / "ran"
    program.write_text(PLUGIN.format(python=sys.executable, ran=str(ran), wait=wait_s))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    chosen = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "args": []}
    return {"exec": chosen | {"interactiveMode": "Never", "env": []}}, ran


def test_a_credential_plugin_runs_when_the_operator_named_its_kubeconfig_and_the_file_stays_as_it_is(
    tmp_path: Path,
) -> None:
    user, ran = plugin(tmp_path)
    with scripted(done) as server:
        api = from_file(server, tmp_path, user)
        before = (tmp_path / "kubeconfig").read_bytes()
        assert shown(api, server) == "Bearer from-the-plugin"
        assert shown(api, server) == "Bearer from-the-plugin"
        api.close()
    assert ran.read_text() == "x"
    assert (tmp_path / "kubeconfig").read_bytes() == before


def test_no_credential_plugin_runs_that_the_operator_did_not_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, ran = plugin(tmp_path)
    (tmp_path / ".kube").mkdir()
    path = Path(kubeconfig(tmp_path, "http://127.0.0.1:1", user))
    (tmp_path / ".kube" / "config").write_text(path.read_text())
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setenv("HOME", str(tmp_path))
    crt, key = certificate(tmp_path)
    settings = service_account(tmp_path, crt)
    with scripted(done, serving(crt, key)) as server:
        api = connect(settings, ManualClock(), pod_environment(server))
        assert shown(api, server) == "Bearer first"
        api.close()
        with pytest.raises(PortError):
            connect(KubeSettings(), ManualClock())
    assert not ran.exists()


def test_a_credential_plugin_that_hangs_does_not_hang_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "PLUGIN_S", 0.3)
    user, _ = plugin(tmp_path, wait_s=2)
    with scripted(done) as server, pytest.raises(Unavailable, match=r"gave no answer within 0\.3 s"):
        from_file(server, tmp_path, user)


def test_the_clients_library_is_loaded_only_where_a_cluster_is_used() -> None:
    """It costs tens of MiB, and most nodes without a cluster would pay them for nothing."""
    program = "import sys, controller.adapters.kube, controller.main; print('kubernetes' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=True)
    assert told.stdout.strip() == "False"


def test_of_the_clients_library_only_the_plain_client_and_the_reading_of_kubeconfigs_is_used() -> None:
    """Its watch, informer, leader election and typed models hang, repeat, or raise after the server has acted."""
    used = {name for path in python("controller") for name in imports(path) if name.split(".")[0] == "kubernetes"}
    assert used == {
        "kubernetes.client",
        "kubernetes.client.exceptions",
        "kubernetes.config.config_exception",
        "kubernetes.config.kube_config",
    }
