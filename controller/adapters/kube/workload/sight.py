"""One look at an application's objects, and what it means: which version each instance is, and what is wrong. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.workload.names import PROMOTED
from controller.adapters.kube.workload.notes import joined, told
from controller.adapters.kube.workload.records import Promotion, Records
from controller.adapters.kube.workload.seen import Deployed, PodSeen, ReplicaSetSeen
from controller.adapters.kube.workload.versions import template_text, text_of, with_digest
from controller.core.explain import counted
from controller.core.model import RoleState
from controller.core.targets import KubernetesTarget, Trigger


@dataclass(frozen=True, slots=True)
class Sight:
    """What was read. ``asked`` is the version that was last asked of stable, for when no record is left."""

    application: str
    target: KubernetesTarget
    guarded: Deployed | None
    canary: Deployed | None
    replica_sets: tuple[ReplicaSetSeen, ...] = ()
    pods: tuple[PodSeen, ...] = ()
    asked: str | None = None
    baseline: Deployed | None = None

    @property
    def by_template(self) -> bool:
        return self.target.trigger is Trigger.DEPLOYMENT

    @property
    def ours(self) -> Deployed | None:
        """The canary's Deployment, if it is ours and stays."""
        found = self.canary
        return found if found is not None and found.is_ours(self.application) and not found.leaving else None

    @property
    def records(self) -> Records | None:
        return self.ours.records if self.ours is not None else None

    @property
    def promotion(self) -> Promotion | None:
        """What we did to the guarded Deployment for this canary, or for one that is lost."""
        found = self.guarded.promotion if self.guarded is not None else None
        if found is None or (self.ours is not None and found.by != self.ours.uid):
            return None
        return found

    def sets_of(self, deployed: Deployed | None) -> list[ReplicaSetSeen]:
        return [one for one in self.replica_sets if deployed is not None and one.owner == deployed.uid]

    @property
    def rolled(self) -> ReplicaSetSeen | None:
        """The ReplicaSet of the template that runs, whatever the template of a paused Deployment says by now."""
        sets = self.sets_of(self.guarded)
        active = [one for one in sets if one.replicas > 0]
        return max(active or sets, key=lambda one: one.number, default=None)


def no_deployment(target: KubernetesTarget) -> str:
    return f"there is no Deployment {target.deployment} in the namespace {target.namespace}: create it"


def version_of(sight: Sight, template: Raw, digest: str) -> str:
    """The version that a template of stable's is.

    By what we know of it, else by what it calls itself; told apart by its digest from a known version that calls itself
    the same and is another template.
    """
    known = _known(sight)
    if digest in known:
        return known[digest]
    if sight.by_template:
        return template_text(template, sight.target.container)
    text = text_of(template, sight.target.container)
    return with_digest(text, digest) if sight.records is not None and text in known.values() else text


def _known(sight: Sight) -> dict[str, str]:
    """Versions by the digest of their template. What a webhook made of a template of ours is still that version."""
    known = {}
    guarded, records = sight.guarded, sight.records
    if guarded is not None and PROMOTED in guarded.annotations and guarded.promotion is not None:
        known[guarded.promotion.digest] = guarded.annotations[PROMOTED]
    for kept in (records.canary.kept, records.stable.kept) if records is not None else ():
        known[kept.digest] = kept.version
    return known


def live_version(sight: Sight) -> str:
    """Of the guarded Deployment's template as it is now."""
    assert sight.guarded is not None
    return version_of(sight, sight.guarded.template, sight.guarded.digest)


def running_version(sight: Sight) -> str | None:
    """Of what stable runs, or is rolling to; None when it is paused and has never run anything."""
    if not sight.by_template:
        return live_version(sight)
    rolled = sight.rolled
    return version_of(sight, rolled.template, rolled.digest) if rolled is not None else None


def foreign_version(sight: Sight) -> str | None:
    """The version that somebody else put into stable's place during a release; None when nobody did."""
    if sight.guarded is None:
        return None
    if sight.records is None or _asked_for_another(sight):
        return _foreign_by_what_was_asked(sight)
    stable, promotion = sight.records.stable.kept, sight.promotion
    if promotion is not None and not promotion.back and sight.guarded.digest == stable.digest:
        return stable.version  # what we had put there was taken back
    if sight.by_template:
        return _foreign_by_template(sight)
    return None if sight.guarded.digest in allowed_now(sight) else live_version(sight)


def allowed_now(sight: Sight) -> frozenset[str]:
    """The templates that the guarded Deployment may have in this release: stable's own, and what we put there last."""
    assert sight.records is not None
    stable, canary, promotion = sight.records.stable.kept, sight.records.canary.kept, sight.promotion
    if promotion is None:
        return frozenset({stable.digest})
    ours = {promotion.digest} if promotion.back else {promotion.digest, canary.digest}
    return frozenset({stable.digest} | ours)


