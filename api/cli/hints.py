"""The next command to type after a refusal. The controller says what happened; this knows the command line's words."""

from __future__ import annotations

import re

from api.client import Problem

_HINTS = {
    "active_release": "watch it with `interlock watch {release}`, end it with `interlock abort {release}`, "
    "or take its place with `interlock deploy ... --replace`",
    "killed": "see `interlock kill-status`; a kill ends only by `interlock unkill ID --reason TEXT`",
    "not_given_back": "put right what it names, then send the same edit again",
    "unknown_application": "`interlock applications` lists what is registered; `interlock apply FILE` registers",
    "not_possible": "`interlock explain {release}` says what it waits for",
}
_ENDED = "it has ended: bring it out again with `interlock deploy ...` or `interlock retry {release}`"
_HALTED = (
    "{kill} holds it: see `interlock kill-status`. It goes on after `interlock unkill {kill_id} --reason TEXT`; "
    "`interlock abort {release}` ends it"
)
_NOT_POSSIBLE = {
    "succeeded": _ENDED,
    "rolled_back": _ENDED,
    "failed": _ENDED,
    "rolling_back": "follow it: `interlock watch {release}`",
    "halted": _HALTED,
}
_KILL_ID = re.compile(r"\bk-[0-9a-f]+\b")
_UNNAMED = (
    "no token was sent: give --token-file, set INTERLOCK_TOKEN or INTERLOCK_TOKEN_FILE, "
    "or put `token:` into ~/.config/interlock/config.yaml (a token there goes only to the `url:` there)"
)


def kill_in(text: str) -> str:
    """The id of the kill that a reason names; empty when it names none."""
    found = _KILL_ID.search(text)
    return found[0] if found else ""


def hint_of(problem: Problem, has_token: bool) -> str:
    """One line, empty when there is nothing to add. The fact ``kill`` is what holds a halted release."""
    if problem.status == 401:
        return "" if has_token else _UNNAMED
    hint = _HINTS.get(problem.code, "")
    if problem.code == "not_possible":
        hint = _NOT_POSSIBLE.get(problem.facts.get("phase", ""), hint)
    kill = problem.facts.get("kill", "")
    hint = hint.replace("{kill_id}", kill or "ID").replace("{kill}", f"kill {kill}" if kill else "a kill")
    return hint.replace("{release}", problem.facts.get("release", "RELEASE"))
