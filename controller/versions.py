"""Which version a wish means, and which one serves already where somebody deployed before us. It only asks; a command
records."""

from __future__ import annotations

import re
from dataclasses import replace

from controller.ports import Ports, Refused, StoredApplication
from controller.wishes import Rejected

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,254}")


def resolved(ports: Ports, stored: StoredApplication, version: str) -> str:
    """What will run when ``version`` is asked for. Raises Rejected with what to do, or a PortError."""
    if not VERSION.fullmatch(version):
        raise Rejected("invalid_version", "a version is 1 to 255 of letters, digits and ._:/@+-, letter or digit first")
    try:
        return ports.workload(stored.app).resolve(stored.app, version)
    except Refused as refused:
        raise Rejected("invalid_version", str(refused)) from None


def taken_over(ports: Ports, stored: StoredApplication) -> StoredApplication:
    """``stored`` with the version that really serves: an application may have been deployed before it was registered,
    or by somebody else since. Raises Rejected with what to do, or a PortError."""
    try:
        serves = ports.workload(stored.app).running(stored.app)
    except Refused as refused:
        raise Rejected("target_missing", str(refused)) from None
    if serves is None or serves == stored.stable_version:
        return stored
    return replace(stored, stable_version=serves)
