"""The troubles only a stored database can have, by name. Each text says what to do; none holds stored content."""

from __future__ import annotations

from controller.ports import PortError


class Corrupt(PortError):
    """One stored row cannot be read. What it belongs to is held; everything else goes on."""

    def __init__(self, table: str, key: str, why: str) -> None:
        super().__init__(
            f"the stored row {key!r} of {table} cannot be read: {why}; "
            "it is held as it is: restore it from a backup, or correct it by hand while the controller is stopped"
        )
        self.table = table
        self.key = key


class SchemaTooOld(PortError):
    """The database was written by an older version of Interlock and has to be migrated first."""


class SchemaTooNew(PortError):
    """The database was written by a newer version of Interlock, which this version must not touch."""


class NotAStore(PortError):
    """The file is there, but it is not a store of Interlock."""
