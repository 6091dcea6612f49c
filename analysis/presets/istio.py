"""Istio's standard metrics, as the callers' side reports them.

Metrics: ``istio_requests_total`` and ``istio_request_duration_milliseconds``. A version is recognised by the workload
that was called (labels ``destination_workload`` and ``destination_workload_namespace``): stable and canary are two
Deployments. ``reporter="source"`` sees connections that fail, which the called side cannot report; a caller without a
sidecar or gateway is not counted. Retries by the mesh hide failures: a request that a retry saved counts as good.
"""

from __future__ import annotations

from analysis.presets.words import Options, Preset, errors, latency

NAMES = ("namespace", "workload")
CALLED = 'reporter="source",destination_workload_namespace="$namespace",destination_workload="$workload"'


def preset(options: Options) -> Preset:
    total = f"istio_requests_total{{{CALLED}}}"
    bad = f'istio_requests_total{{{CALLED},response_code=~"5.."}}'
    buckets = f"istio_request_duration_milliseconds_bucket{{{CALLED}}}"
    return Preset((errors(total, bad, options),), (latency(buckets, options, 0.001),), NAMES)
