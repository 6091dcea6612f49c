"""A stand-in for the controller of quotas: it counts pods, so that the API server can refuse one too many."""

from __future__ import annotations

from tests.kube.cluster.client import Answered, Client
from tests.kube.cluster.raw import Raw, built_in, name_of, namespace_of
from tests.kube.cluster.standins.hints import Sources
from tests.kube.cluster.standins.work import Work

QUOTAS, PODS = built_in("resourcequotas"), built_in("pods")
COUNTED = ("pods", "count/pods")
Key = tuple[str, str]


class Quotas:
    def __init__(self, client: Client, sources: Sources) -> None:
        self.client = client
        self._known: set[Key] = set()
        self._work: Work[Key] = Work("quotas", self._sync)
        sources.tell(QUOTAS, self._quota)
        sources.tell(PODS, self._pod)

    def start(self) -> None:
        self._work.start()

    def close(self) -> None:
        self._work.close()

    def _quota(self, quota: Raw, gone: bool) -> None:
        key = namespace_of(quota), name_of(quota)
        if gone:
            self._known.discard(key)
            return
        self._known.add(key)
        self._work.add(key)

    def _pod(self, pod: Raw, gone: bool) -> None:
        for key in list(self._known):
            if key[0] == namespace_of(pod):
                self._work.add(key)

    def _sync(self, key: Key) -> None:
        quota = self.client.find(QUOTAS, *key)
        if quota is None:
            return
        hard = quota["spec"].get("hard") or {}
        pods = [one for one in self.client.list(PODS, key[0])["items"] if counts(one)]
        used = {field: str(len(pods)) for field in COUNTED if field in hard}
        before = quota.get("status") or {}
        if (before.get("hard"), before.get("used")) == (hard, used):
            return
        try:
            self.client.update(QUOTAS, key[0], {**quota, "status": {"hard": hard, "used": used}}, "status")
        except Answered as answered:
            if answered.code not in (404, 409):
                raise
            self._work.add(key, 0.02)


def counts(pod: Raw) -> bool:
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
