"""When waiting for a release is over, with which exit code and which sentence. Pure; it fetches and prints nothing."""

from __future__ import annotations

from dataclasses import dataclass

from api.cli.exits import Exit
from api.cli.hints import kill_in
from api.cli.shapes import Release

HELD_BY = {"paused": "paused", "killed": "halted"}
"""Before the first weight a pause and a kill only hold the release: it keeps its phase, and waits for a person too."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``name`` is for programs, ``text`` for people, ``hint`` the command that comes next."""

    code: Exit
    name: str
    text: str
    hint: str = ""


def outcome_of(release: Release, wanted: str | None = None, keep_waiting: bool = False) -> Outcome | None:
    """None while it runs. ``wanted`` is the version that was asked for: getting back to stable can be the wish itself.

    A pause and a halt end the waiting, because they may last for days, unless ``keep_waiting``.
    """
    name = f"{release.application} {release.canary} ({release.id})"
    why = (release.cause or release.reason).text.rstrip(".")
    if release.exit == "done":
        return Outcome(Exit.DONE, "done", f"{name} is done: {release.canary} serves all traffic")
    if release.exit == "failed":
        if wanted is not None and wanted == release.stable:
            return Outcome(Exit.DONE, "reverted", f"all traffic of {release.application} is on {release.stable}: {why}")
        if release.superseded_by:
            text = f"{name} was superseded by {release.superseded_by}"
            return Outcome(Exit.FAILED, "superseded", text, f"follow that one: interlock watch {release.superseded_by}")
        what = "was rolled back" if release.phase == "rolled_back" else "failed, all traffic is on stable"
        hint = f"once the cause is mended: interlock retry {release.id}, or deploy another version"
        return Outcome(Exit.FAILED, release.phase, f"{name} {what}: {why}", hint)
    if keep_waiting:
        return None
    state = HELD_BY.get(release.reason.code, release.exit) if release.exit == "running" else release.exit
    if state == "paused":
        text = f"{name} is paused at {release.weight_pct} % and waits for a person: {release.reason.text.rstrip('.')}"
        hint = f"interlock resume {release.id}, or promote, or abort; then interlock watch {release.id}"
        return Outcome(Exit.PAUSED, "paused", text, hint)
    if state == "halted":
        text = f"{name} is halted at {release.weight_pct} %: {release.reason.text.rstrip('.')}"
        kill = kill_in(release.reason.text)
        go_on = f"interlock unkill {kill} --reason TEXT lets it start again" if kill else "interlock kill-status"
        hint = f"{go_on}; interlock abort {release.id} takes it back to stable"
        return Outcome(Exit.HALTED, "halted", text, hint)
    return None


def timed_out(release: Release | None, release_id: str, after: str) -> Outcome:
    doing = f": {release.explain.rstrip('.')}" if release else ""
    hint = f"interlock watch {release_id} to wait on, interlock abort {release_id} to end it"
    return Outcome(Exit.TIMED_OUT, "timed_out", f"no end within {after}; {release_id} goes on{doing}", hint)


def interrupted(release_id: str) -> Outcome:
    hint = f"interlock watch {release_id} to look again, interlock abort {release_id} to end it"
    return Outcome(Exit.INTERRUPTED, "interrupted", f"stopped watching; {release_id} goes on in the controller", hint)
