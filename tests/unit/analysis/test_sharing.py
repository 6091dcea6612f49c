"""Releases with the same selectors share their queries, and each gets exactly what it would have read alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from analysis.model import AnalysisSpec, CounterQuery, RoleName
from analysis.prometheus.listen import BadAnswer
from analysis.prometheus.sharing import ABSENT_S, FRESH_S, TOGETHER_MAX, Sharing, is_shared, member_of
from analysis.samples import Outcome, Readings, Role
from analysis.selectors import read_selector

TOTAL, BAD = 't{app="$application",v="$version",env="prod"}', 'b{app="$application",v="$version",code=~"5.."}'
SPEC = AnalysisSpec("http://p:9090", (CounterQuery("errors", (TOTAL,), (BAD,)),))
VERSIONS = {Role.STABLE: "v1", Role.CANARY: "v2"}


class Server:
    """Answers matchers as Prometheus does, on series with a value each."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self.series: list[dict[str, str]] = []
        self.broken: BadAnswer | None = None

    def serve(self, application: str, *versions: str) -> None:
        for version in versions:
            for name, more in (("t", {"env": "prod"}), ("b", {"code": "500"})):
                self.series.append({"__name__": name, "app": application, "v": version, "instance": version, **more})

    def ask(self, query: str) -> Any:
        self.queries.append(query)
        if self.broken is not None:
            raise self.broken
        selector = read_selector(query.partition("[")[0])
        found = [one for one in self.series if one["__name__"] == selector.name and self._fits(one, selector.matchers)]
        return [{"metric": one, "values": [[999.0, "7"]]} for one in found]

    def _fits(self, labels: Mapping[str, str], matchers: Any) -> bool:
        for matcher in matchers:
            value = labels.get(matcher.label, "")
            equal = value == matcher.value if matcher.operator == "=" else bool(re.fullmatch(matcher.value, value))
            if not equal:
                return False
        return True


class Stage:
    def __init__(self, spec: AnalysisSpec = SPEC) -> None:
        self.now_s, self.server, self.spec = 50.0, Server(), spec
        self.sharing = Sharing(lambda: self.now_s)

    def read(
        self, application: str, at_s: float = 1000.0, versions: Mapping[Role, str] = VERSIONS
    ) -> tuple[Readings | None, bool]:
        member = member_of(self.spec, versions, application)
        return self.sharing.read(self.spec, member, at_s, self.server.ask, 1.0)


def texts(readings: Readings | None) -> set[tuple[str, Role, Outcome, tuple[str, ...]]]:
    assert readings is not None
    return {(one.metric, one.role, one.outcome, tuple(s.key for s in one.series)) for one in readings.items}


def both(stage: Stage) -> None:
    stage.server.serve("shop", "v1", "v2")
    stage.server.serve("cart", "v1")
    assert stage.read("shop") == (None, False)


def test_a_release_on_its_own_asks_by_itself() -> None:
    stage = Stage()
    assert stage.read("shop") == (None, False)
    assert stage.server.queries == []


def test_two_releases_share_one_query_per_selector_for_both_roles() -> None:
    stage = Stage()
    both(stage)
    cart, was_shared = stage.read("cart")
    assert not was_shared
    assert stage.server.queries == [
        'b{code=~"5..",app=~"cart|shop",v=~"v1|v2"}[60s]',
        't{env="prod",app=~"cart|shop",v=~"v1|v2"}[60s]',
    ]
    shop, was_shared = stage.read("shop")
    assert was_shared
    assert len(stage.server.queries) == 2
    outcomes = {(one.metric, one.role): one.outcome for one in (cart or Readings(0)).items}
    assert outcomes == {
        (TOTAL, Role.STABLE): Outcome.OK,
        (TOTAL, Role.CANARY): Outcome.NO_SERIES,
        (BAD, Role.STABLE): Outcome.OK,
        (BAD, Role.CANARY): Outcome.NO_SERIES,
    }
    assert all(one.outcome is Outcome.OK and len(one.series) == 1 for one in (shop or Readings(0)).items)
    assert all('"app": "shop"' in one.series[0].key for one in (shop or Readings(0)).items)


def test_a_release_never_gets_the_same_answer_twice() -> None:
    stage = Stage()
    both(stage)
    stage.read("cart")
    stage.read("shop")
    before = len(stage.server.queries)
    _, was_shared = stage.read("shop")
    assert not was_shared
    assert len(stage.server.queries) == before + 2


