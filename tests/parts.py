"""Says which real parts this machine has, so that a test run ends with what it covered and what it left out."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass

from tests.contract.postgres_stage import programs
from tests.kube.cluster import real

HELM = "helm.sh/helm/v3/cmd/helm@v3.22.0"
"""Another version may render the same objects in another way; .ci/run installs this one."""


@dataclass(frozen=True, slots=True)
class Part:
    """A program that tests drive for real, and what is left out without it.

    ``install`` is how to get it where no Debian package holds it.
    """

    name: str
    package: str
    covers: str
    install: str = ""


PARTS = (
    Part("haproxy", "haproxy", "the guard and the router on real traffic, the demo"),
    Part("prometheus", "prometheus", "reading metrics from a real Prometheus, the demo"),
    Part("helm", "", "rendering the chart anew; what it rendered last is tested", f"go install {HELM}"),
)


def find(name: str) -> str | None:
    """The program's path; the system's administration folders are looked into as well."""
    return shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin" + os.pathsep + "/sbin")


def missing(*names: str) -> str | None:
    """What to install before the named parts can be driven, or None."""
    absent = [part for part in PARTS if part.name in names and find(part.name) is None]
    packages = " ".join(part.package for part in absent if part.package)
    ways = [f"apt-get install {packages}"] if packages else []
    ways += [part.install for part in absent if part.install]
    return f"left out: {', '.join(part.name for part in absent)} not installed ({'; '.join(ways)})" if absent else None


def kubernetes() -> str:
    """Which levels the Kubernetes suite runs on."""
    left_out = real.absent()
    if left_out:
        return f"small level; {left_out.replace('left out', 'LEFT OUT', 1)}"
    controllers = "its own controllers" if real.has_controllers() else "stand-ins for its controllers"
    return f"small level and the real API server ({real.assets()}) with {controllers} and a stand-in for kubelets"


def postgresql() -> str:
    """Its programs seldom are on the PATH, and only some of its packages bring the server."""
    folder = programs()
    covers = "the store on PostgreSQL, what the rules of migrations say of locks and rewrites"
    return (
        f"driven for real ({folder})" if folder else f"NOT INSTALLED, left out: {covers} (apt-get install postgresql)"
    )


def main() -> int:
    for part in PARTS:
        path = find(part.name)
        told = f"driven for real ({path})" if path else f"NOT INSTALLED, left out: {part.covers}"
        sys.stdout.write(f"{part.name}: {told}\n")
    sys.stdout.write(f"postgresql: {postgresql()}\n")
    sys.stdout.write(f"kubernetes: {kubernetes()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
