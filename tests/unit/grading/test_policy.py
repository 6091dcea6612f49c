"""A policy is read with limits, refused with the requirement it breaks, and compared with the one before."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from gates.grading.answer import answer
from gates.grading.facts import read
from gates.grading.limits import Limits
from gates.grading.rulebook import Autonomy, IncidentMode, Policy, Profile, Ruling
from gates.policy.document import BYTES_MAX, DEPTH_MAX, LimitsBlock, PolicyError, parse, to_policy
from gates.policy.lint import CHECKS, lint, load
from gates.policy.loosening import NotASuccessor, loosenings
from tests.unit.grading.cases.build import GUARDS as VERIFIED
from tests.unit.grading.cases.build import STAGING, case, deploy, without

HEAD = "name: shop\nversion: 3\n"
WHOLE = (
    HEAD
    + """
profiles: {agent: strict, default: selective}
limits: {firstStepPct: 5, confidence: 0.8}
autonomy:
  - {kinds: [deploy, helm.upgrade], where: production, guards: [canary, automatic-rollback, breaker, approval]}
  - {kinds: [k8s.delete], level: approve}
requireApproval: [file.delete, message.send]
incident: {remediations: [k8s.rollout_restart], minutes: 30}
"""
)


def test_a_whole_policy_is_read() -> None:
    policy, warnings = load(WHOLE)
    assert warnings == ()
    assert (policy.name, policy.version, policy.limits.first_step_pct) == ("shop", 3, 5)
    assert policy.profile_of("agent") is Profile.STRICT
    assert policy.profile_of("anybody") is Profile.SELECTIVE
    assert policy.ruling_of("helm.upgrade", production=True) is Autonomy.APPROVE
    assert policy.ruling_of("helm.upgrade", production=False) is Autonomy.FULL
    assert policy.guards_of("deploy", production=True) == {"canary", "automatic-rollback", "breaker"}


def test_the_numbers_of_the_document_are_the_numbers_of_the_rules() -> None:
    assert Limits(**LimitsBlock().model_dump()) == Limits()
    assert set(LimitsBlock.model_fields) == {field.name for field in fields(Limits)} - {"selftest_age_s"}


def test_the_digest_is_of_what_counts() -> None:
    one, other = load(WHOLE)[0], load(WHOLE.replace("firstStepPct: 5", "firstStepPct: 5.0"))[0]
    assert one.digest == other.digest
    assert load(WHOLE.replace("minutes: 30", "minutes: 31"))[0].digest != one.digest
    assert to_policy(parse(HEAD)).digest != one.digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "mapping"),
        ("- a", "mapping"),
        ("name: [", "not YAML"),
        (b"name: \xff", "UTF-8"),
        ("version: 1", "name: missing"),
        (HEAD + "zeal: 1", "zeal: no such field"),
        (HEAD + "name: again", "'name' is given twice"),
        (HEAD + "profiles: {agent: loose}", "profiles.agent"),
        (HEAD + "limits: {firstStepPct: 11}", "limits.firstStepPct"),
        (HEAD + "limits: {confidence: 0.4}", "limits.confidence"),
        (HEAD + "limits: {rows: '10'}", "limits.rows"),
        (HEAD + "limits: {rows: .nan}", "limits.rows"),
        ("name: shop\nversion: true", "version"),
        (HEAD + "a: &x 1\nb: *x", "alias"),
        (HEAD + "a: " + "[" * (DEPTH_MAX + 1), "deeper"),
        (HEAD + "a: " + "[" * 30_000, "deeper"),
        ("#" * (BYTES_MAX + 1), "bytes"),
        (HEAD + "a: !!python/object/apply:os.system [id]", "not YAML"),
        (HEAD + "a: 2026-99-99", "unreadable"),
        (HEAD + "requireApproval: ['" + "a" * 101 + "']", "requireApproval"),
    ],
)
def test_what_is_no_policy_is_refused(text: str | bytes, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        load(text)


MISTAKES: list[tuple[str, str, str]] = [
    ("autoApproveAfter: 30m", "AH-05", "approves_by_waiting"),
    ("autoApproveAfter: 0", "AH-05", "approves_by_waiting"),
    ("autoApproveDuring: [deployment]", "AH-06", "approves_in_a_hurry"),
    ("auto_approve_during: maintenance", "AH-06", "approves_in_a_hurry"),
    ("requireApproval: ['k8s.*']", "AH-09", "asks_for_reads"),
    ("requireApproval: [file.read]", "AH-09", "asks_for_reads"),
    ("requireApproval: [rollout.abort]", "SK-24", "gates_a_stop"),
    ("autonomy: [{kinds: [killswitch.engage], level: suggest}]", "SK-24", "gates_a_stop"),
    ("autonomy: [{kinds: [traffic.shift], guards: [approval]}]", "LR-11", "only_a_click"),
    ("autonomy: [{kinds: [deploy], guards: [canary]}]", "LR-13", "no_automatic_abort"),
    ("incident: {remediations: ['*']}", "HG-21", "eases_too_much"),
    ("incident: {remediations: [iam.change]}", "HG-21", "eases_too_much"),
    ("enabled: false", "AH-18", "switched_off"),
    ("profiles: {agent: shadow}", "AS-13", "shadows_all"),
    ("requireApproval: [fiel.delete]", "SK-23", "names_nothing"),
]
WARNINGS = {"AH-18", "AS-13", "SK-23"}


@pytest.mark.requirement("AH-05", "AH-06", "AH-09", "LR-11", "LR-13", "AH-18", "SK-24", "HG-21")
@pytest.mark.parametrize(("text", "requirement", "check"), MISTAKES)
def test_a_mistake_is_named_with_its_requirement_and_what_to_do_instead(
    text: str, requirement: str, check: str
) -> None:
    block = parse(HEAD + text)
    (mistake,) = lint(block)
    assert mistake.requirement == requirement
    assert len(mistake.instead) > 10
    assert [one.__name__ for one in CHECKS if list(one(block))] == [check]
    if requirement in WARNINGS:
        assert load(HEAD + text)[1] == (mistake,)
    else:
        with pytest.raises(PolicyError, match=requirement):
            load(HEAD + text)


def test_every_check_finds_something() -> None:
    assert {check for _, _, check in MISTAKES} == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize(
    "text",
    [
        "autoApproveAfter: null",
        "autoApproveDuring: []",
        "requireApproval: [file.delete]",
        "autonomy: [{kinds: [deploy], guards: [approval, automatic-rollback, breaker]}]",
        "incident: {remediations: [k8s.rollout_restart]}",
        "profiles: {agent: read-only}",
    ],
)
def test_what_is_no_mistake_is_left_alone(text: str) -> None:
    assert lint(parse(HEAD + text)) == ()


@pytest.mark.requirement("LR-13")
def test_a_guard_that_a_policy_asks_for_holds_a_step_while_it_is_missing() -> None:
    policy = load(HEAD + "autonomy: [{kinds: [deploy], guards: [automatic-rollback, breaker]}]")[0]
    staged = deploy("x", "G1", STAGING)
    bare = deploy("x", "G1", STAGING, guards=without(VERIFIED, "auto_rollback"))
    assert answer(read(staged.step), policy).decided.outcome == "proceed"
    held = answer(read(bare.step), policy).decided
    assert (held.outcome, held.reasons, held.missing) == ("held", ("guard_missing",), ("automatic-rollback",))


@pytest.mark.requirement("AH-18")
def test_a_gate_that_is_switched_off_still_grades_and_says_what_it_would_do() -> None:
    off = load(HEAD + "enabled: false")[0]
    given = answer(read(case("x", "G2", "vcs.merge").step), off)
    assert (given.grade, given.decided.outcome, given.decided.would_be) == ("G2", "proceed", "held")


OLD = Policy(
    name="shop",
    version=3,
    profiles=(("agent", Profile.STRICT),),
    rulings=(Ruling(("deploy",), Autonomy.APPROVE, False, ("canary",)), *Policy().rulings),
    incident=IncidentMode(("k8s.delete",), 30),
)


def looser(**changes: Any) -> list[str]:
    return [one.where for one in loosenings(OLD, replace(OLD, version=4, **changes))]


@pytest.mark.requirement("AH-18", "HG-22")
@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"limits": replace(Limits(), rows=1001.0)}, "limits.rows"),
        ({"limits": replace(Limits(), confidence=0.69)}, "limits.confidence"),
        ({"limits": replace(Limits(), reaction_s=599.0)}, "limits.reaction_s"),
        ({"profiles": ()}, "profiles.agent"),
        ({"default_profile": Profile.SHADOW}, "profiles.default"),
        ({"rulings": Policy().rulings}, "deploy in production"),
        ({"rulings": (Ruling(("deploy",), Autonomy.APPROVE), *Policy().rulings)}, "deploy elsewhere"),
        ({"require_approval": ("file.*",)}, "requireApproval http.call"),
        ({"incident": IncidentMode(("k8s.delete", "k8s.scale"), 30)}, "incident k8s.scale"),
        ({"incident": IncidentMode(("k8s.delete",), 31)}, "incident.minutes"),
        ({"enabled": False}, "enabled"),
    ],
)
def test_what_lets_more_through_is_a_loosening(changes: dict[str, Any], where: str) -> None:
    assert where in looser(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"limits": replace(Limits(), rows=10.0, confidence=0.9, reaction_s=900.0)},
        {"profiles": (("agent", Profile.READ_ONLY), ("ci", Profile.STRICT))},
        {"require_approval": (*OLD.require_approval, "vcs.merge")},
        {"incident": IncidentMode()},
        {"rulings": (*OLD.rulings, Ruling(("vcs.*",), Autonomy.SUGGEST))},
        {"rulings": tuple(reversed(OLD.rulings))},
    ],
)
def test_what_tightens_or_only_reads_otherwise_is_none(changes: dict[str, Any]) -> None:
    assert looser(**changes) == []


def test_a_policy_follows_only_its_own_and_an_older_version() -> None:
    with pytest.raises(NotASuccessor, match="version 3 does not follow version 3"):
        loosenings(OLD, OLD)
    with pytest.raises(NotASuccessor, match="is called other"):
        loosenings(OLD, replace(OLD, name="other", version=4))


@pytest.mark.requirement("AH-18")
@pytest.mark.parametrize("loosens", [True, False])
def test_changing_a_policy_is_itself_a_step_for_two_people(loosens: bool) -> None:
    given = answer(read(case("x", "G3", "policy.change", STAGING, loosens=loosens).step), Policy())
    assert (given.grade, given.decided.outcome, given.decided.approvals) == ("G3", "held", 2)


def test_the_policy_that_the_page_shows_can_be_used() -> None:
    page = (Path(__file__).parents[3] / "docs" / "grading.md").read_text()
    (shown,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    policy, warnings = load(shown)
    assert (policy.name, warnings) == ("shop-gate", ())