def _allowed_to_run(sight: Sight) -> frozenset[str]:
    """The same for instances: on the way back some are still the canary's version."""
    assert sight.records is not None
    return allowed_now(sight) | ({sight.records.canary.kept.digest} if sight.promotion is not None else set())


def _asked_for_another(sight: Sight) -> bool:
    """Stable was changed between the release's submission and its canary: the version to go back to is no more."""
    records = sight.records
    assert records is not None
    return sight.asked not in (None, records.stable.kept.version, records.canary.kept.version)


def _foreign_by_what_was_asked(sight: Sight) -> str | None:
    """Nothing is on record, as the canary's Deployment is gone or came too late: what was asked for is all we know."""
    assert sight.guarded is not None
    if sight.asked is None or (sight.promotion is not None and sight.promotion.digest == sight.guarded.digest):
        return None
    version = running_version(sight)
    return version if version not in (None, sight.asked) else None


def _foreign_by_template(sight: Sight) -> str | None:
    """While the Deployment is paused its template is a wish, and only what really runs counts."""
    assert sight.guarded is not None
    if not sight.guarded.paused and sight.guarded.digest not in allowed_now(sight):
        return live_version(sight)
    allowed = _allowed_to_run(sight)
    running = [one for one in sight.sets_of(sight.guarded) if one.replicas > 0 and one.digest not in allowed]
    return version_of(sight, running[0].template, running[0].digest) if running else None


def stable_state(sight: Sight, trouble: str = "") -> RoleState:
    guarded = sight.guarded
    if guarded is None:
        return RoleState(1, note=no_deployment(sight.target))
    sets = {one.uid: one for one in sight.sets_of(guarded)}
    texts = {uid: version_of(sight, one.template, one.digest) for uid, one in sets.items()}
    # Pods that end are left out: a roll-out is over without them, and one that is held up must not hold a promotion.
    pods = [one for one in sight.pods if one.owner in sets and one.counts and not one.leaving]
    running, ready = _counts(pods, lambda one: texts[one.owner])
    troubles = [one for one in (guarded.trouble, *(one.trouble for one in sets.values())) if one is not None]
    troubles += [one.trouble for one in pods if one.trouble is not None]
    return RoleState(
        # Never 0: a stable without instances is no stable that has settled.
        wanted=max(1, guarded.replicas),
        running=running,
        ready=ready,
        note=joined(told(troubles), _fewer(sight, sum(one.ready for one in pods)), _paused(sight), trouble)
        or guarded.behind,
        foreign=foreign_version(sight),
        # A baseline that is still there would serve stable's old version beside the new one.
        settling=not guarded.rolled_out or (sight.promotion is not None and sight.baseline is not None),
        full=records.stable.replicas if (records := sight.records) is not None and records.stable.autoscaled else 0,
    )


def _fewer(sight: Sight, ready: int) -> str:
    """Capacity that is missing for the traffic to come back to."""
    records = sight.records
    if records is None or ready >= records.stable.ready:
        return ""
    return f"stable has {counted(ready, 'ready instance')}, and had {records.stable.ready} when the release began"


def _paused(sight: Sight) -> str:
    if sight.by_template or sight.guarded is None or not sight.guarded.paused:
        return ""
    return f"the Deployment {sight.guarded.name} is paused (spec.paused), so that nothing rolls: resume it"


def canary_state(sight: Sight, trouble: str = "", unsized: str = "", asked: int = 0) -> RoleState:
    """``asked`` is how many instances were asked for last; ``unsized`` is why they could not be."""
    canary, records = sight.ours, sight.records
    sets = {one.uid: one for one in sight.sets_of(canary)}
    pods = [one for one in sight.pods if one.application == sight.application and one.counts]
    edited = {
        uid: one.digest
        for uid, one in sets.items()
        if records is not None and records.template not in (None, one.digest)
    }
    running, ready = _counts(
        pods, lambda one: with_digest(one.version, edited[one.owner]) if one.owner in edited else one.version
    )
    troubles = [
        one for one in (canary.trouble if canary else None, *(s.trouble for s in sets.values())) if one is not None
    ]
    troubles += [one.trouble for one in pods if one.trouble is not None]
    changed = f"somebody changed the template of the Deployment {canary.name}" if canary and edited else ""
    return RoleState(
        wanted=canary.replicas if canary is not None else 0,
        running=running,
        ready=ready,
        note=joined(told(troubles), changed, trouble),
        unsized=unsized or _short(canary, asked),
    )


def _short(canary: Deployed | None, asked: int) -> str:
    """Somebody took instances away after they were asked for."""
    if canary is None or canary.replicas >= asked:
        return ""
    return f"{asked} instances were asked for, and the Deployment {canary.name} was set to {canary.replicas}"


def _counts(
    pods: Sequence[PodSeen], text: Callable[[PodSeen], str]
) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
    return _sorted(text(one) for one in pods), _sorted(text(one) for one in pods if one.ready)


def _sorted(texts: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(texts).items()))
