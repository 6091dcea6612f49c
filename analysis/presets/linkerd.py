"""Linkerd's proxies, as the callers' side reports them.

Metrics: ``response_total`` by classification, which counts failed gRPC calls as well, and ``response_latency_ms``, the
time to the first byte. A version is recognised by the workload that was called (labels ``dst_namespace`` and
``dst_deployment``): stable and canary are two Deployments. The outbound side sees connections that fail; a caller
without a proxy is not counted.
"""

from __future__ import annotations

from analysis.presets.words import Options, Preset, errors, latency

NAMES = ("namespace", "workload")
CALLED = 'direction="outbound",dst_namespace="$namespace",dst_deployment="$workload"'


def preset(options: Options) -> Preset:
    total = f"response_total{{{CALLED}}}"
    bad = f'response_total{{{CALLED},classification="failure"}}'
    return Preset(
        (errors(total, bad, options),),
        (latency(f"response_latency_ms_bucket{{{CALLED}}}", options, 0.001),),
        NAMES,
    )
