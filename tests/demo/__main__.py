"""``python -m tests.demo``: real traffic, real HAProxy, real Prometheus, good and bad versions. Exit code 0 only when
every story ended as it must. ``--serve`` keeps everything running to play with."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.demo.parts import Failed, Missing
from tests.demo.stage import Stage, stage
from tests.demo.stories import STORIES, Outcome, deploy, install, kill

DEMO_S_MAX = 232
"""The stories take about 170 s on two cores; with the start and the end it is never more than four minutes."""


def tell(line: str = "") -> None:
    print(line, flush=True)


def tell_outcome(outcome: Outcome) -> None:
    report, mark = outcome.report, "ok" if not outcome.trouble else "NOT AS IT MUST"
    asked = f"{report.requests} requests by {report.users} users"
    tell(f"  -> {mark}: {outcome.ended} after {outcome.seconds:.0f} s; {asked}")
    if outcome.back_s is not None and report.bad:
        share = 100 * report.users_bad_share
        tell(f"     first bad request to all traffic back on stable: {outcome.back_s:.1f} s")
        tell(f"     bad requests served: {report.bad}; share of users who saw one: {share:.2f} %")
    elif outcome.back_s is not None:
        tell(f"     all traffic back on stable after {outcome.back_s:.2f} s; bad requests served: 0")
    else:
        tell("     bad requests served: 0")
    if outcome.trouble:
        tell(f"     {outcome.trouble}")


def play(on: Stage) -> list[Outcome]:
    outcomes = [_told("The first version is installed", partial(install, on, tell))]
    outcomes += [_told(story.title, partial(deploy, on, tell, story)) for story in STORIES]
    outcomes.append(_told("The kill switch, in the middle of a canary", partial(kill, on, tell)))
    return outcomes


def _told(title: str, story: Callable[[], Outcome]) -> Outcome:
    tell(f"\n== {title}")
    outcome = story()
    tell_outcome(outcome)
    return outcome


def _too_late(*_: object) -> None:
    raise TimeoutError(f"the stories took longer than {DEMO_S_MAX} s")


def summary(outcomes: Sequence[Outcome], seconds: float) -> None:
    tell(f"\n{'story':58} {'ended':12} {'bad':>5} {'users':>8} {'back on stable':>15}")
    for outcome in outcomes:
        back = f"{outcome.back_s:.1f} s" if outcome.back_s is not None else "-"
        users = f"{100 * outcome.report.users_bad_share:.2f} %"
        tell(f"{outcome.title[:58]:58} {outcome.ended:12} {outcome.report.bad:>5} {users:>8} {back:>15}")
    wrong = sum(bool(outcome.trouble) for outcome in outcomes)
    ended = "every story ended as it must" if not wrong else f"{wrong} stories did not end as they must"
    tell(f"\n{ended} ({seconds:.0f} s)")


def serve(on: Stage) -> None:
    install(on, tell)
    tell("\nEverything is running; Ctrl-C stops it. In another shell:\n")
    tell(f"  export PATH={Path(sys.executable).parent}:$PATH")
    tell(f"  export INTERLOCK_URL={on.controller.url}")
    tell(f"  export INTERLOCK_TOKEN={on.controller.token}")
    tell("  interlock deploy shop v2 --wait")
    tell("  interlock status\n")
    tell("  good versions: any name that is not one of the bad ones, such as v2")
    tell("  bad versions:  v3-errors v4-slow v5-crash v6-hang v7-load\n")
    tell(f"  the shop       http://127.0.0.1:{on.haproxy.port}/")
    tell(f"  Prometheus     {on.prometheus.url}")
    while True:
        time.sleep(1)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="keep everything running until Ctrl-C")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began_s = time.monotonic()
    try:
        with stage(tell) as on:
            if options.serve:
                serve(on)
            signal.signal(signal.SIGALRM, _too_late)
            signal.alarm(DEMO_S_MAX)
            outcomes = play(on)
            signal.alarm(0)
    except KeyboardInterrupt:
        tell("\nstopped; everything that was started is gone")
        return 0 if options.serve else 130
    except TimeoutError as late:
        tell(f"\nthe demo failed: {late}")
        return 1
    except (Missing, Failed) as trouble:
        tell(f"\nthe demo cannot run: {trouble}")
        return 1
    summary(outcomes, time.monotonic() - began_s)
    return 1 if any(outcome.trouble for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
