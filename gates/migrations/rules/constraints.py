"""Rules about constraints and indexes of tables that already hold rows, and about partitions."""

from __future__ import annotations

from gates.grades import Grade
from gates.migrations.action import Action
from gates.migrations.expressions import Calls, calls
from gates.migrations.model import Lock
from gates.migrations.rule import Rule, a, both, flag, fresh, no, of_object, old
from gates.migrations.rules.facts import check_calls_unknown, constraint_is, unvalidated, uses_index
from gates.migrations.tree import options

_AE, _SRE, _SUE = Lock.ACCESS_EXCLUSIVE, Lock.SHARE_ROW_EXCLUSIVE, Lock.SHARE_UPDATE_EXCLUSIVE
_TABLE = both(of_object("OBJECT_TABLE"), old)
_ADD = both(a("AlterTableCmd", "AT_AddConstraint"), _TABLE)
_CHECK = both(_ADD, constraint_is("CONSTR_CHECK"))
_FOREIGN = both(_ADD, constraint_is("CONSTR_FOREIGN"))
_NOT_NULL = both(_ADD, constraint_is("CONSTR_NOTNULL"))
_INDEX = a("IndexStmt")
_CONCURRENT = flag("concurrent")
_DROP_INDEX = both(a("DropStmt", "OBJECT_INDEX"), lambda action: not action.scene.has("index", action.target))


def _reindexes_concurrently(action: Action) -> bool:
    """Of one table or index; a whole schema or database is never a small matter."""
    one = action.form in ("REINDEX_OBJECT_INDEX", "REINDEX_OBJECT_TABLE")
    return one and "concurrently" in options(action.top.get("params"))


def _index_calls_unknown(action: Action) -> bool:
    expressions = [action.top.get("indexParams", ()), action.top.get("whereClause")]
    return calls(expressions) is not Calls.STEADY


CONSTRAINTS = (
    Rule("constraint.check", Grade.G2, both(_CHECK, no(unvalidated)),
         "the whole table is read while everything waits", "NOT VALID; VALIDATE it in a later transaction", _AE),
    Rule("constraint.check-not-valid", Grade.G1, both(_CHECK, unvalidated),
         "new rows, and updates of old rows that break it, fail at once", "count the rows that break it first", _AE),
    Rule("constraint.check-unknown", Grade.G2, both(_CHECK, check_calls_unknown),
         "every later write calls a function whose body nobody has read", "use built-in functions", _AE,
         explains=False),
    Rule("constraint.check-runs-unknown", Grade.G3, both(_CHECK, check_calls_unknown, no(unvalidated)),
         "a function whose body nobody has read runs for every row, and may do anything", "use built-in functions", _AE,
         explains=False),
    Rule("constraint.foreign", Grade.G2, both(_FOREIGN, no(unvalidated)),
         "both tables are read while their writes wait", "NOT VALID; VALIDATE it in a later transaction", _SRE),
    Rule("constraint.foreign-not-valid", Grade.G1, both(_FOREIGN, unvalidated),
         "writes of both tables wait for a moment; new rows that break it fail at once", lock=_SRE),
    Rule("constraint.not-null", Grade.G2, both(_NOT_NULL, no(unvalidated)),
         "the whole table is read while everything waits", "NOT VALID; VALIDATE it in a later transaction", _AE),
    Rule("constraint.not-null-not-valid", Grade.G1, both(_NOT_NULL, unvalidated),
         "new rows without a value fail at once", lock=_AE),
    Rule("constraint.unique", Grade.G2, both(_ADD, constraint_is("CONSTR_UNIQUE", "CONSTR_PRIMARY"), no(uses_index)),
         "an index is built while reads and writes wait", "CREATE UNIQUE INDEX CONCURRENTLY, then ADD ... USING INDEX",
         _AE),
    Rule("constraint.unique-using-index", Grade.G1, both(_ADD, constraint_is("CONSTR_UNIQUE"), uses_index),
         "the index already enforces it", lock=_AE),
    Rule("constraint.primary-using-index", Grade.G2, both(_ADD, constraint_is("CONSTR_PRIMARY"), uses_index),
         "unless its columns are NOT NULL already, which the text does not tell, the whole table is read",
         "prove NOT NULL first, by a validated CHECK", _AE),
    Rule("constraint.exclude", Grade.G2, both(_ADD, constraint_is("CONSTR_EXCLUSION")),
         "an index is built while everything waits; there is no NOT VALID for it", "a new table, filled in batches",
         _AE),
    Rule("constraint.validate", Grade.G1, both(a("AlterTableCmd", "AT_ValidateConstraint"), _TABLE),
         "the table is read while reads and writes go on", lock=_SUE),
    Rule("constraint.drop", Grade.G2, both(a("AlterTableCmd", "AT_DropConstraint"), _TABLE),
         "rows that break it may come in, and adding it again may fail; a foreign key locks the other table too",
         "drop it only after the release that does not rely on it", _AE),
    Rule("constraint.alter", Grade.G2, both(a("AlterTableCmd", "AT_AlterConstraint"), _TABLE),
         "errors move to COMMIT, where the running version does not expect them", "", _AE),
    Rule("constraint.rename", Grade.G1, both(a("RenameStmt", "OBJECT_TABCONSTRAINT", "OBJECT_INDEX"), old),
         "code that names it, as ON CONFLICT ON CONSTRAINT does, fails", lock=_AE),
    Rule("constraint.defer", Grade.G2, a("ConstraintsSetStmt"), "errors move to COMMIT"),
)  # fmt: skip

