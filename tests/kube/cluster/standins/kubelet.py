"""A stand-in for the scheduler and the kubelets: it gives pods a node, an address and a status. It runs no pods."""

from __future__ import annotations

import itertools
import threading
import time
from datetime import UTC, datetime

from tests.kube.cluster.client import Answered, Client
from tests.kube.cluster.raw import Raw, built_in, name_of, namespace_of
from tests.kube.cluster.standins.hints import Sources
from tests.kube.cluster.standins.pod_life import (
    BY_IMAGE,
    NODE,
    Behaviour,
    Bind,
    End,
    Seen,
    Tell,
    behaviour_of,
    next_step,
)
from tests.kube.cluster.standins.work import Work

PODS = built_in("pods")
STOP_AFTER_S = 0.05
WORKERS = 4
Key = tuple[str, str, str]
"""Namespace, name, uid."""


class Kubelet:
    """``behave`` changes what becomes of pods with an image; ``set_ready`` overrules it for one pod."""

    def __init__(self, client: Client, sources: Sources) -> None:
        self.client = client
        self.stop_after_s = STOP_AFTER_S
        self._known = dict(BY_IMAGE)
        self._pods: dict[str, Raw] = {}
        self._since: dict[str, float] = {}
        self._ending: dict[str, float] = {}
        self._told: dict[str, bool] = {}
        self._addresses: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._work: Work[Key] = Work("kubelet", self._sync, WORKERS)
        sources.tell(PODS, self._hint)

    def start(self) -> None:
        if self.client.find(built_in("nodes"), "", NODE) is None:
            self.client.create(built_in("nodes"), "", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
        self._work.start()

    def close(self) -> None:
        self._work.close()

    def behave(self, image_part: str, behaviour: Behaviour) -> None:
        """From now on, for pods that come or change. The part "" stands for every image without a part of its own."""
        self._known = {image_part: behaviour, **{key: one for key, one in self._known.items() if key != image_part}}

    def set_ready(self, pod: Raw, *, ready: bool | None) -> None:
        """None: as its image says."""
        with self._lock:
            uid = pod["metadata"]["uid"]
            if ready is None:
                self._told.pop(uid, None)
            else:
                self._told[uid] = ready
        self._work.add(key_of(pod))

    def reset(self) -> None:
        """As at the start, for the next test."""
        self._known = dict(BY_IMAGE)
        self.stop_after_s = STOP_AFTER_S
        with self._lock:
            self._told.clear()

    def _hint(self, pod: Raw, gone: bool) -> None:
        uid = pod["metadata"]["uid"]
        with self._lock:
            if gone:
                for memory in (self._pods, self._since, self._ending, self._told, self._addresses):
                    memory.pop(uid, None)
                return
            self._pods[uid] = pod
            if pod["spec"].get("nodeName"):
                self._since.setdefault(uid, time.monotonic())
            if "deletionTimestamp" in pod["metadata"]:
                self._ending.setdefault(uid, time.monotonic())
        self._work.add(key_of(pod))

    def _sync(self, key: Key) -> None:
        """From what the watch told last: what is written twice because of that changes nothing."""
        uid = key[2]
        with self._lock:
            pod = self._pods.get(uid)
        if pod is None:
            return
        step = next_step(pod, behaviour_of(pod, self._known), self._seen(uid), self.stop_after_s)
        try:
            self._carry_out(step, key)
        except Answered as answered:
            if answered.code not in (404, 409):
                raise
        again_s = getattr(step, "again_s", None)
        if again_s is not None:
            self._work.add(key, again_s)

    def _carry_out(self, step: object, key: Key) -> None:
        namespace, name, uid = key
        if isinstance(step, Bind):
            target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
            self.client.create(PODS, namespace, body, "binding")
        elif isinstance(step, Tell):
            patch = {"metadata": {"uid": uid}, "status": step.status}
            self.client.patch(PODS, namespace, name, patch, "status")
        elif isinstance(step, End):
            self.client.delete(PODS, namespace, name, {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})

    def _seen(self, uid: str) -> Seen:
        now_s = time.monotonic()
        with self._lock:
            address = self._addresses.setdefault(uid, self._address())
            ending = self._ending.get(uid)
            return Seen(
                now_s - self._since.get(uid, now_s), None if ending is None else now_s - ending, address,
                datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), self._told.get(uid),
            )  # fmt: skip

    def _address(self) -> str:
        number = next(self._numbers)
        return f"10.{244 + number // 65_000}.{number // 250 % 250}.{number % 250 + 1}"


def key_of(pod: Raw) -> Key:
    return namespace_of(pod), name_of(pod), str(pod["metadata"]["uid"])
