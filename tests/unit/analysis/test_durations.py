from __future__ import annotations

import pytest

from analysis.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2d", 172_800),
        (" 5s ", 5),
        (7, 7),
        (0.25, 0.25),
    ],
)
def test_durations_as_people_write_them(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "5",
        "5 m",
        "m5",
        "-5s",
        "5x",
        "1m1m",
        "5s,",
        "1e3s",
        "s",
        "9" * 80 + "s",
        True,
        None,
        [5],
        -1,
        float("nan"),
        float("inf"),
    ],
)
def test_what_cannot_be_read_for_sure_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)  # type: ignore[arg-type]
