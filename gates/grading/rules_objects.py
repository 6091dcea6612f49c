"""Rules for Kubernetes objects: what they mean, how far a change reaches, and whether anything is left to serve."""

from __future__ import annotations

from gates.grades import Grade
from gates.grading import objects
from gates.grading.kinds import Group
from gates.grading.rule import Finding, Rule, axes, floor
from gates.grading.schedule import times_as_often
from gates.grading.situation import Situation

_BY_SHARE = frozenset({"pods", "horizontalpodautoscalers", "configmaps", "jobs"})
_SMALL_GROWTH = 1.5  # an addition of up to half is capacity, not a cascade
_MORE_OFTEN = 10.0  # times as many runs as before is another job


def _object(at: Situation) -> bool:
    return at.is_group(Group.KUBERNETES) and not at.kind.name.startswith(("node.", "helm."))


def unnamed_object(at: Situation) -> Finding | None:
    if not _object(at) or at.resource or at.kind.axes_worst:
        return None
    return axes("no kind of object is named", "k8s.resource", r=2, b=2, s=2)


def wide_reach(at: Situation) -> Finding | None:
    if not _object(at) or not at.production or _is_small(at):
        return None
    return axes("reaches more than a tenth of what serves in production, or an unknown share", "blast", "scaling", b=2)


def _is_small(at: Situation) -> bool:
    if at.kind.name == "k8s.rollout_restart":
        return False  # over time it touches every replica, whatever the share says
    if at.scaled is not None:
        return _small_scaling(at)
    if at.resource == "horizontalpodautoscalers" and at.facts.flag("scaling.within_bounds") is not True:
        return False
    if at.resource == "cronjobs":
        return _quiet_job(at)
    share = at.facts.number("blast.share_of_capacity")
    return at.resource in _BY_SHARE and share is not None and share <= at.limits.capacity_share


def _small_scaling(at: Situation) -> bool:
    assert at.scaled is not None
    before, after = at.scaled
    if (
        at.facts.flag("scaling.within_bounds") is False
        or before <= 0
        or (at.facts.number("scaling.factor") or 0) > _SMALL_GROWTH
    ):
        return False
    return before * (1 - at.limits.capacity_share) <= after <= before * _SMALL_GROWTH


def _quiet_job(at: Situation) -> bool:
    """A job that is known to do no harm, or one whose only change is that it runs no oftener."""
    if at.destructive or at.facts.flag("job.provides_backup") is True:
        return False
    if any(at.facts.has(path) for path in _ABOUT_JOBS):
        return _often(at) <= _MORE_OFTEN
    paths = {path for path, _, _ in at.differences}
    return paths == {"/spec/schedule"} and _often(at) <= 1


_ABOUT_JOBS = (
    *("job.idempotent", "job.read_only", "job.purpose", "job.kind", "job.type"),
    *("job.provides_backup", "job.deletes", "job.deletes_data", "job.destructive"),
)


def _often(at: Situation) -> float:
    """How many times as often a job runs as before."""
    changes = [(old, new) for path, old, new in at.differences if path.endswith("/schedule")]
    said = [at.facts.number(path) or 1.0 for path in ("job.frequency_factor", "job.rate_factor")]
    return max([*(times_as_often(str(old), str(new)) for old, new in changes), *said])


def whole_cluster(at: Situation) -> Finding | None:
    if not _object(at) or at.resource not in objects.WHOLE_CLUSTER:
        return None
    return axes(f"{at.resource} belong to the whole cluster, whatever the environment", "k8s.resource", b=2)


def shell(at: Situation) -> Finding | None:
    if not at.changes or at.subresource not in objects.SHELLS:
        return None
    r, b, s = (2, 2, 2) if at.production else (2, 1, 1)
    return axes("a shell or a tunnel: no checkpoint covers what is done in it", "k8s.subresource", r=r, b=b, s=s)


def secret_change(at: Situation) -> Finding | None:
    if not _object(at) or not (at.resource == "*" or "secret" in at.resource) or at.verb == "create":
        return None
    if at.facts.flag("rotation.overlap") is True and at.facts.number("rotation.old_valid_hours") != 0:
        return None
    return axes("the old value dies at once", "rotation.overlap", r=2)


def rotation_without_overlap(at: Situation) -> Finding | None:
    overlaps = at.facts.flag("rotation.overlap") is True or at.facts.flag("overlap") is True
    if not at.is_group(Group.ROTATION) or overlaps:
        return None
    return axes("the old value dies at once", "rotation.overlap", r=2)


def access(at: Situation) -> Finding | None:
    if not _object(at) or at.resource not in objects.ACCESS | {"*"}:
        return None
    role = at.facts.any("k8s.role_ref")
    name = str(role.get("name") if isinstance(role, dict) else role or "").strip().lower()
    small = at.resource == "rolebindings" and name in objects.READING_ROLES and not at.destructive
    if small and not at.production:
        return axes("a change of access, though a small one", "k8s.role_ref", r=1, b=1, s=1)
    return floor(Grade.G3, "changes who may do what in the cluster", "k8s.resource", "k8s.role_ref")


def identity(at: Situation) -> Finding | None:
    minted = at.subresource in ("token", "approval") or at.verb in ("impersonate", "bind", "escalate")
    if not at.changes or not minted:
        return None
    return floor(Grade.G3, "mints or borrows an identity", "k8s.verb", "k8s.subresource")


def privileged(at: Situation) -> Finding | None:
    if not at.changes or at.facts.flag("k8s.privileged") is not True:
        return None
    return floor(Grade.G3, "runs with the rights of the node", "k8s.privileged")


