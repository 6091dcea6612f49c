"""`interlock grade-steps`: a file of steps in, a grade with reasons for each out, and nothing asked of a controller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.cli.main import build

ACTOR = {"type": "agent", "id": "agent:bot"}
BUILD = {"id": "a", "step": {"kind": "ci.build", "env": {"tier": "ci"}, "actor": ACTOR, "sandboxed": True}}
DEPLOY = {"id": "b", "step": {"kind": "deploy", "env": {"tier": "prod"}, "actor": ACTOR}}


def run(file: Path, *flags: str, text: str | None = None) -> Result:
    return CliRunner().invoke(build(), ["grade-steps", str(file) if text is None else "-", *flags], input=text)


def written(tmp_path: Path, *lines: Any) -> Path:
    file = tmp_path / "steps.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return file


def said(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_line_gets_one_line_with_its_id_grade_and_reasons(tmp_path: Path) -> None:
    result = run(written(tmp_path, BUILD, "", DEPLOY), "--json")
    assert result.exit_code == 0
    first, second = said(result)
    assert first == {"id": "a", "grade": "G0", "reasons": []}
    assert (second["id"], second["grade"]) == ("b", "G3")
    assert any("no canary" in reason for reason in second["reasons"])


def test_a_person_gets_a_table(tmp_path: Path) -> None:
    result = run(written(tmp_path, BUILD, DEPLOY))
    assert result.exit_code == 0
    assert [line.split()[:3] for line in result.stdout.splitlines()[1:]] == [
        ["a", "G0", "proceed"],
        ["b", "G3", "held"],
    ]


def test_the_full_answer_says_what_would_lower_the_grade(tmp_path: Path) -> None:
    answer = said(run(written(tmp_path, DEPLOY), "--json", "--full"))[0]["answer"]
    assert "exercise the rollback and let the controller record it" in answer["lower"]
    assert answer["decision"]["outcome"] == "held"
    assert answer["input_digest"].startswith("sha256:")


def test_steps_come_from_stdin_too(tmp_path: Path) -> None:
    assert said(run(tmp_path, "--json", text=json.dumps(BUILD)))[0]["grade"] == "G0"


@pytest.mark.parametrize(("limit", "code"), [("G3", 3), ("g2", 3), ("G1", 3)])
def test_a_pipeline_can_end_on_a_grade(tmp_path: Path, limit: str, code: int) -> None:
    assert run(written(tmp_path, BUILD, DEPLOY), "--fail-at", limit).exit_code == code
    assert run(written(tmp_path, BUILD), "--fail-at", limit).exit_code == 0


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"id": "x"}',
        '{"id": "x", "step": {"kind": "deploy"}}',
        '{"id": "x", "step": {"kind": "ci.build", "kind": "deploy", "actor": {"id": "a"}}}',
        '{"id": "x", "step": ' + "[" * 100_000 + "}",
        '{"id": "x", "step": {"kind": "deploy", "actor": {"id": "a"}, "confidence": NaN}}',
    ],
)
def test_a_line_that_is_no_step_is_refused_as_the_worst_and_the_others_go_on(tmp_path: Path, line: str) -> None:
    result = run(written(tmp_path, line, BUILD), "--json")
    assert result.exit_code == 2
    bad, good = said(result)
    assert (bad["grade"], bad["refused"]) == ("G3", True)
    assert bad["reasons"][0].startswith("line 1: ")
    assert good["grade"] == "G0"


@pytest.mark.parametrize(
    ("flags", "text"), [(["--fail-at", "G9"], "G1, G2 or G3"), (["--profile", "loose"], "strict, read-only")]
)
def test_a_wrong_flag_says_what_it_takes(tmp_path: Path, flags: list[str], text: str) -> None:
    result = run(written(tmp_path, BUILD), *flags)
    assert result.exit_code == 2
    assert text in " ".join(result.stderr.split())


def test_no_file_and_an_empty_file_are_told(tmp_path: Path) -> None:
    assert "cannot be read" in run(tmp_path / "none.jsonl").stderr
    assert "is empty" in run(written(tmp_path)).stderr
    assert run(written(tmp_path)).exit_code == 2


def test_a_profile_can_only_tighten(tmp_path: Path) -> None:
    staging = {"id": "c", "step": {"kind": "deploy", "env": {"tier": "staging"}, "actor": ACTOR}}
    file = written(tmp_path, staging)

    def outcome(*flags: str) -> str:
        return str(said(run(file, "--json", "--full", *flags))[0]["answer"]["decision"]["outcome"])

    assert outcome() == outcome("--profile", "shadow") == "proceed"
    assert outcome("--profile", "strict") == "held"
    assert outcome("--profile", "read-only") == "refused"


def test_a_policy_is_gone_by_and_a_wrong_one_is_refused_with_what_to_do(tmp_path: Path) -> None:
    steps, policy = written(tmp_path, BUILD, DEPLOY), tmp_path / "policy.yaml"
    policy.write_text("name: shop\nversion: 1\nprofiles: {agent: shadow}\n")
    result = run(steps, "--json", "--full", "--policy", str(policy))
    assert [one["answer"]["decision"]["would_be"] for one in said(result)] == [None, "held"]
    assert "nothing of agent is held" in " ".join(result.stderr.split())
    policy.write_text("name: shop\nversion: 1\nautoApproveAfter: 30m\n")
    result = run(steps, "--policy", str(policy))
    assert result.exit_code == 2
    assert "AH-05" in result.stderr
    assert "cannot be read" in run(steps, "--policy", str(tmp_path / "none.yaml")).stderr
