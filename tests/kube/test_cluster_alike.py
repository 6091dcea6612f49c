"""Both levels of test cluster answer alike: what a controller is shown to do on one holds on the other."""

from __future__ import annotations

import pytest

from tests.kube.cluster import builders
from tests.kube.cluster.client import Answered
from tests.kube.cluster.cluster import Cluster


def test_a_write_on_an_older_version_is_a_conflict(cluster: Cluster) -> None:
    first = cluster.apply(builders.config_map("c", {"a": "1"}))
    cluster.patch("configmaps", "c", {"data": {"a": "2"}})
    version = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}}
    with pytest.raises(Answered) as refused:
        cluster.patch("configmaps", "c", {**version, "data": {"a": "3"}})
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")
    assert refused.value.message.startswith('Operation cannot be fulfilled on configmaps "c": the object has been')
    assert cluster.get("configmaps", "c")["data"] == {"a": "2"}
