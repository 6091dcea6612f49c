"""The command line `interlock`: puts the commands together. It imports no server; `serve` and `guard` do that."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from api.cli.command import BEFORE, reflowed
from api.cli.commands import applications, audit, deploy, grade, look, migrations, node, steer, stop, tokens
from api.cli.exits import EPILOG
from api.cli.options import TOKEN_FILE, URL

HELP = """Bring out versions step by step, with a way back that always works.

Start: `interlock apply shop.yaml`, then `interlock deploy shop 1.4.2 --wait`

Incident: `interlock abort shop`, or `interlock kill application:shop`

The controller is found by --url, INTERLOCK_URL or ~/.config/interlock/config.yaml; the token by --token-file,
INTERLOCK_TOKEN, INTERLOCK_TOKEN_FILE or the same file. --json gives every command's answer as JSON.
"""


def build() -> typer.Typer:
    """A fresh command tree."""
    app = typer.Typer(
        name="interlock",
        help=reflowed(HELP),
        epilog=EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback(help=reflowed(HELP), epilog=EPILOG)(_root)
    for module in (deploy, look, steer, stop, applications, audit, tokens, grade, migrations, node):
        module.register(app)
    return app


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"interlock {version('interlock')}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    url: URL = None,
    token_file: TOKEN_FILE = None,
    show: Annotated[
        bool, typer.Option("--version", help="Print the version.", metavar="", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Takes what stands before a command, and keeps it for the command, whose own flags win."""
    ctx.meta[BEFORE] = {"url": url, "token_file": token_file}


def main() -> None:
    """The entry point. A console that cannot show a letter shows a stand-in instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    build()(prog_name="interlock")
