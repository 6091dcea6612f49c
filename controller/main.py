"""The composition root: the one place that builds adapters and hands them to a node. It holds no logic of its own."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO

from analysis.prometheus import PrometheusMetrics
from controller.adapters.clock import SystemClock
from controller.adapters.logs import controller_log
from controller.adapters.notify import WebhookNotifier
from controller.adapters.routers.haproxy import HaproxyRouter
from controller.adapters.store.sql import SqlStore
from controller.adapters.workloads.external import ExternalWorkload
from controller.adapters.workloads.health import health_client
from controller.adapters.workloads.processes import ProcessesWorkload
from controller.core.model import Application
from controller.core.targets import ProcessesTarget
from controller.messages import messages_of
from controller.ports import Commit, Ports, Workload
from controller.reconcile import Reconciler
from controller.runtime.directory import Directory
from controller.runtime.doors import Doors
from controller.runtime.killfile import KillFile
from controller.runtime.killswitch import KillSwitch
from controller.runtime.node import Node
from controller.settings import Settings
from gates.audit import Draft


class DataDirectoryBusy(Exception):
    """Another controller runs on this data directory; two would fight over one store."""


class RunningNode:
    """A node with the adapters it was built from; ``stop`` ends both."""

    def __init__(self, node: Node, closing: ExitStack) -> None:
        self._node, self._closing = node, closing

    @property
    def doors(self) -> Doors:
        return self._node.doors

    def start(self) -> None:
        self._node.start()

    def stop(self) -> None:
        self._node.stop()
        self._closing.close()


@contextmanager
def opened_store(settings: Settings) -> Iterator[SqlStore]:
    """The store, held as a controller holds it, without leading. Raises DataDirectoryBusy, OSError or a PortError."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = controller_log()
    with closing(_lock(settings.data_dir / "lock")):
        store = SqlStore.open(
            settings.data_dir / "interlock.db", held=lambda corrupt: log("row_held", trouble=str(corrupt), page=True)
        )
        with closing(store):
            yield store


def build(settings: Settings, min_epoch: int = 0) -> RunningNode:
    """Open the store, take leadership, build every adapter. Raises DataDirectoryBusy or a PortError of the store."""
    with ExitStack() as opening:
        clock, log = SystemClock(), controller_log()
        metrics = PrometheusMetrics(
            clock.monotonic_s,
            clock.sleep_s,
            credentials=settings.prometheus_credentials,
            bearer=settings.prometheus_token_file is not None,
        )
        store = opening.enter_context(opened_store(settings))
        epoch = _lead(store, clock.now_s(), min_epoch)
        router = HaproxyRouter()
        opening.callback(router.close)
        processes = ProcessesWorkload(settings.data_dir / "processes", router, clock)
        opening.callback(processes.close)
        http = health_client()
        opening.callback(http.close)
        external = ExternalWorkload(clock, http)
        opening.callback(external.close)
        notifier = WebhookNotifier()
        opening.callback(notifier.close)

        def workload_of(app: Application) -> Workload:
            return processes if isinstance(app.target, ProcessesTarget) else external

        last_seen: list[Reconciler] = []
        directory = Directory(store, lambda release_id: last_seen[0].last_seen(release_id) if last_seen else None)
        switch = KillSwitch(
            store,
            router,
            KillFile(settings.data_dir / "kill.jsonl"),
            clock,
            directory.applications,
            directory.of_release,
            log,
            lambda: last_seen[0].running() if last_seen else (),
        )
        ports = Ports(store, router, workload_of, metrics, switch.state, clock, log)
        reconciler = Reconciler(ports, epoch, messages_of(settings.notify))
        last_seen.append(reconciler)
        node = Node(ports, epoch, switch, reconciler, directory, notifier, settings.workers)
        return RunningNode(node, opening.pop_all())
    raise AssertionError("unreachable: the stack closes only on an error, which is raised")


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
