"""The three ways to watch a release: drawn over on a screen, as lines in a log, as JSON lines. They only show."""

from __future__ import annotations

from typing import Any, Protocol

from rich.console import Group
from rich.live import Live
from rich.text import Text

from api.cli.card import card, change_key, log_line
from api.cli.exits import Exit
from api.cli.outcome import Outcome
from api.cli.output import Output
from api.cli.shapes import Release
from api.cli.words import clean, stamp

STILL_S = 300.0
"""A log without a line for ten minutes looks dead, and some build servers end such a job."""

GOES_ON = frozenset({Exit.TIMED_OUT, Exit.PAUSED, Exit.INTERRUPTED, Exit.UNREACHABLE})
"""Outcomes of the watching, not of the release."""


class View(Protocol):
    def show(self, release: Release, data: Any, at_s: float) -> None: ...

    def trouble(self, text: str, at_s: float) -> None:
        """Something about the watching itself, such as a lost connection."""
        ...

    def close(self) -> None: ...

    def end(self, outcome: Outcome, at_s: float) -> None: ...


def view_for(out: Output) -> View:
    if out.as_json:
        return JsonView(out)
    return ScreenView(out) if out.live else LogView(out)


class ScreenView:
    """The card, drawn again at every look; what came before stays above it."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._trouble = ""
        self._live = Live(console=out.console, auto_refresh=False, vertical_overflow="visible")
        self._live.start()

    def show(self, release: Release, data: Any, at_s: float) -> None:
        keys = "" if release.ended else f"Ctrl-C only stops watching. End it: interlock abort {clean(release.id)}"
        self._live.update(Group(card(release, at_s, self._out), Text(keys, style="dim")), refresh=True)

    def trouble(self, text: str, at_s: float) -> None:
        self._live.console.print(Text(f"{stamp(at_s)} {clean(text)}", style="yellow"))

    def close(self) -> None:
        self._live.stop()

    def end(self, outcome: Outcome, at_s: float) -> None:
        _say(self._out, outcome, "")


class LogView:
    """A line when something changed, and one now and then to show that it still waits."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._key: tuple[object, ...] | None = None
        self._said_s = 0.0

    def show(self, release: Release, data: Any, at_s: float) -> None:
        key = change_key(release)
        if key == self._key and at_s - self._said_s < STILL_S:
            return
        self._key, self._said_s = key, at_s
        self._out.line(log_line(release, at_s))

    def trouble(self, text: str, at_s: float) -> None:
        self._out.line(f"{stamp(at_s)} {text}")

    def close(self) -> None:
        return

    def end(self, outcome: Outcome, at_s: float) -> None:
        _say(self._out, outcome, f"{stamp(at_s)} ")


class JsonView:
    """One JSON object per line: ``release`` on every change, ``trouble``, and one ``outcome`` at the end."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._key: tuple[object, ...] | None = None

    def show(self, release: Release, data: Any, at_s: float) -> None:
        key = change_key(release)
        if key != self._key:
            self._key = key
            self._out.event({"event": "release", "at": stamp(at_s), "release": data})

    def trouble(self, text: str, at_s: float) -> None:
        self._out.event({"event": "trouble", "at": stamp(at_s), "text": clean(text)})

    def close(self) -> None:
        return

    def end(self, outcome: Outcome, at_s: float) -> None:
        said = {"outcome": outcome.name, "exit_code": int(outcome.code), "text": clean(outcome.text)}
        self._out.event({"event": "outcome", "at": stamp(at_s), **said})


def _say(out: Output, outcome: Outcome, before: str) -> None:
    mark, style = out.cross, "red"
    if outcome.code is Exit.DONE:
        mark, style = out.tick, "green"
    elif outcome.code in GOES_ON:
        mark, style = "!", "yellow"
    out.line(f"{before}{mark} {outcome.text}", style)
    if outcome.hint:
        out.note(outcome.hint)
