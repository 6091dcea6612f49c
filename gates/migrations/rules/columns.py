"""Rules about columns of a table that already holds rows. What is done to a table of the same plan stands elsewhere."""

from __future__ import annotations

from gates.grades import Grade
from gates.migrations.action import Action
from gates.migrations.expressions import Calls, calls
from gates.migrations.functions import SERIAL_TYPES
from gates.migrations.model import Lock, Phase
from gates.migrations.rule import Rule, a, both, either, flag, no, of_object, old
from gates.migrations.rules.facts import (
    NARROW_TYPES,
    default_calls,
    default_of,
    has_inline,
    inline,
    is_plain_cast,
    proven_not_null,
    type_is,
    type_may_be_a_domain,
)

_AE = Lock.ACCESS_EXCLUSIVE
_TABLE = both(of_object("OBJECT_TABLE"), old)
_ADD = both(a("AlterTableCmd", "AT_AddColumn"), _TABLE)
_DEFAULT = both(a("AlterTableCmd", "AT_ColumnDefault"), _TABLE)
_TYPE = both(a("AlterTableCmd", "AT_AlterColumnType"), _TABLE)
_FILLS_ITSELF = either(has_inline("CONSTR_IDENTITY", "CONSTR_GENERATED"), type_is(*SERIAL_TYPES))
_HAS_DEFAULT = no(lambda action: default_of(action.element) is None)


def _computes_unknown(action: Action) -> bool:
    """A generated column or a CHECK that calls what nobody has read."""
    written = inline(action.element)
    computed = [written.get(kind, {}).get("raw_expr") for kind in ("CONSTR_GENERATED", "CONSTR_CHECK")]
    return calls(computed) is Calls.UNKNOWN


