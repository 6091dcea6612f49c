"""Rules for every step: its kind, what is unknown about it, the way back it claims, and the context it comes in."""

from __future__ import annotations

from gates.grades import Grade
from gates.grading.facts import rounds_up
from gates.grading.kinds import Effect, Group, Undo
from gates.grading.rule import Finding, Rule, axes, floor, worst
from gates.grading.situation import Situation


def kind_itself(at: Situation) -> Finding | None:
    if not at.changes:
        return None
    name = at.kind.name[:60]
    if at.kind.group is Group.UNKNOWN:
        return worst(f"the kind {name!r} is not in the registry, so it counts as the worst", "kind")
    if at.kind.effect is Effect.READ:
        return worst(f"{name} only reads, but this step does something else", "kind", "k8s.verb", "sql")
    where = "in production" if at.production else "outside production"
    return Finding(f"{name} {where}, at best", ("kind", "env.tier"), at.axes)


def unknown_fields(at: Situation) -> Finding | None:
    named = [path for path in at.facts.unknown if rounds_up(path)]
    if not at.changes or not named:
        return None
    return worst(f"unknown to the grader, so taken for the worst: {', '.join(named[:5])[:200]}", *named[:5])


def unread_facts(at: Situation) -> Finding | None:
    missing = at.facts.texts("unread") + at.facts.texts("contradictions")
    if not at.changes or not missing:
        return None
    return worst(f"could not be read or contradicts itself: {', '.join(missing[:5])[:200]}", "unread", "contradictions")


def previous_not_kept(at: Situation) -> Finding | None:
    if not at.changes or at.kind.undo is not Undo.CAPTURED or at.captured or at.exercised:
        return None
    if at.preview and at.facts.flag("k8s.owned_by_actor") is not False:
        return None  # thrown away anyway
    return axes("no previous state kept with a passed dry run, and no way back exercised lately", "reversibility", r=2)


def way_back_not_exercised(at: Situation) -> Finding | None:
    if not at.changes or at.kind.undo is not Undo.EXERCISED or at.exercised:
        return None
    return axes("the way back was not exercised within the allowed age", "reversibility", r=2)


def secret_read(at: Situation) -> Finding | None:
    reads = at.kind.effect is Effect.READ and not at.sandboxed and at.kind.name not in ("k8s.dry_run", "k8s.diff")
    unnamed = not at.resource and at.kind.name in _OBJECT_READS
    if not reads or not (unnamed or at.resource == "*" or "secret" in at.resource):
        return None
    return axes(
        "secret material leaves the cluster, or nobody says what is read", "k8s.resource", s=2 if at.production else 1
    )


_OBJECT_READS = frozenset({"k8s.read", "k8s.get", "k8s.list", "k8s.watch"})


def lethal_trifecta(at: Situation) -> Finding | None:
    if at.stops or at.sandboxed or all(at.facts.flag(path) is not True for path in _TRIFECTA):
        return None
    if all(at.facts.flag(path) is True for path in _TRIFECTA):
        return floor(Grade.G3, "private data, untrusted input and a way out come together", "trifecta")
    return None


_TRIFECTA = ("trifecta.private_data", "trifecta.untrusted_input", "trifecta.external_comms")


def low_confidence(at: Situation) -> Finding | None:
    said = at.facts.number("confidence")
    if not at.changes or said is None or said >= at.limits.confidence:
        return None
    return floor(Grade.G2, f"confidence {said:g} is below {at.limits.confidence:g}", "confidence")


def uncertain(at: Situation) -> Finding | None:
    paths = ("conflicting_results", "evidence.conflicting", "intent_ambiguous")
    said = [path for path in paths if at.facts.flag(path) is True]
    if not at.changes or not said:
        return None
    return floor(Grade.G2, f"signs of uncertainty: {', '.join(said)}", *said)


def first_time(at: Situation) -> Finding | None:
    if not at.changes or not at.production or at.facts.number("novelty.seen") != 0:
        return None
    return floor(Grade.G2, "the first time this actor does this kind of thing in production", "novelty.seen")


