"""Two leaders on one route: whatever the older one has under way, nothing of it lands. Scenario 40."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from controller.adapters.kube.kinds import Kind, Raw
from controller.adapters.kube.routes.router import KubeRouter
from controller.core.model import RouteState
from controller.ports import Conflict, Fenced, PortError, RouteWrite
from tests.kube.cluster.cluster import Cluster
from tests.kube.route_kits import KITS
from tests.kube.route_stage import ABORT, KILL, RouteStage, staged


@pytest.fixture(params=KITS, ids=lambda kit: kit.kind.value)
def stage(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[RouteStage]:
    with staged(cluster, request.param) as stage:
        yield stage


class Frozen:
    """The client of a process that stands still before its first patch of a route, while ``meanwhile`` goes on."""

    def __init__(self, stage: RouteStage, meanwhile: Callable[[], object]) -> None:
        self._api, self._plural = stage.api, stage.kit.plural
        self._meanwhile: Callable[[], object] | None = meanwhile

    def patch(self, kind: Kind, *args: Any, **more: Any) -> Raw:
        if kind.plural == self._plural and self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()
        return self._api.patch(kind, *args, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)


def frozen(stage: RouteStage, meanwhile: Callable[[], object]) -> KubeRouter:
    return KubeRouter(Frozen(stage, meanwhile), stage.clock, wait=stage.waits.append)  # type: ignore[arg-type]


def test_a_write_that_was_frozen_does_not_land_after_a_newer_leaders_rollback(stage: RouteStage) -> None:
    route = stage.at(10)
    newer = stage.another()

    def take_over() -> None:
        newer.claim(stage.app, 2)
        newer.lower(stage.app, ABORT, 2)

    older = frozen(stage, take_over)
    with pytest.raises(Fenced):
        older.write(stage.app, RouteWrite(50, "r1", 1, route.revision, 60.0))
    assert stage.share_pct == 0
    assert stage.note()["epoch"] == 2


def test_a_write_that_was_frozen_does_not_land_after_a_claim_that_changed_no_weight(stage: RouteStage) -> None:
    """A rollback that finds 0 writes no weight: the claim alone must keep the older write out."""
    route = stage.at(0)
    older = frozen(stage, lambda: stage.another().claim(stage.app, 2))
    with pytest.raises(Fenced):
        older.write(stage.app, RouteWrite(10, "r1", 1, route.revision, 60.0))
    assert stage.share_pct == 0


@pytest.mark.parametrize("revert", [True, False])
def test_a_write_that_was_frozen_does_not_land_after_a_kill(stage: RouteStage, revert: bool) -> None:
    route = stage.at(10)
    older = frozen(stage, lambda: stage.another().halt(stage.app, KILL, revert))
    with pytest.raises(PortError):
        older.write(stage.app, RouteWrite(50, "r1", 1, route.revision, 60.0))
    assert round(stage.share_pct) == (0 if revert else 10)


def test_a_stop_of_an_older_leader_that_was_frozen_undoes_nothing_of_the_newer_one(stage: RouteStage) -> None:
    stage.at(10)
    newer = stage.another()

    def goes_on() -> None:
        route = newer.claim(stage.app, 2)
        newer.write(stage.app, RouteWrite(25, "r2", 2, route.revision, 60.0))

    with pytest.raises(Fenced):
        frozen(stage, goes_on).lower(stage.app, ABORT, 1)
    assert round(stage.share_pct) == 25


def test_a_kill_needs_no_leader_and_gets_through_whatever_happens_meanwhile(stage: RouteStage) -> None:
    stage.at(10)
    newer = stage.another()
    route = frozen(stage, lambda: newer.claim(stage.app, 2)).halt(stage.app, KILL, revert=True)
    assert (route.epoch, route.halts, route.live_pct, stage.share_pct) == (2, (KILL,), 0, 0)


def test_another_process_of_the_same_release_that_lost_the_lead_renews_nothing(stage: RouteStage) -> None:
    stage.at(10)
    newer = stage.another()
    newer.claim(stage.app, 2)
    newer.renew(stage.app, "r1", 2, 60.0)
    stage.clock.advance(30.0)
    with pytest.raises(Fenced):
        stage.router.renew(stage.app, "r1", 1, 60.0)
    seen = stage.another().read(stage.app)
    assert seen.lease_left_s == 30.0


def test_of_two_leaders_that_race_the_older_one_wins_nothing_in_the_end(stage: RouteStage) -> None:
    """Both write as fast as they can: once the newer one has claimed, no weight is the older one's."""
    stage.at(0)
    older, newer = stage.another(), stage.another()
    claimed, raised = threading.Event(), list[type[PortError]]()
    after_claim: list[RouteState] = []

    def race() -> None:
        for _ in range(200):
            done = claimed.is_set()
            try:
                seen = older.read(stage.app)
                route = older.write(stage.app, RouteWrite(50, "old", 1, seen.revision, 60.0))
                if done:
                    after_claim.append(route)
            except Conflict:
                continue
            except Fenced as fenced:
                raised.append(type(fenced))
                return

    racing = threading.Thread(target=race)
    racing.start()
    try:
        for _ in range(20):
            try:
                newer.claim(stage.app, 2)
                break
            except Conflict:
                continue
        claimed.set()
        stage.cluster.wait(lambda: _written(newer, stage), "the newer leader has written")
    finally:
        racing.join(30)
    assert raised == [Fenced]
    assert after_claim == []
    assert stage.note()["release_id"] == "new"
    assert round(stage.share_pct) == 10


def _written(router: KubeRouter, stage: RouteStage) -> bool:
    seen = router.read(stage.app)
    try:
        return router.write(stage.app, RouteWrite(10, "new", 2, seen.revision, 60.0)).weight_pct == 10
    except Conflict:
        return False
