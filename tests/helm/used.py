"""Which verbs the code needs, read from its calls of the API server: a grant that no call needs is one too many."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from controller.adapters.kube import kinds
from controller.adapters.kube.kinds import Kind
from tests.tree import ROOT

CALLERS = ROOT / "controller" / "adapters" / "kube"
BELOW = ("api.py", "lists.py", "watching.py")
"""Where a call is passed on whose kind was named above."""
VERBS = {"get", "list", "create", "patch", "delete"}
SHARED = "lists.of"
"""Lists what several ask for."""
WATCHED = "Scope"
"""Whoever makes one has it listed and watched."""
SUBRESOURCE = 4
"""Where a patch says it, if not by name."""

MADE = (kinds.INGRESS, kinds.ENDPOINT_SLICE)
ROUTES = (kinds.HTTP_ROUTE, kinds.GRPC_ROUTE, kinds.VIRTUAL_SERVICE, kinds.TRAEFIK_SERVICE, *MADE)
COPIED = (kinds.CONFIG_MAP, kinds.SECRET)
CHOSEN: dict[tuple[str, str, str], tuple[Kind, ...]] = {
    ("routes/objects.py", "create", "strategy.kind"): MADE,
    ("routes/objects.py", "delete", "strategy.kind"): MADE,
    ("routes/objects.py", "patch", "strategy.kind"): ROUTES,
    ("routes/trouble.py", "patch", "strategy.kind"): MADE,
    ("routes/trouble.py", "list", "strategy.kind"): ROUTES,
    ("routes/caches.py", "get", "kind"): ROUTES,
    ("routes/caches.py", WATCHED, "kind"): ROUTES,
    ("resources/watched.py", WATCHED, "kind"): (kinds.APPLICATION, kinds.RELEASE, kinds.DEPLOYMENT),
    ("workload/reading.py", "list", "kind"): (kinds.REPLICA_SET, kinds.POD),
    ("workload/copies.py", "get", "kind"): COPIED,
    ("workload/copies.py", "get", "KINDS[source.kind]"): COPIED,
    ("workload/copies.py", "create", "KINDS[source.kind]"): COPIED,
    ("workload/copies.py", "list", "kind"): COPIED,
    ("workload/copies.py", "delete", "kind"): COPIED,
}
"""Calls whose kind is known only when they run: module, verb, and the kind as it is written there."""


def used() -> tuple[dict[tuple[str, str], set[str]], set[tuple[str, str, str]]]:
    """The verbs by group and resource, and which of ``CHOSEN`` were met. KeyError: a call that has no line there."""
    found: dict[tuple[str, str], set[str]] = {}
    met = set()
    for where, verb, text, below in calls():
        named = getattr(kinds, text, None)
        if not isinstance(named, Kind):
            met.add((where, verb, text))
        for kind in (named,) if isinstance(named, Kind) else CHOSEN[where, verb, text]:
            key = kind.group, f"{kind.plural}/{below}" if below else kind.plural
            found.setdefault(key, set()).update({"list", "watch"} if verb == WATCHED else {verb})
    return found, met


def calls() -> Iterator[tuple[str, str, str, str]]:
    """Module, verb, kind and subresource, as they are written."""
    for path in sorted(CALLERS.rglob("*.py")):
        where = path.relative_to(CALLERS).as_posix()
        if where not in BELOW:
            yield from ((where, *one) for one in _calls_in(path))


def _calls_in(path: Path) -> Iterator[tuple[str, str, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        function = ast.unparse(node.func)
        owner, _, verb = function.rpartition(".")
        if function == WATCHED or (verb in VERBS and owner.rpartition(".")[2] in ("api", "_api")):
            yield verb, ast.unparse(node.args[0]), _subresource(verb, node)
        elif function.endswith(SHARED):
            yield "list", ast.unparse(node.args[0]), ""


def _subresource(verb: str, call: ast.Call) -> str:
    said = [one.value for one in call.keywords if one.arg == "subresource"]
    said += call.args[SUBRESOURCE : SUBRESOURCE + 1] if verb == "patch" else []
    return "".join(str(ast.literal_eval(one)) for one in said)
