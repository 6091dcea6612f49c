"""A controller made of scripted answers, and a clock that only the waiting moves: what the tests of the command line
talk to. Its JSON is built by the door's own schemas, so it cannot drift from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner, Result

from api.cli.main import build
from api.cli.output import Output
from api.cli.session import Parts
from api.http import schemas

START_S = 1_795_262_400.0
"""2026-11-21 12:00:00 UTC."""
URL = "http://127.0.0.1:8460"


class StubPace:
    """Time passes only by waiting. ``at`` runs something at a moment, such as a Ctrl-C."""

    def __init__(self) -> None:
        self.s = 0.0
        self.waits: list[float] = []
        self.at: list[tuple[float, Callable[[], None]]] = []

    def now_s(self) -> float:
        return START_S + self.s

    def monotonic_s(self) -> float:
        return 1000.0 + self.s

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.s += seconds
        for entry in [entry for entry in self.at if entry[0] <= self.s]:
            self.at.remove(entry)
            entry[1]()


Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass
class StubController:
    """Answers each route with its script, one entry per request; the last entry stays."""

    routes: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    seen: list[httpx.Request] = field(default_factory=list)

    def on(self, method: str, path: str, *answers: Answer) -> StubController:
        self.routes[method, path] = list(answers)
        return self

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        script = self.routes.get((request.method, request.url.path))
        if script is None:
            return problem(404, "unknown_path", "There is nothing at this path.")
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def bodies(self, method: str, path: str) -> list[Any]:
        return [json.loads(r.content) for r in self.seen if (r.method, r.url.path) == (method, path)]


def ok(data: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=data)


def problem(status: int, code: str, detail: str, **facts: str) -> httpx.Response:
    view = schemas.ProblemView(
        type=f"urn:interlock:problem:{code}",
        title=code,
        status=status,
        detail=detail,
        instance="/v1/x",
        code=code,
        facts=facts,
    )
    return httpx.Response(status, content=view.model_dump_json(), headers={"Content-Type": "application/problem+json"})


def page(*items: Any, more: str | None = None) -> httpx.Response:
    return ok({"items": list(items), "next": more})


def release_json(phase: str = "progressing", **changes: Any) -> dict[str, Any]:
    """A release at 5 %, step 2 of 4, with evidence; ``changes`` go on top."""
    exits = {"paused": "paused", "succeeded": "done", "rolled_back": "failed", "failed": "failed", "halted": "halted"}
    ended = phase in ("succeeded", "rolled_back", "failed")
    metric = {
        "metric": "errors",
        "canary_requests": 1204.0,
        "canary_bad": 3.0,
        "canary_bad_pct": 0.249,
        "stable_requests": 23_311.0,
        "stable_bad": 12.0,
        "stable_bad_pct": 0.0515,
    }
    base: dict[str, Any] = {
        "id": "shop-0a1b2c3d4e",
        "application": "shop",
        "environment": "production",
        "stable": "1.4.1",
        "canary": "1.4.2",
        "phase": phase,
        "exit": exits.get(phase, "running"),
        "ended": ended,
        "step": 1,
        "steps": [1, 5, 25, 50],
        "weight_pct": 0 if ended else 5,
        "peak_weight_pct": 5,
        "weight_live_since": "2026-11-21T11:58:00.000Z",
        "phase_since": "2026-11-21T11:56:00.000Z",
        "created_at": "2026-11-21T11:55:48.000Z",
        "actor": "github-actions",
        "reason": {"code": "baking", "text": "5 % is live, minimum bake", "until": "2026-11-21T12:01:35.000Z"},
        "explain": "shop 1.4.2 is at step 2 of 4 (5 %): 5 % is live, minimum bake; 1m 35s left.",
        "verdict": {"judgement": "watching", "code": "baking", "text": "no harm seen, evidence 1.2 of 5"},
        "evidence": {
            "started_at": "2026-11-21T11:56:00.000Z",
            "step_started_at": "2026-11-21T11:58:00.000Z",
            "fresh_at": "2026-11-21T11:59:58.000Z",
            "step_canary_requests": 904.0,
            "outage_s": 0.0,
            "metrics": [metric],
            "numbers": {},
        },
        "halt": None,
        "outcome": None,
        "cause": None,
        "intent": None,
        "bypassed": [],
        "retry_of": None,
        "superseded_by": None,
        "attempt": 1,
        "revision": 7,
        "wants": [],
    }
    return schemas.ReleaseView.model_validate(base | changes).model_dump(mode="json")


def succeeded() -> dict[str, Any]:
    done = {"code": "promoted", "text": "1.4.2 serves all traffic", "until": None}
    return release_json("succeeded", step=3, reason=done, explain="shop 1.4.2 succeeded: 1.4.2 serves all traffic.")


def rolled_back(**changes: Any) -> dict[str, Any]:
    cause = {"code": "harm", "text": "errors: 5.1 % against 0.05 %", "until": None}
    return release_json("rolled_back", **({"reason": cause, "cause": cause} | changes))


def action(release: dict[str, Any], text: str = "shop-0a1b2c3d4e is accepted", durable: bool = True) -> dict[str, Any]:
    return {"release": release, "text": text, "durable": durable}


@dataclass
class Terminal:
    """Runs commands against ``stub``, as a user would type them."""

    stub: StubController
    pace: StubPace = field(default_factory=StubPace)
    env: dict[str, str] = field(default_factory=lambda: {"INTERLOCK_TOKEN": "il_000000000000_secret"})
    config_file: Path = Path("/nonexistent/config.yaml")
    output: Output | None = None

    def run(self, *args: str, stdin: str | None = None) -> Result:
        parts = Parts(self.pace, httpx.MockTransport(self.stub), self.env, self.config_file, self.output)
        runner = CliRunner(env={"COLUMNS": None})
        return runner.invoke(build(), list(args), input=stdin, obj=parts, catch_exceptions=False)
