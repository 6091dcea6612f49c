"""Every fact that a step may state, and which way it can move a grade. A fact that is not here rounds up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Shape(StrEnum):
    FLAG = "true or false"
    NUMBER = "a number of at least 0"
    TEXT = "a text"
    TEXTS = "a text or a list of texts"
    ANY = "any JSON value"


class Role(StrEnum):
    """WHAT says what is done. SAFETY is worst when absent. RISK is harmless when absent. NOTE is for people alone."""

    WHAT = "what"
    SAFETY = "safety"
    RISK = "risk"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Field:
    """``path`` as in ``guards.canary``. ``lower_is_worse`` is for numbers whose small values are the bad ones."""

    path: str
    shape: Shape
    role: Role
    lower_is_worse: bool = False


def _fields(role: Role, shape: Shape, names: str, lower_is_worse: bool = False) -> tuple[Field, ...]:
    return tuple(Field(name, shape, role, lower_is_worse) for name in names.split())


WHAT = (
    *_fields(Role.WHAT, Shape.TEXT, "kind actor.type actor.id actor.on_behalf_of op branch tag registry record method"),
    *_fields(Role.WHAT, Shape.TEXT, "destination path audience flag to test_scope"),
    *_fields(Role.WHAT, Shape.ANY, "scope diff command"),
    *_fields(Role.WHAT, Shape.TEXTS, "actor.delegation paths resource_types"),
    *_fields(Role.WHAT, Shape.NUMBER, "creates updates destroys replaces from_percent to_percent ttl"),
    *_fields(Role.WHAT, Shape.NUMBER, "scaling.from scaling.to scaling.from_max scaling.to_max"),
    *_fields(Role.WHAT, Shape.NUMBER, "scaling.from_min scaling.to_min"),
    *_fields(Role.WHAT, Shape.TEXT, "k8s.verb k8s.resource k8s.subresource k8s.namespace k8s.name k8s.node"),
    *_fields(Role.WHAT, Shape.TEXT, "k8s.group k8s.api_group k8s.version k8s.api_version k8s.kind k8s.container"),
    *_fields(Role.WHAT, Shape.ANY, "k8s.selector k8s.role_ref k8s.subjects k8s.diff k8s.command"),
    *_fields(Role.WHAT, Shape.FLAG, "kill_flag is_kill_flag kill_switch_flag"),
    *_fields(Role.WHAT, Shape.TEXT, "k8s.image"),
    *_fields(Role.WHAT, Shape.NUMBER, "scaling.max_from scaling.max_to scaling.min_from scaling.min_to"),
    *_fields(Role.WHAT, Shape.TEXT, "flag_type"),
)
SAFETY = (
    *_fields(Role.SAFETY, Shape.TEXT, "env.tier target_role reversibility.path k8s.dry_run"),
    *_fields(Role.SAFETY, Shape.TEXT, "job.purpose job.kind job.type"),
    *_fields(
        Role.SAFETY,
        Shape.FLAG,
        "env.external_users env.resolved env.ephemeral ephemeral sandboxed diff_empty immutable drilled",
    ),
    *_fields(Role.SAFETY, Shape.FLAG, "schema_compatible within_approved_plan overlap"),
    *_fields(Role.SAFETY, Shape.FLAG, "guards.canary guards.auto_rollback guards.kill_switch_selftest_ok"),
    *_fields(Role.SAFETY, Shape.FLAG, "guards.lease guards.dead_man_lease guards.verification_plan"),
    *_fields(Role.SAFETY, Shape.TEXTS, "guards.circuit_breaker"),
    *_fields(
        Role.SAFETY,
        Shape.NUMBER,
        "guards.initial_percent reversibility.tested_days_ago drilled_days_ago last_drill_days_ago drill_days_ago",
    ),
    *_fields(Role.SAFETY, Shape.FLAG, "reversibility.dry_run_ok"),
    *_fields(Role.SAFETY, Shape.FLAG, "migration.additive migration.backward_compatible migration.down_tested"),
    *_fields(Role.SAFETY, Shape.FLAG, "migration.lock_safe migration.backup_restore_tested migration.transactional"),
    *_fields(Role.SAFETY, Shape.FLAG, "rotation.overlap k8s.unhealthy k8s.pdb_respected k8s.owned_by_actor"),
    *_fields(Role.SAFETY, Shape.FLAG, "job.idempotent job.read_only scaling.within_bounds evidence.targets_resolved"),
    *_fields(Role.SAFETY, Shape.NUMBER, "rotation.old_valid_hours serving_after endpoints_after", lower_is_worse=True),
    *_fields(Role.SAFETY, Shape.NUMBER, "novelty.succeeded", lower_is_worse=True),
    *_fields(Role.SAFETY, Shape.NUMBER, "blast.rows blast.share_of_capacity"),
)
INCIDENT = _fields(Role.SAFETY, Shape.FLAG, "incident.active incident.known_remediation")
"""Facts that may change how a person is asked, never the grade."""
RISK = (
    *_fields(Role.RISK, Shape.TEXTS, "sql files sql_grades consumed_by k8s.rendered_kinds unread contradictions"),
    *_fields(Role.RISK, Shape.TEXTS, "boundary"),
    *_fields(Role.RISK, Shape.TEXT, "declared_grade env.tier_source env.source"),
    *_fields(
        Role.RISK, Shape.FLAG, "freeze.override env.inferred env.inferred_from_name evidence.stale evidence.partial"
    ),
    *_fields(Role.RISK, Shape.NUMBER, "blast.percent blast.traffic_percent job.frequency_factor job.rate_factor"),
    *_fields(Role.RISK, Shape.NUMBER, "scaling.factor evidence.timeouts"),
    *_fields(Role.RISK, Shape.FLAG, "image_digest_changed overrides_freeze intent_ambiguous conflicting_results"),
    *_fields(Role.RISK, Shape.FLAG, "lockout lockout_risk k8s.lockout k8s.cuts_control_path"),
    *_fields(
        Role.RISK, Shape.FLAG, "loosens k8s.privileged job.provides_backup job.deletes job.deletes_data job.destructive"
    ),
    *_fields(Role.RISK, Shape.FLAG, "evidence.truncated evidence.cached evidence.timed_out evidence.conflicting"),
    *_fields(Role.RISK, Shape.NUMBER, "evidence.age_s cumulative.same_actor_10min cumulative.namespaces diff_lines"),
    *_fields(Role.RISK, Shape.NUMBER, "blast.objects blast.namespaces blast.table_rows reversibility.seconds"),
    *_fields(Role.RISK, Shape.NUMBER, "confidence novelty.seen", lower_is_worse=True),
    *_fields(Role.RISK, Shape.NUMBER, "time_to_harm_s guards.next_exposure_s", lower_is_worse=True),
    *_fields(Role.RISK, Shape.FLAG, "trifecta.private_data trifecta.untrusted_input trifecta.external_comms"),
)
NOTE = (
    *_fields(Role.NOTE, Shape.ANY, "id title reason description comment intent ticket url labels args why"),
    *_fields(
        Role.NOTE,
        Shape.ANY,
        "application service release revision version image repository repo commit pipeline run_id",
    ),
    *_fields(Role.NOTE, Shape.ANY, "env.name env.cluster env.cluster_uid env.namespace env.region actor.name"),
    *_fields(Role.NOTE, Shape.ANY, "k8s.cluster k8s.uid k8s.resource_version targets verification alternatives"),
    *_fields(Role.NOTE, Shape.ANY, "novelty.failed job.name"),
    *_fields(Role.NOTE, Shape.ANY, "incident.id rotation.kind"),
    *_fields(Role.NOTE, Shape.ANY, "k8s.owner k8s.created_by k8s.replicas k8s.field_manager k8s.apps freeze.active"),
    *_fields(Role.NOTE, Shape.ANY, "owner created_by requested_by requested_at timestamp author commits base head"),
    *_fields(Role.NOTE, Shape.ANY, "payload body headers idempotency_key idempotent amount currency message channel"),
    *_fields(Role.NOTE, Shape.ANY, "dialect database table plan plan_id release_id priority channels draft pr"),
    *_fields(Role.NOTE, Shape.ANY, "cumulative.window_s cumulative.actions freeze.id freeze.reason scaling.metric"),
    *_fields(Role.NOTE, Shape.ANY, "flag_owner recipients subject k8s.labels k8s.images scaling.min scaling.max"),
)
VOCABULARY: dict[str, Field] = {field.path: field for field in (*WHAT, *SAFETY, *INCIDENT, *RISK, *NOTE)}
BLOCKS = frozenset(path.split(".")[0] for path in VOCABULARY if "." in path)
SAFETY_BLOCKS = frozenset({"guards", "reversibility", "migration", "rotation"})
"""Blocks of evidence. A word in them that the grader does not know counts for nothing, which is already the worst."""
