"""The alerts of the chart: they ask for metrics that there are, and fire when they should."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from controller.runtime.selftest import SelfTested
from tests.api.http_stage import Stage as Door
from tests.helm.chart import Raw, kept, only
from tests.parts import missing

RULES: list[Raw] = only(kept("cluster-monitored"), "PrometheusRule")["spec"]["groups"][0]["rules"]


def test_every_alert_asks_for_a_metric_that_there_is(tmp_path: Path) -> None:
    door = Door(tmp_path)
    try:
        door.tested = SelfTested(door.clock.now_s(), 0.01, ())
        door.call("GET", "/v1/releases")
        text = door.call("GET", "/metrics", "").text
    finally:
        door.close()
    exported = set(re.findall(r"^(interlock_\w+)", text, re.MULTILINE))
    asked = {name for rule in RULES for name in re.findall(r"\b(interlock_\w+)\{", rule["expr"])}
    assert len(asked) == len(RULES) - 1, "one asks Prometheus itself, two ask for the same, one for two"
    assert asked <= exported


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "description"} == rule["annotations"].keys()
        assert 'job="interlock", namespace="interlock"' in rule["expr"], "another installation is another alert"


def promtool(folder: Path, *arguments: str) -> None:
    """Asserts that it is content with the rules, which it finds in rules.yaml."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip(missing("prometheus") or "left out: promtool comes with prometheus and is not there")
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "interlock", "rules": RULES}]}))
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, timeout=9, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3_000:]


def test_the_alerts_are_prometheus_rules(tmp_path: Path) -> None:
    promtool(tmp_path, "check", "rules", "rules.yaml")


LABELS = 'job="interlock",namespace="interlock"'
SERIES: dict[str, tuple[str, str, str]] = {
    "InterlockDown": (f"up{{{LABELS}}}", "0x60", "30m"),
    "InterlockNotLeading": (f"interlock_leading{{{LABELS}}}", "0x60", "30m"),
    "InterlockReleaseParked": (f"interlock_parked_releases{{{LABELS}}}", "1x60", "30m"),
    "InterlockBeatLate": (f'interlock_beat_age_seconds{{{LABELS},beat="sweep"}}', "31x60", "30m"),
    "InterlockLoopBehind": (f"interlock_loop_lag_seconds{{{LABELS}}}", "31x60", "30m"),
    "InterlockStoreDown": (f"interlock_store_up{{{LABELS}}}", "0x60", "30m"),
    "InterlockKillUnreadable": (f"interlock_kills_readable{{{LABELS}}}", "0x60", "30m"),
    "InterlockKillSelfTest": (f"interlock_kill_self_test_ok{{{LABELS}}}", "0x60", "30m"),
    "InterlockReleaseHalted": (f'interlock_releases{{{LABELS},phase="halted"}}', "1x60", "30m"),
    "InterlockKillEngaged": (f"interlock_kills_engaged{{{LABELS}}}", "1x600", "500m"),
    "InterlockReleasePaused": (f'interlock_releases{{{LABELS},phase="paused"}}', "1x600", "500m"),
    "InterlockApiErrors": (
        f'interlock_http_requests_total{{{LABELS},status="503",route="/v1/releases"}}', "0+60x60", "30m"
    ),
}  # fmt: skip
"""What makes each of them fire, and by when."""
WELL = {
    f"up{{{LABELS}}}": "1x600",
    f"interlock_leading{{{LABELS}}}": "1x600",
    f"interlock_store_up{{{LABELS}}}": "1x600",
    f"interlock_loop_lag_seconds{{{LABELS}}}": "9x600",
    f"interlock_kill_self_test_ok{{{LABELS}}}": "1x600",
    f"interlock_kill_self_test_age_seconds{{{LABELS}}}": "60x600",
    f"interlock_kills_readable{{{LABELS}}}": "1x600",
    f'interlock_beat_age_seconds{{{LABELS},beat="prune"}}': "3000x600",
    f'interlock_beat_age_seconds{{{LABELS},beat="kill_self_test"}}': "60x600",
    f'interlock_http_requests_total{{{LABELS},status="503",route="/readyz"}}': "0+60x600",
}
FILLED = {
    "{{ $labels.beat }}": "sweep",
    "{{ $value | humanizeDuration }}": "31s",
    "{{ $value | humanize }}": "1",
}


def fired(name: str) -> Raw:
    """The alert as promtool expects it: with what it carries on from its series, which a sum or an absence does not."""
    rule = next(rule for rule in RULES if rule["alert"] == name)
    labels = dict(re.findall(r'(\w+)="([^"]*)"', SERIES[name][0]))
    notes = rule["annotations"]
    for part, value in FILLED.items():
        notes = {key: text.replace(part, value) for key, text in notes.items()}
    carried = {} if name in ("InterlockApiErrors", "InterlockDown") else labels
    return {"exp_labels": rule["labels"] | carried, "exp_annotations": notes}


def case(firing: str | None) -> Raw:
    """All is well but for what makes one of them fire."""
    series, values, at = SERIES[firing] if firing else ("up", "1x600", "500m")
    found = WELL | ({series: values} if firing else {})
    expected = [
        {"eval_time": at, "alertname": name, "exp_alerts": [fired(name)] if name == firing else []} for name in SERIES
    ]
    shown = [{"series": name, "values": value} for name, value in found.items()]
    return {"interval": "1m", "input_series": shown, "alert_rule_test": expected}


def test_each_alert_fires_when_it_should_and_none_when_all_is_well(tmp_path: Path) -> None:
    assert set(SERIES) == {rule["alert"] for rule in RULES}
    tests = {"rule_files": ["rules.yaml"], "tests": [case(None), *(case(name) for name in SERIES)]}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))
    promtool(tmp_path, "test", "rules", "tests.yaml")
