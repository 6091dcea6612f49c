"""Traefik with a weighted TraefikService over two Services.

Metrics: ``traefik_service_requests_total`` and ``traefik_service_request_duration_seconds``. A version is recognised by
the label ``service``, such as ``shop-shop-80@kubernetescrd``: namespace, Service, port and provider. Traefik's default
buckets (0.1, 0.3, 1.2 and 5 seconds) are coarse: add bounds around the limit of a slow request.
"""

from __future__ import annotations

from analysis.presets.words import Options, Preset, errors, latency

NAMES = ("namespace", "service", "port")
SERVED = 'service=~"$namespace-$service-$port@kubernetescrd"'


def preset(options: Options) -> Preset:
    total = f"traefik_service_requests_total{{{SERVED}}}"
    bad = f'traefik_service_requests_total{{{SERVED},code=~"5.."}}'
    buckets = f"traefik_service_request_duration_seconds_bucket{{{SERVED}}}"
    return Preset((errors(total, bad, options),), (latency(buckets, options),), NAMES)
