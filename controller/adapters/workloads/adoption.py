"""Brings the record of a role and the processes found on the machine together after a crash. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from controller.adapters.workloads.host import Found
from controller.adapters.workloads.process_table import Instance, State, Table


def adopt(table: Table | None, empty: Table, found: Sequence[Found], now_s: float) -> Table:
    """The table with every found process in it, and without starts that were intended but never happened.

    A process that no record knows is taken in as serving: whether it is wanted is decided like for any other, so a
    lost table costs no traffic, and one too many is drained and stopped.
    """
    table = empty if table is None else table
    by_id = {one.instance: one for one in found}
    for instance in table.instances:
        one = by_id.pop(instance.id, None)
        if instance.pid is not None:
            continue
        if one is not None:
            table = table.put(_started(instance, one, now_s))
        elif instance.state is not State.WAITING:
            table = table.without(instance.id)
    for one in by_id.values():
        table = table.put(
            Instance(one.instance, one.version, one.port, State.SERVING, now_s, one.process.pid, one.process.born)
        )
    return table


def _started(instance: Instance, one: Found, now_s: float) -> Instance:
    process = one.process
    return replace(instance, state=State.STARTING, since_s=now_s, port=one.port, pid=process.pid, born=process.born)
