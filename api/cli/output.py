"""Where everything the command line says goes through: text or JSON to stdout, notes and errors to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from api.cli.words import clean

PLAIN_WIDTH = 240
"""Columns for tables that go into a file or a pipe, where nothing has to fit a screen."""


def console_for(stderr: bool = False) -> Console:
    """A console that prints texts as they are: no markup, no highlighting, colours only where NO_COLOR is not set."""
    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty()
    width = None if terminal or os.environ.get("COLUMNS") else PLAIN_WIDTH
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


class Output:
    """One of two voices. With ``as_json`` stdout carries only JSON, and what is for people is left out."""

    def __init__(self, as_json: bool, console: Console | None = None, errors: Console | None = None) -> None:
        self.as_json = as_json
        self.console = console or console_for()
        self.errors = errors or console_for(stderr=True)

    @property
    def live(self) -> bool:
        """Whether a person looks at a screen that can be drawn over."""
        return self.console.is_terminal and not self.console.is_dumb_terminal and not self.as_json

    @property
    def tick(self) -> str:
        return "✓" if self._unicode else "ok"

    @property
    def cross(self) -> str:
        return "✗" if self._unicode else "x"

    @property
    def arrow(self) -> str:
        return "›" if self._unicode else ">"

    @property
    def bar(self) -> tuple[str, str]:
        return ("█", "░") if self._unicode else ("#", ".")

    @property
    def levels(self) -> str:
        """Signs of a curve, from the lowest to the highest."""
        return "▁▂▃▄▅▆▇█" if self._unicode else "_.-=+*#@"

    @property
    def _unicode(self) -> bool:
        return self.console.encoding.lower().startswith("utf")

    def document(self, data: Any) -> None:
        """The one JSON document of a command."""
        self._raw(json.dumps(data, indent=2, ensure_ascii=not self._unicode))

    def event(self, data: Any) -> None:
        """One line of a stream."""
        self._raw(json.dumps(data, ensure_ascii=not self._unicode, separators=(",", ":")))

    def line(self, text: str, style: str = "") -> None:
        if not self.as_json:
            self.console.print(Text(clean(text), style=style), soft_wrap=True)

    def show(self, renderable: RenderableType) -> None:
        if not self.as_json:
            self.console.print(renderable)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] = ()) -> None:
        """``styles`` has one style per row, or is empty."""
        if self.as_json:
            return
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for head in heads:
            table.add_column(head, overflow="fold")
        for index, row in enumerate(rows):
            table.add_row(*(Text(clean(cell)) for cell in row), style=styles[index] if styles else None)
        self.console.print(table)

    def note(self, text: str, style: str = "dim") -> None:
        """Something beside the result: a hint, a warning, what is being waited for."""
        self.errors.print(Text(clean(text), style=style), soft_wrap=True)

    def error(self, text: str) -> None:
        self.errors.print(Text.assemble(("interlock: ", "bold red"), clean(text)), soft_wrap=True)

    def secret(self, text: str) -> None:
        """A secret alone on its line, so that it can be piped into a file."""
        self._raw(clean(text))

    def _raw(self, text: str) -> None:
        self.console.file.write(text + "\n")
        self.console.file.flush()
