"""Settings of serve: where they come from, which one wins, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller.settings import Settings, SettingsError, is_loopback, load_settings


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_without_anything_it_listens_on_loopback_only() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.url) == ("127.0.0.1", 8460, "http://127.0.0.1:8460")
    assert not settings.tls


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "s.yaml", "port: 1\nworkers: 2\nlogLevel: debug\n")
    settings = load_settings(file, {"INTERLOCK_PORT": "3", "INTERLOCK_WORKERS": "4"}, {"port": 5, "workers": None})
    assert (settings.port, settings.workers, settings.log_level) == (5, 4, "debug")


def test_every_setting_can_come_from_the_environment(tmp_path: Path) -> None:
    pem = write(tmp_path / "pem", "x")
    given = {
        "DATA_DIR": "/var/lib/interlock",
        "HOST": "::1",
        "TLS_CERTIFICATE": str(pem),
        "TLS_KEY": str(pem),
        "INSECURE": "true",
        "NOTIFY": "http://a/b, https://c/d",
        "LOG_FORMAT": "text",
        "RATE_PER_S": "2.5",
        "BODY_BYTES_MAX": "2048",
    }
    settings = load_settings(None, {f"INTERLOCK_{name}": value for name, value in given.items()})
    assert settings.data_dir == Path("/var/lib/interlock")
    assert (settings.url, settings.insecure, settings.log_format) == ("https://[::1]:8460", True, "text")
    assert settings.notify == ["http://a/b", "https://c/d"]
    assert (settings.rate_per_s, settings.body_bytes_max) == (2.5, 2048)


def test_what_the_environment_holds_for_others_is_left_alone() -> None:
    environ = {"INTERLOCK_TOKEN": "x", "INTERLOCK_URL": "y", "PORT": "1", "INTERLOCK_PORT": ""}
    assert load_settings(None, environ) == Settings()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"host": "0.0.0.0"}, "tokens would travel in the clear"),
        ({"host": "::"}, "tokens would travel in the clear"),
        ({"host": "10.0.0.1"}, "insecure: true"),
        ({"host": "interlock.example"}, "tlsCertificate and tlsKey"),
        ({"tls_certificate": "/x"}, "both tlsCertificate and tlsKey"),
        ({"tls_key": "/x"}, "both tlsCertificate and tlsKey"),
        ({"tls_key": "/no/such/key", "tls_certificate": "/no/such/crt"}, "/no/such/crt cannot be read"),
        ({"port": 70_000}, "port: "),
        ({"workers": 0}, "workers: "),
        ({"log_level": "loud"}, "logLevel: "),
        ({"log_format": "xml"}, "logFormat: "),
        ({"prot": 1}, "prot: no such field"),
        ({"notify": ["ftp://x"]}, "http://HOST"),
        ({"notify": ["http://user:hunter2@h"]}, "credentials"),
        ({"rate_per_s": float("inf")}, "ratePerS: "),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_setting_that_cannot_be_used_is_named(given: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingsError, match=text) as caught:
        load_settings(None, {}, given)
    assert "hunter2" not in str(caught.value)


def test_a_port_open_to_others_needs_tls_or_the_word_insecure(tmp_path: Path) -> None:
    pem = write(tmp_path / "pem", "x")
    assert load_settings(None, {}, {"host": "0.0.0.0", "insecure": True}).insecure
    assert load_settings(None, {}, {"host": "0.0.0.0", "tls_certificate": pem, "tls_key": pem}).tls


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "localhost.example", "interlock"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("port: [", "not YAML"),
        ("- 1", "names with values"),
        ("1: 2", "names with values"),
        ("port: 1\nport: 2", "given twice"),
        ("prot: 1", "no such field"),
        ("data_dir: /x", "data_dir: no such field"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: str, text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        load_settings(write(tmp_path / "s.yaml", content))


def test_an_empty_file_is_fine_and_a_missing_one_is_not(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path / "s.yaml", "")) == Settings()
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load_settings(tmp_path / "none.yaml")


def test_the_credentials_for_prometheus_are_one_file_that_can_be_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    who = {"INTERLOCK_PROMETHEUS_CREDENTIALS_FOR": "http://a.test:9090, https://b.test/"}
    with pytest.raises(SettingsError, match=r"Prometheus credentials file .* cannot be read"):
        load_settings(environ={"INTERLOCK_PROMETHEUS_TOKEN_FILE": str(secret), **who})
    secret.write_text("t")
    settings = load_settings(environ={"INTERLOCK_PROMETHEUS_BASIC_FILE": str(secret), **who})
    assert settings.prometheus_credentials == secret
    assert settings.prometheus_credentials_for == ["http://a.test:9090", "https://b.test/"]
    with pytest.raises(SettingsError, match="not both"):
        load_settings(flags={"prometheus_token_file": secret, "prometheus_basic_file": secret})


@pytest.mark.parametrize("name", ["prometheus_token_file", "prometheus_basic_file"])
def test_credentials_for_prometheus_need_a_list_of_who_gets_them(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="list in prometheusCredentialsFor the addresses of your own Prometheus"):
        load_settings(flags={name: write(tmp_path / "secret", "t")})


@pytest.mark.parametrize(
    "address",
    ["prometheus:9090", "ftp://a.test", "https://", "https://u:p@a.test", "https://a.test/tenant", "https://a.test?x=1",
     "https://a.test#x", "https://a.test:port", "https://*.a.test"],
)  # fmt: skip
def test_who_gets_the_credentials_is_a_scheme_a_host_and_a_port(address: str) -> None:
    with pytest.raises(SettingsError, match="prometheusCredentialsFor"):
        load_settings(environ={"INTERLOCK_PROMETHEUS_CREDENTIALS_FOR": address})


def test_one_controller_works_with_one_cluster_or_none(tmp_path: Path) -> None:
    file = write(tmp_path / "kubeconfig", "{}")
    assert not load_settings().has_cluster
    assert load_settings(None, {"INTERLOCK_IN_CLUSTER": "true"}).has_cluster
    given = {"INTERLOCK_KUBECONFIG": str(file), "INTERLOCK_KUBE_CONTEXT": "a", "INTERLOCK_KUBE_NAMESPACES": "web, pay"}
    settings = load_settings(None, given)
    assert (settings.kubeconfig, settings.kube_context, settings.kube_namespaces) == (file, "a", ["web", "pay"])
    with pytest.raises(SettingsError, match="inCluster or kubeconfig, not both"):
        load_settings(None, {**given, "INTERLOCK_IN_CLUSTER": "true"})
    with pytest.raises(SettingsError, match="kubeContext names a context"):
        load_settings(None, {"INTERLOCK_KUBE_CONTEXT": "a"})
    with pytest.raises(SettingsError, match=r"the kubeconfig file .* cannot be read"):
        load_settings(None, {"INTERLOCK_KUBECONFIG": str(tmp_path / "missing")})


def test_a_store_on_a_server_is_named_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://interlock@db.test/interlock"
    assert load_settings().store is None
    file = write(tmp_path / "password", "s3cret")
    settings = load_settings(None, {"INTERLOCK_STORE": url, "INTERLOCK_STORE_PASSWORD_FILE": str(file)})
    assert (settings.store, settings.store_password_file) == (url, file)
    settings = load_settings(None, {"INTERLOCK_STORE": url, "INTERLOCK_STORE_PASSWORD": "s3cret"})
    assert settings.store_password is not None
    assert settings.store_password.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"STORE": "mysql://db/x"}, "store: use postgresql://USER@HOST:PORT/DATABASE, or leave it out for SQLite"),
        ({"STORE": "postgresql://u:s3cret@db/x"}, "holds a password, which others can read"),
        ({"STORE_PASSWORD": "s3cret"}, "needs store: postgresql"),
        ({"STORE": "postgresql://u@db/x", "STORE_PASSWORD_FILE": "/nonexistent"}, "password file .* cannot be read"),
        ({"STORE": "postgresql://u@db/x", "STORE_PASSWORD": "s3cret", "STORE_PASSWORD_FILE": "/x"}, "not both"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused_without_its_password(environ: dict[str, str], text: str) -> None:
    with pytest.raises(SettingsError, match=text) as caught:
        load_settings(None, {f"INTERLOCK_{name}": value for name, value in environ.items()})
    assert "s3cret" not in str(caught.value)


def test_a_password_stands_in_no_settings_file(tmp_path: Path) -> None:
    file = write(tmp_path / "s.yaml", "store: postgresql://u@db/x\nstorePassword: s3cret\n")
    with pytest.raises(SettingsError, match="put it into a file of its own, named by storePasswordFile") as caught:
        load_settings(file)
    assert "s3cret" not in str(caught.value)
