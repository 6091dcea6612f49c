"""Lists of a namespace that several releases look over: asked for once, and never old enough to matter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from controller.adapters.kube.api import KubeApi, Listed
from controller.adapters.kube.kinds import INGRESS, SERVICE, Kind, Raw
from controller.adapters.kube.lists import AGE_S_MAX, CHECK_AGE_S_MAX, SharedLists
from controller.ports import Clock, Unavailable


def named(raw: Raw) -> str:
    return str(raw["metadata"]["name"])


class Api:
    """Lists what it is told to, and counts."""

    def __init__(self) -> None:
        self.names, self.asked, self.down = ["a"], list[str](), False
        self.gate = threading.Event()
        self.gate.set()

    def list(self, kind: Kind, namespace: str) -> Listed:
        self.asked.append(f"{kind.plural} {namespace}")
        assert self.gate.wait(10)
        if self.down:
            raise Unavailable("the server is away")
        return Listed([{"metadata": {"name": name}} for name in self.names], "1")


class Now:
    def __init__(self) -> None:
        self.s = 100.0

    def monotonic_s(self) -> float:
        return self.s

    def now_s(self) -> float:
        return self.s


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def lists(api: Api, now: Now) -> SharedLists:
    return SharedLists(cast(KubeApi, api), cast(Clock, now))


def test_many_who_ask_at_once_cost_one_call(api: Api, lists: SharedLists) -> None:
    api.gate.clear()
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(lists.of, SERVICE, "shop", named) for _ in range(8)]
        api.gate.set()
        assert [one.result() for one in asked] == [("a",)] * 8
    assert api.asked == ["services shop"]


def test_an_answer_is_asked_for_anew_when_it_is_old(api: Api, now: Now, lists: SharedLists) -> None:
    lists.of(SERVICE, "shop", named)
    api.names = ["a", "b"]
    now.s += AGE_S_MAX - 0.01
    assert lists.of(SERVICE, "shop", named) == ("a",)
    now.s += 0.01
    assert lists.of(SERVICE, "shop", named) == ("a", "b")


def test_kinds_namespaces_and_what_is_made_of_them_are_kept_apart(api: Api, lists: SharedLists) -> None:
    asks: list[tuple[Kind, str, Callable[[Raw], Any]]] = [
        (SERVICE, "shop", named), (INGRESS, "shop", named), (SERVICE, "other", named), (SERVICE, "shop", str)
    ]  # fmt: skip
    for _ in range(2):
        for one in asks:
            lists.of(*one)
    assert api.asked == ["services shop", "ingresses shop", "services other", "services shop"]


def test_what_stands_in_the_way_is_looked_at_anew_at_once(api: Api, lists: SharedLists) -> None:
    lists.of(SERVICE, "shop", named), lists.of(INGRESS, "shop", named)
    lists.forget(SERVICE, "shop")
    lists.of(SERVICE, "shop", named), lists.of(INGRESS, "shop", named)
    assert api.asked == ["services shop", "ingresses shop", "services shop"]


def test_a_failure_is_told_to_each_and_kept_for_nobody(api: Api, lists: SharedLists) -> None:
    api.down = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            lists.of(SERVICE, "shop", named)
    api.down = False
    assert lists.of(SERVICE, "shop", named) == ("a",)


def test_a_look_after_what_stands_goes_by_an_older_answer(api: Api, now: Now, lists: SharedLists) -> None:
    lists.of(SERVICE, "shop", named)
    api.names = ["b"]
    now.s += CHECK_AGE_S_MAX - 0.01
    assert lists.of(SERVICE, "shop", named, check=True) == ("a",)
    now.s += 0.01
    assert lists.of(SERVICE, "shop", named, check=True) == ("b",)


def test_a_look_after_what_stands_does_not_wait_for_somebody_else_s_list(
    api: Api, now: Now, lists: SharedLists
) -> None:
    lists.of(SERVICE, "shop", named)
    now.s += CHECK_AGE_S_MAX
    api.gate.clear()
    api.names = ["b"]
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(lists.of, SERVICE, "shop", named, True)
        while len(api.asked) < 2:
            pass
        assert lists.of(SERVICE, "shop", named, check=True) == ("a",)
        api.gate.set()
        assert slow.result() == ("b",)


def test_those_who_waited_for_a_list_that_failed_fail_with_it(api: Api, now: Now, lists: SharedLists) -> None:
    api.gate.clear()
    api.down = True
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(lists.of, SERVICE, "shop", named) for _ in range(4)]
        while not api.asked:
            pass
        now.s += 8.0
        api.gate.set()
        assert {type(one.exception()) for one in asked} == {Unavailable}
    assert api.asked == ["services shop"]