def test_an_answer_is_not_handed_on_when_it_is_no_longer_fresh() -> None:
    stage = Stage()
    both(stage)
    stage.read("cart", at_s=1000.0)
    stage.now_s += FRESH_S + 0.1
    shop, was_shared = stage.read("shop", at_s=1002.1)
    assert not was_shared
    assert shop is not None
    assert shop.at_s == 1002.1


def test_the_time_of_a_shared_answer_is_the_time_it_was_asked_for() -> None:
    stage = Stage()
    both(stage)
    stage.read("cart", at_s=1000.0)
    stage.now_s += 1
    shop, _ = stage.read("shop", at_s=1001.0)
    assert shop is not None
    assert shop.at_s == 1000.0


def test_a_release_that_no_longer_asks_is_forgotten() -> None:
    stage = Stage()
    both(stage)
    stage.now_s += ABSENT_S + 1
    assert stage.read("cart") == (None, False)


def test_when_the_shared_query_is_refused_each_release_asks_alone() -> None:
    stage = Stage()
    both(stage)
    stage.server.broken = BadAnswer("too many samples")
    assert stage.read("cart") == (None, False)


def test_when_prometheus_is_away_all_of_them_hear_it_from_one_query() -> None:
    stage = Stage()
    both(stage)
    stage.server.broken = BadAnswer("cannot be reached", dead=True)
    cart, _ = stage.read("cart")
    asked = len(stage.server.queries)
    shop, was_shared = stage.read("shop")
    assert was_shared
    assert len(stage.server.queries) == asked
    for readings in (cart, shop):
        assert readings is not None
        assert {(one.outcome, one.text) for one in readings.items} == {(Outcome.UNREADABLE, "cannot be reached")}


def test_other_selectors_are_another_group() -> None:
    stage = Stage()
    both(stage)
    other = replace(SPEC, counters=(CounterQuery("errors", (TOTAL,), ('c{v="$version"}',)),))
    member = member_of(other, VERSIONS, "cart")
    assert stage.sharing.read(other, member, 1000.0, stage.server.ask, 1.0) == (None, False)


def test_labels_that_are_patterns_are_not_merged() -> None:
    names = (RoleName("alternative", "", ".+"),)
    text = 't{app="$application",canary=~"$alternative"}'
    spec = AnalysisSpec("http://p:9090", (CounterQuery("errors", (text,), (text,)),), names=names)
    stage = Stage(spec)
    stage.server.series = [
        {"__name__": "t", "app": app, "instance": app + canary} | ({"canary": canary} if canary else {})
        for app in ("shop", "cart")
        for canary in ("", "x")
    ]
    stage.read("shop")
    cart, _ = stage.read("cart")
    assert stage.server.queries == [
        't{canary=~"",app=~"cart|shop"}[60s]',
        't{canary=~".+",app=~"cart|shop"}[60s]',
    ]
    assert cart is not None
    found = {one.role: one.series[0].key for one in cart.items}
    assert '"canary"' not in found[Role.STABLE]
    assert '"canary": "x"' in found[Role.CANARY]


@pytest.mark.parametrize(
    ("matcher", "shared"),
    [
        ('v="$version"', True),
        ('v=~"$version"', False),
        ('v="x-$version"', False),
        ('v="prod"', False),
        ('v!="$role"', False),
    ],
)
def test_only_a_label_that_is_exactly_one_placeholder_can_be_told_apart_afterwards(matcher: str, shared: bool) -> None:
    assert is_shared(read_selector(f"t{{{matcher}}}").matchers[0]) is shared


def test_many_releases_are_asked_for_in_parts() -> None:
    stage = Stage()
    count = 3 * TOGETHER_MAX
    for number in range(count):
        stage.server.serve(f"app-{number}", "v1", "v2")
        stage.sharing._group(SPEC).members[member_of(SPEC, VERSIONS, f"app-{number}")] = stage.now_s
    last, _ = stage.read("app-0")
    assert all(one.outcome is Outcome.OK for one in (last or Readings(0)).items)
    assert 6 <= len(stage.server.queries) <= 10
    assert max(len(query) for query in stage.server.queries) < 7_000


def test_a_value_with_a_pattern_in_it_is_taken_literally() -> None:
    stage = Stage()
    both(stage)
    stage.server.serve("a.b|c", "v1", "v2")
    odd, _ = stage.read("a.b|c")
    assert all(len(one.series) == 1 and '"app": "a.b|c"' in one.series[0].key for one in (odd or Readings(0)).items)
    assert 'app=~"a\\\\.b\\\\|c|shop"' in stage.server.queries[0]
