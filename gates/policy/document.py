"""A policy as YAML or JSON to a checked value. It refuses unknown fields, aliases, and keys that are given twice."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from gates.grading.limits import Limits
from gates.grading.rulebook import BY_TOOL, Autonomy, IncidentMode, Policy, Profile, Ruling

BYTES_MAX = 65_536
"""A policy is some 2 KB; more than 64 KB is not one."""
DEPTH_MAX = 12
"""Levels of nesting; policies nest four deep."""
ENTRIES_MAX = 200
"""Entries in one list: more than anybody reads."""


class PolicyError(ValueError):
    """The text is no usable policy. One line per mistake, each saying what to do."""


class _Block(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True, frozen=True, allow_inf_nan=False
    )


Pattern = Annotated[str, Field(pattern=r"^[a-z0-9_*?.-]{1,100}$")]
Patterns = Annotated[list[Pattern], Field(max_length=ENTRIES_MAX)]
ProfileName = Literal["read-only", "shadow", "strict", "selective"]
GuardName = Literal["canary", "first-step-cap", "automatic-rollback", "breaker", "tested-kill-switch", "approval"]


class LimitsBlock(_Block):
    """Every number has a bound beyond which no signature makes it sensible."""

    rehearsal_age_days: Annotated[float, Field(ge=1, le=180)] = 90.0
    first_step_pct: Annotated[float, Field(gt=0, le=10)] = 10.0
    rows: Annotated[float, Field(ge=0, le=10_000)] = 1_000.0
    capacity_share: Annotated[float, Field(ge=0, le=0.25)] = 0.10
    table_rows: Annotated[float, Field(ge=0, le=10_000_000)] = 1_000_000.0
    dns_ttl_s: Annotated[float, Field(ge=0, le=3_600)] = 300.0
    confidence: Annotated[float, Field(ge=0.5, le=1)] = 0.70
    evidence_age_s: Annotated[float, Field(ge=1, le=900)] = 300.0
    actions_10min: Annotated[float, Field(ge=1, le=100)] = 20.0
    namespaces: Annotated[float, Field(ge=1, le=20)] = 5.0
    reaction_s: Annotated[float, Field(ge=60, le=7_200)] = 600.0
    diff_lines: Annotated[float, Field(ge=10, le=1_000)] = 400.0
    objects: Annotated[float, Field(ge=1, le=200)] = 50.0


class AutonomyBlock(_Block):
    """How much autonomy some kinds have at most, and which guards they need."""

    kinds: Annotated[list[Pattern], Field(min_length=1, max_length=ENTRIES_MAX)]
    level: Literal["full", "notify", "approve", "suggest"] = "full"
    where: Literal["everywhere", "production"] = "everywhere"
    guards: Annotated[list[GuardName], Field(max_length=6)] = []


class IncidentBlock(_Block):
    remediations: Patterns = []
    minutes: Annotated[float, Field(gt=0, le=240)] = 60.0


class PolicyBlock(_Block):
    """The document. The two autoApprove fields exist to be refused with a reason instead of as unknown."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    version: Annotated[int, Field(ge=1, le=1_000_000_000)]
    enabled: bool = True
    profiles: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")], ProfileName], Field(max_length=50)
    ] = {}
    limits: LimitsBlock = LimitsBlock()
    autonomy: Annotated[list[AutonomyBlock], Field(max_length=ENTRIES_MAX)] = []
    require_approval: Patterns = list(BY_TOOL)
    incident: IncidentBlock = IncidentBlock()
    auto_approve_after: object = None
    auto_approve_during: object = None


class _Loader(yaml.SafeLoader):
    """The safe loader without aliases, keys given twice and deep nesting."""

    depth = 0

    def compose_node(self, parent: yaml.nodes.Node | None, index: Any) -> yaml.nodes.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            raise PolicyError("an alias (*name) is used: write the value out")
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise PolicyError(f"nested deeper than {DEPTH_MAX} levels")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.nodes.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [str(key.value) for key, _ in node.value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise PolicyError(f"{twice[:60]!r} is given twice")
        return super().construct_mapping(node, deep)


def parse(text: str | bytes) -> PolicyBlock:
    """The document as it is written, before it is checked for mistakes. Raises PolicyError."""
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > BYTES_MAX:
        raise PolicyError(f"the policy has {len(raw)} bytes; at most {BYTES_MAX} are read")
    try:
        data = yaml.load(raw.decode("utf-8"), Loader=_Loader)  # noqa: S506  a subclass of SafeLoader
    except UnicodeDecodeError:
        raise PolicyError("the policy is not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise PolicyError(f"{where}not YAML") from None
    except ValueError as error:
        raise error if isinstance(error, PolicyError) else PolicyError(f"unreadable: {str(error)[:200]}") from None
    if not isinstance(data, dict):
        raise PolicyError("a policy is a mapping, as in: {name: default, version: 1}")
    try:
        return PolicyBlock.model_validate(data)
    except ValidationError as error:
        raise PolicyError("\n".join(_line(one) for one in error.errors(include_url=False)[:20])) from None


def _line(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])[:100]
    told = {"extra_forbidden": "no such field; check its spelling", "missing": "missing; it is required"}
    return f"{where}: {told.get(error['type']) or re.sub('^Value error, ', '', error['msg'])}"


def to_policy(block: PolicyBlock) -> Policy:
    """The value that grading and deciding go by. The built-in rulings stay, whatever is written beside them."""
    written = tuple(
        Ruling(
            tuple(one.kinds),
            Autonomy.APPROVE if "approval" in one.guards and one.level in ("full", "notify") else Autonomy(one.level),
            one.where == "production",
            tuple(guard for guard in one.guards if guard != "approval"),
        )
        for one in block.autonomy
    )
    profiles = {name: Profile(profile) for name, profile in block.profiles.items()}
    return Policy(
        name=block.name,
        version=block.version,
        enabled=block.enabled,
        limits=Limits(**block.limits.model_dump()),
        profiles=tuple(sorted((name, one) for name, one in profiles.items() if name != "default")),
        default_profile=profiles.get("default", Profile.SELECTIVE),
        rulings=(*written, *Policy().rulings),
        require_approval=tuple(block.require_approval),
        incident=IncidentMode(tuple(block.incident.remediations), block.incident.minutes),
    )