def weak_evidence(at: Situation) -> Finding | None:
    age = at.facts.number("evidence.age_s")
    if at.changes and age is not None and age > at.limits.evidence_age_s:
        return floor(
            Grade.G2, f"what it rests on is {age:g} s old, {at.limits.evidence_age_s:g} s are allowed", "evidence.age_s"
        )
    weak = [path for path in _WEAK if at.facts.flag(path) is True]
    weak += ["evidence.timeouts"] if at.facts.number("evidence.timeouts") else []
    if not at.changes or not weak:
        return None
    return floor(Grade.G2, f"weak evidence: {', '.join(weak)}", *weak)


_WEAK = ("evidence.truncated", "evidence.cached", "evidence.timed_out", "evidence.stale", "evidence.partial")


def boundary(at: Situation) -> Finding | None:
    named = at.facts.texts("boundary")
    if not at.changes or not named:
        return None
    return floor(Grade.G2, f"crosses a boundary: {', '.join(named)[:100]}", "boundary")


def many_small_actions(at: Situation) -> Finding | None:
    done, spread = at.facts.number("cumulative.same_actor_10min"), at.facts.number("cumulative.namespaces")
    many = (done or 0) > at.limits.actions_10min or (spread or 0) > at.limits.namespaces
    if not at.changes or not many:
        return None
    return axes("many small changes in a short time are one large change", "cumulative", b=2)


def many_objects(at: Situation) -> Finding | None:
    objects, spread = at.facts.number("blast.objects"), at.facts.number("blast.namespaces")
    percent = max(at.facts.number("blast.percent") or 0, at.facts.number("blast.traffic_percent") or 0)
    many = (objects or 0) > at.limits.objects or (spread or 0) > at.limits.namespaces
    if not at.changes or not (many or percent > 100 * at.limits.capacity_share):
        return None
    return axes("touches more objects, namespaces or traffic than one can look at", "blast", b=2)


def lock_out(at: Situation) -> Finding | None:
    paths = ("lockout", "lockout_risk", "k8s.lockout", "k8s.cuts_control_path")
    if not at.changes or not any(at.facts.flag(path) is True for path in paths):
        return None
    return worst("it can cut off the controller, its metrics or the way back", *paths)


def loosens(at: Situation) -> Finding | None:
    if not at.changes or at.facts.flag("loosens") is not True:
        return None
    return floor(Grade.G3, "weakens a safety control", "loosens")


def overrides_freeze(at: Situation) -> Finding | None:
    said = (at.facts.flag("overrides_freeze"), at.facts.flag("freeze.override"))
    if not at.changes or True not in said:
        return None
    return floor(Grade.G3, "overrides a freeze", "overrides_freeze")


def declared(at: Situation) -> Finding | None:
    said = at.facts.text("declared_grade").upper()
    if at.stops or not said:
        return None
    if said not in Grade.__members__:
        return floor(Grade.G3, f"the declared grade {said[:20]!r} is none of G0 to G3", "declared_grade")
    return floor(Grade(said), f"the caller declares {said}", "declared_grade")


RULES: tuple[Rule, ...] = (
    Rule("kind", kind_itself, "register the kind, or name the environment that the step runs in"),
    Rule("unknown-fields", unknown_fields, "leave the unknown fields out, or write them as the grader knows them"),
    Rule("unread-facts", unread_facts, "let the controller read what it could not, and submit again"),
    Rule("previous-not-kept", previous_not_kept, "keep the previous state and pass a server-side dry run"),
    Rule("way-back-not-exercised", way_back_not_exercised, "exercise the way back and let the controller record it"),
    Rule("secret-read", secret_read, "read the names only, or use the secret where it is"),
    Rule(
        "lethal-trifecta",
        lethal_trifecta,
        "take away one of the three: the private data, the untrusted input, the way out",
    ),
    Rule("low-confidence", low_confidence, "settle what is uncertain before asking"),
    Rule("uncertain", uncertain, "settle the conflict, and name the targets"),
    Rule("first-time", first_time, "nothing but having done it: the next time it is known"),
    Rule("weak-evidence", weak_evidence, "read the evidence again, whole and fresh"),
    Rule("boundary", boundary),
    Rule("many-small-actions", many_small_actions, "wait, or submit them as one batch"),
    Rule("many-objects", many_objects, "split it"),
    Rule("lock-out", lock_out, "leave a way for the controller and its metrics"),
    Rule("loosens-control", loosens),
    Rule("overrides-freeze", overrides_freeze, "wait for the end of the freeze"),
    Rule("declared", declared, "declare no higher grade than meant"),
)
