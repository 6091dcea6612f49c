"""Ready-made queries for metrics that many systems export. Data only; docs/analysis.md says what was measured."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.model import CounterQuery, LatencyQuery


@dataclass(frozen=True, slots=True)
class Preset:
    counters: tuple[CounterQuery, ...]
    latencies: tuple[LatencyQuery, ...] = ()


def generic(slow_s: float, slo_bad_fraction: float | None, slo_slow_fraction: float | None) -> Preset:
    """An application that counts its own requests with the labels application, version and code."""
    labels = 'application="$application",version="$version"'
    return Preset(
        (
            CounterQuery(
                "errors",
                total=(f"http_requests_total{{{labels}}}",),
                bad=(f'http_requests_total{{{labels},code=~"5.."}}',),
                slo_bad_fraction=slo_bad_fraction,
            ),
        ),
        (LatencyQuery("latency", (f"http_request_duration_seconds_bucket{{{labels}}}",), slow_s, slo_slow_fraction),),
    )


def haproxy(backend: str, slo_bad_fraction: float | None) -> Preset:
    """HAProxy's own exporter: one backend whose two servers are named stable and canary.

    A reply counts by its status. A request without a reply moves exactly one of the three failure counters (the server
    refused, hung or broke off, or the request was moved to the other server), so each of them is a request and a
    failure. Assigned requests are not the total: while a server hangs they would look like good ones.
    """
    labels = f'proxy="{backend}",server="$role"'
    without_reply = tuple(
        f"haproxy_server_{what}_total{{{labels}}}"
        for what in ("connection_errors", "response_errors", "redispatch_warnings")
    )
    replies = "haproxy_server_http_responses_total"
    return Preset(
        (
            CounterQuery(
                "errors",
                total=(f"{replies}{{{labels}}}", *without_reply),
                bad=(f'{replies}{{{labels},code="5xx"}}', *without_reply),
                slo_bad_fraction=slo_bad_fraction,
            ),
        )
    )
