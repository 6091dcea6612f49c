"""JSON Patches: they touch what is named and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from controller.adapters.kube.routes.patching import (
    among,
    annotation_steps,
    at_content,
    at_version,
    covers,
    look_into,
    objects_in,
    pointer,
)
from tests.kube.cluster.raw import Raw
from tests.kube.cluster.small.failures import ApiError
from tests.kube.cluster.small.patching import stepped


def test_a_pointer_escapes_what_would_be_taken_for_a_way() -> None:
    assert pointer("metadata", "annotations", "a.test/b~c", 0) == "/metadata/annotations/a.test~1b~0c/0"


@pytest.mark.parametrize("raw", [None, [], {"a": None}, {"a": [1]}, {"a": {"b": None}}])
def test_a_way_that_ends_leads_to_nothing(raw: Any) -> None:
    assert look_into(raw, "a", "b", "c") is None
    assert objects_in(raw, "a", "b") == []


def test_what_is_no_object_keeps_its_place_in_a_list() -> None:
    assert objects_in({"a": [1, {"b": 2}, None]}, "a") == [{}, {"b": 2}, {}]


@pytest.mark.parametrize("meta", [{}, {"annotations": None}, {"annotations": {}}, {"annotations": {"x": "y"}}])
def test_annotations_are_set_and_taken_away_beside_those_of_others(meta: Raw) -> None:
    raw = {"metadata": meta}
    after = stepped(raw, annotation_steps(raw, {"a.test/b": "1", "gone": None}))
    others = meta.get("annotations") or {}
    assert after["metadata"]["annotations"] == {**others, "a.test/b": "1"}
    assert annotation_steps(after, {"a.test/b": "1", "gone": None}) == []
    back = stepped(after, annotation_steps(after, {"a.test/b": None}))
    assert back["metadata"]["annotations"] == others


def test_the_precondition_is_the_version_that_was_read() -> None:
    raw = {"metadata": {"resourceVersion": "7"}}
    assert stepped(raw, at_version(raw)) == raw
    with pytest.raises(ApiError):
        stepped({"metadata": {"resourceVersion": "8"}}, at_version(raw))


BACKENDS = [{"name": "s", "weight": 75}, {"name": "c", "weight": 25}]
NARROW = {
    "metadata": {"resourceVersion": "7", "annotations": {"ours": "x"}},
    "spec": {"rules": [{"odd": [None], "backends": BACKENDS}], "mirror": {"host": "c"}},
}


@pytest.mark.parametrize(
    ("meanwhile", "path", "holds"),
    [
        ({}, "/spec/rules/0/backends/1/weight", True),
        ({"status": {"a": 1}}, "/spec/rules/0/backends/1/weight", True),
        ({"metadata": {"resourceVersion": "8", "annotations": {"ours": "x", "storm": "2"}}}, "/endpoints", True),
        ({"metadata": {"resourceVersion": "8", "annotations": {"ours": "y"}}}, "/endpoints", False),
        ({"metadata": {"resourceVersion": "8", "annotations": {}}}, "/endpoints", False),
        ({"spec": {"rules": [{"backends": BACKENDS[::-1]}]}}, "/spec/rules/0/backends/1/weight", False),
        ({"spec": {"rules": []}}, "/spec/rules/0/backends/1", False),
        ({"spec": {"rules": [], "mirror": {"host": "c"}}}, "/spec/mirror", True),
        ({"spec": {"rules": [], "mirror": {"host": "other"}}}, "/spec/mirror", False),
        ({"spec": {"rules": [{"backends": BACKENDS}], "mirror": {"host": "other"}}}, "/spec/rules/0/backends", True),
        ({"metadata": {"resourceVersion": "8", "annotations": {"ours": "x"}}}, "/spec/rules/0", False),
        ({"metadata": {"resourceVersion": "8", "annotations": {"ours": "x"}}}, "/spec/rules/0/odd", False),
        ({"metadata": {"resourceVersion": "8", "annotations": {"ours": "x"}}}, "/spec/rules/0/backends/-", False),
    ],
)
def test_the_narrow_precondition_is_our_annotation_and_what_the_steps_meet(
    meanwhile: Raw, path: str, holds: bool
) -> None:
    """A step about which nothing tells what it meets asks for the whole version."""
    when = at_content(NARROW, "ours", [{"op": "remove", "path": path}])
    assert all(isinstance(test["value"], str | int) for test in when)
    if holds:
        assert stepped(NARROW | meanwhile, when) == NARROW | meanwhile
        return
    with pytest.raises(ApiError):
        stepped(NARROW | meanwhile, when)


def test_without_our_annotation_the_whole_version_counts() -> None:
    raw = {"metadata": {"resourceVersion": "7"}}
    assert at_content(raw, "ours", []) == at_version(raw)


@pytest.mark.parametrize(
    ("wanted", "have", "covered"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": {"b": [1]}}, {"a": {"b": [1], "c": 3}}, True),
        ([{"a": 1}], [{"a": 1, "b": 2}], True),
        ([{"a": 1}], [{"a": 1}, {"a": 1}], False),
        ({"a": 1}, {}, False),
        ({"a": None}, {}, False),
        ({"a": 1}, [], False),
        ([1], {"0": 1}, False),
    ],
)
def test_defaults_of_the_server_in_objects_are_no_difference_but_more_entries_are(
    wanted: Any, have: Any, covered: bool
) -> None:
    assert covers(wanted, have) is covered


@pytest.mark.parametrize(
    ("have", "wanted", "expected"),
    [
        ("ab", [], "ab"),
        ("ab", [(0, "X")], "Xab"),
        ("ab", [(1, "X"), (1, "Y")], "aXYb"),
        ("Xab", [(1, "X")], "Xab"),
        ("XaYb", [(1, "X"), (3, "Z")], "XaZb"),
        ("XYab", [], "ab"),
        ("aXb", [(0, "X")], "Xab"),
        ("abX", [(0, "X"), (1, "X")], "XaXb"),
        ("", [], ""),
    ],
)
def test_entries_of_ours_come_right_before_those_that_they_belong_to(
    have: str, wanted: list[tuple[int, str]], expected: str
) -> None:
    entries = [{"name": letter} for letter in have]
    ours = [letter.isupper() for letter in have]
    steps = among("/list", entries, ours, [(place, {"name": letter}) for place, letter in wanted])
    after = stepped({"list": entries}, steps)["list"]
    assert "".join(one["name"] for one in after) == expected
    assert bool(steps) == (expected != have)
