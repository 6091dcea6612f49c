"""An application that counts its own requests.

Metrics: ``http_requests_total`` with the label ``code``, and ``http_request_duration_seconds`` as a classic histogram.
A version is recognised by the labels ``application`` and ``version``, or by those that ``match`` names. Every instance
is a scrape target of its own, so instances can be told apart.
"""

from __future__ import annotations

from analysis.presets.words import Options, Preset, errors, latency

VERSION = 'application="$application",version="$version"'


def preset(options: Options) -> Preset:
    labels = options.match or VERSION
    return Preset(
        (errors(f"http_requests_total{{{labels}}}", f'http_requests_total{{{labels},code=~"5.."}}', options),),
        (latency(f"http_request_duration_seconds_bucket{{{labels}}}", options),),
    )
