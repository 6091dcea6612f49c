"""HAProxy's own exporter: one backend whose two servers are named stable and canary.

Metrics: ``haproxy_server_http_responses_total`` by class of status, and three counters of requests without a reply. A
reply counts by its status. A request without a reply moves exactly one of the three failure counters (the server
refused, hung or broke off, or the request was moved to the other server), so each of them is a request and a failure.
Assigned requests are not the total: while a server hangs they would look like good ones. A version is recognised by the
label ``server``. HAProxy exports no histogram of latencies.
"""

from __future__ import annotations

from analysis.model import CounterQuery
from analysis.presets.words import Options, Preset

WITHOUT_REPLY = ("connection_errors", "response_errors", "redispatch_warnings")


def preset(options: Options) -> Preset:
    labels = f'proxy="{options.backend}",server="$role"'
    failures = tuple(f"haproxy_server_{what}_total{{{labels}}}" for what in WITHOUT_REPLY)
    replies = "haproxy_server_http_responses_total"
    query = CounterQuery(
        "errors",
        total=(f"{replies}{{{labels}}}", *failures),
        bad=(f'{replies}{{{labels},code="5xx"}}', *failures),
        slo_bad_fraction=options.slo_bad_fraction,
    )
    return Preset((query,))
