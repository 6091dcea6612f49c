"""The write side of the doors: what is refused and why, who wins when two meet, and what is stored with the answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from controller.commands import new_release_id
from controller.core.model import IntentKind, Phase
from controller.ports import Answered, Commit, Conflict, StoredApplication, Unavailable
from controller.wishes import CONFLICT_TRIES, Done, Rejected, Submission
from gates.kill import Verb, parse_scope
from tests.unit.behaviour.world import NEW, NEXT, OLD, World

DOWN = Unavailable("planted by the test")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(
    "version",
    ["", " v2", "v2 ", "-v2", ".v2", "v2\n", "v 2", "v2;rm", "$(v2)", "{version}", "v" * 256, "vé"],
)
def test_a_version_that_could_be_anything_else_is_refused(world: World, version: str) -> None:
    with pytest.raises(Rejected) as refusal:
        world.deploy(version)
    assert refusal.value.code == "invalid_version"
    assert world.memory.active("shop") == []


@pytest.mark.parametrize("version", ["v2", "1.2.3-rc.1+build", "registry:5000/shop@sha256:" + "a" * 64, "v" * 255])
def test_a_version_may_be_a_tag_a_path_or_a_digest(world: World, version: str) -> None:
    assert world.deploy(version).canary == version


def test_an_unknown_application_is_refused_with_what_to_do(world: World) -> None:
    with pytest.raises(Rejected, match="register it first") as refusal:
        world.commands.submit(Submission("nobody", NEW, "ci"))
    assert refusal.value.code == "unknown_application"
    with pytest.raises(Rejected, match="nobody"):
        world.commands.unregister("nobody", "ann")


def test_an_unknown_release_is_refused_and_its_name_is_cut(world: World) -> None:
    with pytest.raises(Rejected) as refusal:
        world.commands.intend("x" * 500, IntentKind.PAUSE, "ann")
    assert refusal.value.code == "unknown_release"
    assert len(str(refusal.value)) < 120


@pytest.mark.parametrize("scope", ["fleet", "environment:production", "application:shop"])
@pytest.mark.parametrize("verb", list(Verb))
def test_no_deploy_is_accepted_under_a_kill_and_the_refusal_names_it(world: World, scope: str, verb: Verb) -> None:
    engaged = world.switch.engage(verb, parse_scope(scope), "ann").engagement
    with pytest.raises(Rejected) as refusal:
        world.deploy()
    assert (refusal.value.code, refusal.value.facts) == ("killed", {"kill": engaged.id})


def test_a_kill_elsewhere_refuses_nothing(world: World) -> None:
    world.switch.engage(Verb.REVERT, parse_scope("environment:staging"), "ann")
    assert world.deploy().phase is Phase.PENDING


def test_an_accepted_release_is_recorded_and_pinned_to_the_application_as_it_is_now(world: World) -> None:
    release = world.deploy()
    assert (release.app, release.stable, release.canary, release.revision) == (world.app, OLD, NEW, 1)
    (record,) = world.records("requested")
    assert (record.actor, record.release_id, record.text) == ("ci", release.id, "deploy v2 of shop")
    assert world.release(release.id) == release


def test_ids_of_releases_are_not_guessable_and_name_the_application() -> None:
    made = {new_release_id("shop") for _ in range(50)}
    assert len(made) == 50
    assert all(name.startswith("shop-") and len(name) == 15 for name in made)


def test_the_answer_is_stored_in_the_transaction_it_tells_about(world: World) -> None:
    def answer(done: Done) -> Answered:
        return Answered("key-1", "ci", "digest", 202, done.release.id, world.clock.now_s())

    done = world.commands.submit(Submission("shop", NEW, "ci"), answer)
    stored = world.memory.answered("key-1", "ci")
    assert stored is not None
    assert stored.body == done.release.id
    world.commands.intend(done.release.id, IntentKind.PAUSE, "ann", answer_of=lambda d: replace(answer(d), key="key-2"))
    assert world.memory.answered("key-2", "ci") is not None


def test_a_submission_that_keeps_meeting_others_is_refused_after_a_few_tries(world: World) -> None:
    tries: list[Commit] = []
    world.store.watch("commit", tries.append)
    world.store.fail(Conflict("changed again"), "commit")
    with pytest.raises(Rejected, match=r"keeps changing \(changed again\): try again") as refusal:
        world.deploy()
    assert (refusal.value.code, len(tries)) == ("conflict", CONFLICT_TRIES)


def test_a_wish_that_keeps_meeting_others_is_refused_but_an_abort_has_moved_traffic_all_the_same(world: World) -> None:
    release = world.deploy()
    world.until_live(20)
    world.store.fail(Conflict("changed again"), "commit")
    with pytest.raises(Rejected, match="keeps changing"):
        world.commands.intend(release.id, IntentKind.ABORT, "ann")
    assert world.live() == 0
    world.store.heal()
    world.until_phase(Phase.ROLLED_BACK)


def test_replacing_a_release_aborts_it_in_the_same_transaction_that_creates_the_next(world: World) -> None:
    first = world.deploy(NEW)
    world.until_live(20)
    commits: list[Commit] = []
    world.store.watch("commit", commits.append)
    second = world.deploy(NEXT, replace=True)
    (commit,) = commits
    assert commit.release is not None
    assert (commit.release.superseded_by, commit.create) == (second.id, replace(second, revision=0))
    assert [r.type for r in commit.records] == ["requested", "superseded"]
    assert world.live() == 0
    stored = world.release(first.id)
    assert stored.intent is not None
    assert stored.intent.kind is IntentKind.ABORT


def test_replacing_twice_leaves_one_release_and_the_newest_wins(world: World) -> None:
    world.deploy(NEW)
    world.until_live(10)
    world.deploy("v8", replace=True)
    last = world.deploy("v9", replace=True)
    world.until(lambda: world.release(last.id).phase is Phase.SUCCEEDED)
    assert world.stable_version() == "v9"
    assert world.memory.active("shop") == []


def test_of_two_replacements_at_the_same_moment_both_are_told_the_truth(world: World) -> None:
    world.deploy(NEW)
    world.until_live(10)
    met: list[str] = []

    def rival(commit: Commit) -> None:
        if commit.create is not None and commit.create.canary == NEXT and not met:
            met.append(world.deploy("v9", replace=True).id)

    world.store.watch("commit", rival)
    mine = world.deploy(NEXT, replace=True)
    assert world.release(met[0]).superseded_by == mine.id
    assert [r.id for r in world.memory.active("shop") if r.superseded_by is None] == [mine.id]


def test_a_release_that_succeeds_just_before_it_is_replaced_becomes_the_stable_of_the_next(world: World) -> None:
    world.deploy(NEW)
    world.until(lambda: world.newest().phase is Phase.PROMOTING and world.newest().weight_pct == 0)
    raced: list[bool] = []

    def finish(commit: Commit) -> None:
        if commit.create is not None and not raced:
            raced.append(True)
            world.store.heal()
            world.until_phase(Phase.SUCCEEDED)

    world.store.watch("commit", finish)
    assert world.deploy(NEXT, replace=True).stable == NEW


def test_retrying_needs_an_ended_release_that_did_not_succeed(world: World) -> None:
    first = world.deploy()
    world.ask(IntentKind.ABORT)
    world.until_phase(Phase.FAILED)
    second = world.commands.retry(first.id, "bob").release
    assert (second.retry_of, second.canary, second.actor) == (first.id, NEW, "bob")
    with pytest.raises(Rejected) as refusal:
        world.commands.retry(second.id, "bob")
    assert refusal.value.code == "active_release"


def test_a_refused_wish_names_the_phase(world: World) -> None:
    release = world.deploy()
    with pytest.raises(Rejected, match="a one-step promotion needs it to be paused or progressing") as refusal:
        world.commands.intend(release.id, IntentKind.PROMOTE_STEP, "ann")
    assert (refusal.value.code, refusal.value.facts) == ("not_possible", {"phase": "pending"})


def test_a_wish_is_recorded_with_who_and_why_and_wakes_the_release_at_once(world: World) -> None:
    release = world.deploy()
    world.until_live(10)
    world.clock.advance(0.5)
    done = world.ask(IntentKind.PAUSE, reason="lunch")
    assert (done.text, done.durable) == (f"the pause of {release.id} is recorded", True)
    stored = world.release(release.id)
    assert (stored.wake_at_s, stored.revision) == (world.clock.now_s(), done.release.revision)
    assert [(r.actor, r.text) for r in world.records("intent")] == [("ann", "pause by ann: lunch")]


def test_registering_the_same_twice_changes_and_records_nothing(world: World) -> None:
    before = world.memory.application("shop")
    assert world.commands.register(world.app, "ann") == before
    assert world.records() == []


def test_an_edit_is_recorded_and_bound_to_the_revision_that_was_read(world: World) -> None:
    edited = replace(world.app, environment="staging")
    stored = world.commands.register(edited, "ann", revision=1)
    assert (stored.revision, stored.stable_version, world.memory.application("shop")) == (2, OLD, stored)
    with pytest.raises(Rejected, match="at revision 2, not 1") as refusal:
        world.commands.register(world.app, "ann", revision=1)
    assert refusal.value.code == "conflict"
    assert [r.type for r in world.records()] == ["application_changed"]


def test_a_new_application_is_registered_with_its_answer(world: World) -> None:
    app = replace(world.app, name="pay", router=replace(world.app.haproxy, backend="pay"))
    told: list[StoredApplication] = []

    def answer(stored: StoredApplication) -> Answered:
        told.append(stored)
        return Answered("key", "ann", "digest", 201, stored.app.name, 0.0)

    stored = world.commands.register(app, "ann", revision=0, answer_of=answer)
    assert told == [stored] == [world.memory.application("pay")]
    assert [r.type for r in world.records()] == ["application_registered"]


def test_an_application_with_a_running_release_cannot_be_deleted(world: World) -> None:
    release = world.deploy()
    with pytest.raises(Rejected) as refusal:
        world.commands.unregister("shop", "ann")
    assert (refusal.value.code, refusal.value.facts) == ("active_release", {"release": release.id})


def test_a_deleted_application_is_gone_and_may_be_registered_again(world: World) -> None:
    world.commands.unregister("shop", "ann", Answered("key", "ann", "digest", 204, "", 0.0))
    assert world.memory.answered("key", "ann") is not None
    with pytest.raises(Rejected, match="register it first"):
        world.deploy()
    again = world.commands.register(world.app, "ann")
    assert (again.deleted, again.stable_version) == (False, OLD)
    assert world.deploy().stable == OLD


def test_with_the_store_away_a_submission_fails_openly(world: World) -> None:
    world.store.fail(DOWN, "commit")
    with pytest.raises(Unavailable):
        world.deploy()
    world.store.heal()
    assert world.memory.active("shop") == []


def test_an_abort_of_a_release_only_the_store_knew_fails_openly_while_it_is_away(world: World) -> None:
    release = world.deploy()
    world.store.fail(DOWN, "release")
    with pytest.raises(Unavailable):
        world.commands.intend(release.id, IntentKind.ABORT, "ann")
