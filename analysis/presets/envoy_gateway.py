"""Envoy Gateway, as its Envoy proxies report their upstream clusters.

Metrics: ``envoy_cluster_upstream_rq_xx`` by class of status, which counts Envoy's own 503 and 504 for a failed upstream
as well, and ``envoy_cluster_upstream_rq_time`` in milliseconds. A version is recognised by the cluster's name, such as
``httproute/shop/shop/rule/0/backend/1`` (label ``envoy_cluster_name``). Envoy Gateway gives each backend of a rule a
cluster of its own only when it has to, for example when each backendRef has a filter; otherwise both versions share
one, these metrics cannot tell them apart, and the check before a release says that there is no such series.
"""

from __future__ import annotations

from analysis.presets.words import Options, Preset, errors, latency

NAMES = ("cluster",)
CLUSTER = 'envoy_cluster_name="$cluster"'


def preset(options: Options) -> Preset:
    total = f"envoy_cluster_upstream_rq_xx{{{CLUSTER}}}"
    bad = f'envoy_cluster_upstream_rq_xx{{{CLUSTER},envoy_response_code_class="5"}}'
    buckets = f"envoy_cluster_upstream_rq_time_bucket{{{CLUSTER}}}"
    return Preset((errors(total, bad, options),), (latency(buckets, options, 0.001),), NAMES)
