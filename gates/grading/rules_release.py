"""Rules for source, artefacts, releases and what steers them: each guard that must be verified has its own rule."""

from __future__ import annotations

from gates.grades import Grade
from gates.grading.files import is_gate_file
from gates.grading.kinds import Group
from gates.grading.objects import ACCESS, ADMISSION, WHOLE_CLUSTER
from gates.grading.rule import Finding, Rule, axes, floor
from gates.grading.situation import Situation

_PROTECTED = frozenset({"", "main", "master", "trunk", "develop", "stable", "prod", "production", "head"})
_MIGRATING = (Group.RELEASE, Group.TRAFFIC, Group.ROLLBACK, Group.RESUME, Group.KUBERNETES, Group.CLOUD)
_BREAKERS = frozenset({"error_rate", "latency"})
_KNOWN_GOOD = frozenset({"", "last_known_good", "stable", "previous"})
_SMALL_SCOPES = ("application", "app", "release", "rollout", "service")


def protected_branch(at: Situation) -> Finding | None:
    if not at.is_group(Group.SOURCE) or at.kind.name not in ("vcs.push", *_REWRITING):
        return None
    branch = at.facts.text("branch").removeprefix("refs/heads/")
    if branch not in _PROTECTED and not branch.startswith(("release", "hotfix")):
        return None
    return axes(f"the branch {branch[:60] or '(not named)'} is shared by all", "branch", r=1, b=1, s=_stakes(at))


_REWRITING = ("vcs.force_push", "vcs.delete_branch", "vcs.rewrite_history")


def _stakes(at: Situation) -> int:
    return 2 if at.kind.name in _REWRITING else 1


def gate_files(at: Situation) -> Finding | None:
    proposes_only = (
        at.kind.group is Group.SOURCE and at.kind.name not in ("vcs.push", *_REWRITING) and at.axes.stakes == 0
    )
    if not at.changes or proposes_only or at.kind.group in (Group.CI, Group.SQL):
        return None
    named = at.gate_files + tuple(path for path in (at.facts.text("path"),) if path and is_gate_file(path))
    if not named:
        return None
    return floor(Grade.G3, f"changes what the gate or the pipeline itself does: {named[0][:100]}", "files")


def mutable_tag(at: Situation) -> Finding | None:
    if not at.is_group(Group.ARTIFACT) or at.kind.name == "artifact.sign" or at.facts.flag("immutable") is True:
        return None
    return axes("overwrites a tag that others may pull", "immutable", r=1, b=1, s=1)


def public_registry(at: Situation) -> Finding | None:
    if not at.is_group(Group.ARTIFACT) or at.kind.name != "artifact.publish":
        return None
    if at.facts.text("registry") in ("internal", "private"):
        return None
    return axes("what is published cannot be taken back from outsiders", "registry", r=2, b=2)


def not_exercised(at: Situation) -> Finding | None:
    if not at.releases or at.exercised:
        return None
    return floor(
        Grade.G3, f"no way back exercised in the last {at.limits.rehearsal_age_days:g} days", "reversibility", r=2
    )


def no_canary(at: Situation) -> Finding | None:
    return None if at.facts.flag("guards.canary") is True else _unguarded(at, "no canary is verified", "guards.canary")


def first_step_too_big(at: Situation) -> Finding | None:
    first = at.facts.number("guards.initial_percent")
    if first is not None and 0 < first <= at.limits.first_step_pct:
        return None
    told = "an unknown share" if first is None else f"{first:g} %"
    return _unguarded(
        at, f"the first step exposes {told}, {at.limits.first_step_pct:g} % are allowed", "guards.initial_percent"
    )


def no_automatic_rollback(at: Situation) -> Finding | None:
    if at.facts.flag("guards.auto_rollback") is True:
        return None
    return _unguarded(at, "no automatic rollback is verified", "guards.auto_rollback")


def breaker_incomplete(at: Situation) -> Finding | None:
    missing = _BREAKERS - {name.strip().lower() for name in at.facts.texts("guards.circuit_breaker")}
    if not missing:
        return None
    return _unguarded(at, f"the breaker does not watch {' and '.join(sorted(missing))}", "guards.circuit_breaker")


