"""The parts of the test clusters that decide something, without any cluster: patches, selectors, rolls, pods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kube.cluster import builders
from tests.kube.cluster.raw import Raw
from tests.kube.cluster.small.failures import ApiError
from tests.kube.cluster.small.labels import by_fields, by_labels, selects
from tests.kube.cluster.small.patching import merged, stepped
from tests.kube.cluster.small.schema import filled, pruned, wrongs
from tests.kube.cluster.small.store import Store
from tests.kube.cluster.standins.pod_life import Behaviour, Bind, End, Seen, Tell, Wait, next_step
from tests.kube.cluster.standins.rollout import Bounds, bounds_of, grown, scaled, shrunk


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_follows_its_standard(target: Raw, patch: Raw, result: Raw) -> None:
    before = repr(target)
    assert merged(target, patch) == result
    assert repr(target) == before


@pytest.mark.parametrize(
    ("body", "step", "result"),
    [
        ({"a": 1}, {"op": "add", "path": "/b", "value": 2}, {"a": 1, "b": 2}),
        ({"a": [1, 3]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2, 3]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": 2}, {"a": [1, 2]}),
        ({"a": [1, 2]}, {"op": "remove", "path": "/a/0"}, {"a": [2]}),
        ({"a": [1, 2]}, {"op": "replace", "path": "/a/1", "value": 5}, {"a": [1, 5]}),
        ({"a": 1}, {"op": "move", "from": "/a", "path": "/b"}, {"b": 1}),
        ({"a": {"x": 1}}, {"op": "copy", "from": "/a", "path": "/b"}, {"a": {"x": 1}, "b": {"x": 1}}),
        ({"m~n/o": 1}, {"op": "test", "path": "/m~0n~1o", "value": 1}, {"m~n/o": 1}),
    ],
)
def test_a_step_of_a_json_patch_follows_its_standard(body: Raw, step: Raw, result: Raw) -> None:
    assert stepped(body, [step]) == result


@pytest.mark.parametrize(
    "step",
    [
        {"op": "add", "path": "/a/5", "value": 1},
        {"op": "add", "path": "/a/01x", "value": 1},
        {"op": "remove", "path": "/zz"},
        {"op": "replace", "path": "/a/7", "value": 1},
        {"op": "test", "path": "/a", "value": [1, True]},
        {"op": "add", "path": "/a/b/c", "value": 1},
        {"op": "add", "path": "/a"},
        {"op": "remove", "path": ""},
        "nothing",
    ],
)
def test_a_step_that_does_not_fit_leaves_everything_as_it_was(step: Any) -> None:
    body = {"a": [1, 1]}
    with pytest.raises(ApiError) as refused:
        stepped(body, [{"op": "add", "path": "/b", "value": 1}, step])
    assert refused.value.code == 422
    assert body == {"a": [1, 1]}


def labelled(**labels: str) -> Raw:
    return {"metadata": {"name": "x", "namespace": "n", "labels": labels}}


@pytest.mark.parametrize(
    ("selector", "matching"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier=a", True),
        ("app=web,tier=b", False),
        ("app!=api", True),
        ("app in (api, web)", True),
        ("app notin (web),tier", False),
        ("nothing notin (web)", True),
        ("!nothing", True),
        ("!app", False),
        ("nothing", False),
    ],
)
def test_a_label_selector_matches(selector: str, matching: bool) -> None:
    assert by_labels(selector)(labelled(app="web", tier="a")) is matching


@pytest.mark.parametrize(("text", "matching"), [("metadata.name=x", True), ("metadata.name!=x", False)])
def test_a_field_selector_matches(text: str, matching: bool) -> None:
    assert by_fields("pods", text)(labelled()) is matching


def test_a_selector_of_expressions_matches_and_none_matches_nothing() -> None:
    expressions = [
        {"key": "app", "operator": "In", "values": ["web"]},
        {"key": "x", "operator": "DoesNotExist"},
        {"key": "app", "operator": "Exists"},
        {"key": "app", "operator": "NotIn", "values": ["api"]},
    ]
    assert selects({"matchExpressions": expressions}, {"app": "web"})
    assert not selects({"matchExpressions": expressions}, {"app": "web", "x": "1"})
    assert not selects(None, {"app": "web"})


SCHEMA: Raw = {
    "type": "object",
    "required": ["n"],
    "properties": {
        "n": {"type": "integer", "minimum": 1},
        "w": {"type": "integer", "default": 1},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string", "default": "y"}}}},
    },
}


def test_a_schema_prunes_what_it_does_not_know_and_fills_in_what_is_missing() -> None:
    sent = {"n": 1, "z": 1, "any": {"z": 1}, "map": {"k": "v"}, "list": [{"z": 1}]}
    assert filled(pruned(sent, SCHEMA), SCHEMA) == {
        "n": 1,
        "w": 1,
        "any": {"z": 1},
        "map": {"k": "v"},
        "list": [{"x": "y"}],
    }


def test_a_schema_names_every_field_that_is_wrong() -> None:
    found = wrongs({"n": True, "w": "1", "map": {"k": 1}, "list": {}}, SCHEMA)
    assert {one.field for one in found} == {"n", "w", "map.k", "list"}
    assert [one.field for one in wrongs({"w": 1}, SCHEMA)] == ["n"]
    assert wrongs({"n": 2}, SCHEMA) == []


def replica_set(name: str, size: int, available: int | None = None) -> Raw:
    metadata = {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    status = {"availableReplicas": size if available is None else available}
    return {"metadata": metadata, "spec": {"replicas": size}, "status": status}


def test_percents_round_up_for_more_and_down_for_fewer() -> None:
    body = builders.deployment(replicas=3, strategy={"type": "RollingUpdate", "rollingUpdate": {}})
    body["spec"]["strategy"]["rollingUpdate"] = {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert bounds_of(body) == Bounds(wanted=3, surge=1, unavailable=0)
    body["spec"]["strategy"]["rollingUpdate"] = {"maxSurge": 0, "maxUnavailable": "10%"}
    assert bounds_of(body) == Bounds(wanted=3, surge=0, unavailable=1)


def test_a_roll_never_leaves_its_bounds() -> None:
    bounds = Bounds(wanted=4, surge=1, unavailable=1)
    new, old = replica_set("new", 0), [replica_set("old", 4)]
    for _ in range(20):
        new = replica_set("new", grown(new, old, bounds))
        old = [replica_set("old", shrunk(new, old, bounds).get("old", old[0]["spec"]["replicas"]))]
        sizes = new["spec"]["replicas"], old[0]["spec"]["replicas"]
        assert 3 <= sum(sizes) <= 5
    assert sizes == (4, 0)


def test_what_serves_nobody_goes_first_and_new_pods_that_are_not_ready_replace_none() -> None:
    bounds = Bounds(wanted=4, surge=1, unavailable=0)
    assert shrunk(replica_set("new", 1, available=0), [replica_set("old", 4)], bounds) == {}
    two = [replica_set("broken", 2, available=0), replica_set("old", 4)]
    assert shrunk(replica_set("new", 0), two, bounds) == {"broken": 0}


def test_scaling_in_the_middle_keeps_the_shares() -> None:
    assert scaled([replica_set("a", 4), replica_set("b", 1)], Bounds(8, 2, 2)) == {"a": 8, "b": 2}
    assert scaled([replica_set("a", 4)], Bounds(8, 2, 2)) == {"a": 8}
    assert sum(scaled([replica_set("a", 3), replica_set("b", 2)], Bounds(1, 1, 0)).values()) == 2


def pod(**metadata: Any) -> Raw:
    spec = {"containers": [{"name": "main", "image": "x:1"}], "schedulerName": "default-scheduler"}
    return {"metadata": {"name": "p", **metadata}, "spec": spec, "status": {}}


def seen(age_s: float = 0.0, ending_s: float | None = None) -> Seen:
    return Seen(age_s, ending_s, "10.0.0.1", "2026-01-01T00:00:00Z")


def on_node(body: Raw) -> Raw:
    return {**body, "spec": {**body["spec"], "nodeName": "node-1"}}


def ready_in(step: object) -> str:
    assert isinstance(step, Tell)
    return str(next(one["status"] for one in step.status["conditions"] if one["type"] == "Ready"))


def test_a_pod_is_bound_then_starts_then_is_ready() -> None:
    how = Behaviour(ready_after_s=1.0)
    assert next_step(pod(), how, seen(), 0.0) == Bind()
    first = next_step(on_node(pod()), how, seen(0.4), 0.0)
    assert ready_in(first) == "False"
    assert isinstance(first, Tell)
    assert first.again_s == pytest.approx(0.6)
    assert ready_in(next_step(on_node(pod()), how, seen(1.0), 0.0)) == "True"


def test_nothing_is_told_twice() -> None:
    body, how = on_node(pod()), Behaviour(ready_after_s=0.0)
    first = next_step(body, how, seen(1), 0.0)
    assert isinstance(first, Tell)
    assert next_step({**body, "status": first.status}, how, seen(2), 0.0) == Wait()


def test_a_pod_that_is_deleted_ends_after_its_time_but_not_after_the_kubelets() -> None:
    dying = on_node(pod(deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=30))
    assert next_step(dying, Behaviour(), seen(ending_s=0.0), 2.0) == Wait(2.0)
    assert next_step(dying, Behaviour(), seen(ending_s=2.0), 2.0) == End()


def test_the_store_remembers_what_there_was_at_an_earlier_version() -> None:
    store, maps = Store(), ("", "configmaps")
    first = store.put(maps, {"metadata": {"name": "a", "namespace": "n"}})
    version = store.version
    store.put(maps, {"metadata": {"name": "b", "namespace": "n"}})
    store.remove(maps, first)
    assert [one["metadata"]["name"] for one in store.at(maps, version)] == ["a"]
    assert [one["metadata"]["name"] for one in store.all(maps)] == ["b"]
    assert [change.version for change in store.since(version)] == [version + 1, version + 2]
