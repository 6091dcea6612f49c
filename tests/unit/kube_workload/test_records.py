"""What is left in the cluster is read again as it was written, and nonsense is not taken for a record."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from controller.adapters.kube.workload.names import CANARY, PROMOTION, STABLE, TEMPLATE, revision_name
from controller.adapters.kube.workload.pins import Source
from controller.adapters.kube.workload.records import (
    REVISIONS_KEPT,
    Made,
    Promotion,
    Started,
    encode_made,
    encode_promotion,
    encode_started,
    kept_of,
    outdated,
    promotion_in,
    records_in,
    revision_body,
    template_in,
    version_in,
)
from tests.unit.kube_workload.objects import V1, V2, template

STARTED = Started(kept_of("shop", V1, template(V1)), 4, 3, autoscaled=True)
MADE = Made(
    kept_of("shop", V2, template(V2)), 3, {"app": "shop-canary", "tier": None}, {Source("ConfigMap", "a"): "a-1"}
)


def test_a_release_is_read_again_as_it_was_written() -> None:
    notes = {STABLE: encode_started(STARTED), CANARY: encode_made(MADE), TEMPLATE: "abc"}
    found = records_in(notes)
    assert found is not None
    assert (found.stable, found.canary, found.template) == (STARTED, MADE, "abc")


def test_a_record_of_the_version_before_knew_nothing_of_autoscalers() -> None:
    told = json.loads(encode_started(STARTED))
    del told["autoscaled"]
    found = records_in({STABLE: json.dumps(told), CANARY: encode_made(MADE)})
    assert found is not None
    assert found.stable == replace(STARTED, autoscaled=False)


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"version": "v"}', "null", "[" * 10_000])
def test_what_cannot_be_read_is_no_record(text: str) -> None:
    assert records_in({STABLE: text, CANARY: encode_made(MADE)}) is None
    assert records_in({STABLE: encode_started(STARTED), CANARY: text}) is None
    assert records_in({}) is None
    assert promotion_in({PROMOTION: text}) is None


@pytest.mark.parametrize("back", [True, False])
def test_a_promotion_is_read_again_as_it_was_written(back: bool) -> None:
    promotion = Promotion("uid", "digest", back)
    assert promotion_in({PROMOTION: encode_promotion(promotion)}) == promotion


def test_a_revision_holds_the_template_whole_under_a_name_of_its_own() -> None:
    body = revision_body("shop", MADE.kept, template(V2), 3)
    assert template_in(body) == template(V2)
    assert (version_in(body), body["revision"]) == (V2, 3)
    assert body["metadata"]["name"] != STARTED.kept.revision


def test_a_revisions_name_fits_whatever_the_deployment_is_called() -> None:
    assert len(revision_name("x" * 253, "f" * 64)) <= 253
    assert revision_name("shop", "f" * 64) == "interlock-shop-ffffffffff"


def test_the_oldest_revisions_that_nothing_uses_go() -> None:
    revisions = [{"metadata": {"name": f"r{n}"}, "revision": n} for n in range(1, REVISIONS_KEPT + 4)]
    gone = {one["metadata"]["name"] for one in outdated(revisions, frozenset({"r1"}))}
    assert gone == {"r2", "r3"}
