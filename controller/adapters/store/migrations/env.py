"""Run by alembic: hands the open transaction of the caller to the migrations. It opens and commits nothing itself."""

from __future__ import annotations

from alembic import context

from controller.adapters.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
    version_table="alembic_version",
)
context.run_migrations()