def storage_delete(at: Situation) -> Finding | None:
    if not _object(at) or not at.destructive or at.resource not in objects.STORAGE | {"*"}:
        return None
    if at.production:
        return floor(Grade.G3, f"deletes {at.resource} in production, and their content", "k8s.resource", r=2)
    if at.preview and at.facts.flag("k8s.owned_by_actor") is not False:
        return None
    return axes(f"deletes {at.resource}, and their content", "k8s.resource", r=2, b=1, s=1)


def definition_lost(at: Situation) -> Finding | None:
    if not _object(at) or at.resource != "customresourcedefinitions" or at.verb in ("create", "label", "annotate"):
        return None
    versions = not at.differences or any(
        word in path for path, _, _ in at.differences for word in ("version", "served", "storage")
    )
    if not at.destructive and not versions:
        return None
    return floor(Grade.G3, "a definition or one of its versions goes, and its objects with it", "k8s.diff")


def gate_object(at: Situation) -> Finding | None:
    ours = at.facts.text("k8s.namespace") in objects.GATE_NAMESPACES or "interlock" in at.changed_text
    if not at.changes or not (ours or at.resource in objects.ADMISSION):
        return None
    return floor(
        Grade.G3, "changes the gate itself, or what admits changes to the cluster", "k8s.resource", "k8s.namespace"
    )


def system_namespace(at: Situation) -> Finding | None:
    named = {at.facts.text("k8s.namespace")} | ({at.facts.text("k8s.name")} if at.resource == "namespaces" else set())
    if not at.changes or not named & objects.SYSTEM_NAMESPACES:
        return None
    return floor(Grade.G3, "the cluster itself runs in this namespace", "k8s.namespace")


def nothing_left(at: Situation) -> Finding | None:
    if not at.changes or not at.production:
        return None
    counted = [n for path in ("serving_after", "endpoints_after") if (n := at.facts.number(path)) is not None]
    scales = at.kind.name == "k8s.scale" or at.subresource == "scale"
    emptied = at.scaled[1] == 0 if at.scaled is not None else scales
    removed = _object(at) and at.destructive and at.resource in objects.SERVING
    if (counted and min(counted) > 0) or not (counted or emptied or removed):
        return None
    return floor(
        Grade.G3,
        "no ready instance would be left behind live traffic, or nobody says how many",
        "serving_after",
        "scaling.to",
    )


def network(at: Situation) -> Finding | None:
    if not _object(at) or at.resource not in objects.NETWORK:
        return None
    return floor(Grade.G2, "changes who can reach whom", "k8s.resource")


def unresolved_targets(at: Situation) -> Finding | None:
    resolved = at.facts.flag("evidence.targets_resolved")
    open_ended = bool(at.facts.any("k8s.selector")) or at.verb == "deletecollection"
    if not at.changes or resolved is True or (resolved is None and not (open_ended and at.destructive)):
        return None
    grade = Grade.G3 if at.destructive else Grade.G2
    return floor(grade, "nobody knows which objects it hits", "k8s.selector", "evidence.targets_resolved")


def drain_past_budget(at: Situation) -> Finding | None:
    if not at.changes or at.kind.name != "node.drain" or at.facts.flag("k8s.pdb_respected") is True:
        return None
    return axes("evicts past the disruption budgets", "k8s.pdb_respected", r=2)


def deleting_job(at: Situation) -> Finding | None:
    paths = ("job.deletes", "job.deletes_data", "job.destructive")
    if not at.changes or not any(at.facts.flag(path) is True for path in paths):
        return None
    return floor(Grade.G3, "a job that deletes", *paths)


def much_oftener(at: Situation) -> Finding | None:
    if not _object(at) or at.resource != "cronjobs" or _often(at) <= _MORE_OFTEN:
        return None
    if at.facts.flag("job.read_only") is True:
        return axes(f"runs {_often(at):.0f} times as often", "k8s.diff", b=2)
    return floor(Grade.G3, f"runs {_often(at):.0f} times as often, and is not known to only read", "k8s.diff")


def backup_stopped(at: Situation) -> Finding | None:
    if not at.changes or at.facts.flag("job.provides_backup") is not True:
        return None
    stops = at.destructive or any(path.endswith("/suspend") and new is not False for path, _, new in at.differences)
    if not stops and at.differences:
        return None
    return floor(Grade.G3, "stops backups that other steps rely on to be undone", "job.provides_backup")


RULES: tuple[Rule, ...] = (
    Rule("object-unnamed", unnamed_object, "name the kind of object"),
    Rule("object-wide-reach", wide_reach, "change at most a tenth at a time, within the agreed bounds"),
    Rule("object-whole-cluster", whole_cluster),
    Rule("object-shell", shell, "use a typed action that can be previewed and undone"),
    Rule("secret-change", secret_change, "let the old and the new value be valid together for a while"),
    Rule("rotation-without-overlap", rotation_without_overlap, "let the old and the new value be valid together"),
    Rule("object-access", access, "grant a reading role in one namespace outside production"),
    Rule("object-identity", identity),
    Rule("object-privileged", privileged, "run without the rights of the node"),
    Rule("object-storage-delete", storage_delete, "detach or scale down, and delete later"),
    Rule("object-definition-lost", definition_lost, "keep serving the version until nothing uses it"),
    Rule("object-gate", gate_object),
    Rule("object-system-namespace", system_namespace),
    Rule("nothing-left-to-serve", nothing_left, "leave at least one ready instance behind the traffic"),
    Rule("object-network", network),
    Rule("unresolved-targets", unresolved_targets, "resolve the selector to names, and show the count"),
    Rule("drain-past-budget", drain_past_budget, "respect the disruption budgets"),
    Rule("job-deletes", deleting_job),
    Rule("job-much-oftener", much_oftener, "change how often it runs in smaller steps"),
    Rule("backup-stopped", backup_stopped, "keep the backups running"),
)
