"""The lease of a weight: written seldom, never over a newer leader's, and what nobody can read has run out."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.model import AnalysisSpec
from controller.adapters.kube.errors import Exists, Missing
from controller.adapters.kube.kinds import Kind, Raw
from controller.adapters.kube.routes.leases import Leases
from controller.core.model import Application, CanaryPlan
from controller.core.targets import KubernetesRoute, KubernetesTarget, RouteKind, RouteObject
from controller.ports import Conflict, Fenced, PortError, Unknown
from tests.fakes.clock import ManualClock

ROUTE = KubernetesRoute("shop-ns", "shop", "shop-canary", (RouteObject(RouteKind.HTTP_ROUTE, "shop"),))
TARGET = KubernetesTarget("shop-ns", "shop", "shop", "shop-canary")
APP = Application("shop", "production", TARGET, ROUTE, CanaryPlan((10,)), AnalysisSpec("http://127.0.0.1:1", ()))


class OneLease:
    """An API server with room for one object. ``troubles`` happen to the next writes, in order, instead of them."""

    def __init__(self) -> None:
        self.body: Raw | None = None
        self.version = 0
        self.calls: list[str] = []
        self.troubles: list[PortError] = []

    def get(self, kind: Kind, namespace: str, name: str) -> Raw:
        self.calls.append("get")
        if self.body is None:
            raise Missing("no such lease")
        return self.body

    def create(self, kind: Kind, namespace: str, body: Raw, dry_run: bool = False) -> Raw:
        self._write("create")
        if self.body is not None:
            raise Exists("there is one")
        return self._kept(body)

    def patch(self, kind: Kind, namespace: str, name: str, patch: Raw) -> Raw:
        self._write("patch")
        if self.body is None:
            raise Missing("no such lease")
        if patch["metadata"]["resourceVersion"] != str(self.version):
            raise Conflict("another version")
        return self._kept(
            {**self.body, "metadata": {**self.body["metadata"], **patch["metadata"]}, "spec": patch["spec"]}
        )

    def delete(self, kind: Kind, namespace: str, name: str, resource_version: str) -> None:
        self._write("delete")
        if self.body is None:
            raise Missing("no such lease")
        if resource_version != str(self.version):
            raise Conflict("another version")
        self.body = None

    def edit(self, **spec: Any) -> None:
        assert self.body is not None
        self._kept({**self.body, "spec": {**self.body["spec"], **spec}})

    def _write(self, verb: str) -> None:
        self.calls.append(verb)
        if self.troubles:
            raise self.troubles.pop(0)

    def _kept(self, body: Raw) -> Raw:
        self.version += 1
        self.body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return self.body


@pytest.fixture
def api() -> OneLease:
    return OneLease()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_700_000_000.25)


def leases(api: OneLease, clock: ManualClock) -> Leases:
    return Leases(api, clock)  # type: ignore[arg-type]


def test_a_lease_says_who_holds_it_until_when_and_which_leader_wrote_it(api: OneLease, clock: ManualClock) -> None:
    leases(api, clock).hold(APP, ROUTE, "r1", 3, 119.2)
    assert api.body is not None
    assert api.body["metadata"]["name"] == "interlock-shop"
    assert api.body["metadata"]["annotations"] == {"interlock.dev/epoch": "3"}
    assert api.body["spec"] == {
        "holderIdentity": "r1",
        "leaseDurationSeconds": 120,
        "renewTime": "2023-11-14T22:13:20.250000Z",
    }
    clock.advance(20)
    assert leases(api, clock).left_s(APP, ROUTE, "r1", 3) == pytest.approx(100.0)


def test_a_young_lease_costs_no_call_and_an_older_one_is_renewed_by_one_patch(
    api: OneLease, clock: ManualClock
) -> None:
    ours = leases(api, clock)
    ours.hold(APP, ROUTE, "r1", 3, 120)
    api.calls.clear()
    for _ in range(4):
        clock.advance(4.9)
        ours.hold(APP, ROUTE, "r1", 3, 120)
        assert ours.left_s(APP, ROUTE, "r1", 3) is not None
    assert api.calls == []
    clock.advance(1)
    ours.hold(APP, ROUTE, "r1", 3, 120)
    assert api.calls == ["patch"]
    assert ours.left_s(APP, ROUTE, "r1", 3) == pytest.approx(120)


@pytest.mark.parametrize(("release_id", "epoch", "lease_s"), [("r2", 3, 120), ("r1", 4, 120), ("r1", 3, 600)])
def test_another_release_leader_or_length_is_written_at_once(
    api: OneLease, clock: ManualClock, release_id: str, epoch: int, lease_s: float
) -> None:
    ours = leases(api, clock)
    ours.hold(APP, ROUTE, "r1", 3, 120)
    ours.hold(APP, ROUTE, release_id, epoch, lease_s)
    assert api.body is not None
    assert (api.body["spec"]["holderIdentity"], api.body["spec"]["leaseDurationSeconds"]) == (release_id, lease_s)
    assert api.body["metadata"]["annotations"]["interlock.dev/epoch"] == str(epoch)


def test_a_clock_that_jumped_back_renews(api: OneLease, clock: ManualClock) -> None:
    ours = leases(api, clock)
    ours.hold(APP, ROUTE, "r1", 3, 120)
    clock.utc_s -= 3_600
    api.calls.clear()
    ours.hold(APP, ROUTE, "r1", 3, 120)
    assert api.calls == ["patch"]


def test_a_newer_leaders_lease_is_not_overwritten(api: OneLease, clock: ManualClock) -> None:
    older, newer = leases(api, clock), leases(api, clock)
    older.hold(APP, ROUTE, "r1", 3, 120)
    newer.hold(APP, ROUTE, "r2", 4, 120)
    clock.advance(60)
    with pytest.raises(Fenced):
        older.hold(APP, ROUTE, "r1", 3, 120)
    assert api.body is not None
    assert api.body["spec"]["holderIdentity"] == "r2"


@pytest.mark.parametrize("trouble", [Conflict("another version"), Unknown("no answer")])
def test_a_write_that_met_somebody_or_got_no_answer_is_read_before_it_is_written_again(
    api: OneLease, clock: ManualClock, trouble: PortError
) -> None:
    ours = leases(api, clock)
    ours.hold(APP, ROUTE, "r1", 3, 120)
    clock.advance(60)
    api.calls.clear()
    api.troubles = [trouble]
    ours.hold(APP, ROUTE, "r1", 3, 120)
    assert api.calls == ["patch", "get", "patch"]
    api.troubles = [trouble] * 10
    clock.advance(60)
    with pytest.raises(type(trouble)):
        ours.hold(APP, ROUTE, "r1", 3, 120)
    assert ours.remembered(APP, ROUTE) is None or not ours.young(APP, ROUTE, "r1", 3, 120)


def test_a_lease_that_somebody_deleted_is_made_again(api: OneLease, clock: ManualClock) -> None:
    ours = leases(api, clock)
    ours.hold(APP, ROUTE, "r1", 3, 120)
    api.body = None
    clock.advance(60)
    ours.hold(APP, ROUTE, "r1", 3, 120)
    assert api.body is not None


@pytest.mark.parametrize(
    "spec",
    [
        {"renewTime": "yesterday"},
        {"renewTime": None},
        {"leaseDurationSeconds": None},
        {"leaseDurationSeconds": "long"},
    ],
)
def test_what_cannot_be_read_has_run_out(api: OneLease, clock: ManualClock, spec: Raw) -> None:
    leases(api, clock).hold(APP, ROUTE, "r1", 3, 120)
    api.edit(**spec)
    clock.advance(1)
    left_s = leases(api, clock).left_s(APP, ROUTE, "r1", 3)
    assert left_s is not None
    assert left_s <= 0


def test_a_lease_of_another_process_is_read_every_time(api: OneLease, clock: ManualClock) -> None:
    leases(api, clock).hold(APP, ROUTE, "r1", 3, 120)
    reader = leases(api, clock)
    api.calls.clear()
    for _ in range(2):
        assert reader.left_s(APP, ROUTE, "r1", 3) == pytest.approx(120)
    assert api.calls == ["get", "get"]
    assert not reader.young(APP, ROUTE, "r1", 3, 120)


def test_none_is_no_lease_and_forgetting_it_twice_is_done(api: OneLease, clock: ManualClock) -> None:
    ours = leases(api, clock)
    assert ours.left_s(APP, ROUTE, "r1", 3) is None
    ours.hold(APP, ROUTE, "r1", 3, 120)
    for _ in range(2):
        ours.forget(APP, ROUTE)
        assert ours.left_s(APP, ROUTE, "r1", 3) is None
