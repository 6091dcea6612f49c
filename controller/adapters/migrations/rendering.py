"""Renders an Alembic revision twice at once, in processes with other settings around them. What differs is opaque."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from controller.adapters.migrations import worker

TIMEOUT_S = 30.0
"""Of the clock, for one rendering on a busy machine."""
MODULE = "controller.adapters.migrations.render_worker"
SURROUNDINGS: tuple[Mapping[str, str], ...] = (
    {"PYTHONHASHSEED": "1", "TZ": "UTC", "LANG": "C", "HOME": "/nonexistent/a", "USER": "a"},
    {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LANG": "C.UTF-8", "HOME": "/nonexistent/b", "USER": "b"},
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """SQL, or why there is none."""

    sql: str = ""
    opaque: str = ""


def render_alembic(raw: bytes, timeout_s: float = TIMEOUT_S) -> Rendered:
    """The SQL that both renderings agree on; every failure is told as opaque, never raised."""
    with ThreadPoolExecutor(len(SURROUNDINGS)) as both:
        first, second = both.map(lambda surroundings: _once(raw, surroundings, timeout_s), SURROUNDINGS)
    if first.opaque:
        return first
    return first if first == second else Rendered(opaque="two renderings of it differ")


def _once(raw: bytes, surroundings: Mapping[str, str], timeout_s: float) -> Rendered:
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as told:
        given.write(raw)
        given.seek(0)
        try:
            ended = subprocess.run(  # noqa: S603  a fixed command; the revision is its standard input
                [sys.executable, "-P", "-s", "-B", "-m", MODULE],
                stdin=given,
                stdout=told,
                stderr=subprocess.DEVNULL,
                env=dict(surroundings),
                cwd="/",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Rendered(opaque=f"rendering did not end within {timeout_s:g} s")
        except OSError as error:
            return Rendered(opaque=f"rendering could not be started: {error.strerror or error}")
        told.seek(0)
        return _read(told.read(worker.MAX_ANSWER_BYTES), ended.returncode)


def _read(raw: bytes, status: int) -> Rendered:
    try:
        told = json.loads(raw)
        return Rendered(opaque=str(told["opaque"])) if "opaque" in told else Rendered(sql=str(told["sql"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return Rendered(opaque=f"rendering failed with status {status}")
