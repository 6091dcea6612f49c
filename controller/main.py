"""The composition root: the one place that builds adapters and hands them to a node. It holds no logic of its own."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from analysis.prometheus import PrometheusMetrics
from controller.adapters.clock import SystemClock
from controller.adapters.logs import controller_log
from controller.adapters.notify import WebhookNotifier
from controller.adapters.routers.chosen import ChosenRouter
from controller.adapters.routers.haproxy import HaproxyRouter
from controller.adapters.store.location import turn_on
from controller.adapters.store.migrate import Plan, migrate, nothing_yet, plan
from controller.adapters.store.sql import SqlStore
from controller.adapters.workloads.absent import NoCluster
from controller.adapters.workloads.external import ExternalWorkload
from controller.adapters.workloads.health import health_client
from controller.adapters.workloads.processes import ProcessesWorkload
from controller.core.model import Application, Release
from controller.core.targets import KubernetesTarget, ProcessesTarget
from controller.messages import messages_of
from controller.ports import Commit, Ports, Unavailable, Workload
from controller.reconcile import Reconciler
from controller.runtime.directory import Directory
from controller.runtime.doors import Doors
from controller.runtime.killfile import KillFile
from controller.runtime.killswitch import KillSwitch
from controller.runtime.node import Node
from controller.runtime.schedule import Job
from controller.runtime.selftest import SelfTest, Stop
from controller.settings import Settings
from gates.audit import Draft

if TYPE_CHECKING:
    from controller.adapters.kube.cluster import Cluster
    from controller.adapters.kube.resources.resources import Resources
    from controller.adapters.store.turn import Turn

CLUSTER_S = 2.0
"""How often objects of a cluster and the store are brought together; nothing is asked when nothing changed."""


TURN_S = 5.0
"""How long a start waits for the controller before it to be gone from the store's server."""

TURN_KEPT_S = 2.0


class DataDirectoryBusy(Exception):
    """Another controller runs on this data directory; two would fight over one store."""


class Startable(Protocol):
    def start(self) -> None: ...


class RunningNode:
    """A node with the adapters it was built from; ``stop`` ends both."""

    def __init__(self, node: Node, closing: ExitStack, beside: Startable | None = None) -> None:
        self._node, self._closing, self._beside = node, closing, beside

    @property
    def doors(self) -> Doors:
        return self._node.doors

    def start(self) -> None:
        self._node.start()
        if self._beside is not None:
            self._beside.start()

    def stop(self) -> None:
        self._node.stop()
        self._closing.close()


@dataclass(frozen=True, slots=True)
class HeldStore:
    """A store and, on a server, the turn of this controller on it."""

    store: SqlStore
    turn: Turn | None


@contextmanager
def opened_store(settings: Settings) -> Iterator[HeldStore]:
    """The store, held as a controller holds it, without leading. Raises DataDirectoryBusy, OSError or a PortError."""
    log = controller_log()
    with _alone(settings) as turn:
        store = SqlStore.open(
            _place(settings),
            held=lambda corrupt: log("row_held", trouble=str(corrupt), page=True),
            password=partial(_password, settings),
        )
        with closing(store):
            yield HeldStore(store, turn)


def migrate_store(settings: Settings, apply: bool) -> Plan:
    """What the store's schema lacks and, with ``apply``, the end of that. Raises as ``opened_store`` does."""
    place, password = _place(settings), partial(_password, settings)
    if not apply and isinstance(place, Path) and not place.exists():
        return nothing_yet(place)
    with _alone(settings):
        found = plan(place, password=password)
        if apply:
            migrate(place, password=password)
    return found


