"""A PostgreSQL of one's own for a test run: a cluster in a temporary folder that listens on a socket there alone."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
NEEDED = ("initdb", "pg_ctl", "postgres", "psql")


def programs() -> Path | None:
    """The folder of the newest PostgreSQL on this machine that has all that is needed."""
    found = [Path(path).parent for path in [shutil.which("initdb")] if path]
    for pattern in FOLDERS:
        found += sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    return next((folder for folder in found if all((folder / name).exists() for name in NEEDED)), None)


def user() -> str | None:
    """PostgreSQL refuses to run as root: then somebody with fewer rights does."""
    if os.geteuid() != 0:
        return None
    known = {each.pw_name for each in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), None)


@dataclass(frozen=True)
class Told:
    out: list[str]
    err: str


@dataclass(frozen=True)
class Server:
    bin: Path
    folder: Path

    def sql(self, script: str) -> Told:
        """Run a script by psql; an error ends it and fails the test."""
        command = [
            self.bin / "psql",
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            self.folder,
            "-U",
            "boss",
            "-d",
            "postgres",
        ]
        ended = subprocess.run(
            [str(part) for part in command], input=script, capture_output=True, text=True, timeout=30, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return Told(ended.stdout.split("\n")[:-1], ended.stderr)


@contextmanager
def running(bin_folder: Path) -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    who = user()
    if who is not None:
        shutil.chown(folder, who)
    data = folder / "data"

    def run(*command: object) -> None:
        subprocess.run(
            [str(part) for part in command], check=True, capture_output=True, timeout=50, user=who, cwd=folder
        )

    try:
        run(bin_folder / "initdb", "-D", data, "-U", "boss", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c shared_buffers=16MB"
        run(bin_folder / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "-t", "40", "start")
        try:
            yield Server(bin_folder, folder)
        finally:
            run(bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
