"""What the release of a kill is said to let go of: never more than is true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.core.model import HaltCause, Phase, Reason
from controller.ports import Unavailable
from tests.api.http_stage import Stage
from tests.unit.core.build import an_app

PATH = "/v1/kill-switch"
HARM = Reason("worse_than_stable", "errors: canary 5 %")


@pytest.fixture
def shop(stage: Stage) -> Stage:
    stage.add_application()
    return stage


def halted(stage: Stage, identifier: str = "shop-1", **changes: Any) -> None:
    fields: dict[str, Any] = {"phase": Phase.HALTED, "halt": HaltCause.KILL_REVERT, "weight_pct": 0}
    stage.add_release(id=identifier, **fields | changes)


def add_pay(stage: Stage) -> None:
    own: Any = an_app().router
    stage.add_application(name="pay", environment="staging", router=replace(own, backend="pay"))


def kill(stage: Stage, scope: str) -> str:
    identifier: str = stage.call("POST", PATH, json={"scope": scope}).json()["kill"]["id"]
    return identifier


def said(stage: Stage, identifier: str) -> str:
    answer = stage.call("POST", f"{PATH}/{identifier}/release", json={"reason": "all well"})
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["text"]
    before, _, after = text.partition(" is released; ")
    assert before.startswith(f"kill {identifier} over ")
    return after


@pytest.mark.parametrize("scope", ["fleet", "environment:production", "application:shop", "release:shop-1"])
def test_what_only_this_kill_held_starts_again(shop: Stage, scope: str) -> None:
    halted(shop)
    assert said(shop, kill(shop, scope)) == "shop-1 starts again at step 0"


@pytest.mark.parametrize("other", ["fleet", "environment:production", "application:shop", "release:shop-1"])
def test_what_another_kill_holds_too_is_not_promised_to_start(shop: Stage, other: str) -> None:
    halted(shop)
    first, second = kill(shop, "application:shop"), kill(shop, other)
    assert said(shop, first) == f"shop-1 stays halted under {second} ({other})"
    assert said(shop, second) == "shop-1 starts again at step 0"


def test_each_release_is_told_by_itself(shop: Stage) -> None:
    add_pay(shop)
    halted(shop)
    halted(shop, "pay-1", app=shop.store.application("pay").app)
    first, second = kill(shop, "fleet"), kill(shop, "application:pay")
    assert said(shop, first) == f"shop-1 starts again at step 0; pay-1 stays halted under {second} (application:pay)"


def test_a_release_that_did_harm_is_not_promised_to_start(shop: Stage) -> None:
    halted(shop, cause=HARM)
    assert said(shop, kill(shop, "fleet")) == "shop-1 rolls back, since harm was found"


@pytest.mark.parametrize("halt", [HaltCause.STABLE_DOWN, HaltCause.STABLE_SHORT])
def test_a_release_that_no_kill_halted_is_not_promised_anything(shop: Stage, halt: HaltCause) -> None:
    halted(shop, halt=halt, cause=HARM)
    assert said(shop, kill(shop, "fleet")) == "no other kill covers it"


@pytest.mark.parametrize(
    ("scope", "other", "text"),
    [
        ("application:shop", "application:pay", "no other kill covers it"),
        ("application:shop", "environment:staging", "no other kill covers it"),
        ("application:shop", "fleet", "OTHER (fleet) still holds it, or a part of it"),
        ("fleet", "application:shop", "OTHER (application:shop) still holds it, or a part of it"),
        ("environment:production", "application:shop", "OTHER (application:shop) still holds it, or a part of it"),
    ],
)
def test_with_nothing_halted_it_says_what_else_covers_the_same(shop: Stage, scope: str, other: str, text: str) -> None:
    add_pay(shop)
    first, second = kill(shop, scope), kill(shop, other)
    assert said(shop, first) == text.replace("OTHER", second)


def test_many_releases_are_counted(shop: Stage) -> None:
    for number in range(7):
        name = f"a{number}"
        halted(shop, f"{name}-1", app=shop.add_application(name=name))
    assert said(shop, kill(shop, "fleet")) == "7 releases start again at step 0"


def test_while_a_source_cannot_be_read_nothing_is_promised(shop: Stage) -> None:
    halted(shop)
    identifier = kill(shop, "fleet")
    shop.kills._file._path.write_text("not a journal\n")
    assert said(shop, identifier).startswith("everything is still held, because a source of kills cannot be read: ")


def test_a_store_that_goes_away_right_after_takes_nothing_back(shop: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    halted(shop)
    identifier, release = kill(shop, "fleet"), shop.kills.release

    def then_away(*given: Any) -> Any:
        released = release(*given)
        monkeypatch.setattr(shop.store.inner, "kills", away)
        return released

    def away() -> None:
        raise Unavailable("the disk is away")

    monkeypatch.setattr(type(shop.kills), "release", lambda _switch, *given: then_away(*given))
    assert "everything is still held" in said(shop, identifier)