def kill_switch_unverified(at: Situation) -> Finding | None:
    if at.facts.flag("guards.kill_switch_selftest_ok") is True:
        return None
    return _unguarded(at, "the kill switch has not passed its self-test", "guards.kill_switch_selftest_ok")


def _unguarded(at: Situation, because: str, path: str) -> Finding | None:
    return floor(Grade.G3, because, path, r=2) if at.releases else None


def embedded_migration(at: Situation) -> Finding | None:
    if not at.is_group(*_MIGRATING) or not at.embedded:
        return None
    named = at.migration_files[0][:100] if at.migration_files else "its SQL"
    return floor(Grade.G3, f"a migration hides inside: {named}", "files", "sql")


def rendered_access(at: Situation) -> Finding | None:
    brought = sorted(at.rendered & (ACCESS | ADMISSION | WHOLE_CLUSTER))
    if not at.changes or not brought:
        return None
    return floor(Grade.G3, f"brings along {', '.join(brought)}", "k8s.rendered_kinds")


def outside_plan(at: Situation) -> Finding | None:
    if not at.is_group(Group.TRAFFIC) or not at.production or at.facts.flag("within_approved_plan") is True:
        return None
    return floor(Grade.G3, "outside the approved plan, so its cap does not hold", "within_approved_plan")


def schema_unproven(at: Situation) -> Finding | None:
    if not at.is_group(Group.ROLLBACK) or at.facts.flag("schema_compatible") is True:
        return None
    grade = Grade.G3 if at.production else Grade.G0
    return floor(grade, "the older code is not shown to fit the schema", "schema_compatible", r=2)


def not_known_good(at: Situation) -> Finding | None:
    if not at.is_group(Group.ROLLBACK) or at.facts.text("to") in _KNOWN_GOOD:
        return None
    return axes(f"goes back to {at.facts.text('to')[:60]!r}, which is not the last known good", "to", r=2)


def wide_resume(at: Situation) -> Finding | None:
    if not at.is_group(Group.RESUME) or not at.kind.name.startswith("kill"):
        return None
    scope = at.facts.any("scope")
    names = [scope.strip().lower()] if isinstance(scope, str) else list(scope) if isinstance(scope, dict) else []
    if names and all(str(name).startswith(_SMALL_SCOPES) for name in names):
        return None
    return floor(Grade.G3, "lets go of more than one application at once", "scope")


RULES: tuple[Rule, ...] = (
    Rule("protected-branch", protected_branch, "push to a branch of your own and open a pull request"),
    Rule("gate-files", gate_files, "change the pipeline, the policy and the owners in a step of their own"),
    Rule("mutable-tag", mutable_tag, "push a new immutable tag"),
    Rule("public-registry", public_registry, "publish to an internal registry first"),
    Rule("rollback-not-exercised", not_exercised, "exercise the rollback and let the controller record it"),
    Rule("no-canary", no_canary, "release through a canary: an approval does not replace it"),
    Rule("first-step-too-big", first_step_too_big, "make the first step at most 10 %"),
    Rule("no-automatic-rollback", no_automatic_rollback, "turn automatic rollback on: an approval does not replace it"),
    Rule("breaker-incomplete", breaker_incomplete, "let the breaker watch both error rate and latency"),
    Rule("kill-switch-unverified", kill_switch_unverified, "repair the kill switch until its self-test passes"),
    Rule("embedded-migration", embedded_migration, "split the migration out into a step of its own"),
    Rule("rendered-access", rendered_access, "split access and cluster-wide objects out into a step of their own"),
    Rule("outside-plan", outside_plan, "stay within the approved plan, or have the new plan approved"),
    Rule("schema-unproven", schema_unproven, "show that the older code fits the schema"),
    Rule("not-known-good", not_known_good, "go back to the last known good version"),
    Rule("wide-resume", wide_resume, "release one application after the other"),
)
