"""Steps with the grade each must get, written by hand; every rule decides at least one of them."""

from __future__ import annotations

from tests.unit.grading.cases import context, objects, outside, release, sql
from tests.unit.grading.cases.build import Case

CASES: tuple[Case, ...] = (*release.CASES, *sql.CASES, *objects.CASES, *outside.CASES, *context.CASES)
