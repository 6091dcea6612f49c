"""Ready-made queries for metrics that many systems export, one module per system. Data only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from analysis.presets import envoy_gateway, generic, haproxy, ingress_nginx, istio, linkerd, traefik
from analysis.presets.words import Options, Preset

PRESETS: Mapping[str, Callable[[Options], Preset]] = MappingProxyType(
    {
        "generic": generic.preset,
        "haproxy": haproxy.preset,
        "istio": istio.preset,
        "ingressNginx": ingress_nginx.preset,
        "envoyGateway": envoy_gateway.preset,
        "traefik": traefik.preset,
        "linkerd": linkerd.preset,
    }
)

FIXED_NAMES: Mapping[str, tuple[str, str]] = MappingProxyType({"alternative": ("", ".+"), "port": ("[0-9]+", "[0-9]+")})
"""Names that a preset needs and that are the same everywhere unless somebody says otherwise: stable's, the canary's."""

__all__ = ["FIXED_NAMES", "PRESETS", "Options", "Preset"]
