"""The disposable process that renders one Alembic revision to SQL, without a database. It runs the operations only
after they were read and found to be nothing but operations with constants."""

from __future__ import annotations

import ast
import io
import json
import sys

from controller.adapters.migrations.revision import MAX_BYTES, Opaque, operations_of
from controller.adapters.migrations.worker import limit

MAX_CPU_S = 10
"""Most of it goes into loading SQLAlchemy on a busy machine."""


def rendered(source: str) -> str:
    """The SQL of ``upgrade``, between BEGIN and COMMIT as Alembic writes them. Raises Opaque."""
    body, names = operations_of(source)
    # Loading them takes most of a second: only for what passed.
    import sqlalchemy
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from sqlalchemy.dialects import postgresql

    buffer = io.StringIO()
    options = {"as_sql": True, "output_buffer": buffer, "literal_binds": True, "transactional_ddl": True}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    known = {"op": Operations(context), "sa": sqlalchemy, "postgresql": postgresql}
    given = {name: known[meaning] for name, meaning in names.items()}
    module = ast.Module(body=body, type_ignores=[])
    with context.begin_transaction():
        exec(compile(module, "upgrade", "exec"), {"__builtins__": {}, **given})  # noqa: S102  read before
    return buffer.getvalue()


def answer(raw: bytes) -> dict[str, str]:
    try:
        if len(raw) > MAX_BYTES:
            raise Opaque(f"it has more than {MAX_BYTES} bytes")
        return {"sql": rendered(raw.decode())}
    except Opaque as error:
        return {"opaque": str(error)}
    except Exception as error:  # noqa: BLE001  whatever Alembic says of bad operations is why it cannot be rendered
        return {"opaque": f"Alembic cannot render it: {type(error).__name__}: {str(error)[:300]}"}


def main() -> None:
    limit(cpu_s=MAX_CPU_S, files=64)
    sys.stdout.write(json.dumps(answer(sys.stdin.buffer.read(MAX_BYTES + 1))))


if __name__ == "__main__":
    main()
