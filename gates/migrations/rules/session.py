"""Rules about transactions, settings and code that runs at once. Settings of the session are the guards of a plan."""

from __future__ import annotations

import re

from gates.grades import Grade
from gates.migrations.action import Action
from gates.migrations.model import Lock
from gates.migrations.rule import Rule, a, both, either, flag, no
from gates.migrations.tree import body_of

MAX_LOCK_TIMEOUT_MS = 10_000
"""Longer, and every query of the table waits behind the migration that itself only waits."""
MAX_STATEMENT_TIMEOUT_MS = 3_600_000
"""An hour; what needs longer is a step of its own."""

_TIMEOUTS = {
    "lock_timeout": MAX_LOCK_TIMEOUT_MS,
    "statement_timeout": MAX_STATEMENT_TIMEOUT_MS,
    "idle_in_transaction_session_timeout": MAX_STATEMENT_TIMEOUT_MS,
    "transaction_timeout": MAX_STATEMENT_TIMEOUT_MS,
}
_UNIT_MS = {"": 1, "ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000}
_QUIET = frozenset(
    {"client_min_messages", "application_name", "work_mem", "maintenance_work_mem", "default_tablespace"}
)
_GUARDS = frozenset(
    {"search_path", "timezone", "row_security", "check_function_bodies", "default_table_access_method", "datestyle",
     "intervalstyle", "xmloption", "default_transaction_isolation", "default_transaction_read_only",
     "constraint_exclusion", "synchronous_commit", "max_parallel_maintenance_workers", "max_parallel_workers",
     "max_parallel_workers_per_gather", "enable_seqscan", "jit", "default_toast_compression", "temp_buffers",
     "deadlock_timeout"} | set(_TIMEOUTS)
)  # fmt: skip
_READING = frozenset(
    {"role", "session_authorization", "session_replication_role", "standard_conforming_strings", "backslash_quote",
     "client_encoding", "escape_string_warning"}
)  # fmt: skip
_SET = either(a("VariableSetStmt", "VAR_SET_VALUE", "VAR_SET_DEFAULT", "VAR_SET_CURRENT", "VAR_RESET"))


def _name(action: Action) -> str:
    return str(action.top.get("name", "")).lower()


def _value_ms(action: Action) -> int | None:
    arguments = action.top.get("args", ())
    value = body_of(arguments[0]) if len(arguments) == 1 else {}
    if "ival" in value:
        return int((value.get("ival") or {}).get("ival", 0))
    read = re.fullmatch(r"\s*(\d{1,9})\s*(ms|s|min|h|)\s*", str((value.get("sval") or {}).get("sval", "")))
    return int(read[1]) * _UNIT_MS[read[2]] if read else None


def _within_limits(action: Action) -> bool:
    """A time-out that is set, not switched off, and not longer than the policy allows."""
    limit, value = _TIMEOUTS.get(_name(action)), _value_ms(action)
    return action.form == "VAR_SET_VALUE" and limit is not None and value is not None and 0 < value <= limit


RULES = (
    Rule("transaction.plain", Grade.G0,
         both(a("TransactionStmt", "TRANS_STMT_BEGIN", "TRANS_STMT_START", "TRANS_STMT_COMMIT"), no(flag("options")),
         no(flag("chain"))),
         "the plan's own transactions take its place"),
    Rule("transaction.options", Grade.G2,
         both(a("TransactionStmt", "TRANS_STMT_BEGIN", "TRANS_STMT_START", "TRANS_STMT_COMMIT"),
         either(flag("options"), flag("chain"))),
         "it asks for another kind of transaction than the plan opens", "plain BEGIN and COMMIT"),
    Rule("transaction.escapes", Grade.G3,
         a("TransactionStmt", "TRANS_STMT_ROLLBACK", "TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE",
         "TRANS_STMT_ROLLBACK_TO",
           "TRANS_STMT_PREPARE", "TRANS_STMT_COMMIT_PREPARED", "TRANS_STMT_ROLLBACK_PREPARED"),
         "it leaves the transaction in which the plan is checked", "plain BEGIN and COMMIT in pairs, or none",
         refuses=True),
    Rule("setting.timeout-local", Grade.G0, both(_SET, _within_limits, flag("is_local")),
         "a tighter time-out for this transaction"),
    Rule("setting.timeout", Grade.G1, both(_SET, _within_limits, no(flag("is_local"))),
         "a tighter time-out that outlives the transaction", "SET LOCAL"),
    Rule("setting.quiet", Grade.G1, both(_SET, lambda action: _name(action) in _QUIET), "changes no meaning"),
    Rule("setting.guard", Grade.G2, both(_SET, no(_within_limits), lambda action: _name(action) in _GUARDS),
         "it overrides what the plan sets for the session: names, times and guards then mean something else",
         "leave it out; the plan has its own settings"),
    Rule("setting.reads-otherwise", Grade.G3, both(_SET, lambda action: _name(action) in _READING),
         "from here on the server would act as somebody else, without its checks, or read the text otherwise",
         "leave it out", refuses=True),
    Rule("setting.other", Grade.G3, both(_SET, lambda action: _name(action) not in _QUIET | _GUARDS | _READING),
         "a setting that is on no list", "leave it out"),
    Rule("setting.several", Grade.G2, a("VariableSetStmt", "VAR_SET_MULTI", "VAR_RESET_ALL"),
         "it overrides what the plan sets for the session", "leave it out"),
    Rule("setting.show", Grade.G0, a("VariableShowStmt"), "only reads"),
    Rule("code.block", Grade.G3, either(a("DoStmt"), a("CallStmt"), a("PrepareStmt"), a("ExecuteStmt")),
         "code runs whose effects the text does not tell", "plain statements", Lock.UNKNOWN),
)  # fmt: skip
