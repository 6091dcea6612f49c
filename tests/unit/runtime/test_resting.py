"""Applications at rest: behind a guard each beat, in a cluster on a hint, after trouble, and now and then."""

from __future__ import annotations

from dataclasses import replace

from controller.core.model import CanaryPlan
from controller.runtime.resting import SWEEP_CLUSTER_S, Resting, objects_of
from tests.unit.core.build import a_cluster_app, an_app

LOCAL = an_app(name="local")
SHOP = a_cluster_app(name="shop")
APPS = (LOCAL, SHOP)


def looked(resting: Resting, name: str, calm: bool, now_s: float) -> None:
    """Nothing changed during the look."""
    resting.looked(name, calm, now_s, resting.hints(name))


def rested() -> Resting:
    resting = Resting()
    assert resting.due(APPS, 0.0) == ["local", "shop"]
    for name in ("local", "shop"):
        looked(resting, name, calm=True, now_s=0.0)
    return resting


def test_behind_a_guard_every_beat_and_in_a_cluster_now_and_then() -> None:
    resting = rested()
    assert resting.due(APPS, 3.0) == ["local"]
    assert resting.due(APPS, SWEEP_CLUSTER_S) == ["local", "shop"]


def test_a_hint_brings_the_application_that_the_object_belongs_to_and_no_other() -> None:
    resting = rested()
    for place in sorted(objects_of(SHOP)):
        assert resting.changed(*place) == {"shop"}
        assert resting.due(APPS, 3.0) == ["local", "shop"]
        looked(resting, "shop", calm=True, now_s=3.0)
    assert resting.changed("web", "other") == frozenset()
    assert resting.changed("elsewhere", "shop") == frozenset()
    assert resting.due(APPS, 3.0) == ["local"]


def test_what_was_not_in_order_is_looked_at_until_it_is() -> None:
    resting = rested()
    looked(resting, "shop", calm=False, now_s=3.0)
    assert resting.due(APPS, 6.0) == ["local", "shop"]
    looked(resting, "shop", calm=True, now_s=6.0)
    assert resting.due(APPS, 9.0) == ["local"]


def test_an_edited_application_is_looked_at_and_a_deleted_one_is_forgotten() -> None:
    resting = rested()
    edited = replace(SHOP, canary=CanaryPlan((7,)))
    assert resting.due((LOCAL, edited), 3.0) == ["local", "shop"]
    assert resting.due((LOCAL,), 3.0) == ["local"]
    assert resting.changed("web", "shop") == frozenset()
    assert resting.due((LOCAL, edited), 4.0) == ["local", "shop"]


def test_an_application_behind_a_guard_has_no_objects_in_a_cluster() -> None:
    assert objects_of(LOCAL) == frozenset()


def test_a_hint_during_a_look_that_found_everything_in_order_brings_another_one() -> None:
    resting = rested()
    before = resting.hints("shop")
    resting.changed("web", "shop")
    resting.looked("shop", True, 3.0, before)
    assert resting.due(APPS, 3.0) == ["local", "shop"]
    looked(resting, "shop", calm=True, now_s=6.0)
    assert resting.due(APPS, 6.0) == ["local"]