INDEXES = (
    Rule("index.create-own", Grade.G0, both(_INDEX, fresh), "an index of a table that this same plan created"),
    Rule("index.create", Grade.G2, both(_INDEX, old, no(_CONCURRENT)),
         "writes wait until the index is built", "CREATE INDEX CONCURRENTLY", Lock.SHARE),
    Rule("index.create-concurrently", Grade.G1, both(_INDEX, old, _CONCURRENT, no(flag("unique"))),
         "online; it cannot run inside a transaction, and a failure leaves an invalid index", lock=_SUE),
    Rule("index.create-unique-concurrently", Grade.G1, both(_INDEX, old, _CONCURRENT, flag("unique")),
         "online; duplicates make it fail and leave an invalid index", "look for duplicates first", _SUE),
    Rule("index.create-calling", Grade.G3, both(_INDEX, _index_calls_unknown),
         "a function whose body nobody has read runs for every row", "use built-in functions", explains=False),
    Rule("index.drop", Grade.G2, both(_DROP_INDEX, no(_CONCURRENT)),
         "table and index are locked; queries may get slow, and a unique index no longer forbids duplicates",
         "DROP INDEX CONCURRENTLY", _AE),
    Rule("index.drop-concurrently", Grade.G1, both(_DROP_INDEX, _CONCURRENT),
         "queries may get slow; the text does not tell whether it is unique", lock=_SUE),
    Rule("index.rebuild", Grade.G2, both(a("ReindexStmt"), no(_reindexes_concurrently)),
         "writes wait, and so does the planning of every query of the table", "REINDEX (CONCURRENTLY)", _AE),
    Rule("index.rebuild-concurrently", Grade.G1, both(a("ReindexStmt"), _reindexes_concurrently),
         "online; it cannot run inside a transaction", lock=_SUE),
    Rule("index.options", Grade.G1,
         both(a("AlterTableCmd", "AT_SetRelOptions", "AT_ResetRelOptions", "AT_AttachPartition"),
         of_object("OBJECT_INDEX")),
         "a setting of the index; some lock it for a moment", lock=_AE),
)  # fmt: skip

PARTITIONS = (
    Rule("partition.attach", Grade.G2, both(a("AlterTableCmd", "AT_AttachPartition"), of_object("OBJECT_TABLE"), old),
         "the new partition is read under a lock unless a CHECK proves its rows, which the text does not tell",
         "a validated CHECK on the partition first", _AE),
    Rule("partition.attach-own", Grade.G1, both(a("AlterTableCmd", "AT_AttachPartition"), of_object("OBJECT_TABLE"),
         fresh),
         "a partition of a table that this same plan created", lock=_AE),
    Rule("partition.detach", Grade.G2,
         both(a("AlterTableCmd", "AT_DetachPartition", "AT_DetachPartitionFinalize"), of_object("OBJECT_TABLE")),
         "its rows vanish from the parent", "ATTACH brings them back", _AE),
)  # fmt: skip
