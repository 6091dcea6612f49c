"""Every rule for a single action, in the order in which the docs show them. The policy of grading is this tuple."""

from __future__ import annotations

from gates.migrations.rule import Rule
from gates.migrations.rules import access, columns, constraints, data, objects, session, tables


def all_rules() -> tuple[Rule, ...]:
    return (
        *tables.RULES,
        *tables.drops_of_own(),
        *columns.RULES,
        *constraints.CONSTRAINTS,
        *constraints.INDEXES,
        *constraints.PARTITIONS,
        *objects.TYPES,
        *objects.SEQUENCES,
        *objects.VIEWS,
        *objects.CODE,
        *data.RULES,
        *access.RULES,
        *session.RULES,
    )
