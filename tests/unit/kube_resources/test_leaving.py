"""A deleted object goes once all traffic is on stable and everything given back; a crash anywhere only delays it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from controller.adapters.kube.resources.objects import FINALIZER
from controller.core.model import IntentKind, Phase
from controller.ports import Conflict, PortError, Refused, Unavailable, Unknown
from tests.unit.kube_resources.memory import SHOP, SPEC, spec
from tests.unit.kube_resources.stage import V2, V3, Stage, in_http

AWAY = Unavailable("patch httproutes web/shop: the API server cannot be reached")


@pytest.fixture
def shop(stage: Stage) -> Stage:
    stage.cluster.put()
    stage.settle()
    return stage


def gone(stage: Stage) -> bool:
    stored = stage.registered()
    return SHOP not in stage.cluster.objects and stored is not None and stored.deleted


def parts(stage: Stage) -> list[str]:
    return [part for part, _ in stage.world.given_back]


def test_an_object_without_a_release_gives_everything_back_and_goes(shop: Stage) -> None:
    shop.cluster.delete()
    shop.settle()
    assert gone(shop)
    assert parts(shop) == ["routes", "workload"]
    assert shop.locked == ["shop"]
    (record,) = shop.records("application_deleted")
    assert record.draft.actor == "kubernetes:web/shop"


def test_an_object_in_the_middle_of_a_release_takes_it_back_and_waits_for_its_end(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.move(release.id, Phase.PROGRESSING, step=0, weight_pct=5)
    shop.settle()
    shop.cluster.delete()
    shop.beat()
    assert shop.world.lowered == ["aborted by kubernetes:web/shop: the Application object is being deleted"]
    intent = shop.newest().intent
    assert intent is not None
    assert intent.kind is IntentKind.ABORT
    shop.beat(3)
    assert (parts(shop), gone(shop), len(shop.world.lowered)) == ([], False, 1)
    assert shop.condition("Ready")["reason"] == "Deleting"
    assert f"waiting for the end of release {release.id}" in shop.condition("Ready")["message"]
    shop.move(release.id, Phase.ROLLING_BACK, weight_pct=0)
    shop.beat(3)
    assert not gone(shop)
    shop.move(release.id, Phase.ROLLED_BACK)
    shop.settle()
    assert gone(shop)


def test_every_active_release_is_aborted_once(shop: Stage) -> None:
    first = shop.deploy(V2).release
    second = shop.deploy(V3, replace=True).release
    shop.cluster.delete()
    shop.beat(5)
    by = {one.id: one.intent.actor for one in shop.memory.active("shop") if one.intent is not None}
    assert by == {first.id: "ci", second.id: "kubernetes:web/shop"}
    assert len(shop.records("intent")) == 1


def test_a_release_that_somebody_starts_meanwhile_is_aborted_as_well(shop: Stage) -> None:
    shop.api.fail(AWAY, "let_go")
    shop.router.fail(AWAY, "forget")
    shop.cluster.delete()
    shop.beat(2)
    release = shop.deploy(V2).release
    shop.router.heal()
    shop.api.heal()
    shop.beat(5)
    assert not gone(shop)
    shop.move(release.id, Phase.ROLLED_BACK)
    shop.settle()
    assert gone(shop)


@pytest.mark.parametrize("part", ["router", "workload"])
def test_what_cannot_be_reached_keeps_the_object_and_says_why(shop: Stage, part: str) -> None:
    getattr(shop, part).fail(AWAY, "forget")
    shop.cluster.delete()
    shop.beat(5)
    assert shop.cluster.objects[SHOP].finalizers == (FINALIZER,)
    stored = shop.registered()
    assert stored is not None
    assert not stored.deleted
    assert "cannot be given back yet: patch httproutes web/shop" in shop.condition("Ready")["message"]
    getattr(shop, part).heal()
    shop.settle()
    assert gone(shop)


def test_what_is_refused_is_asked_for_every_30_s_and_touches_no_route(shop: Stage) -> None:
    asked: list[float] = []
    shop.workload.watch("require_forgettable", lambda _app: asked.append(shop.clock.monotonic_s()))
    shop.workload.fail(Refused("kubectl rollout resume deployment/shop"), "require_forgettable")
    shop.cluster.delete()
    shop.beat(2)  # what is shown then is a change of the object, which is looked at once more
    shop.beat(24)
    assert [round(after - before) for before, after in pairwise(asked[1:])] == [32, 32, 32], "beats are 4 s apart"
    assert (parts(shop), gone(shop)) == ([], False)
    assert "rollout resume" in shop.condition("Ready")["message"]
    shop.workload.heal()
    shop.beat(9)
    assert gone(shop)


@pytest.mark.parametrize(
    ("where", "method", "after"),
    [
        ("store", "commit", False),
        ("store", "commit", True),
        ("router", "forget", True),
        ("workload", "forget", True),
        ("api", "let_go", False),
        ("api", "let_go", True),
        ("store", "application", False),
        ("store", "active", False),
        ("store", "audit", False),
    ],
)
def test_a_crash_anywhere_only_delays_it(shop: Stage, where: str, method: str, after: bool) -> None:
    def crash(*_given: object, **_fields: object) -> None:
        raise KeyboardInterrupt

    troubled = getattr(shop, where)
    (troubled.after if after else troubled.watch)(method, crash)
    shop.cluster.delete()
    with pytest.raises(KeyboardInterrupt):
        shop.beat(5)
    troubled.heal()
    shop.restart()
    shop.settle()
    assert gone(shop)
    assert len(shop.records("application_deleted")) == 1


@pytest.mark.parametrize("trouble", [Unknown("sent, but there is no readable answer"), AWAY, Refused("no")])
def test_an_answer_that_was_lost_is_found_out_by_looking(shop: Stage, trouble: PortError) -> None:
    lost: list[object] = []

    def lose(*_given: object) -> None:
        lost.append(1)
        if len(lost) == 1:
            raise trouble

    shop.api.after("let_go", lose)
    shop.cluster.delete()
    shop.beat(5)
    assert gone(shop)


def test_an_object_whose_spec_became_nonsense_still_gives_back_what_is_registered(shop: Stage) -> None:
    shop.cluster.put(document={"target": None})
    shop.cluster.delete()
    shop.settle()
    assert gone(shop)
    assert parts(shop) == ["routes", "workload"]


def test_what_an_http_caller_has_forgotten_already_lets_the_object_go(shop: Stage) -> None:
    shop.cluster.delete()
    shop.plain.unregister("shop", "ci")
    shop.settle()
    assert gone(shop)
    assert len(shop.records("application_deleted")) == 1


def test_what_an_http_caller_registered_in_its_place_meanwhile_is_left_alone(shop: Stage) -> None:
    document = in_http("till", name="shop", namespace="other")
    shop.plain.unregister("shop", "ci")
    shop.register(document)
    shop.world.given_back.clear()
    shop.cluster.delete()
    shop.settle()
    assert SHOP not in shop.cluster.objects
    stored = shop.registered()
    assert stored is not None
    assert not stored.deleted
    assert shop.world.given_back == []


def test_other_finalizers_stay(shop: Stage) -> None:
    seen = shop.cluster.objects[SHOP]
    shop.cluster.objects[SHOP] = type(seen)(
        *SHOP, seen.uid, 1, finalizers=("foregroundDeletion", FINALIZER), spec=SPEC, status=seen.status
    )
    shop.cluster.delete()
    shop.settle()
    assert shop.cluster.objects[SHOP].finalizers == ("foregroundDeletion",)


def test_abandon_lets_the_object_go_whatever_could_not_be_reached_and_puts_that_on_record(shop: Stage) -> None:
    shop.router.fail(AWAY, "forget")
    shop.cluster.delete()
    shop.beat(3)
    shop.cluster.delete(abandoned=True)
    shop.beat(3)
    assert SHOP not in shop.cluster.objects
    (record,) = shop.records("application_abandoned")
    assert record.draft.actor == "kubernetes:web/shop"
    assert "cannot be given back yet: patch httproutes web/shop" in record.draft.text
    stored = shop.registered()
    assert stored is not None
    assert not stored.deleted


def test_abandon_in_the_middle_of_a_release_takes_traffic_back_first(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.move(release.id, Phase.PROGRESSING, weight_pct=5)
    shop.cluster.delete(abandoned=True)
    shop.beat()
    assert SHOP not in shop.cluster.objects
    assert len(shop.world.lowered) == 1
    assert shop.newest().intent is not None


def test_abandon_is_nothing_while_the_object_is_not_deleted_or_all_goes_well(shop: Stage) -> None:
    shop.cluster.delete(abandoned=True)
    shop.settle()
    assert gone(shop)
    assert shop.records("application_abandoned") == []


def test_what_cannot_be_put_on_record_is_not_abandoned(shop: Stage) -> None:
    shop.router.fail(AWAY, "forget")
    shop.store.fail(Unavailable("the store is down"), "commit")
    shop.cluster.delete(abandoned=True)
    shop.beat(5)
    assert SHOP in shop.cluster.objects


def test_an_object_that_vanished_without_its_finalizer_changes_nothing(shop: Stage) -> None:
    """Absence may be a mistake of whoever tells of it: what serves stays guarded."""
    shop.cluster.objects.clear()
    shop.beat(200)
    stored = shop.registered()
    assert stored is not None
    assert not stored.deleted
    assert shop.world.given_back == []
    shop.cluster.put()
    shop.settle()
    assert shop.condition("Accepted")["status"] == "True"


def test_a_release_that_is_already_going_back_is_left_to_it(shop: Stage) -> None:
    release = shop.deploy(V2).release
    shop.move(release.id, Phase.ROLLING_BACK)
    asked: list[object] = []
    shop.commands.watch("intend", lambda *given: asked.append(given))
    shop.cluster.delete()
    shop.beat(3)
    assert asked == []


def test_a_deployment_of_another_object_is_untouched(shop: Stage) -> None:
    shop.cluster.put(("web", "till"), spec("till"))
    shop.settle()
    shop.cluster.delete()
    shop.settle()
    assert {app.name for _, app in shop.world.given_back} == {"shop"}
    assert shop.registered("till") is not None


def test_the_release_objects_of_a_deleted_application_go(shop: Stage) -> None:
    shop.move(shop.deploy(V2).release.id, Phase.ROLLED_BACK)
    shop.settle()
    assert shop.cluster.mirror
    shop.cluster.delete()
    shop.settle()
    assert shop.cluster.mirror == {}


def test_a_conflict_on_the_finalizer_is_tried_again(shop: Stage) -> None:
    shop.api.fail(Conflict("the object is not as it was read"), "let_go")
    shop.cluster.delete()
    shop.beat(3)
    shop.api.heal()
    shop.beat(5)
    assert gone(shop)
