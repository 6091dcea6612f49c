"""What a template asks for: one release, once; nothing again after it failed; back when it is taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.kube.resources.templates import STABLES, GoBack, Note, Noted, Start, Stay, Wish, wish_of
from controller.core.model import Intent, IntentKind, Phase, Reason, Release
from tests.unit.core.build import T0, a_cluster_app, a_release

ME, V1, V2, V3 = "kubernetes:web/shop", "shop:1", "shop:2", "shop:3"
ENDED_BADLY = (Phase.ROLLED_BACK, Phase.FAILED)
BEFORE_STABLE = (Phase.PENDING, Phase.PREPARING, Phase.PROGRESSING, Phase.PAUSED)


def of(version: str, phase: Phase = Phase.PROGRESSING, actor: str = ME, at_s: float = T0 + 1, **more: Any) -> Release:
    made = a_release(phase, app=a_cluster_app(), id=f"{version}-{phase.value}", canary=version, stable=V1, actor=actor)
    return replace(made, created_at_s=at_s, entered_at_s=at_s, **more)


def noted(version: str, asked: bool = False) -> Noted:
    return Noted(version, T0, asked)


NEW_TEMPLATES: list[tuple[str, Noted | None, list[Release], Wish]] = [
    ("the first change", None, [], Note(V2)),
    ("a change after a quiet time", noted(STABLES), [], Note(V2)),
    ("once it is on record", noted(V2), [], Start(V2, replace=False)),
    ("another template than the last one", noted(V3, asked=True), [of(V3)], Note(V2)),
    ("while a release of another one runs", noted(V2), [of(V3, at_s=T0 - 9)], Start(V2, replace=True)),
    ("while a person's release runs", noted(V2), [of("x", actor="ann", at_s=T0 - 9)], Start(V2, replace=True)),
    ("while its own release runs", noted(V2, asked=True), [of(V2)], Stay()),
    ("asked for, but its release is not listed", noted(V2, asked=True), [], Stay()),
    ("while a person's release of the same version runs", noted(V2), [of(V2, actor="ann", at_s=T0 - 9)], Stay()),
    (
        "again after it was taken back, while that one still goes back",
        noted(V2),
        [of(V2, Phase.ROLLING_BACK, at_s=T0 - 9)],
        Start(V2, replace=True),
    ),
    (
        "again, while that one is only just being aborted",
        noted(V2),
        [of(V2, at_s=T0 - 9, intent=Intent(IntentKind.ABORT, ME, T0))],
        Start(V2, replace=True),
    ),
    ("again after it succeeded once before", noted(V2), [of(V2, Phase.SUCCEEDED, at_s=T0 - 9)], Start(V2, False)),
    ("again after it failed once before", noted(V2), [of(V2, Phase.FAILED, at_s=T0 - 9)], Start(V2, False)),
]


@pytest.mark.parametrize(
    ("last", "releases", "wish"), [case[1:] for case in NEW_TEMPLATES], ids=[case[0] for case in NEW_TEMPLATES]
)
def test_a_template_that_pods_do_not_run(last: Noted | None, releases: list[Release], wish: Wish) -> None:
    assert wish_of(V2, last, releases, ME) == wish


@pytest.mark.parametrize("phase", ENDED_BADLY)
@pytest.mark.parametrize("asked", [True, False])
def test_a_template_that_did_not_make_it_waits_for_people_and_says_why(phase: Phase, asked: bool) -> None:
    tried = of(V2, phase, reason=Reason("errors", "too many errors"))
    wish = wish_of(V2, noted(V2, asked), [tried], ME)
    assert isinstance(wish, Stay)
    assert "too many errors. The Deployment stays paused on its old pods until its template changes" in wish.why


@pytest.mark.parametrize("phase", ENDED_BADLY)
def test_a_person_who_tried_the_same_version_meanwhile_has_tried_the_template(phase: Phase) -> None:
    wish = wish_of(V2, noted(V2), [of(V2, phase, actor="ann", at_s=T0 + 5)], ME)
    assert isinstance(wish, Stay)


@pytest.mark.parametrize("phase", ENDED_BADLY)
def test_a_persons_failed_release_of_another_version_does_not_bring_the_failed_template_back(phase: Phase) -> None:
    releases = [of("other", phase, actor="ann", at_s=T0 + 9), of(V2, phase)]
    assert isinstance(wish_of(V2, noted(V2, asked=True), releases, ME), Stay)


def test_while_a_person_retries_it_nothing_is_told_to_wait() -> None:
    failed = of(V2, Phase.ROLLED_BACK)
    retry = of(V2, Phase.PREPARING, actor="ann", at_s=T0 + 9, retry_of=failed.id)
    assert wish_of(V2, noted(V2, asked=True), [retry, failed], ME) == Stay()


@pytest.mark.parametrize("phase", BEFORE_STABLE)
def test_a_template_that_was_taken_back_takes_its_release_back_after_it_is_on_record(phase: Phase) -> None:
    running = of(V2, phase)
    assert wish_of(None, noted(V2, asked=True), [running], ME) == Note(STABLES)
    assert wish_of(None, noted(STABLES), [running], ME) == GoBack(running.id)


def test_a_persons_new_try_of_the_template_goes_back_with_it() -> None:
    failed = of(V2, Phase.FAILED)
    retry = of(V2, actor="ann", retry_of=failed.id)
    assert wish_of(None, noted(STABLES), [retry, failed], ME) == GoBack(retry.id)


def test_a_release_that_a_person_asked_for_is_not_the_templates_to_take_back() -> None:
    assert wish_of(None, noted(STABLES), [of(V2, actor="ann")], ME) == Stay()
    assert wish_of(None, None, [of(V2, actor="ann", retry_of="somebody-elses")], ME) == Stay()


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.ROLLING_BACK, Phase.HALTED])
@pytest.mark.parametrize("last", [None, noted(V2, asked=True), noted(STABLES)])
def test_a_template_that_we_make_stables_ourselves_was_not_taken_back(phase: Phase, last: Noted | None) -> None:
    assert wish_of(None, last, [of(V2, phase)], ME) == Stay()


def test_a_release_is_aborted_once() -> None:
    running = of(V2, intent=Intent(IntentKind.ABORT, "ann", T0))
    assert wish_of(None, noted(STABLES), [running], ME) == Stay()


@pytest.mark.parametrize("releases", [[], [of(V2, Phase.SUCCEEDED)], [of(V2, Phase.ROLLED_BACK)]])
def test_a_template_that_is_stables_again_is_put_on_record_once(releases: list[Release]) -> None:
    assert wish_of(None, noted(V2, asked=True), releases, ME) == Note(STABLES)
    assert wish_of(None, noted(STABLES), releases, ME) == Stay()
    assert wish_of(None, None, releases, ME) == Stay()


def test_a_template_that_was_put_back_by_ourselves_is_no_change() -> None:
    failed = of(V2, Phase.ROLLED_BACK)
    assert wish_of(None, noted(V2, asked=True), [failed], ME, put_back=True) == Stay()


def test_a_superseded_release_does_not_count_as_the_one_that_runs() -> None:
    old = of(V3, superseded_by="next")
    assert wish_of(V2, noted(V2), [old], ME) == Start(V2, replace=False)
