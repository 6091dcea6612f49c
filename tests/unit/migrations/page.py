"""The table of rules in docs/migrations.md, made from the rules. ``python -m tests.unit.migrations.page`` writes it."""

from __future__ import annotations

from collections.abc import Iterator

from gates.migrations.model import Lock
from gates.migrations.mysql import FORMS
from gates.migrations.rules import all_rules
from gates.migrations.together import PLAN_RULES
from tests.tree import ROOT

PAGE = ROOT / "docs" / "migrations.md"
BEGIN, END = "<!-- rules: begin -->", "<!-- rules: end -->"


def table() -> str:
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield from ("### One statement", "", "| rule | grade | why | instead | lock |", "|---|---|---|---|---|")
    for rule in all_rules():
        lock = "" if rule.lock is Lock.NONE else rule.lock.value.split(":")[0]
        yield _row(
            f"`{rule.id}`", rule.grade.value + (", refused" if rule.refuses else ""), rule.reason, rule.remedy, lock
        )
    yield from ("", "### The plan as a whole", "", "| rule | grade | why | instead |", "|---|---|---|---|")
    for each in PLAN_RULES:
        yield _row(f"`{each.id}`", each.grade.value + (", refused" if each.refuses else ""), each.reason, each.remedy)
    yield from ("", "### MySQL", "", "| form | grade | why | instead |", "|---|---|---|---|")
    for form in FORMS:
        yield _row(f"`{form.id}`", form.grade.value, form.reason, form.remedy)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page_with_table(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text()))
