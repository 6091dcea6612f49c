"""What the demo shows, one story after the other, and what each must end like. A story that ends otherwise fails the
demo. Everything is done through the command line, as a user would."""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tests.demo.load import Report
from tests.demo.stage import SLOW_S, Stage, settle

Tell = Callable[[str], None]

DONE, FAILED, REFUSED, HALTED = 0, 1, 4, 8
"""Exit codes of the command line that the stories expect."""

STORY_S_MAX = 90.0
"""A story that takes longer has failed; the longest takes about 40 s on two cores."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a story went. ``trouble`` is empty when it ended as it must."""

    title: str
    ended: str
    seconds: float
    report: Report
    back_s: float | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """One deploy with what it must end like. ``bad`` says whether users are expected to have seen anything bad."""

    title: str
    version: str
    exit_code: int
    phase: str
    traffic: bool = True
    bad: bool = True


STORIES = (
    Story("A good version: promoted through canary weights", "v2", DONE, "succeeded", bad=False),
    Story("5 % of requests fail: rolled back", "v3-errors", FAILED, "rolled_back"),
    Story("A slow tail: rolled back", "v4-slow", FAILED, "rolled_back"),
    Story("It crashes at start: never gets a request", "v5-crash", FAILED, "failed", traffic=False, bad=False),
    Story("It accepts requests and hangs: the breaker trips", "v6-hang", FAILED, "rolled_back"),
    Story("It fails only under load: caught at a higher weight", "v7-load", FAILED, "rolled_back"),
)


def run(stage: Stage, tell: Tell, *arguments: str) -> int:
    """Call the command line and show what it prints, as it prints it."""
    tell(f"$ interlock {shlex.join(arguments)}")
    process = subprocess.Popen(
        [*stage.interlock(), *arguments],
        env={**os.environ, **stage.environment(), "PYTHONUNBUFFERED": "1", "COLUMNS": "150"},
        cwd=os.getcwd(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    end = threading.Timer(STORY_S_MAX, process.kill)
    end.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            tell("  " + line.rstrip())
        return process.wait()
    finally:
        end.cancel()


def latest(stage: Stage) -> dict[str, object]:
    """The newest release of the shop, as the API shows it."""
    items: list[dict[str, object]] = stage.get("/v1/releases?application=shop&limit=1")["items"]
    return items[0]


def install(stage: Stage, tell: Tell) -> Outcome:
    """Register the shop and bring up its first version; users come after that."""
    began_s = time.time()
    codes = [run(stage, tell, "apply", str(stage.parts.directory / "shop.yaml"))]
    codes.append(run(stage, tell, "deploy", "shop", "v1", "--wait"))
    stage.load.start()
    settle(3.0)
    report = stage.load.records.report(slow_s=SLOW_S)
    trouble = "" if codes == [DONE, DONE] else f"exit codes {codes}"
    if report.bad or report.by_version.keys() != {"v1"}:
        trouble = f"users saw {report.bad} bad requests from {report.by_version}"
    return Outcome("The first version is installed", "succeeded", time.time() - began_s, report, None, trouble)


def deploy(stage: Stage, tell: Tell, story: Story) -> Outcome:
    """Deploy and wait; then count what users saw and how fast traffic was back."""
    began_s = time.time()
    code = run(stage, tell, "deploy", "shop", story.version, "--wait")
    took_s = time.time() - began_s
    settle(2.5)
    report = stage.load.records.report(since_s=began_s, slow_s=SLOW_S)
    phase = str(latest(stage)["phase"])
    return Outcome(story.title, phase, took_s, report, back_s(report), _trouble(story, code, phase, report))


def back_s(report: Report) -> float | None:
    """From the first bad request to the last request that the canary answered or spoilt."""
    if report.first_bad_s is None:
        return None
    last_s = max(report.last_bad_s or 0.0, report.last_canary_s or 0.0)
    return max(0.0, last_s - report.first_bad_s)


def _trouble(story: Story, code: int, phase: str, report: Report) -> str:
    if code != story.exit_code:
        return f"exit code {code}, expected {story.exit_code}"
    if phase != story.phase:
        return f"ended {phase}, expected {story.phase}"
    served = report.by_version.get(story.version, 0)
    if not story.traffic and served:
        return f"{served} requests went to a version that was never healthy"
    if not story.bad and report.bad:
        return f"users saw {report.bad} bad requests: {report.by_status}"
    if story.bad and not report.bad:
        return "users saw nothing bad, so the story shows nothing"
    return ""


def kill(stage: Stage, tell: Tell) -> Outcome:
    """A release in the middle of its canary; somebody hits the switch; nothing starts until it is released."""
    title, began_s = "The kill switch, in the middle of a canary", time.time()
    if run(stage, tell, "deploy", "shop", "v8") != DONE:
        return Outcome(title, "not started", 0.0, Report(), None, "the deploy was not accepted")
    if not _until(lambda: int(str(latest(stage)["weight_pct"])) >= 25):
        return Outcome(title, str(latest(stage)["phase"]), 0.0, Report(), None, "it never reached 25 %")
    code = run(stage, tell, "kill", "application:shop", "--reason", "the demo presses the button")
    settle(2.0)
    report = stage.load.records.report(since_s=began_s, slow_s=SLOW_S)
    engaged_s = datetime.fromisoformat(stage.get("/v1/kill-switch")["items"][0]["at"]).timestamp()
    back = max(0.0, (report.last_canary_s or engaged_s) - engaged_s)
    halted = str(latest(stage)["phase"])
    refused = run(stage, tell, "deploy", "shop", "v9")
    run(stage, tell, "kill-status")
    trouble = "" if (code, halted, refused) == (DONE, "halted", REFUSED) else f"{code}, {halted}, {refused}"
    return Outcome(title, halted, time.time() - began_s, report, back, trouble or _released(stage, tell))


def _released(stage: Stage, tell: Tell) -> str:
    """Releasing is a separate decision; the release then starts again at step 0, and we abort it."""
    engaged = stage.get("/v1/kill-switch")["items"]
    run(stage, tell, "unkill", str(engaged[0]["id"]), "--reason", "the demo is over it")
    if not _until(lambda: latest(stage)["phase"] in ("preparing", "progressing")):
        return f"after the kill was released the release was {latest(stage)['phase']}"
    run(stage, tell, "explain", "shop")
    run(stage, tell, "abort", "shop")
    if not _until(lambda: latest(stage)["phase"] in ("rolled_back", "failed")):
        return f"after the abort the release was {latest(stage)['phase']}"
    return "" if run(stage, tell, "audit", "verify") == DONE else "the audit record does not verify"


def _until(holds: Callable[[], bool], within_s: float = 45.0) -> bool:
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        if holds():
            return True
        time.sleep(0.1)
    return False
