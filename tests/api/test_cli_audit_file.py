"""``audit verify FILE``: an export is checked where it lies, without a controller."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.cli.exits import Exit
from gates.checkpoints.export import export
from tests.api.cli_stub import StubController, Terminal
from tests.unit.checkpoints.test_tampering import HONEST, edit_in_place

HEAD = HONEST.records[19].hash


def written(directory: Path, lines: list[str]) -> str:
    file = directory / "audit.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


LINES = list(export(HONEST.records, HONEST.notes))


def test_a_whole_export_is_verified_and_nobody_is_asked(tmp_path: Path) -> None:
    stub = StubController()
    result = Terminal(stub).run("audit", "verify", written(tmp_path, LINES), "--witness", f"20:{HEAD}")
    assert result.exit_code == Exit.DONE
    assert "21 records, unbroken" in result.stdout
    assert "the first 20 of them" in result.stdout
    assert stub.seen == []


def test_a_changed_record_a_cut_end_and_a_foreign_line_each_end_with_1(tmp_path: Path) -> None:
    changed = list(export(edit_in_place().records))
    for lines, told in ((changed, "record 8 was changed"), ([*LINES, "x"], "line 26"), (LINES[:10], "seen 20 records")):
        result = Terminal(StubController()).run("audit", "verify", written(tmp_path, lines), "--witness", f"20:{HEAD}")
        assert result.exit_code == Exit.FAILED
        assert told in result.stdout


def test_json_holds_every_finding(tmp_path: Path) -> None:
    result = Terminal(StubController()).run("audit", "verify", written(tmp_path, ["x", "y"]), "--json")
    said = json.loads(result.stdout)
    assert (said["ok"], [finding["code"] for finding in said["findings"]]) == (False, ["line", "line"])


@pytest.mark.parametrize(
    "arguments",
    [("no-such-file",), ("FILE", "--witness", "20"), ("--witness", f"20:{HEAD}")],
    ids=["no file", "a bad witness", "a witness without a file"],
)
def test_a_slip_in_the_arguments_is_a_usage_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    given = [written(tmp_path, LINES) if argument == "FILE" else argument for argument in arguments]
    result = Terminal(StubController()).run("audit", "verify", *given)
    assert result.exit_code == Exit.USAGE
