"""The form of an application document: its blocks, their limits, and the sentences for what is wrong. It builds no
Application; spec.py does. What this version cannot do is refused, never ignored."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from analysis.durations import parse_duration
from analysis.spec import AnalysisBlock, MetricsBlock
from controller.core.check import FIRST_STEP_PCT_MAX
from controller.spec_kubernetes import ClusterRouters, KubernetesBlock
from controller.spec_parts import (
    DAY_S,
    Address,
    Block,
    Label,
    Moment,
    Percent,
    Plain,
    ProxyName,
    Seconds,
    Text,
    VariableName,
)

STEPS_MAX = 20
"""Steps of one plan; each costs at least a minimum bake."""
LEASE_POLLS_MIN = 3
"""A lease outlives two passes that failed, or one slow reply would send traffic back."""
SLOW_PASS_S = 12.0
"""The longest one pass may take, with a Prometheus that hangs: the lease of a healthy canary must outlive it."""
SOCKET_PATH_BYTES_MAX = 107
"""What the kernel takes for the path of a Unix socket."""
COMMAND_PARTS_MAX = 100
OVERLOAD_WAIT_S_MAX = 600.0
"""A canary that was found harmful keeps its traffic for so long at most."""
NOT_YET = {
    "": {"onRollbackImpossible": "remove it: every release of this version can be rolled back or is refused"},
    "router": {"kubernetes": "use gatewayApi, istio, ingressNginx, traefik or replicas"},
}
"""What other versions of the document hold and this program does not do: by block, with what to do instead."""


def _reject_not_yet(block: str, value: object) -> object:
    if isinstance(value, Mapping):
        for name, instead in NOT_YET[block].items():
            if name in value:
                raise ValueError(f"{name} is not supported by this version; {instead}")
    return value


class ProcessesBlock(Block):
    """A version as local processes. ``command`` holds {port}, and {version} where the program must be told it."""

    command: list[Text] = Field(min_length=1, max_length=COMMAND_PARTS_MAX)
    replicas: int = Field(default=1, ge=1, le=100)
    canary_replicas: int = Field(default=1, ge=1, le=100)
    health_path: str = Field(default="/healthz", pattern=r"^/[!-~]{0,500}$")
    ports: list[Annotated[int, Field(ge=1_024, le=65_535)]] = Field(
        default=[20_000, 29_999], min_length=2, max_length=2
    )
    health_timeout: Moment = 2.0
    stop_grace: Seconds = 10.0
    directory: Text | None = None
    environment: dict[VariableName, Plain] = Field(default={}, max_length=100)
    discovery_file: Text | None = None

    @field_validator("command")
    @classmethod
    def _told_its_port(cls, value: list[str]) -> list[str]:
        if not any("{port}" in part for part in value):
            raise ValueError(
                "write {port} where the program takes the port to listen on, as in [serve, --port, '{port}']: each "
                "instance gets a free one, and without it none can be reached"
            )
        return value

    @field_validator("ports")
    @classmethod
    def _range(cls, value: list[int]) -> list[int]:
        if value[0] >= value[1]:
            raise ValueError("write the range as [LOWEST, HIGHEST]")
        return value


class ExternalBlock(Block):
    """Someone else runs the versions; we look at their health addresses."""

    stable_health_url: Address
    canary_health_url: Address
    version_field: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    assume_version: bool = False
    hook_url: Address | None = None
    health_timeout: Moment = 2.0

    @model_validator(mode="after")
    def _proven(self) -> ExternalBlock:
        if self.version_field is None and not self.assume_version:
            raise ValueError(
                "set versionField, the field of the health answer that holds the version: without it whatever answers "
                "is taken for the version that was asked for, also the old one. assumeVersion: true accepts that"
            )
        if self.version_field is not None and self.assume_version:
            raise ValueError("versionField proves the version, assumeVersion takes it on trust: give one of them")
        return self


class TargetBlock(Block):
    processes: ProcessesBlock | None = None
    external: ExternalBlock | None = None
    kubernetes: KubernetesBlock | None = None

    @model_validator(mode="after")
    def _one(self) -> TargetBlock:
        if [self.processes, self.external, self.kubernetes].count(None) != 2:
            raise ValueError("name exactly one of processes, external and kubernetes")
        return self


class HaproxyBlock(Block):
    """One backend with two servers, behind the guard whose socket is at ``guard``."""

    guard: Text
    backend: ProxyName
    stable_server: ProxyName = "stable"
    canary_server: ProxyName = "canary"
    stable_pool: ProxyName | None = None
    canary_pool: ProxyName | None = None

    @field_validator("guard")
    @classmethod
    def _socket(cls, value: str) -> str:
        if not value.startswith("/"):
            raise ValueError("write the whole path of the guard's socket, beginning with /")
        if len(value.encode()) > SOCKET_PATH_BYTES_MAX:
            raise ValueError(f"a socket's path has at most {SOCKET_PATH_BYTES_MAX} bytes; use a shorter directory")
        return value

    @model_validator(mode="after")
    def _distinct(self) -> HaproxyBlock:
        if self.stable_server == self.canary_server:
            raise ValueError("stableServer and canaryServer must be two servers")
        if (self.stable_pool is None) != (self.canary_pool is None):
            raise ValueError("name both stablePool and canaryPool, or neither")
        if self.stable_pool is not None and self.stable_pool == self.canary_pool:
            raise ValueError("stablePool and canaryPool must be two backends")
        return self


class RouterBlock(ClusterRouters):
    haproxy: HaproxyBlock | None = None

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: object) -> object:
        return _reject_not_yet("router", value)

    @model_validator(mode="after")
    def _one(self) -> RouterBlock:
        if (self.haproxy is not None) + len(self.cluster_kinds()) != 1:
            raise ValueError("name exactly one of haproxy, gatewayApi, istio, ingressNginx, traefik and replicas")
        return self


class OverloadBlock(Block):
    """Until when an automatic rollback waits for stable to be able to carry everything. No abort and no kill does."""

    stable_ready: Percent = 100
    wait: Annotated[float, BeforeValidator(parse_duration), Field(ge=0, le=OVERLOAD_WAIT_S_MAX)] = 0.0


class CanaryBlock(Block):
    """The weights in percent, and the times that bound them."""

    steps: list[Percent] = Field(min_length=1, max_length=STEPS_MAX)
    min_bake: Seconds = 300.0
    max_weight: Percent = 50
    max_duration: Seconds = DAY_S
    prepare_deadline: Seconds = 600.0
    promote_deadline: Seconds = 900.0
    drain: Annotated[float, BeforeValidator(parse_duration), Field(ge=0, le=3_600)] = 30.0
    lease: Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=3_600)] = 120.0
    poll: Annotated[float, BeforeValidator(parse_duration), Field(ge=0.05, le=300)] = 5.0
    overload: OverloadBlock = OverloadBlock()
    baseline: bool = False

    @model_validator(mode="after")
    def _plan(self) -> CanaryBlock:
        steps = self.steps
        if any(after <= before for before, after in pairwise(steps)):
            raise ValueError(f"steps must rise strictly, as in [1, 5, 10, 25, 50]; these are {steps}")
        if steps[0] > FIRST_STEP_PCT_MAX:
            raise ValueError(f"the first step is {steps[0]} %; it must be at most {FIRST_STEP_PCT_MAX} %")
        if steps[-1] > self.max_weight:
            raise ValueError(
                f"step {steps[-1]} % is above maxWeight ({self.max_weight} %): lower it or raise maxWeight"
            )
        if self.lease < LEASE_POLLS_MIN * self.poll:
            raise ValueError(f"lease must be at least {LEASE_POLLS_MIN} times poll ({LEASE_POLLS_MIN * self.poll:g} s)")
        if self.lease < SLOW_PASS_S + 2 * self.poll:
            least_s = SLOW_PASS_S + 2 * self.poll
            why = f"one pass may take {SLOW_PASS_S:g} s while Prometheus hangs, and must not cost the weight"
            raise ValueError(f"lease must be at least {SLOW_PASS_S:g} s and 2 times poll ({least_s:g} s): {why}")
        if len(steps) * self.min_bake > self.max_duration:
            raise ValueError("the minimum bakes of all steps do not fit into maxDuration: raise it or lower minBake")
        return self


class ApplicationBlock(Block):
    """The whole document."""

    name: Label
    environment: Label
    target: TargetBlock
    router: RouterBlock
    canary: CanaryBlock
    metrics: MetricsBlock
    analysis: AnalysisBlock = AnalysisBlock()
    trigger: Literal["api", "deployment"] = "api"

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: object) -> object:
        return _reject_not_yet("", value)

    @model_validator(mode="after")
    def _fits(self) -> ApplicationBlock:
        haproxy = self.router.haproxy
        if (self.target.kubernetes is None) == (haproxy is None):
            raise ValueError(
                "target.kubernetes needs gatewayApi, istio, ingressNginx, traefik or replicas as its router; "
                "target.processes and target.external need haproxy"
            )
        if self.canary.baseline and (self.target.kubernetes is None or self.router.replicas is not None):
            raise ValueError(
                "canary.baseline needs target.kubernetes and a router that splits the traffic by weights: behind "
                "HAProxy and with replicas the canary is compared with all of stable; remove it"
            )
        if self.target.kubernetes is None and self.trigger == "deployment":
            raise ValueError("trigger: deployment needs target.kubernetes")
        if self.target.external is not None and haproxy is not None and haproxy.stable_pool is not None:
            raise ValueError("router.haproxy: stablePool and canaryPool belong to target.processes; remove them")
        return self
