"""What a template's version is, what a person means by a version, and which templates are the same."""

from __future__ import annotations

import copy

import pytest

from controller.adapters.kube.workload.versions import (
    VERSION_CHARS_MAX,
    canonical,
    digest_of,
    image_of,
    reference,
    require_short,
    template_text,
    text_of,
    with_digest,
    with_version,
)
from controller.ports import Refused
from tests.unit.kube_workload.objects import V1, V2, raw_set, template

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "version", "meant"),
    [
        ("registry.test/shop:1.0", "2.0.1", "registry.test/shop:2.0.1"),
        ("registry.test:5000/shop:1.0", "v2", "registry.test:5000/shop:v2"),
        (f"registry.test/shop:1.0@{DIGEST}", "2", "registry.test/shop:2"),
        ("shop", "2", "shop:2"),
        ("registry.test/shop:1.0", DIGEST, f"registry.test/shop@{DIGEST}"),
        ("registry.test/shop:1.0", "elsewhere.test/shop:3", "elsewhere.test/shop:3"),
        ("registry.test/shop:1.0", f"elsewhere.test/shop@{DIGEST}", f"elsewhere.test/shop@{DIGEST}"),
    ],
)
def test_a_version_is_a_tag_a_digest_or_a_whole_reference(image: str, version: str, meant: str) -> None:
    assert reference(image, version) == meant


@pytest.mark.parametrize("version", ["registry.test/UPPER:1", "a:b:c", "registry.test/shop@sha256:short"])
def test_what_is_no_image_is_refused(version: str) -> None:
    with pytest.raises(Refused):
        reference("registry.test/shop:1.0", version)


def test_only_the_main_container_is_changed() -> None:
    before = template(V1, volumes=[{"name": "tmp", "emptyDir": {}}])
    after = with_version(before, None, V2)
    assert [one["image"] for one in after["spec"]["containers"]] == [V2, "registry.test/proxy:9"]
    assert before == template(V1, volumes=[{"name": "tmp", "emptyDir": {}}])
    assert {**after["spec"], "containers": None} == {**before["spec"], "containers": None}


def test_the_main_container_may_be_named() -> None:
    assert image_of(template(), "sidecar") == "registry.test/proxy:9"
    assert with_version(template(), "sidecar", "x:2")["spec"]["containers"][0]["image"] == V1


def test_a_container_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(Refused, match=r"no container 'web', only main, sidecar"):
        image_of(template(), "web")


def test_an_annotation_tells_the_version_and_follows_it() -> None:
    named = template()
    named["metadata"]["annotations"] = {"interlock.dev/version": "spring"}
    assert text_of(named, None) == "spring"
    assert text_of(with_version(named, None, V2), None) == V2


def test_without_an_annotation_none_is_added() -> None:
    assert "annotations" not in with_version(template(), None, V2)["metadata"]


def test_a_replica_sets_template_is_the_deployments_own() -> None:
    assert digest_of(raw_set("x", template(), 1)["spec"]["template"]) == digest_of(template())


def test_the_order_of_keys_does_not_matter_and_that_of_containers_does() -> None:
    turned = dict(reversed(list(template().items())))
    assert digest_of(turned) == digest_of(template())
    swapped = copy.deepcopy(template())
    swapped["spec"]["containers"].reverse()
    assert digest_of(swapped) != digest_of(template())


def test_what_is_put_back_is_what_was_there() -> None:
    own = template(terminationGracePeriodSeconds=5)
    assert canonical(canonical(own)) == own


def test_a_template_of_git_is_told_by_all_its_fields() -> None:
    one, other = template_text(template(), None), template_text(template(V1, nodeName="n"), None)
    assert one.startswith(f"{V1}+t")
    assert one != other
    assert len(one) == len(V1) + 10


def test_a_text_that_is_too_long_is_cut_before_its_digest_and_refused_without_one() -> None:
    assert len(with_digest("x" * 400, "f" * 64)) == VERSION_CHARS_MAX
    with pytest.raises(Refused, match="longer than 255"):
        require_short("x" * 256)