RULES = (
    Rule("column.add", Grade.G0, _ADD, "adds a column; the table's definition changes for a moment, no row does",
         lock=_AE, phase=Phase.EXPAND),
    Rule("column.add-default-drawn", Grade.G2, both(_ADD, default_calls(Calls.DRAWS, Calls.SEQUENCE)),
         "its default differs for every row, so the whole table and all its indexes are rewritten",
         "add the column without default, then SET DEFAULT, then fill old rows in batches", _AE, explains=False),
    Rule("column.add-default-unknown", Grade.G3, both(_ADD, default_calls(Calls.UNKNOWN)),
         "its default calls a function whose body nobody has read; it may run once per row and do anything",
         "add the column without default and fill it with an expression of built-in functions", _AE, explains=False),
    Rule("column.add-not-null-bare", Grade.G2,
         both(_ADD, has_inline("CONSTR_NOTNULL", "CONSTR_PRIMARY"), no(_HAS_DEFAULT), no(_FILLS_ITSELF)),
         "NOT NULL without a default: it fails where rows exist, and INSERTs of the running version fail",
         "give it a default, or add it nullable and tighten it after the release", _AE, explains=False),
    Rule("column.add-serial", Grade.G2, both(_ADD, either(type_is(*SERIAL_TYPES), has_inline("CONSTR_IDENTITY"))),
         "every old row gets a number, so the whole table is rewritten",
         "add a plain column, a sequence as its default, and fill old rows in batches", _AE, explains=False),
    Rule("column.add-generated", Grade.G2, both(_ADD, has_inline("CONSTR_GENERATED")),
         "a stored generated column is computed for every row, so the whole table is rewritten",
         "add a plain column, fill it by trigger and in batches", _AE, explains=False),
    Rule("column.add-domain", Grade.G2, both(_ADD, type_may_be_a_domain),
         "its type is not one of PostgreSQL's; a domain with a CHECK rewrites the whole table even without default",
         "use the base type and a CHECK that is NOT VALID", _AE, explains=False),
    Rule("column.add-check", Grade.G2, both(_ADD, has_inline("CONSTR_CHECK")),
         "a CHECK written at the column is verified by reading the whole table under the lock",
         "add the column; add the CHECK as NOT VALID; VALIDATE it in a later transaction", _AE, explains=False),
    Rule("column.add-calling", Grade.G3, both(_ADD, _computes_unknown),
         "a function whose body nobody has read runs for every row, and may do anything", "use built-in functions", _AE,
         explains=False),
    Rule("column.add-unique", Grade.G2, both(_ADD, has_inline("CONSTR_UNIQUE", "CONSTR_PRIMARY")),
         "it builds an index while reads and writes wait",
         "add the column; CREATE UNIQUE INDEX CONCURRENTLY; ADD CONSTRAINT ... USING INDEX", _AE, explains=False),
    Rule("column.add-reference", Grade.G1, both(_ADD, has_inline("CONSTR_FOREIGN")),
         "it also stops writes of the referenced table until the transaction ends",
         "a short transaction of its own with a lock_timeout", Lock.SHARE_ROW_EXCLUSIVE, explains=False),
    Rule("column.add-reference-filled", Grade.G2, both(_ADD, has_inline("CONSTR_FOREIGN"), _HAS_DEFAULT),
         "old rows get the default, and every one of them is looked up in the referenced table under the lock",
         "add the column; add the foreign key as NOT VALID; VALIDATE it in a later transaction", _AE, explains=False),
    Rule("column.add-json", Grade.G1, both(_ADD, type_is("json", "xml")),
         "the type has no equality: SELECT DISTINCT and UNION over all columns of the table fail from then on",
         "use jsonb", _AE, explains=False),
    Rule("column.drop", Grade.G3, both(a("AlterTableCmd", "AT_DropColumn"), old),
         "the column's data is lost, and versions that still read it fail",
         "stop reading it, release that, rename it away, and drop it weeks later", _AE, Phase.CONTRACT, True),
    Rule("column.rename", Grade.G2, both(a("RenameStmt", "OBJECT_COLUMN", "OBJECT_ATTRIBUTE"), old),
         "the running version uses the old name and fails", "add the new column and write both", _AE),
    Rule("column.set-default", Grade.G0, both(_DEFAULT, flag("def")), "concerns future rows only", lock=_AE),
    Rule("column.set-default-unknown", Grade.G2,
         both(_DEFAULT, lambda action: calls(action.body.get("def")) is Calls.UNKNOWN),
         "every later INSERT calls a function whose body nobody has read", "use built-in functions", _AE,
         explains=False),
    Rule("column.drop-default", Grade.G2, both(_DEFAULT, no(flag("def"))),
         "INSERTs of the running version that leave it out fail if it is NOT NULL, which the text does not tell",
         "keep the default until no running version relies on it", _AE),
    Rule("column.set-not-null", Grade.G2,
         both(a("AlterTableCmd", "AT_SetNotNull"), _TABLE, no(proven_not_null)),
         "the whole table is read under the lock to prove it",
         "CHECK (column IS NOT NULL) NOT VALID; VALIDATE it in a later transaction; then SET NOT NULL", _AE),
    Rule("column.set-not-null-proven", Grade.G1, both(a("AlterTableCmd", "AT_SetNotNull"), _TABLE, proven_not_null),
         "a CHECK that an earlier transaction of this plan validated proves it, so no row is read", lock=_AE),
    Rule("column.drop-not-null", Grade.G1, both(a("AlterTableCmd", "AT_DropNotNull"), _TABLE),
         "readers may meet NULL, and setting it again may fail", lock=_AE),
    Rule("column.type", Grade.G2, _TYPE,
         "unless the old type happens to be stored alike, table and indexes are rewritten while everything waits",
         "new column, written by trigger, filled in batches, then swapped", _AE),
    Rule("column.type-using", Grade.G3, both(_TYPE, no(is_plain_cast)),
         "USING computes new values from the old ones, and the old ones are lost",
         "new column, filled in batches; drop the old one later", _AE, data_loss=True, explains=False),
    Rule("column.type-narrow", Grade.G3, both(_TYPE, type_is(*NARROW_TYPES)),
         "the new type may hold less than the old one, and what does not fit is cut or fails",
         "new column, filled in batches; drop the old one later", _AE, data_loss=True, explains=False),
    Rule("column.generated", Grade.G2, both(a("AlterTableCmd", "AT_SetExpression", "AT_DropExpression"), _TABLE),
         "it changes where the column's values come from, and may rewrite the table", "a new column", _AE),
    Rule("column.identity", Grade.G2,
         both(a("AlterTableCmd", "AT_AddIdentity", "AT_SetIdentity", "AT_DropIdentity"), _TABLE),
         "new rows get other numbers or none: duplicate keys and failing INSERTs",
         "a new sequence, started above the highest value", _AE),
    Rule("column.statistics", Grade.G0,
         both(a("AlterTableCmd", "AT_SetStatistics", "AT_SetOptions", "AT_ResetOptions"),
              of_object("OBJECT_TABLE", "OBJECT_INDEX", "OBJECT_MATVIEW")),
         "concerns the planner's estimates only", lock=Lock.SHARE_UPDATE_EXCLUSIVE),
    Rule("column.storage", Grade.G1,
         both(a("AlterTableCmd", "AT_SetStorage", "AT_SetCompression"), of_object("OBJECT_TABLE", "OBJECT_MATVIEW")),
         "concerns how later values are stored", lock=_AE),
)  # fmt: skip
