"""Rules for what lies outside the cluster: cloud, DNS, flags, caches, messages, calls and files."""

from __future__ import annotations

import re

from gates.grades import Grade
from gates.grading.kinds import Group
from gates.grading.rule import Finding, Rule, axes, floor, worst
from gates.grading.situation import Situation

_ACCESS_RESOURCE = re.compile(r"(^|[_.:-])(iam|kms|role|policy|billing)")
_INTERNAL_HOST = re.compile(
    r"^https?://([^/?#@]*\.)?(internal(\.[^/?#@:]+)?|localhost|svc|cluster\.local)(:\d+)?([/?#]|$)"
)
_DELEGATING = frozenset({"", "ns", "ds", "soa"})
_ONE_OBJECT = frozenset({"single_url", "url", "single", "object", "single_key", "key"})


def forbidden_kind(at: Situation) -> Finding | None:
    if not at.kind.forbidden:
        return None
    return floor(Grade.G3, "identities, keys and money: only ever recommended, a person does it elsewhere", "kind")


def open_to_all(at: Situation) -> Finding | None:
    if not at.changes or not re.search(r"(?<![\d.])0\.0\.0\.0/0|(?<![0-9a-f:])::/0", at.changed_text):
        return None
    return worst("opens something to the whole internet", "diff")


def unnamed_target(at: Situation) -> Finding | None:
    walls = at.kind.name in ("cloud.security_group", "cloud.firewall") and not at.changed_text
    if not at.changes or not (walls or (at.kind.group is Group.FILE and not at.facts.text("path"))):
        return None
    return worst("it does not say what it changes", "diff", "path")


def destroys(at: Situation) -> Finding | None:
    plans = at.kind.name in ("terraform.apply", "pulumi.up")
    counts = [at.facts.number(path) for path in ("destroys", "replaces")]
    if not at.is_group(Group.CLOUD) or not (any(counts) or (plans and counts[0] is None)):
        return None
    return floor(Grade.G3, "the plan destroys something, or does not say", "destroys", "replaces")


def touches_identity(at: Situation) -> Finding | None:
    named = [name for name in at.facts.texts("resource_types") if _ACCESS_RESOURCE.search(name.lower())]
    if not at.is_group(Group.CLOUD) or not named:
        return None
    return floor(Grade.G3, f"the plan touches {named[0][:60]}", "resource_types")


def dns_cached(at: Situation) -> Finding | None:
    ttl, record = at.facts.number("ttl"), at.facts.text("record")
    if not at.is_group(Group.DNS):
        return None
    if record in _DELEGATING:
        return axes("a delegation: resolvers everywhere keep it for days", "record", r=2, s=2)
    if ttl is None or ttl > at.limits.dns_ttl_s:
        return axes(f"kept by resolvers longer than {at.limits.dns_ttl_s:g} s", "ttl", r=2)
    return None


def flag_reach(at: Situation) -> Finding | None:
    to = at.facts.number("to_percent")
    if (
        not at.is_group(Group.FLAG)
        or not at.production
        or _kill_flag(at)
        or (to is not None and to <= 100 * at.limits.capacity_share)
    ):
        return None
    return axes("more than a tenth of the users see it at once", "to_percent", b=2)


def flag_not_exercised(at: Situation) -> Finding | None:
    if not at.is_group(Group.FLAG) or _kill_flag(at) or at.exercised or at.captured:
        return None
    return axes("turning it back was not exercised", "reversibility", r=2)


def kill_flag_undrilled(at: Situation) -> Finding | None:
    drilled = [n for path in _DRILLS if (n := at.facts.number(path)) is not None]
    fresh = bool(drilled) and max(drilled) <= at.limits.rehearsal_age_days
    said = at.facts.flag("drilled")
    if not at.is_group(Group.FLAG) or not _kill_flag(at) or (said is not False and (said or fresh or at.exercised)):
        return None
    return axes("a kill flag that was never drilled has never run in production", "drilled", r=1, b=2)


_DRILLS = ("drilled_days_ago", "last_drill_days_ago", "drill_days_ago")


def _kill_flag(at: Situation) -> bool:
    said = [at.facts.flag(path) for path in ("kill_flag", "is_kill_flag", "kill_switch_flag")]
    return True in said or at.facts.text("flag_type") in ("kill", "kill_switch")


def cache_emptied(at: Situation) -> Finding | None:
    if not at.changes or not at.kind.name.startswith(("cdn.", "cache.")) or not at.production:
        return None
    scope = at.facts.any("scope")
    if isinstance(scope, str) and scope.strip().lower() in _ONE_OBJECT:
        return None
    return axes("everything falls through to the origin at once", "scope", b=2)


def message_to_outsiders(at: Situation) -> Finding | None:
    sends = at.kind.name.endswith((".send", ".post")) and at.kind.group is Group.OTHER
    if not at.changes or not (sends or at.kind.name == "status_page.update"):
        return None
    if at.facts.text("audience") in ("internal", "team") and at.kind.name != "status_page.update":
        return None
    return axes("people outside read it, and it cannot be called back", "audience", r=2, b=2)


def call_to_outsiders(at: Situation) -> Finding | None:
    if not at.is_group(Group.HTTP) or _INTERNAL_HOST.search(at.facts.text("destination")):
        return None
    return axes("acts on a system outside", "destination", b=2)


def call_that_deletes(at: Situation) -> Finding | None:
    if not at.is_group(Group.HTTP) or at.facts.text("method") != "delete":
        return None
    return axes("deletes something in another system", "method", s=2)


RULES: tuple[Rule, ...] = (
    Rule("forbidden-kind", forbidden_kind),
    Rule("open-to-all", open_to_all, "name the addresses that need it"),
    Rule("unnamed-target", unnamed_target, "say which file, or which addresses"),
    Rule("destroys", destroys, "split what destroys out into a plan of its own"),
    Rule("touches-identity", touches_identity, "split identities and keys out"),
    Rule("dns-cached", dns_cached, "lower the TTL to 300 s first, and wait until the old one has run out"),
    Rule("flag-reach", flag_reach, "turn it on for at most a tenth of the users first"),
    Rule("flag-not-exercised", flag_not_exercised, "exercise turning it back"),
    Rule("kill-flag-undrilled", kill_flag_undrilled, "drill the flag"),
    Rule("cache-emptied", cache_emptied, "purge single objects"),
    Rule("message-to-outsiders", message_to_outsiders, "send it to an internal channel"),
    Rule("call-to-outsiders", call_to_outsiders),
    Rule("call-that-deletes", call_that_deletes),
)
