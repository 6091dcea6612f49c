"""Where an application runs and what carries its traffic: one frozen description per kind. It reaches nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class HaproxyRoute:
    """One HAProxy backend with two servers whose weights are ours, behind the guard at ``guard`` (a socket's path).

    ``stable_pool`` and ``canary_pool`` name the backends whose server slots the ``processes`` workload fills.
    """

    guard: str
    backend: str
    stable_server: str = "stable"
    canary_server: str = "canary"
    stable_pool: str | None = None
    canary_pool: str | None = None

    @property
    def owner(self) -> str:
        """What carries out the writes of this route; routes of one owner share its fate."""
        return self.guard

    @property
    def label(self) -> str:
        return self.backend

    @property
    def moves(self) -> frozenset[tuple[str, str]]:
        """What this route changes; no two applications may share any of it."""
        names = (self.backend, self.stable_pool, self.canary_pool)
        return frozenset((self.guard, f"the backend {name}") for name in names if name is not None)


class RouteKind(StrEnum):
    """The cluster's objects that can carry weights, by the name of their kind."""

    HTTP_ROUTE = "HTTPRoute"
    GRPC_ROUTE = "GRPCRoute"
    VIRTUAL_SERVICE = "VirtualService"
    INGRESS = "Ingress"
    TRAEFIK_SERVICE = "TraefikService"
    ENDPOINT_SLICE = "EndpointSlice"


@dataclass(frozen=True, slots=True)
class RouteObject:
    kind: RouteKind
    name: str


@dataclass(frozen=True, slots=True)
class KubernetesRoute:
    """The objects of ``namespace`` that split traffic between two Services. All of them get the same weight.

    ``only`` names the rules that are ours, where an object has several; empty: every rule with the stable Service.
    While the canary has a weight, requests with ``header`` (name and value) or with the cookie ``cookie=canary`` go to
    it whatever the weight, and ``mirror_pct`` of the others are copied to it, where the kind can.
    """

    namespace: str
    service: str
    canary_service: str
    objects: tuple[RouteObject, ...]
    only: tuple[str, ...] = ()
    header: tuple[str, str] | None = None
    cookie: str | None = None
    mirror_pct: int | None = None

    @property
    def owner(self) -> str:
        return "kubernetes"

    @property
    def label(self) -> str:
        return ", ".join(f"{one.kind} {self.namespace}/{one.name}" for one in self.objects)

    @property
    def moves(self) -> frozenset[tuple[str, str]]:
        where = f"kubernetes/{self.namespace}"
        services = {(where, f"the Service {name}") for name in (self.service, self.canary_service)}
        return frozenset(services | {(where, f"the {one.kind} {one.name}") for one in self.objects})


@dataclass(frozen=True, slots=True)
class ProcessesTarget:
    """A version runs as local processes. ``command`` is an argument list that may hold ``{version}`` and ``{port}``."""

    command: tuple[str, ...]
    replicas: int = 1
    canary_replicas: int = 1
    health_path: str = "/healthz"
    ports: tuple[int, int] = (20_000, 29_999)
    health_timeout_s: float = 2.0
    stop_grace_s: float = 10.0
    directory: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    discovery_file: str | None = None


@dataclass(frozen=True, slots=True)
class ExternalTarget:
    """Someone else runs the versions: we ask by ``hook_url`` or the API and look at the health addresses.

    With ``version_field`` set, a health reply must be JSON whose field of that name is the version.
    """

    stable_health_url: str
    canary_health_url: str
    version_field: str | None = None
    hook_url: str | None = None
    health_timeout_s: float = 2.0


class Trigger(StrEnum):
    """What starts a release: a call, or a change of the guarded Deployment's template."""

    API = "api"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True)
class KubernetesTarget:
    """An ordinary Deployment, which stays stable's. The canary is a second one beside it, called ``canary_name``.

    ``container`` is the one whose image is the version; None: the first. With ``pin_secrets`` the canary gets copies of
    the Secrets it mounts, as it always does of ConfigMaps.
    """

    namespace: str
    deployment: str
    service: str
    canary_name: str
    container: str | None = None
    pin_secrets: bool = False
    trigger: Trigger = Trigger.API


Target = ProcessesTarget | ExternalTarget | KubernetesTarget
Route = HaproxyRoute | KubernetesRoute
