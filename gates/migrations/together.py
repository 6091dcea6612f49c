"""Rules about statements that are harmless one by one and not together. Each names the statements it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gates.grades import Grade, highest
from gates.migrations.action import Action
from gates.migrations.expressions import Calls, calls, column_of
from gates.migrations.model import Finding, Lock, Name, Phase
from gates.migrations.rules.facts import default_of, inline
from gates.migrations.steps import Step, stands_alone
from gates.migrations.tree import walk


@dataclass(frozen=True, slots=True)
class Judged:
    """A step, with the findings of the single rules and the phases they tell of."""

    step: Step
    findings: tuple[Finding, ...]
    phases: frozenset[Phase]


@dataclass(frozen=True, slots=True)
class PlanRule:
    id: str
    grade: Grade
    where: Callable[[Sequence[Judged]], Iterable[int]]
    """The statements that it is about; it holds if there is one."""
    reason: str
    remedy: str
    refuses: bool = False


def _each(plan: Sequence[Judged]) -> Iterator[tuple[Step, Action]]:
    return ((judged.step, action) for judged in plan for action in judged.step.actions)


def _default_taken_back(plan: Sequence[Judged]) -> Iterator[int]:
    """NOT NULL with a default, and the default dropped again in the same plan."""
    required: set[tuple[Name, str]] = set()
    for step, action in _each(plan):
        element = action.element
        if action.form == "AT_AddColumn" and not action.fresh:
            if "CONSTR_NOTNULL" in inline(element) and default_of(element) is not None:
                required.add((action.target, str(element.get("colname", ""))))
        elif _drops_default(action) and (action.target, str(action.body.get("name", ""))) in required:
            yield step.index


def _drops_default(action: Action) -> bool:
    return action.form == "AT_ColumnDefault" and not action.says("def")


def _validated(action: Action) -> str | None:
    return str(action.body.get("name", "")) if action.form == "AT_ValidateConstraint" else None


def _validated_at_once(plan: Sequence[Judged]) -> Iterator[int]:
    added: set[tuple[int | None, Name, str | None]] = set()
    for step, action in _each(plan):
        if action.form == "AT_AddConstraint" and action.element.get("skip_validation") and not action.fresh:
            added.add((step.transaction, action.target, str(action.element.get("conname", ""))))
        elif (step.transaction, action.target, _validated(action)) in added:
            yield step.index


def _label_before_commit(plan: Sequence[Judged]) -> Iterator[int]:
    labels: set[tuple[int | None, str]] = set()
    for judged in plan:
        step = judged.step
        used = {str((body.get("sval") or {}).get("sval")) for kind, body in walk(step.sliced.tree) if kind == "A_Const"}
        if any((step.transaction, label) in labels for label in used):
            yield step.index
        labels |= {(step.transaction, str(a.top.get("newVal"))) for a in step.actions if a.kind == "AlterEnumStmt"}


def _locks_several(plan: Sequence[Judged]) -> Iterator[int]:
    """Two old tables under ACCESS EXCLUSIVE in one transaction."""
    locked: dict[int, set[str]] = {}
    for judged in plan:
        here = {each.object for each in judged.findings if each.lock is Lock.ACCESS_EXCLUSIVE}
        if judged.step.transaction is not None and here:
            before = locked.setdefault(judged.step.transaction, set())
            before |= here
            if len(before) > 1:
                yield judged.step.index


_INSTALLS = ("CreateTrigStmt", "CreateStmt", "ViewStmt", "CreatePolicyStmt", "AlterPolicyStmt", "CreateTableAsStmt")
_TOUCHES_ROWS = frozenset(
    {"InsertStmt", "UpdateStmt", "DeleteStmt", "SelectStmt", "CreateTableAsStmt", "RefreshMatViewStmt"}
)


def _runs_own_code(plan: Sequence[Judged]) -> Iterator[int]:
    """Code is hung on a table or view, and a later statement of the same plan reads or writes it: so the code runs."""
    armed: set[str] = set()
    functions: set[str] = set()
    replaced = False
    for step in (judged.step for judged in plan):
        touched = _reads_or_writes(step) and (armed & _relations(step) or functions & _columns(step))
        inserts = any(action.kind == "InsertStmt" and not action.fresh for action in step.actions)
        if touched or (replaced and inserts):
            yield step.index
        armed |= {action.target.name for action in step.actions if _installs_code(action)}
        functions |= {action.target.name for action in step.actions if action.kind == "CreateFunctionStmt"}
        replaced = replaced or any(_changes_old_function(action) for action in step.actions)


def _changes_old_function(action: Action) -> bool:
    """A function that is there already may hang on any table by a trigger or a default."""
    return action.kind == "AlterFunctionStmt" or (action.kind == "CreateFunctionStmt" and action.says("replace"))


def _reads_or_writes(step: Step) -> bool:
    return step.kind in _TOUCHES_ROWS or any(action.form == "AT_ValidateConstraint" for action in step.actions)


def _relations(step: Step) -> set[str]:
    return {str(body["relname"]) for _, body in walk(step.sliced.tree) if "relname" in body}


def _columns(step: Step) -> set[str]:
    """Last words of column names: PostgreSQL reads table.name as name(table) where there is no such column."""
    return {column_of({"ColumnRef": body}) for kind, body in walk(step.sliced.tree) if kind == "ColumnRef"}


def _installs_code(action: Action) -> bool:
    calling = action.kind in _INSTALLS or action.form in ("AT_ColumnDefault", "AT_AddConstraint", "AT_AddColumn")
    unknown = calling and calls(action.body, action.kind) is Calls.UNKNOWN
    return action.kind == "CreateTrigStmt" or unknown


def _alone_inside(plan: Sequence[Judged]) -> Iterator[int]:
    return (step.index for step, action in _each(plan) if step.explicit and stands_alone(action))


def _unbalanced(plan: Sequence[Judged]) -> Iterator[int]:
    """BEGIN inside BEGIN, COMMIT without BEGIN, BEGIN without COMMIT."""
    opened: int | None = None
    for step, action in _each(plan):
        opens = action.form in ("TRANS_STMT_BEGIN", "TRANS_STMT_START")
        if not opens and action.form != "TRANS_STMT_COMMIT":
            continue
        if opens == (opened is not None):
            yield step.index
        opened = step.index if opens else None
    if opened is not None:
        yield opened


def _mixed(plan: Sequence[Judged]) -> Iterator[int]:
    expand = [judged.step.index for judged in plan if Phase.EXPAND in judged.phases]
    contract = [judged.step.index for judged in plan if Phase.CONTRACT in judged.phases]
    return iter(contract if expand else ())


def _nothing(plan: Sequence[Judged]) -> Iterator[int]:
    return iter(() if any(judged.step.kind != "TransactionStmt" for judged in plan) else (-1,))


PLAN_RULES = (
    PlanRule("plan.empty", Grade.G3, _nothing, "it holds no statement, so what it does is not in the text",
             "hand in the SQL that will run", refuses=True),
    PlanRule("plan.unbalanced", Grade.G3, _unbalanced,
             "BEGIN and COMMIT do not pair: a lone COMMIT ends the transaction in which the plan is checked",
             "BEGIN and COMMIT in pairs, or none", refuses=True),
    PlanRule("plan.never-inside", Grade.G3, _alone_inside,
             "it stands between BEGIN and COMMIT, and PostgreSQL refuses it there",
             "put it outside", refuses=True),
    PlanRule("plan.mixed", Grade.G3, _mixed,
             "the plan adds what the new version needs and takes away what the old one uses",
             "two plans: these statements in a second one, after the release is out everywhere", refuses=True),
    PlanRule("plan.runs-own-code", Grade.G3, _runs_own_code,
             "it reads or writes something on which this same plan has hung code, so that code runs at once",
             "two plans", refuses=False),
    PlanRule("plan.default-taken-back", Grade.G2, _default_taken_back,
             "the plan adds the column as NOT NULL and takes its default away: INSERTs of the running version fail",
             "keep the default until no running version relies on it"),
    PlanRule("plan.validated-at-once", Grade.G2, _validated_at_once,
             "NOT VALID and VALIDATE in one transaction: the first lock is held while the table is read",
             "VALIDATE in a transaction of its own"),
    PlanRule("plan.label-before-commit", Grade.G2, _label_before_commit,
             "a new enum label is usable only after COMMIT; in the same transaction it fails",
             "use it in a later transaction"),
    PlanRule("plan.locks-several", Grade.G2, _locks_several,
             "a second table is locked against reads and writes in one transaction, so both stay locked until its end",
             "one table per transaction"),
)  # fmt: skip


def findings_of(rule: PlanRule, plan: Sequence[Judged]) -> tuple[Finding, ...]:
    """The findings of one rule. Several locks are one step above what their transaction has otherwise, at most G2."""
    found = []
    for index in dict.fromkeys(rule.where(plan)):
        grade = rule.grade if rule.where is not _locks_several else _one_step_up(plan, index)
        if grade is not None:
            place = index if index >= 0 else None
            found.append(Finding(rule.id, grade, rule.reason, rule.remedy, place, refuses=rule.refuses))
    return tuple(found)


def _one_step_up(plan: Sequence[Judged], index: int) -> Grade | None:
    """None where the transaction is G2 or more already, and this adds nothing."""
    beside = [each for each in plan if each.step.transaction == plan[index].step.transaction]
    so_far = highest(*(finding.grade for each in beside for finding in each.findings))
    return {Grade.G0: Grade.G1, Grade.G1: Grade.G2}.get(so_far)
