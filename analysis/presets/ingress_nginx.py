"""ingress-nginx with a canary Ingress beside the main one.

Metrics: ``nginx_ingress_controller_requests`` and ``nginx_ingress_controller_request_duration_seconds``. Both versions
are reported under the main Ingress (labels ``namespace`` and ``ingress``; where a scrape adds labels of those names
itself, Prometheus renames them to ``exported_...`` unless ``honor_labels`` is set). A version is recognised by the
label ``canary``: it names the canary's upstream, and is empty for stable. The pod of a series is the controller's.
"""

from __future__ import annotations

from analysis.presets.words import Options, Preset, errors, latency

NAMES = ("namespace", "ingress", "alternative")
SERVED = 'namespace="$namespace",ingress="$ingress",canary=~"$alternative"'


def preset(options: Options) -> Preset:
    total = f"nginx_ingress_controller_requests{{{SERVED}}}"
    bad = f'nginx_ingress_controller_requests{{{SERVED},status=~"5.*"}}'
    buckets = f"nginx_ingress_controller_request_duration_seconds_bucket{{{SERVED}}}"
    return Preset((errors(total, bad, options),), (latency(buckets, options),), NAMES)
