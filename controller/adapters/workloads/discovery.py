"""Writes the file from which Prometheus learns what to scrape (file_sd). It lists what runs, not what is well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from analysis.model import Role
from controller.adapters.workloads.process_table import Instance, write_atomically
from controller.ports import Unavailable


def write_discovery(path: Path, application: str, host: str, running: Mapping[Role, tuple[Instance, ...]]) -> None:
    """Make the file list ``running``. It is rewritten only when it changes, and always whole. Raises Unavailable."""
    groups = [
        {
            "targets": [f"{host}:{instance.port}"],
            "labels": {"app": application, "version": instance.version, "role": role.value},
        }
        for role in Role
        for instance in sorted(running.get(role, ()), key=lambda one: one.port)
    ]
    wanted = json.dumps(groups, indent=1).encode()
    try:
        if not path.exists() or path.read_bytes() != wanted:
            write_atomically(path, wanted)
            path.chmod(0o644)
    except OSError as error:
        raise Unavailable(f"cannot write target.discovery_file {path}: {error.strerror}") from error
