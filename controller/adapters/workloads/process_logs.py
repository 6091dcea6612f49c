"""Keeps what instances print: bounded files, and a short, cleaned tail for people. It starts and stops nothing."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

MAX_LOG_BYTES = 1_000_000
"""When a log is larger its end is kept aside and it is begun anew: at most twice this per instance."""

KEPT_BYTES = 256_000
"""How much of the end of a cut log is kept in the file beside it."""

TAIL_BYTES = 4096
TAIL_CHARACTERS = 300
"""What a note shows of the output: enough for the last error, too little to flood a record."""

KEPT_ENDED = 5
"""Logs of ended instances kept per role, so that there is something to look at after a rollback."""

HIDE_FROM = 6
"""Values of the environment shorter than this are not hidden: they would blank out ordinary text."""


class Logs:
    """The log files of one role in ``directory``. Trouble with a log is never a reason not to run."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name

    def path(self, instance: str) -> Path:
        return self._directory / f"{self._name}.{instance}.log"

    def tail(self, instance: str, secrets: Iterable[str] = ()) -> str:
        """The end of the output on one line, without control characters and without the values in ``secrets``."""
        try:
            with self.path(instance).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
                text = file.read(TAIL_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, "***") if len(secret) >= HIDE_FROM else text
        return re.sub(r"[^\x20-\x7e\xa0-\uffff]+", " ", text).strip()[-TAIL_CHARACTERS:]

    def trim(self, instances: Collection[str]) -> None:
        """Cut logs that grew too large, and remove all but the newest logs of instances that are gone."""
        with contextlib.suppress(OSError):
            for instance in instances:
                self._cut(self.path(instance))
            current = {self.path(instance) for instance in instances}
            ended = [path for path in self._directory.glob(f"{self._name}.*.log") if path not in current]
            ended.sort(key=lambda path: path.stat().st_mtime, reverse=True)
            for path in ended[KEPT_ENDED:]:
                path.unlink(missing_ok=True)
                path.with_suffix(".log.old").unlink(missing_ok=True)

    def _cut(self, path: Path) -> None:
        if not path.exists() or path.stat().st_size <= MAX_LOG_BYTES:
            return
        with path.open("rb") as file:
            file.seek(-KEPT_BYTES, os.SEEK_END)
            path.with_suffix(".log.old").write_bytes(file.read(KEPT_BYTES))
        # The writer appends, so it goes on at the new end of the shortened file.
        os.truncate(path, 0)
