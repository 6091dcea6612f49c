"""Inserts that meet a row that is there already. Both databases spell them alike; PostgreSQL's class writes both."""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import Insert, insert


def insert_new(table: Table) -> Insert:
    """Insert and write no row when one with the same key, or the same unique value, is there already."""
    return insert(table).on_conflict_do_nothing()


def upsert(table: Table) -> Insert:
    """Insert; a row whose primary key is there already gets the new values."""
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    values = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=values)
