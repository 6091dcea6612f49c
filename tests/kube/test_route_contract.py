"""The contract of the Router port on every kind of route of a cluster: the same tests that HAProxy's router passes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.core.model import Application
from controller.core.targets import RouteKind
from controller.ports import Router
from tests.contract.router_fixtures import AnyWorld
from tests.contract.test_router import (  # noqa: F401
    test_a_claim_of_the_same_epoch_again_changes_nothing,
    test_a_halt_needs_no_epoch_and_with_revert_takes_the_canary_to_zero,
    test_a_halt_without_revert_keeps_the_weight_and_lets_nothing_rise,
    test_a_halted_route_can_be_claimed_and_stays_halted,
    test_a_lease_is_renewed_by_its_release_only,
    test_a_lease_that_nobody_renews_is_told_and_not_renewed_again,
    test_a_new_route_is_all_on_stable_and_verified,
    test_a_renewed_lease_keeps_the_weight,
    test_a_write_of_an_epoch_that_never_claimed_is_a_conflict,
    test_a_write_out_of_bounds_is_refused,
    test_a_write_sets_both_weights_and_reads_them_back,
    test_a_write_to_zero_holds_no_lease,
    test_a_write_with_a_revision_of_before_is_a_conflict_and_changes_nothing,
    test_after_a_claim_nothing_of_an_older_epoch_lands,
    test_every_accepted_change_gives_a_new_revision_and_a_read_gives_none,
    test_halts_add_up_and_each_is_taken_off_by_its_own_id,
    test_lower_again_changes_nothing_more,
    test_lower_needs_no_revision_and_fences_older_epochs,
)
from tests.kube.cluster.cluster import Cluster
from tests.kube.route_kits import KITS, RouteKit
from tests.kube.route_stage import RouteStage, staged


class KubeWorld:
    """Time is a number here."""

    def __init__(self, stage: RouteStage) -> None:
        self.stage = stage
        self.app: Application = stage.app
        self.router: Router = stage.router

    @property
    def most_pct(self) -> int:
        """The highest weight that this kind of route can give. Without a proxy stable's own endpoints stay."""
        return 50 if self.stage.kit.kind is RouteKind.ENDPOINT_SLICE else 100

    def weights(self) -> tuple[int, int]:
        canary = round(self.stage.share_pct)
        return 100 - canary, canary

    def pass_time(self, seconds: float) -> None:
        self.stage.clock.advance(seconds)


@pytest.fixture(params=KITS, ids=lambda kit: kit.kind.value)
def world(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[AnyWorld]:
    kit: RouteKit = request.param
    with staged(cluster, kit) as stage:
        read = stage.router.read
        cluster.wait(lambda: not read(stage.app).unconfirmed, "the route is confirmed as it was found")
        yield KubeWorld(stage)