@contextmanager
def _alone(settings: Settings) -> Iterator[Turn | None]:
    """Nobody else works with this data directory, or this server's store, as a controller."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(_lock(settings.data_dir / "lock")), ExitStack() as holding:
        turn = turn_on(settings.store, partial(_password, settings)) if settings.store is not None else None
        if turn is not None:
            holding.callback(turn.close)
            turn.take(TURN_S)
        yield turn


def _place(settings: Settings) -> str | Path:
    return settings.store or settings.data_dir / "interlock.db"


def _password(settings: Settings) -> str | None:
    """Read again for each connection. Raises Unavailable, for a Secret that is being replaced is back in a moment."""
    if settings.store_password_file is None:
        return settings.store_password.get_secret_value() if settings.store_password is not None else None
    try:
        return settings.store_password_file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Unavailable(f"the store's password file {settings.store_password_file} cannot be read: {why}") from None


class _Later:
    """What is needed before it is there: the loop by the kill switch, the node by the watches of a cluster."""

    def __init__(self) -> None:
        self.loop: Reconciler | None = None
        self.node: Node | None = None
        self.resources: Resources | None = None
        self.kills: Callable[[], None] | None = None
        self.turn: Turn | None = None

    def last_seen(self, release_id: str) -> Release | None:
        return self.loop.last_seen(release_id) if self.loop is not None else None

    def running(self) -> tuple[Release, ...]:
        return self.loop.running() if self.loop is not None else ()

    def changed(self, namespace: str, name: str) -> None:
        if self.node is not None:
            self.node.changed(namespace, name)

    def keep_turn(self) -> None:
        """A controller that a newer one has fenced lets the turn go for good: the next to start needs it."""
        if self.turn is None:
            return
        if self.node is not None and self.node.leading():
            self.turn.keep()
        else:
            self.turn.close()

    def sync(self) -> None:
        if self.kills is not None:
            self.kills()
        if self.resources is not None:
            self.resources.sync()


def build(settings: Settings, min_epoch: int = 0) -> RunningNode:
    """Open the store, take leadership, build every adapter. Raises DataDirectoryBusy or a PortError of the store."""
    with ExitStack() as opening:
        clock, log, later = SystemClock(), controller_log(), _Later()
        metrics = PrometheusMetrics(
            clock.monotonic_s,
            clock.sleep_s,
            credentials=settings.prometheus_credentials,
            bearer=settings.prometheus_token_file is not None,
            credentials_for=settings.prometheus_credentials_for,
        )
        held = opening.enter_context(opened_store(settings))
        store = held.store
        epoch = _lead(store, clock.now_s(), min_epoch)
        cluster = _cluster(settings, clock, log, later, opening)
        haproxy = HaproxyRouter()
        opening.callback(haproxy.close)
        router = ChosenRouter(haproxy, cluster.router if cluster is not None else None)
        workload_of = _workloads(settings, clock, haproxy, cluster, opening)
        notifier = WebhookNotifier()
        opening.callback(notifier.close)
        directory = Directory(store, later.last_seen)
        file = KillFile(settings.data_dir / "kill.jsonl")
        known = (directory.applications, directory.of_release)
        switch = KillSwitch(store, router, file, clock, *known, log, later.running)
        ports = Ports(store, router, workload_of, metrics, switch.state, clock, log)
        later.loop = Reconciler(ports, epoch, messages_of(settings.notify))
        beats = [Job("cluster", CLUSTER_S, later.sync, own_thread=True)] if cluster is not None else []
        if held.turn is not None:
            later.turn = held.turn
            beats.append(Job("turn", TURN_KEPT_S, later.keep_turn, own_thread=True))
        stop = Stop(switch, SelfTest(ports, settings.data_dir, directory.applications))
        node = Node(ports, epoch, stop, later.loop, directory, notifier, settings.workers, beats)
        later.node = node
        if cluster is not None:
            later.resources = cluster.resources(node, ports, directory.applications, later.running)
            later.kills = cluster.shows(ports.kills, directory.applications, node.leading, clock, log)
            opening.callback(later.resources.stop)
        return RunningNode(node, opening.pop_all(), later.resources)
    raise AssertionError("unreachable: the stack closes only on an error, which is raised")


def _cluster(
    settings: Settings, clock: SystemClock, log: Callable[..., None], later: _Later, opening: ExitStack
) -> Cluster | None:
    """Imported only when one is configured: its client takes some 40 MB."""
    if not settings.has_cluster:
        return None
    from controller.adapters.kube.cluster import Cluster, KubeSettings, RegistrySettings

    where = str(settings.kubeconfig) if settings.kubeconfig is not None else None
    logins = str(settings.registry_credentials) if settings.registry_credentials is not None else None
    registry = RegistrySettings(docker_config=logins, plain_http=frozenset(settings.registry_plain_http))
    reach = KubeSettings(where, settings.kube_context, settings.in_cluster)
    cluster = Cluster(reach, registry, settings.kube_namespaces, clock, log, later.changed)
    opening.callback(cluster.close)
    return cluster


def _workloads(
    settings: Settings, clock: SystemClock, endpoints: HaproxyRouter, cluster: Cluster | None, opening: ExitStack
) -> Callable[[Application], Workload]:
    processes = ProcessesWorkload(settings.data_dir / "processes", endpoints, clock)
    opening.callback(processes.close)
    http = health_client()
    opening.callback(http.close)
    external = ExternalWorkload(clock, http)
    opening.callback(external.close)
    in_cluster: Workload = cluster.workload if cluster is not None else NoCluster()

    def workload_of(app: Application) -> Workload:
        if isinstance(app.target, KubernetesTarget):
            return in_cluster
        return processes if isinstance(app.target, ProcessesTarget) else external

    return workload_of


def _lead(store: SqlStore, now_s: float, min_epoch: int) -> int:
    """Lead; a raised epoch is a person's decision and goes on record."""
    epoch = store.lead(f"{socket.gethostname()}:{os.getpid()}", now_s, min_epoch)
    if min_epoch:
        text = f"started with --min-epoch {min_epoch}: this store leads in epoch {epoch} now"
        store.commit(Commit((Draft("epoch_raised", now_s, "controller", text, numbers={"epoch": epoch}),), epoch))
    return epoch


def _lock(path: Path) -> IO[str]:
    """Hold the data directory for as long as the returned file is open; the kernel lets go when the process dies."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        text = f"another interlock runs on {path.parent}: stop it first, or give this one its own --data-dir"
        raise DataDirectoryBusy(text) from error
    return file
