"""Runs statements inside an open transaction on the driver itself. It opens and ends none.

SQLAlchemy writes each statement once; running it through SQLAlchemy every time would cost more than the disk does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler


class Prepared:
    """One statement's text for the database at hand, and the order of its values."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        self.text = compiled.string
        self._names = tuple(compiled.positiontup or ())
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}

    def values(self, given: Mapping[str, Any]) -> Any:
        """As the driver wants them: in order, or by name."""
        if not self._names:
            return {**self._fixed, **given}
        fixed = self._fixed
        return tuple([given[name] if name in given else fixed[name] for name in self._names])


class DuplicateKey(Exception):
    """A row would have a key, or a unique value, that another row has. The transaction has to be rolled back."""


class Statements:
    """Every statement that was used, compiled. They are a fixed set, written at the head of their modules.

    ``duplicate_key`` is how the driver calls what is DuplicateKey here.
    """

    def __init__(self, dialect: Dialect, duplicate_key: type[Exception]) -> None:
        self._dialect, self.duplicate_key = dialect, duplicate_key
        self._prepared: dict[Executable, Prepared] = {}

    def of(self, statement: Executable) -> Prepared:
        found = self._prepared.get(statement)
        if found is None:
            found = self._prepared[statement] = Prepared(statement, self._dialect)
        return found


class Transaction:
    """What a block inside ``Connections.write`` may do."""

    def __init__(self, cursor: DBAPICursor, statements: Statements) -> None:
        self._cursor = cursor
        self._statements = statements

    def run(self, statement: Executable, values: Mapping[str, Any]) -> int:
        """Run ``statement`` and return how many rows it wrote. Raises DuplicateKey."""
        prepared = self._statements.of(statement)
        try:
            self._cursor.execute(prepared.text, prepared.values(values))
        except self._statements.duplicate_key as error:
            raise DuplicateKey from error
        return self._cursor.rowcount

    def run_each(self, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        prepared = self._statements.of(statement)
        self._cursor.executemany(prepared.text, [prepared.values(row) for row in rows])

    def rows(self, statement: Executable, values: Mapping[str, Any]) -> Sequence[Any]:
        """Every row of a small answer, as a tuple of the driver's own values."""
        prepared = self._statements.of(statement)
        self._cursor.execute(prepared.text, prepared.values(values))
        return self._cursor.fetchall()
