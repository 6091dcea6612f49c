"""Parses SQL in a process of its own that is thrown away: a text that crashes, hangs or fills the parser ends there and
is told as trouble. The library is never loaded into this process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from controller.adapters.migrations import worker
from gates.migrations.model import Parsed, Sliced

TIMEOUT_S = 10.0
"""Of the clock, on a busy machine; the process itself may use two seconds of processor time."""
PACKAGE = "postgast"


class ParserMissing(Exception):
    """The package with the grammar is not installed, or not for this machine."""


@dataclass(frozen=True, slots=True)
class PostgresParser:
    """Parses each text in a fresh process. ``library`` is the grammar's shared object."""

    library: Path
    timeout_s: float = TIMEOUT_S

    def parse(self, text: str) -> Parsed:
        """The statements of ``text``; every failure of the process is trouble in words, never an exception."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as told:
            given.write(text.encode())
            given.seek(0)
            trouble = self._run(given, told)
            if trouble:
                return Parsed(trouble=trouble)
            told.seek(0)
            return _read(told.read(worker.MAX_ANSWER_BYTES))

    def _run(self, given: IO[bytes], told: IO[bytes]) -> str:
        """Files instead of pipes: nothing to deadlock on, and the limit on a file's size bounds the answer."""
        command = [sys.executable, "-I", "-S", "-B", worker.__file__, str(self.library)]
        try:
            ended = subprocess.run(  # noqa: S603  a fixed command; the text is its standard input
                command,
                stdin=given,
                stdout=told,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                timeout=self.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"the parser did not end within {self.timeout_s:g} s"
        except OSError as error:
            return f"the parser could not be started: {error.strerror or error}"
        if ended.returncode < 0:
            return f"the parser was ended by signal {-ended.returncode}: the text is too deep or too big for it"
        return f"the parser failed with status {ended.returncode}" if ended.returncode else ""


def _read(raw: bytes) -> Parsed:
    try:
        told = json.loads(raw)
        if "trouble" in told:
            return Parsed(trouble=str(told["trouble"]))
        statements = tuple(Sliced(each["text"], int(each["start_byte"]), each["tree"]) for each in told["statements"])
        return Parsed(statements, moved_by_quoting=bool(told["moved_by_quoting"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return Parsed(trouble="the parser's answer cannot be read")


def find_parser() -> PostgresParser:
    """The parser of the installed package. Its Python code is not imported. Raises ParserMissing."""
    spec = find_spec(PACKAGE)
    folder = Path(spec.origin).parent if spec is not None and spec.origin else None
    found = sorted(folder.glob("libpg_query.*")) if folder is not None else []
    if not found:
        raise ParserMissing(f"the package {PACKAGE} is not installed: install interlock with its dependencies")
    return PostgresParser(found[0])
