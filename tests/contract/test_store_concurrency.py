"""Every store under many threads: exactly one of two writers wins, and the chain never forks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

from controller.ports import Commit, Conflict, Fenced, Page, Store
from tests.contract.conftest import a_draft, a_message, a_release, an_answer, stored

THREADS = 16


def outcomes(act: Callable[[int], object]) -> list[str]:
    """The names of what came of ``act`` in each of many threads that start together."""
    gate = Barrier(THREADS, timeout=10)

    def one(number: int) -> str:
        gate.wait()
        try:
            act(number)
        except (Conflict, Fenced) as trouble:
            return type(trouble).__name__
        return "done"

    with ThreadPoolExecutor(THREADS) as pool:
        return sorted(pool.map(one, range(THREADS)))


ONE_WINS = ["Conflict"] * (THREADS - 1) + ["done"]


def test_of_many_swaps_from_one_revision_exactly_one_wins(store: Store) -> None:
    store.commit(Commit(create=a_release()))
    for revision in range(1, 6):

        def swap(number: int, revision: int = revision) -> None:
            changed = replace(a_release(), revision=revision, weight_pct=number)
            store.commit(Commit((a_draft(str(number)),), release=changed))

        assert outcomes(swap) == ONE_WINS
    release_now = store.release("r-1")
    assert release_now is not None
    assert release_now.revision == 6
    assert store.verify_audit().records == 5
    assert store.audit(Page(), newest_first=True)[0].draft.text == str(release_now.weight_pct)


def test_of_many_new_releases_of_one_application_exactly_one_is_active(store: Store) -> None:
    assert outcomes(lambda number: store.commit(Commit(create=a_release(f"r-{number}")))) == ONE_WINS
    assert len(store.active("shop")) == 1


def test_of_many_requests_with_one_idempotency_key_exactly_one_is_carried_out(store: Store) -> None:
    def submit(number: int) -> None:
        release = a_release(f"r-{number}", f"app-{number}")
        store.commit(Commit((a_draft(),), create=release, answered=an_answer()))

    assert outcomes(submit) == ONE_WINS
    assert len(store.releases(Page())) == 1


def test_every_leader_gets_an_epoch_of_its_own_and_only_the_last_one_may_commit(store: Store) -> None:
    epochs: list[int] = []
    outcomes(lambda number: epochs.append(store.lead(str(number), 1.0)))
    assert sorted(epochs) == list(range(1, THREADS + 1))
    results = outcomes(lambda number: store.commit(Commit((a_draft(),), epoch=number + 1)))
    assert results == ["Fenced"] * (THREADS - 1) + ["done"]


def test_the_chain_stays_whole_under_many_writers_and_readers(store: Store) -> None:
    each = 20
    for number in range(THREADS):
        store.commit(Commit(create=a_release(f"r-{number}", f"app-{number}")))

    def work(number: int) -> None:
        for turn in range(each):
            release = store.release(f"r-{number}")
            assert release is not None
            assert release.revision == turn + 1
            store.commit(
                Commit(
                    (a_draft(f"{number}.{turn}"), a_draft(f"{number}.{turn} again")),
                    release=replace(release, weight_pct=turn),
                    messages=(a_message(f"{number}.{turn}"),),
                )
            )
            page = store.audit(Page(limit=7), newest_first=True)
            assert [record.seq for record in page] == list(range(page[0].seq, page[0].seq - len(page), -1))

    assert outcomes(work) == ["done"] * THREADS
    check = store.verify_audit()
    assert (check.ok, check.records) == (True, THREADS * each * 2)
    assert len(store.outbox_due(1e12, 1_000)) == THREADS * each


def test_the_chain_can_be_verified_while_it_grows(store: Store) -> None:
    def work(number: int) -> None:
        for turn in range(15):
            if number % 4 == 0:
                check = store.verify_audit()
                assert check.ok, check.trouble
            else:
                store.commit(Commit(tuple(a_draft(f"{number}.{turn}.{part}") for part in range(5))))

    assert outcomes(work) == ["done"] * THREADS


def test_what_was_committed_is_seen_by_the_next_read_of_any_thread(store: Store) -> None:
    store.commit(Commit(create=a_release()))
    with ThreadPoolExecutor(4) as pool:
        for turn in range(1, 50):
            store.commit(Commit(release=replace(stored(a_release()), revision=turn)))
            seen = list(pool.map(lambda _: store.release("r-1"), range(4)))
            assert {release.revision for release in seen if release is not None} == {turn + 1}
