"""What a template reads, the copies it is pointed to, and that originals and their names stay the user's."""

from __future__ import annotations

import copy
from typing import Any

from controller.adapters.kube.workload.pins import Source, copied, may_copy, name_for, redirected, sources
from tests.unit.kube_workload.objects import template

MAP, SECRET = "ConfigMap", "Secret"


def reading() -> dict[str, Any]:
    """A template that names a ConfigMap or a Secret in every way there is."""
    found = template(
        volumes=[
            {"name": "a", "configMap": {"name": "files", "items": [{"key": "x", "path": "x"}]}},
            {"name": "b", "secret": {"secretName": "keys"}},
            {"name": "c", "projected": {"sources": [{"configMap": {"name": "more"}}, {"secret": {"name": "token"}}]}},
            {"name": "d", "emptyDir": {}},
        ],
        initContainers=[{"name": "init", "image": "i", "envFrom": [{"configMapRef": {"name": "settings"}}]}],
    )
    found["spec"]["containers"][0]["env"] = [
        {"name": "PLAIN", "value": "files"},
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "password", "key": "b"}}},
        {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    found["spec"]["containers"][1]["envFrom"] = [{"secretRef": {"name": "login"}, "prefix": "P_"}]
    return found


def test_every_way_to_read_a_config_map_is_found_once() -> None:
    assert sources(reading(), secrets=False) == tuple(Source(MAP, name) for name in ("files", "more", "settings"))


def test_secrets_are_found_only_where_they_may_be_copied() -> None:
    secrets = {one.name for one in sources(reading(), secrets=True) if one.kind == SECRET}
    assert secrets == {"keys", "token", "password", "login"}


def test_only_the_names_of_what_was_copied_change() -> None:
    before = reading()
    after = redirected(before, {Source(MAP, "files"): "files-1", Source(SECRET, "keys"): "keys-2"})
    assert before == reading()
    expected = copy.deepcopy(before)
    expected["spec"]["volumes"][0]["configMap"]["name"] = "files-1"
    expected["spec"]["volumes"][1]["secret"]["secretName"] = "keys-2"
    assert after == expected


def test_a_config_map_and_a_secret_of_one_name_are_two_things() -> None:
    both = template(volumes=[{"name": "a", "configMap": {"name": "x"}}, {"name": "b", "secret": {"secretName": "x"}}])
    after = redirected(both, {Source(MAP, "x"): "x-1"})
    assert after["spec"]["volumes"][1]["secret"]["secretName"] == "x"


def test_a_copys_name_changes_with_the_content_and_the_application_alone() -> None:
    source = Source(MAP, "files")
    name = name_for(source, {"data": {"a": "1"}, "metadata": {"resourceVersion": "1"}}, "shop")
    assert name == name_for(source, {"data": {"a": "1"}, "metadata": {"resourceVersion": "2"}}, "shop")
    assert name.startswith("files-")
    assert len(name) == len("files-") + 8
    others = [name_for(source, {"data": {"a": "2"}}, "shop"), name_for(source, {"data": {"a": "1"}}, "other")]
    assert name not in others


def test_a_long_name_still_makes_a_name() -> None:
    assert len(name_for(Source(MAP, "x" * 253), {}, "shop")) == 253


def test_a_copy_holds_the_content_cannot_be_edited_and_goes_with_its_owner() -> None:
    raw = {"data": {"a": "1"}, "binaryData": {"b": "AA=="}, "metadata": {"name": "files", "labels": {"helm": "yes"}}}
    made = copied(Source(MAP, "files"), raw, "files-1", "shop", {"uid": "u"})
    assert (made["data"], made["binaryData"], made["immutable"]) == (raw["data"], raw["binaryData"], True)
    assert made["metadata"]["ownerReferences"] == [{"uid": "u"}]
    assert "helm" not in made["metadata"]["labels"]


def test_a_secret_keeps_its_type_and_an_accounts_token_is_not_copied() -> None:
    made = copied(Source(SECRET, "tls"), {"type": "kubernetes.io/tls", "data": {}}, "tls-1", "shop", {})
    assert (made["kind"], made["type"]) == (SECRET, "kubernetes.io/tls")
    assert may_copy({"type": "Opaque"})
    assert not may_copy({"type": "kubernetes.io/service-account-token"})


def test_a_source_is_written_down_and_read_again() -> None:
    assert Source.parse(str(Source(MAP, "a.b-c"))) == Source(MAP, "a.b-c")
