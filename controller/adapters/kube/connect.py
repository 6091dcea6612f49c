"""Builds the one shared client of a cluster, from the pod it runs in or from a kubeconfig that the operator named.

Nothing is looked up by itself: no KUBECONFIG variable, no file in a home directory, so that no credential plugin runs
that the operator did not choose.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from kubernetes.client import Configuration
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.credentials import PLUGIN_S, Credentials, FileToken, LoadedToken, NoToken, bounded
from controller.adapters.kube.transport import Transport
from controller.ports import Clock, Refused

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where the kubelet puts a pod's token, renewed in place, and the authority of the API server."""


@dataclass(frozen=True, slots=True)
class KubeSettings:
    """Which cluster, and how patiently. Exactly one of ``in_cluster`` and ``kubeconfig``.

    ``connections`` are kept open when idle: as many as threads that call, and two to spare. There is no rate limit on
    our side: the API server has its own (429, which is heard), and a stop must never queue behind other calls.
    """

    kubeconfig: str | None = None
    context: str | None = None
    in_cluster: bool = False
    connections: int = 34
    connect_s: float = 2.0
    read_s: float = 8.0
    service_account: str = SERVICE_ACCOUNT


def connect(settings: KubeSettings, clock: Clock, environ: Mapping[str, str] | None = None) -> KubeApi:
    """Reads files and starts an operator's plugin, but asks the cluster nothing yet. Raises Refused or Unavailable."""
    if settings.in_cluster == (settings.kubeconfig is not None):
        raise Refused("say where the cluster is: either in the cluster itself, or the path of a kubeconfig")
    configuration = Configuration()
    configuration.connection_pool_maxsize = settings.connections
    if settings.kubeconfig is not None:
        credentials = _from_file(configuration, settings.kubeconfig, settings.context, clock.monotonic_s)
    else:
        around = os.environ if environ is None else environ
        credentials = _in_cluster(configuration, Path(settings.service_account), around, clock.monotonic_s)
    _refuse_clear_text(str(configuration.host), credentials)
    transport = Transport(configuration, credentials, clock.monotonic_s, settings.connect_s, settings.read_s)
    return KubeApi(transport)


def _in_cluster(
    configuration: Configuration, folder: Path, environ: Mapping[str, str], monotonic_s: Callable[[], float]
) -> Credentials:
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    authority, token = folder / "ca.crt", folder / "token"
    if not host or not port:
        raise Refused("this is no pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    if not authority.is_file() or not token.is_file():
        raise Refused(f"no service account token in {folder}: does the pod have automountServiceAccountToken: false?")
    configuration.host = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    configuration.ssl_ca_cert = str(authority)
    return FileToken(token, monotonic_s)


def _from_file(
    configuration: Configuration, path: str, context: str | None, monotonic_s: Callable[[], float]
) -> Credentials:
    """The client's own loader, but for what it gets wrong: it reads a tokenFile once, and writes the file back."""
    try:
        found = KubeConfigMerger(path).config  # type: ignore[no-untyped-call]
        if found is None:
            raise Refused(f"there is no kubeconfig at {path}")
        loader = KubeConfigLoader(found, active_context=context, config_base_path=None)  # type: ignore[no-untyped-call]
        bounded(lambda: loader.load_and_set(configuration), PLUGIN_S)  # type: ignore[no-untyped-call]
        token_file = _token_file(found, context, Path(path).parent)
    except (ConfigException, yaml.YAMLError, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        why = str(error) if isinstance(error, ConfigException) else type(error).__name__
        raise Refused(f"the kubeconfig {path} cannot be used: {why}") from error
    if token_file is not None:
        return FileToken(token_file, monotonic_s)
    if "BearerToken" in configuration.api_key:
        return LoadedToken(lambda: configuration.get_api_key_with_prefix("BearerToken"), monotonic_s)
    return NoToken()


def _token_file(found: Any, context: str | None, folder: Path) -> Path | None:
    chosen = found["contexts"].get_with_name(context or found["current-context"])["context"].safe_get("user")
    if not chosen or not found.safe_get("users"):
        return None
    user = found["users"].get_with_name(chosen, safe=True)
    named = user["user"].safe_get("tokenFile") if user is not None else None
    return folder / named if isinstance(named, str) and named else None


def _refuse_clear_text(server: str, credentials: Credentials) -> None:
    parts = urlsplit(server)
    if parts.scheme == "https" or isinstance(credentials, NoToken) or _is_loopback(parts.hostname or ""):
        return
    raise Refused(f"the server {parts.hostname} is spoken to without TLS: a token would travel in the clear")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
