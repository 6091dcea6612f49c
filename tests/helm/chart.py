"""Renders the chart, and keeps what it renders as snapshots: `python -m tests.helm.chart` writes them anew, so that a
change of the chart shows in review as a change of objects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.parts import find

Raw = dict[str, Any]

HERE = Path(__file__).resolve().parent
CHART = HERE.parents[1] / "helm" / "interlock"
KUBE_VERSION = "1.33.1"
RELEASE, NAMESPACE = "interlock", "interlock"
SETS = tuple(sorted(path.stem for path in (HERE / "values").glob("*.yaml")))
"""Every file in values/ is rendered, and its objects are kept in snapshots/ under the same name."""
DEFINITIONS = HERE.parent / "kube" / "crds" / "interlock.yaml"
"""Our own kinds as the chart renders them, where the test clusters find every definition they install."""
HEADER = "# What helm/interlock renders, written by `python -m tests.helm.chart`.\n"
APIS = ("monitoring.coreos.com/v1/ServiceMonitor", "monitoring.coreos.com/v1/PrometheusRule")
"""Kinds of others that the cluster is said to know, for the sets that end in -monitored."""
CALL_S = 30.0


class Refused(Exception):
    """Helm said no; the text is its own."""


def helm() -> str | None:
    return find("helm")


def run(*arguments: str, stdin: str | None = None, **environment: str) -> str:
    program = helm()
    assert program is not None, "the caller has looked for it"
    # A configuration of the person who runs the tests must not decide what comes out.
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", "HELM_NO_PLUGINS": "1", **environment}
    done = subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, text=True, timeout=CALL_S, check=False, env=environment
    )
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def template(values: Mapping[str, Any] | None = None, *files: Path, apis: tuple[str, ...] = ()) -> str:
    """The rendered text of the chart with these values on top of those files."""
    chosen = [part for file in files for part in ("--values", str(file))]
    known = [part for api in apis for part in ("--api-versions", api)]
    return run(
        "template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--kube-version", KUBE_VERSION, *chosen, *known,
        "--values", "-", stdin=json.dumps(dict(values or {})),
    )  # fmt: skip


def render(values: Mapping[str, Any] | None = None, *files: Path, apis: tuple[str, ...] = ()) -> list[Raw]:
    return objects(template(values, *files, apis=apis))


def render_set(name: str) -> list[Raw]:
    return render(None, HERE / "values" / f"{name}.yaml", apis=APIS if name.endswith("-monitored") else ())


def objects(text: str) -> list[Raw]:
    return sorted((one for one in yaml.safe_load_all(text) if one), key=identity)


def identity(one: Raw) -> tuple[str, str, str]:
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


@cache
def _kept(name: str) -> str:
    return (HERE / "snapshots" / f"{name}.yaml").read_text()


def kept(name: str) -> list[Raw]:
    """What the set rendered when it was last looked at. Needs no Helm."""
    return objects(_kept(name)) + (definitions() if name == "default" else [])


def definitions() -> list[Raw]:
    return objects(DEFINITIONS.read_text())


def of_kind(found: list[Raw], kind: str) -> list[Raw]:
    return [one for one in found if one["kind"] == kind]


def only(found: list[Raw], kind: str) -> Raw:
    (one,) = of_kind(found, kind)
    return one


def named(found: list[Raw], kind: str, name: str) -> Raw:
    return next(one for one in found if one["kind"] == kind and one["metadata"]["name"] == name)


def write() -> None:
    for name in SETS:
        found = render_set(name)
        kinds = of_kind(found, "CustomResourceDefinition")
        _write(HERE / "snapshots" / f"{name}.yaml", [one for one in found if one not in kinds])
        if kinds:
            _write(DEFINITIONS, kinds)


def _write(path: Path, found: list[Raw]) -> None:
    path.write_text(HEADER + yaml.safe_dump_all(found, sort_keys=False, width=160))


if __name__ == "__main__":
    if helm() is None:
        sys.exit("helm is needed to write the snapshots")
    write()
