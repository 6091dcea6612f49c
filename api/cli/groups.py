"""A group of commands that lists when no command is named: `interlock audit` is `interlock audit list`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

DEFAULT = "list"


class ListsByDefault(TyperGroup):
    """Puts ``list`` in where a command is missing; the group's own --help stays its own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] == "--help" or not args[0].startswith("-"))
        return super().parse_args(ctx, args if named else [DEFAULT, *args])
