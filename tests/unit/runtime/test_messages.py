"""Which messages a decision sends, to whom, and under which key."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import cast

import pytest

from controller.core.model import HaltCause, Phase, Release
from controller.core.targets import ExternalTarget
from controller.messages import TOLD, messages_of
from controller.ports import Message
from tests.unit.core.build import NEW, OLD, a_release, an_app, an_external_app

URLS = ("http://127.0.0.1:1/chat", "http://127.0.0.1:1/mail")
HOOK = "http://127.0.0.1:1/hook"


def sent(before: Release, after: Release) -> list[Message]:
    return list(messages_of(URLS)(before, after))


def asks(before: Phase, after: Phase, **changes: object) -> list[tuple[object, ...]]:
    """What an external runner is asked for."""
    app = an_external_app()
    one, two = (replace(a_release(phase, app=app), **changes) for phase in (before, after))  # type: ignore[arg-type]
    return [(m.body["action"], m.body["role"], m.body["version"]) for m in sent(one, two) if m.kind == "hook"]


@pytest.mark.parametrize("phase", list(Phase))
def test_people_are_told_at_the_moments_they_would_ask_about(phase: Phase) -> None:
    before = a_release(Phase.HALTED if phase is not Phase.HALTED else Phase.PROGRESSING)
    told = sent(before, a_release(phase))
    assert [m.url for m in told] == (list(URLS) if phase in TOLD else [])
    assert {m.kind for m in told} == ({f"release_{phase.value}"} if phase in TOLD else set())


def test_nothing_is_sent_when_the_phase_stays() -> None:
    external = a_release(Phase.PAUSED, app=an_external_app())
    assert sent(external, replace(external, weight_pct=20)) == []


def test_a_notice_says_what_happened_in_a_sentence() -> None:
    body = sent(a_release(Phase.PROGRESSING), a_release(Phase.ROLLING_BACK))[0].body
    assert (body["release"], body["application"], body["version"]) == ("shop-1", "shop", NEW)
    assert body["code"] == "because"
    assert body["text"] == "shop v2 is rolling back to stable (too many errors): some reason."


def test_without_receivers_nobody_is_told() -> None:
    assert messages_of(())(a_release(), a_release(Phase.PAUSED)) == ()


@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        (Phase.PENDING, Phase.PREPARING, [("run", "stable", OLD), ("run", "canary", NEW)]),
        (Phase.PROGRESSING, Phase.PROMOTING, [("run", "stable", NEW)]),
        (Phase.PENDING, Phase.PROMOTING, [("run", "stable", NEW)]),
        (Phase.PROMOTING, Phase.ROLLING_BACK, [("run", "stable", OLD)]),
        (Phase.HALTED, Phase.ROLLING_BACK, [("run", "stable", OLD)]),
        (Phase.PROGRESSING, Phase.ROLLING_BACK, [("run", "stable", OLD)]),
        (Phase.PROMOTING, Phase.SUCCEEDED, [("stop", "canary", None)]),
        (Phase.ROLLING_BACK, Phase.ROLLED_BACK, [("stop", "canary", None)]),
        (Phase.ROLLING_BACK, Phase.FAILED, [("stop", "canary", None)]),
        (Phase.PENDING, Phase.FAILED, []),
        (Phase.PREPARING, Phase.PROGRESSING, []),
        (Phase.PROGRESSING, Phase.PAUSED, []),
    ],
)
def test_an_external_runner_is_asked_when_it_has_to_do_something(
    before: Phase, after: Phase, asked: list[tuple[object, ...]]
) -> None:
    assert asks(before, after) == asked


def test_a_kill_in_the_middle_of_a_promotion_asks_for_the_old_stable_back() -> None:
    app = an_external_app()
    killed = a_release(Phase.HALTED, app=app, halt=HaltCause.KILL_REVERT)
    frozen = a_release(Phase.HALTED, app=app, halt=HaltCause.KILL_HALT)
    promoting = a_release(Phase.PROMOTING, app=app)
    assert [m.body["version"] for m in sent(promoting, killed) if m.kind == "hook"] == [OLD]
    assert [m for m in sent(promoting, frozen) if m.kind == "hook"] == []


def test_a_first_version_that_fails_asks_nobody_to_bring_an_older_one_back() -> None:
    assert asks(Phase.PROMOTING, Phase.ROLLING_BACK, stable=None) == []


def test_nobody_is_asked_about_processes_of_our_own_or_without_an_address() -> None:
    silent = replace(cast(ExternalTarget, an_external_app().target), hook_url=None)
    for app in (an_app(), an_app(target=silent)):
        made = messages_of(())(a_release(Phase.PENDING, app=app), a_release(Phase.PREPARING, app=app))
        assert made == ()


def test_every_message_of_a_release_has_its_own_key() -> None:
    app, keys = an_external_app(), []
    path = [Phase.PENDING, Phase.PREPARING, Phase.PROGRESSING, Phase.PAUSED, Phase.PROGRESSING, Phase.PAUSED,
            Phase.PROMOTING, Phase.ROLLING_BACK, Phase.ROLLED_BACK]  # fmt: skip
    for revision, (before, after) in enumerate(pairwise(path), start=1):
        made = sent(a_release(before, app=app), a_release(after, app=app, revision=revision))
        keys += [message.key for message in made]
    assert len(set(keys)) == len(keys) == 13


def test_a_hook_names_its_address_and_release() -> None:
    app = an_external_app()
    made = sent(a_release(Phase.PENDING, app=app), a_release(Phase.PREPARING, app=app, revision=4))
    assert [(m.url, m.key, m.release_id, m.application) for m in made] == [
        (HOOK, "shop-1:4:stable:run", "shop-1", "shop"),
        (HOOK, "shop-1:4:canary:run", "shop-1", "shop"),
    ]
