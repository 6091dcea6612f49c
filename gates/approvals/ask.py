"""Opening a request: it is drafted, and surfaced only when a person could judge it and somebody could decide it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gates.approvals.makers import Makers, makers
from gates.approvals.mask import masked
from gates.approvals.model import Content, Context, Origin, Record, Refusal, Request, State, Step
from gates.approvals.pin import pin
from gates.approvals.policy import LIVES_S_MAX, LIVES_S_MIN, World
from gates.approvals.steps import ended, moment, moved, refused
from gates.kill import KillAnswerKind
from gates.people.directory import Role

ITEMS_MAX = 1_000
"""Objects on one card: what is longer cannot be judged, and has to be several requests."""
TEXT_CHARS_MAX = 200_000
"""Of the diff. Beyond it the card would be cut, and nothing is approved from a cut card."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the rules below look at."""

    request: Request
    world: World
    makers: Makers
    at_s: float


Rule = Callable[[Asked], Refusal | None]


def draft(
    request_id: str,
    run: str,
    content: Content,
    context: Context,
    origin: Origin,
    world: World,
    now_s: float,
    lives_s: float | None = None,
) -> Request:
    """A request that nobody sees yet. Its life is the policy's, or what was asked for within the bounds."""
    wanted_s = world.policy.terms(content).lives_s if lives_s is None else lives_s
    expires_at_s = now_s + min(max(wanted_s, LIVES_S_MIN), LIVES_S_MAX)
    context = replace(context, diff=masked(context.diff))
    digest = pin(request_id, content, context, origin, expires_at_s)
    return Request(request_id, run, content, context, origin, now_s, expires_at_s, digest, now_s)


def submit(request: Request, world: World, now_s: float) -> Step:
    """Show the request to those who may decide, or say everything that is missing."""
    if request.state is not State.DRAFT:
        return refused(request, ended(request))
    asked = Asked(request, world, makers(request.origin, world.directory), moment(request, now_s))
    found = tuple(refusal for rule in ASKING if (refusal := rule(asked)) is not None)
    if found:
        return refused(request, *found)
    text = f"{request.content.verb} in {request.content.environment} needs {_needed(asked)}"
    record = Record("approval_requested", text, str(request.origin.requester), _figures(request))
    return moved(request, State.PENDING, asked.at_s, record)


def rule_whole_sentence(asked: Asked) -> Refusal | None:
    """Verb, object, namespace, cluster: what is not said cannot be approved."""
    content = asked.request.content
    parts = {
        "a verb": content.verb,
        "a cluster": content.cluster,
        "a namespace": content.namespace,
        "an application": content.application,
        "an environment": content.environment,
        "objects, each by name and UID": content.items and all(item.uid and item.name for item in content.items),
    }
    missing = [name for name, given in parts.items() if not given]
    return Refusal("incomplete", f"say also: {', '.join(missing)}") if missing else None


def rule_verifiable(asked: Asked) -> Refusal | None:
    if asked.request.content.verification:
        return None
    return Refusal("no_verification", "say how it will be seen that it worked: a request without that is not shown")


def rule_judgeable(asked: Asked) -> Refusal | None:
    """A person needs the change, what it does, the way back, the reason and something to choose instead."""
    context = asked.request.context
    parts = {
        "the diff": context.diff,
        "the effect": context.effect,
        "the way back": context.undo,
        "the reason": context.why,
        "an alternative": context.alternatives,
        "the policy": asked.request.content.policy,
    }
    missing = [name for name, given in parts.items() if not given]
    return Refusal("not_judgeable", f"the card lacks {', '.join(missing)}") if missing else None


def rule_small_enough(asked: Asked) -> Refusal | None:
    items, chars = len(asked.request.content.items), len(asked.request.context.diff)
    if items <= ITEMS_MAX and chars <= TEXT_CHARS_MAX:
        return None
    text = f"{items} objects and {chars} characters of diff; at most {ITEMS_MAX} and {TEXT_CHARS_MAX}: split it"
    return Refusal("too_large", text)


def rule_makers_known(asked: Asked) -> Refusal | None:
    """An unknown account might be the approver's own: until it is mapped, nobody is surely outside the makers."""
    if not asked.makers.unknown:
        return None
    names = ", ".join(str(account) for account in asked.makers.unknown)
    return Refusal("unknown_maker", f"{names}: map them to persons, or list them as outsiders")


def rule_reachable(asked: Asked) -> Refusal | None:
    """When nobody could ever decide, it is said now and not at the end of a wait."""
    content, world = asked.request.content, asked.world
    terms, alone = world.policy.terms(content), world.policy.alone(content)
    where = (Role.APPROVER, content.application, content.environment)
    able = [
        person
        for person in world.directory.humans(*where)
        if person.tier(*where) >= terms.tier and (alone or person.id not in asked.makers.people)
    ]
    owner = world.policy.owners.get(content.application)
    senior = [p for p in able if p.team == owner and p.tier(*where) > 1]
    outside = [p for p in able if p.team not in asked.makers.teams]
    if len(able) >= terms.approvals and len(senior) >= terms.senior and len(outside) >= terms.outside:
        return None
    text = (
        f"needed are {_needed(asked)}; there are {len(able)} who may, {len(senior)} of them senior in the owning team"
        f" ({owner or 'none is set'}), {len(outside)} outside the makers' teams"
    )
    return Refusal("no_approver", text)


def rule_not_stopped(asked: Asked) -> Refusal | None:
    if asked.request.run not in asked.world.stopped_runs:
        return None
    return Refusal("run_stopped", f"run {asked.request.run} was stopped: start a new one")


def rule_not_killed(asked: Asked) -> Refusal | None:
    world = asked.world
    if world.kill.kind is not KillAnswerKind.NONE:
        return Refusal("killed", world.kill.text)
    if asked.request.content.kill_epoch != world.kill_epoch:
        return Refusal("kill_epoch", "a kill was engaged since this was prepared: prepare it anew")
    return None


def rule_pinned(asked: Asked) -> Refusal | None:
    request = asked.request
    if pin(request.id, request.content, request.context, request.origin, request.expires_at_s) == request.digest:
        return None
    return Refusal("digest", "the request is not what its digest says")


def rule_alive(asked: Asked) -> Refusal | None:
    return Refusal("expired", "its time is over: ask anew") if asked.at_s >= asked.request.expires_at_s else None


ASKING: tuple[Rule, ...] = (
    rule_whole_sentence,
    rule_verifiable,
    rule_judgeable,
    rule_small_enough,
    rule_makers_known,
    rule_reachable,
    rule_not_stopped,
    rule_not_killed,
    rule_pinned,
    rule_alive,
)


def _needed(asked: Asked) -> str:
    terms = asked.world.policy.terms(asked.request.content)
    parts = [f"{terms.approvals} approval" + ("s" if terms.approvals > 1 else "")]
    if terms.senior:
        parts.append(f"{terms.senior} by a senior of the owning team")
    if terms.outside:
        parts.append(f"{terms.outside} from outside the makers' teams")
    return ", ".join(parts)


def _figures(request: Request) -> dict[str, str | float]:
    return {
        "request": request.id,
        "digest": request.digest,
        "grade": request.content.grade.value,
        "policy": request.content.policy,
        "expires_at_s": request.expires_at_s,
    }
