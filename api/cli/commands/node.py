"""Commands that run a part of Interlock on this machine: serve, guard, migrate. They import that part only when they
run, so that every other command starts fast and works where the servers do not."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.command import reflowed
from api.cli.exits import Exit
from api.cli.options import flag, option
from api.cli.output import Output

if TYPE_CHECKING:
    from controller.settings import Settings

PANEL = "Run"
DATA_DIR = Annotated[
    Path | None,
    option("--data-dir", "DIR", "Where state is kept; one controller per directory. ./interlock-data if not given."),
]


def register(app: typer.Typer) -> None:
    app.command("serve", rich_help_panel=PANEL, help=reflowed(serve.__doc__ or ""))(serve)
    app.command("migrate", rich_help_panel=PANEL, help=reflowed(migrate.__doc__ or ""))(migrate)
    app.command("guard", rich_help_panel=PANEL, help=reflowed(guard.__doc__ or ""))(guard)


def serve(  # noqa: PLR0913  one parameter per flag
    config: Annotated[Path | None, option("--config", "FILE", "Settings file, YAML (INTERLOCK_SERVE_CONFIG).")] = None,
    data_dir: DATA_DIR = None,
    host: Annotated[str | None, option("--host", "ADDRESS", "Where to listen; 127.0.0.1 if not given.")] = None,
    port: Annotated[int | None, option("--port", "N", "8460 if not given; 0 picks a free one.")] = None,
    tls_certificate: Annotated[
        Path | None, option("--tls-certificate", "FILE", "PEM file of the certificate chain.")
    ] = None,
    tls_key: Annotated[Path | None, option("--tls-key", "FILE", "PEM file of its private key.")] = None,
    insecure: Annotated[
        bool | None, flag("--insecure", "Listen beyond this machine without TLS, behind a TLS proxy.")
    ] = None,
    log_format: Annotated[str | None, option("--log-format", "FORMAT", "json or text.")] = None,
    min_epoch: Annotated[
        int, option("--min-epoch", "N", "Lead above the routes after a restore; the log names N.", min=0)
    ] = 0,
    new_admin_token: Annotated[
        bool, flag("--new-admin-token", "Print a further admin token and end; for when all are lost.")
    ] = False,
) -> None:
    """Run the controller with its HTTP door.

    The first run on a new data directory prints an admin token, once. Every setting can also be given as
    INTERLOCK_... in the environment or in the file; flags win. SIGTERM and Ctrl-C stop it cleanly: weights stay as
    they are, and their leases run out if nobody takes over.

    Example: interlock serve --data-dir /var/lib/interlock --port 8460
    """
    flags = {
        "data_dir": data_dir,
        "host": host,
        "port": port,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "insecure": insecure,
        "log_format": log_format,
    }
    raise typer.Exit(int(_with_settings(config, flags, partial(_serve, min_epoch, new_admin_token))))


def _serve(min_epoch: int, new_admin_token: bool, settings: Settings, out: Output) -> Exit:
    from api.cli import serving

    return serving.new_admin_token(settings, out) if new_admin_token else serving.run(settings, out, min_epoch)


def migrate(
    config: Annotated[
        Path | None, option("--config", "FILE", "Settings file of serve (INTERLOCK_SERVE_CONFIG).")
    ] = None,
    data_dir: DATA_DIR = None,
    apply: Annotated[bool, flag("--apply", "Bring the store's schema up to this version.")] = False,
) -> None:
    """Show what the schema of the store lacks for this version of Interlock and, with --apply, apply it.

    Stop the controller and make a backup first. All of it happens, or nothing. A store that a newer version wrote is
    refused and left as it is: there is no way down but the backup.

    Example: interlock migrate --data-dir /var/lib/interlock
    """

    def then(settings: Settings, out: Output) -> Exit:
        from api.cli import serving

        return serving.migrate(settings, out, apply)

    raise typer.Exit(int(_with_settings(config, {"data_dir": data_dir}, then)))


def _with_settings(config: Path | None, flags: Mapping[str, Any], then: Callable[[Settings, Output], Exit]) -> Exit:
    """The settings first: a mistake in them is told before the servers are loaded."""
    out = Output(as_json=False)
    if os.name != "posix":
        out.error("the controller runs on Linux and macOS; from here, use --url to reach one")
        return Exit.FAILED
    from controller.settings import SettingsError, load_settings

    named = os.environ.get("INTERLOCK_SERVE_CONFIG")
    try:
        settings = load_settings(config or (Path(named) if named else None), os.environ, flags)
    except SettingsError as error:
        for line in str(error).split("\n"):
            out.error(line)
        return Exit.USAGE
    return then(settings, out)


def guard(
    haproxy: Annotated[str, option("--haproxy", "SOCKET", "HAProxy's runtime socket: a path, or HOST:PORT.")],
    listen: Annotated[Path, option("--listen", "PATH", "The guard's own Unix socket, which it makes.")],
    state: Annotated[Path, option("--state", "DIR", "Directory of its record and of HALT files, on a local disk.")],
    period: Annotated[
        str | None, option("--period", "SECONDS", "Between two passes of its loop, 0.05 to 2; 0.5 if not given.")
    ] = None,
) -> None:
    """Run the guard of one HAProxy: the only process that writes its runtime socket.

    It keeps leases, halts and the newest leader in a file, so that a stale or killed writer loses there too. SIGTERM
    and Ctrl-C end it and leave the weights as they are. A file named HALT in its directory stops traffic to canaries.

    Example: interlock guard --haproxy /run/haproxy/admin.sock --listen /run/interlock/guard.sock --state
    /var/lib/interlock
    """
    if os.name != "posix":
        Output(False).error("the guard runs on Linux and macOS, beside the HAProxy it guards")
        raise typer.Exit(1)
    from controller.guard.__main__ import main

    given = ["--haproxy", haproxy, "--listen", str(listen), "--state", str(state)]
    raise typer.Exit(main([*given, *(["--period", period] if period is not None else [])]))
