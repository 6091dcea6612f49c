"""Run as a process of its own by the crash tests: commits again and again, and prints each revision once it is durable.

With a limit in bytes it first makes every file of this process that small, so that the disk is full in the middle.
"""

from __future__ import annotations

import resource
import sys
from dataclasses import replace

from controller.adapters.store.sql import SqlStore
from controller.ports import Commit, PortError
from tests.contract.conftest import a_draft, a_message


def commit_for_ever(store: SqlStore) -> None:
    while True:
        release = store.release("r-1")
        assert release is not None
        number = release.revision + 1
        store.commit(
            Commit(
                (a_draft(f"{number} first"), a_draft(f"{number} second")),
                release=replace(release, weight_pct=number % 101),
                messages=(a_message(f"m-{number}"),),
            )
        )
        print(number, flush=True)


def main(path: str, limit_bytes: int) -> None:
    store = SqlStore.open(path)
    if limit_bytes == 0:
        commit_for_ever(store)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        commit_for_ever(store)
    except PortError as trouble:
        print(f"{type(trouble).__name__}: {trouble}", flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    release = store.release("r-1")
    assert release is not None
    print(f"revision {release.revision}", flush=True)
    store.commit(Commit((a_draft("after the trouble"),), release=release))
    check = store.verify_audit()
    print(f"verified {check.ok} {check.records}", flush=True)
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
