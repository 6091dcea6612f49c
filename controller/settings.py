"""The settings of ``interlock serve``: a YAML file, then INTERLOCK_* of the environment, then flags; the last one wins.
It reads the file and checks that the files it names can be read; it starts nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from controller.documents import DOCUMENT_BYTES_MAX, DocumentError, load_document
from controller.spec import mistakes_of
from controller.spec_parts import Address

PREFIX = "INTERLOCK_"
PORT = 8460


class SettingsError(ValueError):
    """The settings cannot be used. One line per mistake, each says what to do and holds no value of a secret."""


def _split(value: object) -> object:
    """The environment has no lists: "a,b" is one there."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    plain = parts.path in ("", "/") and not (parts.query or parts.fragment or "*" in parts.netloc)
    try:
        plain = plain and (parts.port or 1) > 0
    except ValueError:
        plain = False
    if not plain:
        raise ValueError("write scheme, host and port alone, as in https://prometheus.monitoring.svc:9090")
    return value


def _server(value: str) -> str:
    """The store reads the whole of it when it is opened; what must not be seen is refused before anybody shows it."""
    parts = urlsplit(value)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("use postgresql://USER@HOST:PORT/DATABASE, or leave it out for SQLite in the data directory")
    if parts.password is not None or "password" in parts.query:
        raise ValueError("it holds a password, which others can read: put it into storePasswordFile")
    return value


Origin = Annotated[Address, AfterValidator(_origin)]


class HttpSettings(BaseModel):
    """Limits of the HTTP door. Rates are requests per second of one credential, or of one address without one.

    ``stream_clients_max`` bounds open event streams, each of which holds a socket for as long as its client likes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, allow_inf_nan=False)

    rate_per_s: float = Field(default=20.0, gt=0, le=10_000)
    rate_burst: int = Field(default=60, ge=1, le=100_000)
    anonymous_rate_per_s: float = Field(default=2.0, gt=0, le=10_000)
    anonymous_burst: int = Field(default=20, ge=1, le=100_000)
    body_bytes_max: int = Field(default=DOCUMENT_BYTES_MAX, ge=1_024, le=1_048_576)
    stream_clients_max: int = Field(default=64, ge=1, le=1_000)


class Settings(HttpSettings):
    """Everything ``interlock serve`` can be told."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=False, allow_inf_nan=False
    )

    data_dir: Path = Path("interlock-data")
    store: Annotated[str, Field(max_length=2_000), AfterValidator(_server)] | None = None
    store_password_file: Path | None = None
    store_password: SecretStr | None = Field(default=None, max_length=1_000)
    host: str = Field(default="127.0.0.1", min_length=1, max_length=253)
    port: int = Field(default=PORT, ge=0, le=65_535)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    prometheus_token_file: Path | None = None
    prometheus_basic_file: Path | None = None
    prometheus_credentials_for: Annotated[list[Origin], BeforeValidator(_split), Field(max_length=100)] = []
    in_cluster: bool = False
    kubeconfig: Path | None = None
    kube_context: str | None = Field(default=None, max_length=253)
    kube_namespaces: Annotated[list[str], BeforeValidator(_split), Field(max_length=500)] = []
    registry_credentials: Path | None = None
    registry_plain_http: Annotated[list[str], BeforeValidator(_split), Field(max_length=20)] = []
    notify: Annotated[list[Address], BeforeValidator(_split), Field(max_length=20)] = []
    workers: int = Field(default=8, ge=1, le=64)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"

    @property
    def tls(self) -> bool:
        return self.tls_certificate is not None

    @property
    def has_cluster(self) -> bool:
        return self.in_cluster or self.kubeconfig is not None

    @property
    def prometheus_credentials(self) -> Path | None:
        """The file with the token, or with USER:PASSWORD. Read again for every question."""
        return self.prometheus_token_file or self.prometheus_basic_file

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    @model_validator(mode="after")
    def _guarded(self) -> Settings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("give both tlsCertificate and tlsKey, or neither")
        if self.store is None and (self.store_password_file or self.store_password):
            raise ValueError("a password of the store needs store: postgresql://USER@HOST:PORT/DATABASE")
        if self.store_password_file is not None and self.store_password is not None:
            raise ValueError("give storePasswordFile or INTERLOCK_STORE_PASSWORD, not both")
        if self.prometheus_token_file is not None and self.prometheus_basic_file is not None:
            raise ValueError("give prometheusTokenFile or prometheusBasicFile, not both")
        if self.prometheus_credentials is not None and not self.prometheus_credentials_for:
            raise ValueError(
                "list in prometheusCredentialsFor the addresses of your own Prometheus servers that may get the "
                "credentials: an application can name any address"
            )
        if self.in_cluster and self.kubeconfig is not None:
            raise ValueError("give inCluster or kubeconfig, not both: one controller works with one cluster")
        if self.kube_context is not None and self.kubeconfig is None:
            raise ValueError("kubeContext names a context of the file kubeconfig: give that too")
        if not self.tls and not self.insecure and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host} can be reached from outside and tokens would travel in the clear: "
                "set tlsCertificate and tlsKey, or insecure: true behind a proxy that does TLS"
            )
        return self


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(
    file: Path | None = None, environ: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> Settings:
    """Read and merge. Flags are named like the fields (``data_dir``); None means "not given". Raises SettingsError."""
    merged = _from_file(file) if file is not None else {}
    if "storePassword" in merged:
        raise SettingsError("storePassword: put it into a file of its own, named by storePasswordFile")
    names = {name: to_camel(name) for name in Settings.model_fields}
    given = {names[name]: (environ or {})[PREFIX + name.upper()] for name in names if _set(environ, name)}
    chosen = {names.get(name, name): value for name, value in (flags or {}).items() if value is not None}
    try:
        settings = Settings.model_validate({**merged, **given, **chosen})
    except ValidationError as error:
        lines = (f"{place}: {text}" if place else text for place, text in mistakes_of(error))
        raise SettingsError("\n".join(lines)) from None
    for path in (settings.tls_certificate, settings.tls_key):
        if path is not None:
            _require_readable("TLS", path)
    named = {
        "Prometheus credentials": settings.prometheus_credentials,
        "kubeconfig": settings.kubeconfig,
        "registry credentials": settings.registry_credentials,
        "store's password": settings.store_password_file,
    }
    for what, path in named.items():
        if path is not None:
            _require_readable(what, path)
    return settings


def _set(environ: Mapping[str, str] | None, name: str) -> bool:
    return bool((environ or {}).get(PREFIX + name.upper()))


def _from_file(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            document = load_document(opened.read(DOCUMENT_BYTES_MAX + 1))
    except OSError as error:
        raise SettingsError(f"the settings file {file} cannot be read: {error.strerror}") from None
    except DocumentError as error:
        raise SettingsError(f"{file}: {error}") from None
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise SettingsError(f"{file}: settings are names with values, as in port: {PORT}")
    return document


def _require_readable(what: str, path: Path) -> None:
    try:
        with path.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise SettingsError(f"the {what} file {path} cannot be read: {error.strerror}") from None
