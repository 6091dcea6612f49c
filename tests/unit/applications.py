"""Applications drawn at random, every field of them: for what is written out and read back."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from analysis.model import (
    AnalysisSpec,
    Breaker,
    Ceiling,
    CounterQuery,
    GaugeQuery,
    Inconclusive,
    LatencyQuery,
    Margins,
    Policy,
    RoleName,
    Traffic,
)
from controller.core.model import Application, CanaryPlan, Overload
from controller.core.targets import (
    ExternalTarget,
    HaproxyRoute,
    KubernetesRoute,
    KubernetesTarget,
    ProcessesTarget,
    RouteKind,
    RouteObject,
    Trigger,
)

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
seconds = st.one_of(st.integers(1, 86_400).map(float), st.floats(0.001, 86_400))
fractions = st.floats(1e-6, 0.1)
url = st.just("http://127.0.0.1:9090")
sided = st.sampled_from(('requests_total{version="$version"}', 'hits_total{role="$role",code=~"5.."}'))
selectors = st.lists(sided, min_size=1, max_size=3).map(tuple)


@st.composite
def plans(draw: st.DrawFn) -> CanaryPlan:
    first = draw(st.integers(1, 10))
    rest = draw(st.lists(st.integers(first + 1, 100), max_size=6, unique=True).map(sorted))
    steps = (first, *rest)
    poll_s = draw(st.floats(0.05, 300))
    bake_s = draw(seconds)
    return CanaryPlan(
        steps=steps,
        min_bake_s=bake_s,
        max_weight_pct=draw(st.integers(steps[-1], 100)),
        max_duration_s=draw(st.floats(min(bake_s * len(steps), 2_592_000), 2_592_000)),
        prepare_deadline_s=draw(seconds),
        promote_deadline_s=draw(seconds),
        drain_s=draw(st.floats(0, 3_600)),
        lease_s=draw(st.floats(max(3 * poll_s, 12 + 2 * poll_s), 3_600)),
        poll_s=poll_s,
        overload=Overload(draw(st.integers(1, 100)), draw(st.floats(0, 600))),
    )


def policies(critical: st.SearchStrategy[bool], margins: Margins | None) -> st.SearchStrategy[Policy]:
    flags = st.booleans()
    return st.builds(Policy, flags, critical, flags, st.floats(0.1, 100), st.sampled_from((None, margins)))


@st.composite
def gauges(draw: st.DrawFn) -> tuple[GaugeQuery, ...]:
    return tuple(
        GaugeQuery(
            f"g{n}",
            'max(depth{version="$version"})',
            draw(st.booleans()),
            draw(st.floats(0.01, 5)),
            draw(st.floats(10, 960)),
            draw(policies(st.booleans(), None)),
        )
        for n in range(draw(st.integers(0, 2)))
    )


@st.composite
def latencies(draw: st.DrawFn, slo: st.SearchStrategy[float | None], margins: Margins) -> tuple[LatencyQuery, ...]:
    return tuple(
        LatencyQuery(
            f"l{n}",
            draw(st.sampled_from((('x_bucket{version="$version"}',), ('native{version="$version"}',)))),
            draw(seconds),
            draw(slo),
            draw(st.sampled_from((1.0, 0.001))),
            draw(policies(st.booleans(), margins)),
        )
        for n in range(draw(st.integers(0, 2)))
    )


@st.composite
def specs(draw: st.DrawFn) -> AnalysisSpec:
    slo = st.none() | fractions
    stale_s = draw(st.floats(2, 3_600))
    default_window_s = max(60.0, 2 * stale_s)
    ratio, absolute = draw(st.floats(1, 50)), draw(st.floats(1e-6, 0.4))
    margins = Margins(ratio, absolute, ratio * 2, absolute * 2)
    increase = draw(st.floats(0, 5))
    latency = replace(margins, rollback_increase=increase, promote_increase=increase * 2)
    deciding = policies(st.booleans(), margins).map(lambda policy: replace(policy, dry_run=False))
    return AnalysisSpec(
        draw(url),
        tuple(
            CounterQuery(f"c{n}", draw(selectors), draw(selectors), draw(slo), draw(deciding))
            for n in range(draw(st.integers(1, 3)))
        ),
        draw(latencies(slo, latency)),
        alpha=draw(fractions),
        beta=draw(fractions),
        min_canary_requests=draw(st.integers(1, 1_000_000)),
        warmup_s=draw(seconds),
        stale_after_s=stale_s,
        no_data_timeout_s=draw(seconds),
        window_s=draw(st.just(default_window_s) | st.floats(max(5.0, stale_s), 3_600)),
        errors=margins,
        latency=latency,
        breaker=Breaker(draw(st.floats(1, 100)), draw(fractions), draw(fractions), draw(st.floats(0, 300))),
        block_s=draw(st.floats(0.5, 60)),
        settle_s=draw(st.floats(0, 30)),
        latency_warmup_s=draw(seconds),
        errors_weight=draw(fractions),
        latency_weight=draw(fractions),
        traffic=Traffic(draw(fractions), draw(fractions), draw(st.floats(1, 100)), draw(seconds)),
        gauges=draw(gauges()),
        gauges_weight=draw(fractions),
        names=draw(st.sampled_from(((), (RoleName("workload", "shop", "shop-canary"),)))),
        ceiling=Ceiling(draw(st.floats(0, 10)), draw(st.floats(0, 10))),
        inconclusive=draw(st.sampled_from(Inconclusive)),
    )


def clusters() -> st.SearchStrategy[KubernetesTarget]:
    return st.builds(
        KubernetesTarget,
        names,
        st.just("shop"),
        st.sampled_from(("shop", "web")),
        st.sampled_from(("shop-canary", "next")),
        st.none() | names,
        st.booleans(),
        st.sampled_from(Trigger),
    )


@st.composite
def cluster_routes(draw: st.DrawFn, target: KubernetesTarget) -> KubernetesRoute:
    kinds = draw(
        st.sampled_from(
            (
                (RouteKind.HTTP_ROUTE,),
                (RouteKind.HTTP_ROUTE, RouteKind.GRPC_ROUTE),
                (RouteKind.VIRTUAL_SERVICE,),
                (RouteKind.INGRESS,),
                (RouteKind.TRAEFIK_SERVICE,),
                (RouteKind.ENDPOINT_SLICE,),
            )
        )
    )
    objects = tuple(RouteObject(kind, f"r{number}") for kind in kinds for number in range(draw(st.integers(1, 3))))
    if kinds == (RouteKind.ENDPOINT_SLICE,):
        objects = (RouteObject(RouteKind.ENDPOINT_SLICE, f"{target.service}-interlock-canary"),)
    headers = st.none() | st.tuples(st.just("x-canary"), texts)
    can_match = kinds[0] in (RouteKind.HTTP_ROUTE, RouteKind.VIRTUAL_SERVICE, RouteKind.INGRESS)
    has_cookies = can_match and RouteKind.GRPC_ROUTE not in kinds
    can_mirror = kinds[0] in (RouteKind.HTTP_ROUTE, RouteKind.VIRTUAL_SERVICE)
    return KubernetesRoute(
        target.namespace,
        target.service,
        target.canary_name,
        objects,
        draw(st.lists(texts, max_size=2).map(tuple)) if kinds == (RouteKind.VIRTUAL_SERVICE,) else (),
        draw(headers) if can_match else None,
        draw(st.none() | st.just("pin")) if has_cookies else None,
        draw(st.none() | st.integers(1, 100)) if can_mirror else None,
    )


@st.composite
def applications(draw: st.DrawFn) -> Application:
    processes = st.builds(
        ProcessesTarget,
        command=st.lists(texts, min_size=1, max_size=4).map(lambda parts: (*parts, "--port={port}")),
        replicas=st.integers(1, 100),
        canary_replicas=st.integers(1, 100),
        health_path=st.just("/ready?x=1"),
        ports=st.tuples(st.integers(1_024, 30_000), st.integers(30_001, 65_535)),
        health_timeout_s=st.floats(0.001, 60),
        stop_grace_s=seconds,
        directory=st.none() | texts,
        environment=st.dictionaries(st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), texts, max_size=3).map(
            lambda items: tuple(sorted(items.items()))
        ),
        discovery_file=st.none() | texts,
    )
    external = st.builds(
        ExternalTarget, url, url, st.none() | texts, st.none() | url, health_timeout_s=st.floats(0.001, 60)
    )
    environment = draw(names.filter(lambda name: name != "prod"))
    if draw(st.integers(0, 3)) == 0:
        cluster = draw(clusters())
        route, plan = draw(cluster_routes(cluster)), draw(plans())
        by_weights = route.objects[0].kind is not RouteKind.ENDPOINT_SLICE
        plan = replace(plan, baseline=by_weights and draw(st.booleans()))
        return Application(draw(names), environment, cluster, route, plan, draw(specs()))
    target = draw(processes | external)
    pools = (None, None) if isinstance(target, ExternalTarget) else draw(st.sampled_from(((None, None), ("p1", "p2"))))
    return Application(
        draw(names),
        environment,
        target,
        HaproxyRoute("/run/g.sock", "b", "s", "c", *pools),
        draw(plans()),
        draw(specs()),
    )
