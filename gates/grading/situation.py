"""A step as the rules see it: spelling made even, environment and effect resolved, SQL read. It judges nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gates.grading.facts import Facts
from gates.grading.files import is_gate_file, is_migration_file
from gates.grading.kinds import Axes, Effect, Group, Kind, kind_of
from gates.grading.limits import Limits
from gates.grading.objects import (
    ACCESS,
    ADMISSION,
    DESTRUCTIVE_VERBS,
    READ_VERBS,
    SERVING,
    SHELLS,
    WHOLE_CLUSTER,
    plural,
    resource_of,
)
from gates.grading.statements import Shape, shapes

PRODUCTION = frozenset({"prod", "production"})
PREVIEW = frozenset({"preview", "ephemeral", "review"})
ELSEWHERE = (
    frozenset({"staging", "stage", "dev", "development", "test", "testing", "ci", "qa", "uat", "local"}) | PREVIEW
)
_SCALES = (
    ("scaling.from", "scaling.to"),
    ("scaling.from_max", "scaling.to_max"),
    ("scaling.max_from", "scaling.max_to"),
)
SAFE_METHODS = frozenset({"get", "head", "options"})


@dataclass(frozen=True, slots=True)
class Situation:
    """What rules read. ``changes`` is False when nothing can persist: a read, a sandbox, an empty difference."""

    facts: Facts
    limits: Limits
    kind: Kind
    production: bool
    tier_known: bool
    external: bool
    preview: bool
    stops: bool
    changes: bool
    verb: str
    resource: str
    subresource: str
    statements: tuple[Shape, ...]
    migration_files: tuple[str, ...]
    gate_files: tuple[str, ...]

    @property
    def axes(self) -> Axes:
        return self.kind.production if self.production else self.kind.elsewhere

    @property
    def destructive(self) -> bool:
        return self.verb in DESTRUCTIVE_VERBS or self.kind.name.endswith(
            (".delete", ".uninstall", ".destroy", ".purge")
        )

    @property
    def embedded(self) -> bool:
        """A migration inside something else."""
        return bool(self.migration_files or self.statements or self.facts.has("migration"))

    @property
    def sandboxed(self) -> bool:
        return self.facts.flag("sandboxed") is True and not self.changes

    @property
    def rendered(self) -> frozenset[str]:
        """Kinds of object that a chart or bundle brings along."""
        return frozenset(plural(name) for name in self.facts.texts("k8s.rendered_kinds"))

    @property
    def releases(self) -> bool:
        """Brings new code in front of production traffic, by whatever name it is called."""
        if not (self.changes and self.production):
            return False
        if self.kind.group is Group.KUBERNETES:
            changed = self.facts.flag("image_digest_changed") is True or bool(self.facts.text("k8s.image"))
            image = changed or "/image" in self.changed_text
            return self.resource in SERVING and image
        return self.kind.group in (Group.RELEASE, Group.TRAFFIC)

    def is_group(self, *groups: Group) -> bool:
        return self.changes and self.kind.group in groups

    @property
    def exercised(self) -> bool:
        """Whether the way back was taken within the allowed age, and fast enough for the plan."""
        age = self.facts.number("reversibility.tested_days_ago")
        took, room = self.facts.number("reversibility.seconds"), self.facts.number("guards.next_exposure_s")
        in_time = took is None or room is None or took < room
        fresh = age is not None and age <= self.limits.rehearsal_age_days
        return self.facts.text("reversibility.path") == "tested" and fresh and in_time

    @property
    def captured(self) -> bool:
        kept = self.facts.text("reversibility.path") == "captured_previous"
        return kept and self.facts.flag("reversibility.dry_run_ok") is True

    @property
    def differences(self) -> tuple[tuple[str, Any, Any], ...]:
        """Changed fields of an object as (path, old, new)."""
        listed = self.facts.any("k8s.diff") or self.facts.any("diff") or ()
        rows = listed if isinstance(listed, list | tuple) else ()
        return tuple(
            (str(row.get("path", "")), row.get("old"), row.get("new")) for row in rows if isinstance(row, dict)
        )

    @property
    def changed_text(self) -> str:
        """The whole difference in small letters, for rules that look for a word wherever it stands."""
        told = self.facts.any("k8s.diff") or self.facts.any("diff") or ""
        return str(told).lower()

    @property
    def scaled(self) -> tuple[float, float] | None:
        for old, new in _SCALES:
            before, after = self.facts.number(old), self.facts.number(new)
            if before is not None and after is not None:
                return before, after
        return None


def situation_of(facts: Facts, limits: Limits) -> Situation:
    kind = kind_of(facts.text("kind"))
    resource, subresource = resource_of(facts.text("k8s.resource"), facts.text("k8s.subresource"))
    verb = facts.text("k8s.verb") or _verb_of(kind.name)
    tier = facts.text("env.tier")
    outside = facts.flag("env.external_users")
    tier_known = tier in ELSEWHERE | PRODUCTION and _tier_resolved(facts)
    production = not tier_known or tier in PRODUCTION or outside is True
    statements = tuple(shape for text in facts.texts("sql") for shape in shapes(text))
    files = facts.texts("files")
    found = Situation(
        facts,
        limits,
        kind,
        production,
        tier_known,
        external=production and outside is not False,
        preview=not production and (tier in PREVIEW or True in (facts.flag("env.ephemeral"), facts.flag("ephemeral"))),
        stops=kind.effect is Effect.STOP,
        changes=True,
        verb=verb,
        resource=resource,
        subresource=subresource,
        statements=statements,
        migration_files=tuple(path for path in files if is_migration_file(path)),
        gate_files=tuple(path for path in files if is_gate_file(path)),
    )
    return _with_effect(found)


def _tier_resolved(facts: Facts) -> bool:
    """Whether the registry says what the environment is; a guess from its name does not."""
    guessed = True in (facts.flag("env.inferred"), facts.flag("env.inferred_from_name"))
    sources = {facts.text("env.tier_source"), facts.text("env.source")} - {"", "registry"}
    return facts.flag("env.resolved") is not False and not guessed and not sources


def _verb_of(name: str) -> str:
    """The verb that a kind implies where the step names none."""
    tail = name.rpartition(".")[2]
    return {"apply": "patch", "replace": "update", "evict": "delete"}.get(tail, tail)


def _with_effect(at: Situation) -> Situation:
    return at if not _is_harmless(at) else replace(at, changes=False)


def _is_harmless(at: Situation) -> bool:
    facts, group = at.facts, at.kind.group
    if at.stops:
        return True
    if facts.flag("sandboxed") is True and not at.production and group is not Group.UNKNOWN:
        return True
    if at.kind.effect is Effect.READ:
        return _only_reads(at)
    if facts.text("k8s.dry_run") in ("server", "all") and group is Group.KUBERNETES and at.subresource not in SHELLS:
        return True
    if group is Group.SQL:
        harmless = {Shape.READ, Shape.SESSION, Shape.WIDE_READ}
        return bool(at.statements) and set(at.statements) <= harmless and at.kind.name.startswith("sql.")
    if group is Group.HTTP:
        return facts.text("method") in SAFE_METHODS
    if group is Group.RELEASE:
        return _release_is_harmless(at)
    return False


def _only_reads(at: Situation) -> bool:
    """A kind that reads, told to do something else, does not read."""
    if at.statements and not set(at.statements) <= {Shape.READ, Shape.SESSION, Shape.WIDE_READ}:
        return False
    asked = at.facts.text("k8s.dry_run")
    if at.kind.name in ("k8s.dry_run", "k8s.diff", "helm.dry_run"):
        return asked in ("", "server", "client", "all") and at.subresource not in SHELLS
    verb = at.facts.text("k8s.verb")
    return (not verb or verb in READ_VERBS) and at.subresource not in SHELLS


def _release_is_harmless(at: Situation) -> bool:
    """An empty difference, unless another fact contradicts it; a throw-away preview that carries no migration."""
    carries = at.embedded or at.gate_files or at.rendered & (ACCESS | ADMISSION | WHOLE_CLUSTER)
    same = at.facts.flag("diff_empty") is True and at.facts.flag("image_digest_changed") is not True
    return not carries and (same or at.preview)
