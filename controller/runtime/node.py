"""One running controller: the loop, its heartbeat and its doors, put together from ports. It builds no adapter."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

from controller.commands import Commands
from controller.forecasts import outlook_of
from controller.ports import Fenced, PortError, Ports
from controller.reconcile import Reconciler
from controller.runtime.directory import Directory
from controller.runtime.doors import Doors
from controller.runtime.health import Health, Pulse
from controller.runtime.outbox import Notifier, Outbox
from controller.runtime.queue import WorkQueue
from controller.runtime.resting import Resting
from controller.runtime.schedule import Job, Schedule
from controller.runtime.selftest import PERIOD_S, Stop

SWEEP_S, REST_S, OUTBOX_S, KILL_SYNC_S, PRUNE_S = 1.0, 3.0, 1.0, 5.0, 3600.0
KEEP_ANSWERS_S = 86_400.0
"""How long an Idempotency-Key is answered from memory, and delivered messages are kept."""
SWEEP_MAX = 1000
"""Releases brought back by one sweep."""
REST = "rest:"


class Node:
    """Start it, hand its doors to the HTTP application, stop it."""

    def __init__(
        self,
        ports: Ports,
        epoch: int,
        stop: Stop,
        reconciler: Reconciler,
        directory: Directory,
        notifier: Notifier,
        workers: int,
        more_jobs: Sequence[Job] = (),
    ) -> None:
        self._ports, self._epoch, self._switch = ports, epoch, stop.switch
        self._reconciler, self._directory, self._self_test = reconciler, directory, stop.self_test
        self._leading, self._remedy = True, ""
        self._locks: dict[str, threading.Lock] = {}
        self._resting = Resting()
        self._queue = WorkQueue(self._run, ports.clock, self._crashed, workers)
        self._outbox = Outbox(ports.store, notifier, ports.clock, ports.log)
        jobs = (*self._jobs(), *more_jobs)
        self._pulse = Pulse(ports.clock, {job.name: max(30.0, 3 * job.period_s) for job in jobs})
        self._schedule = Schedule(jobs, self._pulse, ports.log)
        stop.switch.wakes(self._queue.urge)
        commands = Commands(
            ports,
            self._queue.urge,
            lambda: epoch,
            reconciler.last_seen,
            registered=self._refresh_directory,
            leading=lambda: self._leading,
            alone=self.alone,
        )
        self.doors = Doors(
            commands,
            stop.switch,
            ports.store,
            ports.clock,
            self.health,
            lambda stored: outlook_of(ports, stored),
            ports.metrics.stats,
            stop.self_test.last,
        )

    def start(self) -> None:
        """Take what the sources of the kill switch hold, then begin: everything due is looked at within a second."""
        self._switch.load()
        self._directory.refresh()
        self._take_up()
        self._queue.start()
        self._schedule.start()

    def stop(self) -> None:
        """Let running passes end. Weights stay as they are; their leases run out if nobody takes over."""
        self._schedule.stop()
        if not self._queue.stop():
            self._ports.log("stop_timed_out", trouble="a pass did not end in time; its effects are converging")
        self._switch.close()

    def health(self) -> Health:
        parked = tuple(sorted(self._reconciler.parked))
        return Health(self._pulse.beats(), self._leading, parked, self._epoch, self._remedy, self._queue.lag_s())

    def _jobs(self) -> tuple[Job, ...]:
        return (
            Job("sweep", SWEEP_S, self._sweep, own_thread=True),
            Job("rest", REST_S, self._sweep_rest),
            Job("outbox", OUTBOX_S, self._outbox.drain, own_thread=True),
            Job("kill_sync", KILL_SYNC_S, self._switch.sync, own_thread=True),
            Job("kill_self_test", PERIOD_S, self._self_test.run, own_thread=True, at_once=True),
            Job("prune", PRUNE_S, lambda: self._ports.store.prune(self._ports.clock.now_s() - KEEP_ANSWERS_S)),
        )

    def _take_up(self) -> None:
        """Know every release that has not ended before anybody asks for it, and look at each in its time."""
        for release_id, wake_at_s in self._reconciler.recall():
            self._queue.add(release_id, wake_at_s)

    def _sweep(self) -> None:
        if not self._leading:
            return
        for release_id, _ in self._ports.store.due(self._ports.clock.now_s(), SWEEP_MAX):
            self._queue.remember(release_id)

    def _sweep_rest(self) -> None:
        self._directory.refresh()
        if self._leading:
            for name in self._resting.due(self._directory.applications(), self._ports.clock.monotonic_s()):
                self._queue.remember(REST + name)

    def changed(self, namespace: str, name: str) -> None:
        """A watch told that an object of the cluster changed: a hint to look at what it belongs to, at once."""
        for application in self._resting.changed(namespace, name):
            self._queue.add(REST + application)
            for release in self._reconciler.running():
                if release.app.name == application:
                    self._queue.add(release.id)

    def _refresh_directory(self) -> None:
        """A kill has to cover what was registered a moment ago; if it cannot be read, the next beat brings it."""
        try:
            self._directory.refresh()
        except PortError as error:
            self._ports.log("directory_stale", trouble=str(error))

    def _run(self, key: str) -> float | None:
        """One pass. A release and the rest of its application never run at the same time."""
        if not self._leading:
            return None
        try:
            if key.startswith(REST):
                self._rest(key.removeprefix(REST))
                return None
            seen = self._reconciler.last_seen(key) or self._ports.store.release(key)
            with self._lock_of(seen.app.name if seen is not None else key):
                return self._reconciler.run(key)
        except Fenced as fenced:
            self._leading = False
            self._remedy = self._remedy_of_fence()
            self._ports.log("fenced", trouble=str(fenced), remedy=self._remedy, page=True)
            return None

    def _rest(self, name: str) -> None:
        with self._lock_of(name):
            hints = self._resting.hints(name)
            calm = self._reconciler.rest(name)
        self._resting.looked(name, calm, self._ports.clock.monotonic_s(), hints)

    def _remedy_of_fence(self) -> str:
        """What to do when the store is still ours: a route remembers a leader that this store has never heard of."""
        ports, newest = self._ports, 0
        try:
            if ports.store.epoch() != self._epoch:
                return ""
        except PortError:
            return ""
        for app in self._directory.applications():
            with suppress(PortError):
                newest = max(newest, ports.router.read(app).epoch)
        number = str(newest + 1) if newest > self._epoch else "N, above the epoch that the log names"
        return (
            f"what it steers was led from another data directory; this one (epoch {self._epoch}) is new or restored: "
            f"when no other controller runs, start once with --min-epoch {number}"
        )

    def leading(self) -> bool:
        return self._leading

    def alone(self, application: str) -> threading.Lock:
        """Held around work on one application, so that no pass over it runs meanwhile."""
        return self._lock_of(application)

    def _lock_of(self, application: str) -> threading.Lock:
        return self._locks.setdefault(application, threading.Lock())

    def _crashed(self, key: str, error: BaseException) -> None:
        self._ports.log("pass_failed", key=key, trouble=f"{type(error).__name__}: {error}", page=True)
