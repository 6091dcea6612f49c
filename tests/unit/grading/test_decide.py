"""What happens with a graded step: who is asked, what no click replaces, and what a profile may change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gates.grading.answer import Answer, answer, as_json
from gates.grading.facts import read
from gates.grading.limits import Limits
from gates.grading.rulebook import PROFILES, Autonomy, IncidentMode, Policy, Profile, Ruling
from tests.unit.grading.cases import CASES, release
from tests.unit.grading.cases.build import AGENT, GUARDS, KEPT, PROD, STAGING, Case, case, change, deploy

POLICY = Policy()
DEPLOY = deploy("a guarded deploy", "G2")
SETTING = change("a setting", "G2", "configmaps")
POOL = change("a pool", "G2", "cm", k8s={"diff": [{"path": "/data/DB_POOL_SIZE", "old": "20", "new": "40"}]})
RESTART = change("a restart", "G2", "deployments", kind="k8s.rollout_restart")
IN_INCIDENT: dict[str, Any] = {
    "incident": {"active": True, "known_remediation": True},
    "novelty": {"seen": 3, "succeeded": 3},
}


def given(one: Case, policy: Policy = POLICY, asked: Profile | None = None, **facts: Any) -> Answer:
    return answer(read(one.step | facts), policy, asked)


def outcome(one: Case, policy: Policy = POLICY, asked: Profile | None = None, **facts: Any) -> str:
    return given(one, policy, asked, **facts).decided.outcome.value


@pytest.mark.requirement("LR-02", "LR-04", "LR-22", "SK-01", "AS-07", "LR-17")
def test_each_grade_goes_its_own_way() -> None:
    assert outcome(case("pods", "G0", "k8s.read", k8s={"verb": "get", "resource": "pods"})) == "proceed"
    assert outcome(deploy("staging", "G1", STAGING)) == "proceed"
    assert outcome(DEPLOY) == "guarded"
    assert outcome(SETTING) == "held"
    assert outcome(deploy("bare", "G3", guards={})) == "held"
    assert outcome(case("a right", "G3", "iam.change")) == "refused"


@pytest.mark.requirement("LR-11", "LR-15")
def test_an_effect_that_nobody_can_see_needs_guards_and_no_approval_replaces_them() -> None:
    pool = given(POOL)
    assert (pool.grade, pool.control.controllability) == ("G2", "no")
    assert {"canary", "automatic-rollback", "breaker", "first-step-cap"} <= set(pool.decided.missing)
    names = {one.name for one in pool.control.controls}
    assert "approval-by-non-maker" not in names
    assert outcome(POOL, guards=GUARDS) == "guarded"


@pytest.mark.requirement("HG-04", "HG-23", "HG-09", "HG-08", "HG-07", "AH-02")
@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"confidence": 0.69}, "low_confidence"),
        ({"conflicting_results": True}, "low_confidence"),
        ({"novelty": {"seen": 0}}, "novel"),
        ({"boundary": "compliance"}, "boundary"),
        ({"evidence": {"age_s": 1000}}, "weak_evidence"),
    ],
)
def test_what_speaks_for_a_person_holds_even_a_guarded_deploy(facts: dict[str, Any], reason: str) -> None:
    held = given(DEPLOY, **facts)
    assert (held.decided.outcome, held.decided.reasons, held.decided.approvals) == ("held", (reason,), 1)


@pytest.mark.requirement("HG-07", "HG-05", "HG-03", "AH-02")
def test_every_reason_is_recorded_not_only_the_first() -> None:
    mail = given(case("mail", "G3", "email.send", confidence=0.2, boundary="legal"))
    assert set(mail.decided.reasons) == {"low_confidence", "boundary", "external_impact", "high_risk_action"}


@pytest.mark.requirement("HG-04")
def test_just_enough_confidence_is_not_below() -> None:
    assert outcome(DEPLOY, confidence=0.7) == "guarded"


@pytest.mark.requirement("HG-06")
def test_without_a_reason_a_step_proceeds_by_itself() -> None:
    setting = given(change("a setting", "G1", "configmaps", STAGING)).decided
    assert (setting.outcome, setting.reasons, setting.approvals) == ("proceed", (), 0)


@pytest.mark.requirement("AH-02", "AH-03", "AH-11", "AH-16")
@pytest.mark.parametrize("kind", ["file.delete", "file.write", "message.send", "http.call", "shell.exec"])
def test_the_default_list_holds_its_tools_and_spares_what_has_no_effect(kind: str) -> None:
    assert "listed" in given(case("x", "", kind, reversibility=KEPT)).decided.reasons
    assert "listed" not in given(case("x", "", kind, {"tier": "dev"}, sandboxed=True)).decided.reasons


@pytest.mark.requirement("AH-02")
def test_a_listed_kind_is_held_whatever_its_grade() -> None:
    listed = replace(POLICY, require_approval=("vcs.*",))
    assert outcome(case("pr", "G1", "vcs.open_pr"), listed) == "held"
    assert outcome(case("pr", "G1", "vcs.open_pr")) == "proceed"


@pytest.mark.requirement("HG-01", "HG-02", "HG-20")
def test_a_ruling_takes_autonomy_away_and_gives_none() -> None:
    tight = replace(POLICY, rulings=(Ruling(("deploy",), Autonomy.APPROVE, production_only=True),))
    assert outcome(DEPLOY, tight) == "held"
    assert outcome(deploy("staging", "G1", STAGING), tight) == "proceed"
    loose = replace(POLICY, rulings=(Ruling(("*",), Autonomy.FULL),), require_approval=())
    assert outcome(SETTING, loose) == "held"
    suggest = replace(POLICY, rulings=(Ruling(("vcs.*",), Autonomy.SUGGEST),))
    assert outcome(case("merge", "G2", "vcs.merge"), suggest) == "refused"


@pytest.mark.requirement("SK-02", "AS-13")
def test_a_profile_belongs_to_a_class_of_actors_and_callers_only_tighten_it() -> None:
    strict = replace(POLICY, profiles=(("agent", Profile.STRICT),))
    staging = deploy("staging", "G1", STAGING)
    assert outcome(staging, strict) == "held"
    assert outcome(staging, strict, actor={"type": "ci", "id": "ci:1"}) == "proceed"
    assert outcome(staging, strict, Profile.SHADOW) == "held"
    assert outcome(staging, POLICY, Profile.STRICT) == "held"


@pytest.mark.requirement("AS-13")
def test_a_new_agent_goes_from_reading_to_shadow_to_holding_everything_to_selective() -> None:
    read_pods = case("pods", "G0", "k8s.read", k8s={"verb": "get", "resource": "pods"})
    told = {profile: (outcome(read_pods, asked=profile), outcome(SETTING, asked=profile)) for profile in PROFILES[1:]}
    assert told[Profile.READ_ONLY] == ("proceed", "refused")
    assert told[Profile.STRICT] == told[Profile.SELECTIVE] == ("proceed", "held")
    shadow = given(SETTING, replace(POLICY, default_profile=Profile.SHADOW)).decided
    assert (shadow.outcome, shadow.would_be) == ("proceed", "held")


@pytest.mark.requirement("HG-21", "HG-22", "LRP-03")
def test_an_incident_changes_how_a_proven_remediation_is_asked_for_and_never_its_grade() -> None:
    ready = replace(POLICY, incident=IncidentMode(("k8s.rollout_restart", "k8s.delete")))
    calm, eased = given(RESTART, ready), given(RESTART, ready, **IN_INCIDENT)
    assert (calm.decided.outcome, eased.decided.outcome) == ("held", "proceed")
    assert (calm.grade, eased.grade, eased.decided.mode) == ("G2", "G2", "L2")
    assert outcome(RESTART, POLICY, **IN_INCIDENT) == "held"
    assert outcome(RESTART, ready, **IN_INCIDENT | {"novelty": {"seen": 3, "succeeded": 0}}) == "held"
    assert outcome(change("ns", "G3", "namespaces", kind="k8s.delete"), ready, **IN_INCIDENT) == "held"


@pytest.mark.requirement("HG-21")
def test_a_remediation_nobody_knows_is_held_in_an_incident_and_graded_as_ever() -> None:
    pod = change("a pod", "G1", "pods", kind="k8s.delete", blast={"share_of_capacity": 0.1})
    novel = given(pod, incident={"active": True, "known_remediation": False})
    assert (novel.grade, novel.decided.outcome, novel.decided.reasons) == ("G1", "held", ("novel_remediation",))
    assert outcome(pod) == outcome(pod, incident={"active": True, "known_remediation": True}) == "proceed"


@pytest.mark.requirement("LR-05")
def test_the_controllers_own_way_back_was_approved_with_the_plan_and_an_agents_was_not() -> None:
    assert outcome(release.OWN_ROLLBACK) == "guarded"
    assert outcome(release.OWN_ROLLBACK, actor=AGENT) == "held"
    assert outcome(release.OWN_ROLLBACK, schema_compatible=False) == "held"


@pytest.mark.requirement("SK-24", "SK-01")
@pytest.mark.parametrize("kind", ["rollout.abort", "rollout.pause", "killswitch.engage"])
@pytest.mark.parametrize("profile", PROFILES)
def test_a_stop_goes_ahead_under_every_profile(kind: str, profile: Profile) -> None:
    every = replace(POLICY, require_approval=("*",), rulings=(Ruling(("*",), Autonomy.SUGGEST),))
    assert outcome(case("stop", "G0", kind), every, profile) == "proceed"


@pytest.mark.requirement("LR-08", "LR-19")
def test_the_worst_needs_two_people_and_a_lone_migration_one() -> None:
    assert given(deploy("bare", "G3", guards={})).decided.approvals == 2
    proof = dict.fromkeys(
        ("additive", "backward_compatible", "down_tested", "lock_safe", "backup_restore_tested"), True
    )
    column = case("x", "G2", "sql.migrate", sql=["ALTER TABLE a ADD COLUMN b int"], migration=proof)
    alone = given(column)
    assert (alone.grade, alone.decided.outcome, alone.decided.approvals) == ("G2", "held", 1)


@pytest.mark.requirement("LR-14", "LR-22")
def test_controls_and_mode_follow_from_grade_and_controllability() -> None:
    modes = {one.name: given(one).decided.mode.value for one in CASES}
    assert modes["a sandboxed build"] == "L0"
    assert modes["pods read"] == "L1"
    assert modes["a setting in staging"] == "L2"
    assert modes["a guarded production deploy"] == "L2"
    assert modes["a setting in production"] == "L3"
    assert modes["a column with every proof"] == "L4"
    assert modes["a table dropped, with every proof"] == "L4"
    assert modes["a shell in production"] == "L5"
    assert modes["a setting of the gate"] == modes["a key to be deleted"] == "L6"


def test_harm_that_is_faster_than_people_and_cannot_be_shrunk_is_refused() -> None:
    step = {"kind": "deploy", "env": PROD, "actor": AGENT, "guards": GUARDS}
    fast = answer(
        read(step | {"reversibility": {"path": "tested", "tested_days_ago": 1}, "time_to_harm_s": 20}), POLICY
    )
    assert (fast.control.controllability, fast.decided.outcome) == ("no", "guarded")
    grant = change("a right", "G3", "serviceaccounts/token", kind="k8s.create", time_to_harm_s=20)
    assert outcome(grant) == "refused"


@pytest.mark.requirement("LR-01")
def test_the_answer_says_what_would_lower_the_grade_and_doing_it_does() -> None:
    bare = given(deploy("bare", "G3", guards={}, reversibility={}))
    assert len(bare.lower) == 6
    assert bare.unknown == (
        "reversibility",
        "guards.canary",
        "guards.initial_percent",
        "guards.auto_rollback",
        "guards.circuit_breaker",
        "guards.kill_switch_selftest_ok",
    )
    assert given(DEPLOY).grade == "G2"
    split = given(deploy("x", "G3", files=["migrations/1.sql"]))
    assert split.lower == ("split the migration out into a step of its own",)


def test_tighter_numbers_of_a_policy_count() -> None:
    tight = replace(POLICY, limits=replace(Limits(), first_step_pct=1.0))
    assert given(DEPLOY).grade == "G2"
    assert given(DEPLOY, tight).grade == "G3"
    assert as_json(given(DEPLOY))["policy_digest"] != as_json(given(DEPLOY, tight))["policy_digest"]


@pytest.mark.requirement("LR-14")
def test_what_lacks_one_of_the_four_properties_does_not_go_ahead_from_g2_on() -> None:
    def rail(one: Answer) -> dict[str, str]:
        return {control.name: control.state.value for control in one.control.rail}

    assert rail(given(DEPLOY)) == {
        "reversible": "verified",
        "authorised": "later",
        "interruptible": "verified",
        "logged": "later",
    }
    for one in CASES:
        told = given(one)
        if told.grade.rank >= 2 and "missing" in rail(told).values():
            assert told.decided.outcome in ("held", "refused"), one.name
