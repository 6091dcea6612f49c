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


def absent() -> str | None:
    """Why no store is kept on a real PostgreSQL here, or None."""
    if programs() is not None:
        return None
    return f"left out: the store and the rules of migrations on a real PostgreSQL ({', '.join(NEEDED)} not found)"


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
    """``options`` are given to the server at every start."""

    bin: Path
    folder: Path
    options: str

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres", user: str = "boss") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def start(self) -> None:
        self.run("pg_ctl", "-D", self.data, "-o", self.options, "-l", self.folder / "log", "-w", "-t", "40", "start")

    def stop(self, mode: str = "immediate") -> None:
        """``immediate`` is a crash of the server: it recovers at its next start."""
        self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def run(self, program: str, *arguments: object) -> None:
        command = [str(self.bin / program), *(str(part) for part in arguments)]
        subprocess.run(command, check=True, capture_output=True, timeout=50, user=user(), cwd=self.folder)

    def layout(self, database: str) -> str:
        """Its tables, indexes and constraints, as the server's own tool writes them down."""
        command = [self.bin / "pg_dump", "--schema-only", "-h", self.folder, "-U", "boss", database]
        told = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, timeout=30)
        return told.stdout

    def sql(self, script: str, database: str = "postgres") -> Told:
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
            database,
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
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c shared_buffers=16MB"
    server = Server(bin_folder, folder, options)
    try:
        made = ("-U", "boss", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        server.run("initdb", "-D", server.data, *made)
        server.start()
        try:
            yield server
        finally:
            if (server.data / "postmaster.pid").exists():
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
