"""Applications over HTTP: registered, changed, shown without secrets, forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from controller.core.model import Phase
from controller.ports import Page
from controller.spec import application_from
from tests.api.http_stage import Stage, a_document

PATH = "/v1/applications/shop"


def test_a_registered_application_can_be_read_and_deployed(stage: Stage) -> None:
    answer = stage.call("PUT", PATH, json=a_document(environment="prod"))
    assert answer.status_code == 201, answer.text
    assert answer.headers["etag"] == '"1"'
    shown = stage.call("GET", PATH, "viewer").json()
    assert (shown["environment"], shown["stable_version"], shown["revision"]) == ("production", None, 1)
    deployed = stage.call("POST", "/v1/releases", "ci", json={"application": "shop", "version": "v1"})
    assert deployed.status_code == 202
    assert stage.call("GET", PATH).json()["active_release"] == deployed.json()["release"]["id"]
    record = stage.store.audit(Page())[0].draft
    assert (record.type, record.actor, record.application) == ("application_registered", "admin", "shop")


def test_what_an_admin_reads_back_registers_the_same_application(stage: Stage) -> None:
    stage.call("PUT", PATH, json=a_document())
    spec = stage.call("GET", PATH).json()["spec"]
    assert application_from(spec) == application_from(a_document())
    answer = stage.call("PUT", PATH, json=spec)
    assert (answer.status_code, answer.json()["revision"]) == (200, 1)


@pytest.mark.parametrize("role", ["viewer", "ci", "operator", "approver"])
def test_secrets_of_an_application_are_shown_to_admins_only(stage: Stage, role: str) -> None:
    stage.call("PUT", PATH, json=a_document())
    for path in (PATH, "/v1/applications"):
        assert "hunter2" not in stage.call("GET", path, role).text
        assert "hunter2" in stage.call("GET", path, "admin").text
    spec = stage.call("GET", PATH, role).json()["spec"]
    assert spec["target"]["processes"]["environment"] == {"PASSWORD": "***"}


def test_a_hook_address_is_shown_to_admins_only(stage: Stage) -> None:
    external = {
        "stableHealthUrl": "http://127.0.0.1:1/s",
        "canaryHealthUrl": "http://127.0.0.1:1/c",
        "hookUrl": "http://127.0.0.1:1/hook/hunter2",
        "versionField": "version",
    }
    stage.call("PUT", PATH, json=a_document(target={"external": external}))
    assert "hunter2" not in stage.call("GET", PATH, "viewer").text
    assert "hunter2" in stage.call("GET", PATH, "admin").text


def test_a_change_against_an_old_revision_is_refused(stage: Stage) -> None:
    stage.call("PUT", PATH, json=a_document())
    changed = a_document(environment="staging")
    refused = stage.call("PUT", PATH, json=changed, headers={"If-Match": '"7"'})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert stage.call("GET", PATH).json()["environment"] == "production"
    accepted = stage.call("PUT", PATH, json=changed, headers={"If-Match": '"1"'})
    assert (accepted.status_code, accepted.headers["etag"]) == (200, '"2"')


def test_an_if_match_that_is_no_revision_is_refused(stage: Stage) -> None:
    answer = stage.call("PUT", PATH, json=a_document(), headers={"If-Match": '"abc"'})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_if_match")


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (a_document(name="cart"), "name"),
        (a_document(canary={"steps": [20]}), "canary"),
        (a_document(canary={"steps": [10, 101]}), "canary.steps.1"),
        (a_document(router={"istio": {}}), "router.istio"),
        (a_document(colour="red"), "colour"),
        ({}, "name"),
        ([], ""),
        ("shop", ""),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_document_that_cannot_be_used_names_its_mistakes(stage: Stage, document: Any, field: str) -> None:
    answer = stage.call("PUT", PATH, json=document)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_application"), answer.text
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert stage.call("GET", PATH).status_code == 404


def test_a_missing_body_is_a_mistake_too(stage: Stage) -> None:
    answer = stage.call("PUT", PATH)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_forgotten_application_is_gone(stage: Stage) -> None:
    stage.add_application()
    assert stage.call("DELETE", PATH).status_code == 204
    assert stage.call("GET", PATH).status_code == 404
    assert stage.call("GET", "/v1/applications").json()["items"] == []
    assert stage.call("DELETE", PATH).json()["code"] == "unknown_application"


def test_an_application_with_a_running_release_is_not_forgotten(stage: Stage) -> None:
    stage.add_application()
    stage.add_release()
    answer = stage.call("DELETE", PATH)
    assert (answer.status_code, answer.json()["facts"]) == (409, {"release": "shop-1"})


def test_a_change_in_the_middle_of_a_release_leaves_that_release_alone(stage: Stage) -> None:
    stage.add_application()
    before = stage.add_release()
    changed = a_document(canary={"steps": [1, 2], "minBake": "1s"})
    assert stage.call("PUT", PATH, json=changed).status_code == 200
    assert stage.store.release("shop-1").app == before.app
    assert stage.call("GET", "/v1/releases/shop-1").json()["steps"] == [10, 20, 30]


def test_applications_are_listed_by_name_in_pages(stage: Stage) -> None:
    for name in ("cart", "api", "shop", "web", "jobs"):
        stage.add_application(name=name)
    first = stage.call("GET", "/v1/applications?limit=3").json()
    assert [item["name"] for item in first["items"]] == ["api", "cart", "jobs"]
    rest = stage.call("GET", "/v1/applications", params={"limit": 3, "after": first["next"]}).json()
    assert ([item["name"] for item in rest["items"]], rest["next"]) == (["shop", "web"], None)


def test_a_superseded_release_is_not_the_active_one(stage: Stage) -> None:
    stage.add_application()
    stage.add_release(superseded_by="shop-2")
    stage.add_release(id="shop-2", phase=Phase.PENDING)
    assert stage.call("GET", PATH).json()["active_release"] == "shop-2"
