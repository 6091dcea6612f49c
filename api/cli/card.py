"""How one release looks: the card on a screen and the line in a log. Pure; it fetches nothing and prints nothing."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from api.cli.output import Output
from api.cli.shapes import Evidence, Metric, Reason, Release
from api.cli.words import clean, count, cut, moment, seconds_of, share, stamp
from controller.core.explain import duration

STYLES = {"running": "cyan", "paused": "yellow", "done": "green", "failed": "red", "halted": "bold red"}
BAR_CELLS = 20
"""One cell for 5 %, which still shows the difference between neighbouring steps."""

LOG_COLUMNS = 160
"""A log line that is longer wraps in most viewers; `interlock explain` and --json have the whole text."""
ROOM = 20
"""Columns below which a piece of evidence tells nothing."""


def card(release: Release, at_s: float, out: Output) -> RenderableType:
    """The release as it is at ``at_s``, a few lines high and narrower than any terminal in use."""
    style = STYLES.get(release.exit, "")
    over = f"over {release.stable}" if release.stable else "as the first version"
    title = Text.assemble(
        (clean(f"{release.application} {release.canary}"), "bold"),
        f" {clean(over)} in {clean(release.environment)}   ",
        (clean(release.id), "dim"),
    )
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("phase", Text(phase_text(release), style=style))
    rows.add_row("weight", Text(clean(serves(release)) if release.ended else _weight(release, out)))
    if _tells(release):
        said = f": {release.verdict.text}" if release.verdict.text != release.reason.text else ""
        rows.add_row("verdict", Text(clean(release.verdict.judgement + said)))
    if release.evidence is not None:
        rows.add_row("evidence", Text("\n".join(evidence_lines(release, release.evidence, at_s))))
    rows.add_row("outcome" if release.ended else "waits for", Text(clean(waits_for(release, at_s)), style="bold"))
    rows.add_row(*_elapsed(release, at_s))
    for label, text in _asides(release):
        rows.add_row(label, Text(clean(text), style="yellow"))
    return Group(title, rows)


def _elapsed(release: Release, at_s: float) -> tuple[str, Text]:
    """It stops with the release: what goes on counting looks as if it still ran."""
    end_s = seconds_of(release.phase_since)
    if release.ended and end_s is not None:
        return "took", Text(f"{_age(release.created_at, end_s)}, until {moment(release.phase_since)}")
    return "elapsed", Text(f"{_age(release.created_at, at_s)}, since {moment(release.created_at)}")


def phase_text(release: Release) -> str:
    words = release.phase.replace("_", " ")
    if release.step < 0 or release.ended:
        return words
    return f"{words}, step {release.step + 1} of {len(release.steps)}"


def serves(release: Release) -> str:
    """Where the traffic is once the release has ended; a canary weight says nothing then."""
    return f"all traffic on {release.canary if release.exit == 'done' else release.stable or 'nothing'}"


def _tells(release: Release) -> bool:
    """A verdict that was still open when the release ended tells nothing any more."""
    return release.verdict.judgement != "none" and not (release.ended and release.verdict.judgement == "watching")


def waits_for(release: Release, at_s: float) -> str:
    """The blocking condition and, where time ends it, the time left."""
    reason = (release.cause or release.reason) if release.ended else release.reason
    return reason.text.rstrip(".") + _left(reason, at_s)


def _left(reason: Reason, at_s: float) -> str:
    until_s = seconds_of(reason.until) if reason.until else None
    return f"; {duration(until_s - at_s)} left" if until_s is not None and until_s > at_s else ""


def _weight(release: Release, out: Output) -> str:
    full, empty = out.bar
    cells = min(BAR_CELLS, max(1 if release.weight_pct else 0, round(release.weight_pct * BAR_CELLS / 100)))
    steps = [f"[{w}]" if i == release.step else str(w) for i, w in enumerate(release.steps)]
    path = f" {out.arrow} ".join([*steps, "all"])
    return f"{full * cells}{empty * (BAR_CELLS - cells)} {release.weight_pct} %\n{path}"


def evidence_lines(release: Release, evidence: Evidence, at_s: float) -> list[str]:
    lines = [_metric(metric) for metric in evidence.metrics if _has_data(metric)] or ["nothing yet"]
    if release.ended:
        return lines
    step = f"{count(evidence.step_canary_requests)} canary requests in this step"
    newest = f", newest sample {_age(evidence.fresh_at, at_s)} old" if evidence.fresh_at else ", no sample yet"
    return [*lines, step + newest]


def _has_data(metric: Metric) -> bool:
    return metric.canary_requests > 0 or metric.stable_requests > 0


def _metric(metric: Metric) -> str:
    canary = (
        f"canary {count(metric.canary_bad)} bad of {count(metric.canary_requests)} ({share(metric.canary_bad_pct)})"
    )
    stable = f"stable {count(metric.stable_bad)} of {count(metric.stable_requests)} ({share(metric.stable_bad_pct)})"
    return clean(f"{metric.metric}: {canary}, {stable}")


def _asides(release: Release) -> list[tuple[str, str]]:
    asides = []
    if release.intent is not None and not release.ended:
        reason = f": {release.intent.reason}" if release.intent.reason else ""
        asides.append(("asked", f"{release.intent.kind.replace('_', ' ')} by {release.intent.actor}{reason}"))
    if release.bypassed:
        asides.append(("bypassed", ", ".join(f"{b.kind.replace('_', ' ')} by {b.actor}" for b in release.bypassed)))
    if release.attempt > 1:
        asides.append(("attempt", f"{release.attempt}: it started again from step 0"))
    if release.retry_of:
        asides.append(("retry of", release.retry_of))
    if release.superseded_by:
        asides.append(("superseded", f"by {release.superseded_by}"))
    asides += [("please run", f"{want.version or 'nothing'} as {want.role}") for want in release.wants]
    return asides


def _age(since: str, at_s: float) -> str:
    since_s = seconds_of(since)
    return duration(max(0.0, at_s - since_s)) if since_s is not None else "unknown"


def log_line(release: Release, at_s: float) -> str:
    """One line for a log, with the time in UTC. What it waits for comes before the evidence, which may be cut."""
    reason = (release.cause or release.reason) if release.ended else release.reason
    weight = serves(release) if release.ended else f"{release.weight_pct} %"
    decided = release.verdict.judgement not in ("none", "watching")
    verdict = f"verdict {release.verdict.judgement}" if decided else ""
    head = _joined(f"{stamp(at_s)} {release.id} {phase_text(release)}", weight, verdict)
    left = _left(reason, at_s)
    line = cut(_joined(head, reason.text.rstrip(".")), LOG_COLUMNS - len(left)) + left
    metrics = release.evidence.metrics if release.evidence is not None and not release.ended else ()
    told = [m for m in metrics if _has_data(m) and f"{m.metric}: canary" not in reason.text]
    evidence = "; ".join(_short(metric) for metric in told)
    return cut(_joined(line, evidence), LOG_COLUMNS) if evidence and len(line) < LOG_COLUMNS - ROOM else line


def _short(metric: Metric) -> str:
    canary = f"{count(metric.canary_bad)} bad of {count(metric.canary_requests)}"
    return clean(f"{metric.metric}: {canary}, stable {count(metric.stable_bad)} of {count(metric.stable_requests)}")


def _joined(*parts: str) -> str:
    return " | ".join(cleaned for part in parts if (cleaned := clean(part)))


def change_key(release: Release) -> tuple[object, ...]:
    """What has to differ for a log to say something new; figures that tick do not count."""
    intent = release.intent.kind if release.intent else ""
    return (
        release.phase,
        release.step,
        release.weight_pct,
        release.reason.code,
        release.verdict.judgement,
        release.verdict.code,
        intent,
        release.attempt,
        release.superseded_by,
    )
