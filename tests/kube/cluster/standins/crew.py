"""All stand-ins of one cluster: which of them it needs, started and ended together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tests.kube.cluster.client import Client, Endpoint
from tests.kube.cluster.raw import Resource
from tests.kube.cluster.standins.collector import Collector
from tests.kube.cluster.standins.deployments import Deployments
from tests.kube.cluster.standins.endpoints import EndpointSlices
from tests.kube.cluster.standins.gateway import Gateway
from tests.kube.cluster.standins.hints import Sources
from tests.kube.cluster.standins.kubelet import Kubelet
from tests.kube.cluster.standins.quotas import Quotas
from tests.kube.cluster.standins.replicasets import ReplicaSets


class StandIn(Protocol):
    def start(self) -> None: ...
    def close(self) -> None: ...


class Crew:
    """Without ``controllers`` of the cluster's own, stand-ins for them as well."""

    def __init__(self, endpoint: Endpoint, kinds: Mapping[str, Resource], *, controllers: bool) -> None:
        self._client = Client(endpoint)
        self._sources = Sources(self._client)
        self.kubelet = Kubelet(self._client, self._sources)
        routes = [kinds[plural] for plural in ("httproutes", "grpcroutes")]
        self.gateway = Gateway(self._client, self._sources, list(routes))
        self._all: list[StandIn] = [self.kubelet, self.gateway]
        if not controllers:
            self._all.append(Deployments(self._client, self._sources))
            self._all.append(ReplicaSets(self._client, self._sources))
            self._all.append(Quotas(self._client, self._sources))
            self._all.append(EndpointSlices(self._client, self._sources))
            self._all.append(Collector(self._client, self._sources, kinds.values()))

    def start(self) -> None:
        self._sources.start()
        for one in self._all:
            one.start()

    def reset(self) -> None:
        """As at the start, for the next test."""
        self.kubelet.reset()
        self.gateway.reset()

    def close(self) -> None:
        self._sources.close()
        for one in self._all:
            one.close()
        self._client.close()
