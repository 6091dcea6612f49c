"""The process stopped at every port call of five stories, one at a time: each story still ends as it must."""

from __future__ import annotations

import pytest

from tests.sim.crash_points import STORIES, Story, cut, cuts, whole

PARTS = 6
"""Each story's cuts are dealt out to so many tests, so that each takes a few seconds."""


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_the_story_itself_ends_as_told(story: Story) -> None:
    result = whole(story)
    assert (result.oracle, result.text) == ("", "")
    assert result.safe_calls > 100


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_crash_at_any_call_changes_no_end(story: Story, part: int) -> None:
    failed = []
    for at, after in list(cuts(story, whole(story)))[part::PARTS]:
        result = cut(story, at, after)
        if result.failed:
            failed.append((at, "after" if after else "before", result.oracle, result.text))
    assert failed == []
