"""The CustomResourceDefinitions that the suite puts into every test cluster."""

from __future__ import annotations

import time
from pathlib import Path

import yaml

from tests.kube.cluster.client import Answered, Client
from tests.kube.cluster.raw import BUILT_IN, Raw, Resource, built_in, is_true
from tests.kube.cluster.small.kinds import served_by

FOLDER = Path(__file__).parents[1] / "crds"
ESTABLISH_S = 20.0


def documents() -> list[Raw]:
    """Those of others, and the product's own as the chart renders them."""
    found = [one for path in sorted(FOLDER.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text()) if one]
    return [one for one in found if one["kind"] == "CustomResourceDefinition"]


def install(client: Client) -> dict[str, Resource]:
    """Put them in, wait until they are served, and return every kind by its plural."""
    kind = built_in("customresourcedefinitions")
    definitions = documents()
    for definition in definitions:
        client.create(kind, "", definition)
    kinds = {one.plural: one for one in BUILT_IN}
    for definition in definitions:
        kinds |= {one.resource.plural: one.resource for one in served_by(definition)}
    end_s = time.monotonic() + ESTABLISH_S
    for definition in definitions:
        resource = kinds[definition["spec"]["names"]["plural"]]
        while not is_true(client.get(kind, "", definition["metadata"]["name"]), "Established") or not served(
            client, resource
        ):
            assert time.monotonic() < end_s, f"{definition['metadata']['name']} is not served"
            time.sleep(0.02)
    return kinds


def served(client: Client, resource: Resource) -> bool:
    """An established kind is not there at once on every path of the server."""
    try:
        client.list(resource)
    except Answered as answered:
        if answered.code != 404:
            raise
        return False
    return True
