"""The next command to type after a refusal. The controller says what happened; this knows the command line's words."""

from __future__ import annotations

from api.client import Problem

_HINTS = {
    "active_release": "watch it with `interlock watch {release}`, end it with `interlock abort {release}`, "
    "or take its place with `interlock deploy ... --replace`",
    "killed": "see `interlock kill-status`; a kill ends only by `interlock unkill ID --reason TEXT`",
    "unknown_application": "`interlock applications` lists what is registered; `interlock apply FILE` registers",
    "not_possible": "`interlock explain RELEASE` says what it waits for",
}
_UNNAMED = (
    "no token was sent: give --token-file, set INTERLOCK_TOKEN or INTERLOCK_TOKEN_FILE, "
    "or put `token:` into ~/.config/interlock/config.yaml (a token there goes only to the `url:` there)"
)


def hint_of(problem: Problem, has_token: bool) -> str:
    """One line, empty when there is nothing to add."""
    if problem.status == 401:
        return "" if has_token else _UNNAMED
    hint = _HINTS.get(problem.code, "")
    return hint.replace("{release}", problem.facts.get("release", "RELEASE"))
