"""Every store under one fixture, and the values its contract tests are made of."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from analysis.model import AnalysisSpec, CounterQuery
from controller.adapters.store.database import Limits
from controller.adapters.store.location import no_password, turn_on
from controller.adapters.store.sql import SqlStore
from controller.adapters.store.turn import Turn
from controller.core.model import Application, CanaryPlan, Phase, Reason, Release
from controller.core.targets import HaproxyRoute, ProcessesTarget
from controller.ports import Answered, Commit, Message, Page, Store, StoredApplication, Token
from gates.audit import Draft
from gates.kill import Engagement, Scope, ScopeKind, Verb
from tests.contract.postgres_stage import Server, programs, running
from tests.contract.postgres_stage import absent as postgres_absent
from tests.fakes.store import MemoryStore

OpenStore = Callable[[], Store]


def sqlite_file(directory: Path) -> Store:
    return SqlStore.open(directory / "interlock.db")


def sqlite_memory(_: Path) -> Store:
    return SqlStore.open(":memory:")


def memory(_: Path) -> Store:
    return MemoryStore()


STORES = (memory, sqlite_file, sqlite_memory)
POSTGRES = "postgres"
ON_POSTGRES = (pytest.mark.real, pytest.mark.timeout(60), pytest.mark.xdist_group("postgres store"))
"""For whatever needs the server: one worker starts it, once."""


def _stores() -> list[ParameterSet]:
    """PostgreSQL where its programs are; the end of a run says when it was left out."""
    found = [pytest.param(make, id=make.__name__) for make in STORES]
    return found + ([pytest.param(POSTGRES, id=POSTGRES, marks=ON_POSTGRES)] if programs() else [])


@pytest.fixture(params=_stores())
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store
    if request.param == POSTGRES:
        made = SqlStore.open(request.getfixturevalue("postgres_url"))
    else:
        made = request.param(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    folder = programs()
    if folder is None:
        pytest.skip(str(postgres_absent()))
    with running(folder) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """An empty database of this test's own, in an order that is not that of bytes."""
    name = f"t{secrets.token_hex(4)}"
    postgres.sql(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE 'C.UTF-8'")
    yield postgres.url(name)
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


IMPATIENT = Limits(busy_s=0.3, statement_s=0.6, readers=2)


@pytest.fixture
def here(postgres_url: str) -> Iterator[SqlStore]:
    """A store on PostgreSQL that waits for nothing long."""
    made = SqlStore.open(postgres_url, IMPATIENT)
    yield made
    made.close()


@pytest.fixture
def turn(postgres_url: str) -> Iterator[Turn]:
    made = turn_on(postgres_url, no_password)
    yield made
    made.close()


@pytest.fixture
def other(postgres_url: str) -> Iterator[Turn]:
    """The turn of another controller on the same store."""
    made = turn_on(postgres_url, no_password)
    yield made
    made.close()


@pytest.fixture
def sql_path(tmp_path: Path) -> Path:
    return tmp_path / "interlock.db"


@pytest.fixture
def sql_store(sql_path: Path) -> Iterator[SqlStore]:
    made = SqlStore.open(sql_path)
    yield made
    made.close()


def an_application(name: str = "shop") -> Application:
    return Application(
        name=name,
        environment="production",
        target=ProcessesTarget(("serve", "--version", "{version}")),
        router=HaproxyRoute("/run/guard.sock", name),
        canary=CanaryPlan((1, 5, 10)),
        analysis=AnalysisSpec("http://127.0.0.1:9090", (CounterQuery("errors", ("total",), ("bad",)),)),
    )


def a_release(release_id: str = "r-1", application: str = "shop", created_at_s: float = 100.0) -> Release:
    reason = Reason("submitted", "waits for its turn")
    app = an_application(application)
    return Release(release_id, app, "v1", "v2", Phase.PENDING, "ci", created_at_s, created_at_s, reason)


def stored(release: Release) -> Release:
    """``release`` as the store holds it after it took it."""
    return replace(release, revision=release.revision + 1)


def a_draft(text: str = "said", at_s: float = 1_800_000_000.123456, kind: str = "release_step") -> Draft:
    return Draft(kind, at_s, "ci", text, "r-1", "shop", "production", 1, {"weight_pct": 5, "share": 0.25})


def a_message(key: str = "m-1") -> Message:
    return Message(key, "webhook", "r-1", "shop", "http://127.0.0.1/hook", {"weight_pct": 5, "steps": [1, 5]})


def an_engagement(engagement_id: str = "k-1", scope: Scope = Scope(ScopeKind.FLEET)) -> Engagement:  # noqa: B008
    return Engagement(engagement_id, Verb.REVERT, scope, "oncall", 100.5, "errors everywhere")


def a_token(token_id: str = "t-1", role: str = "operator") -> Token:
    return Token(token_id, "ci of shop", role, "ab" * 32, 100.0)


def an_answer(key: str = "key-1", actor: str = "ci", at_s: float = 100.0) -> Answered:
    return Answered(key, actor, "sha256:" + "0" * 64, 202, '{"id": "r-1"}', at_s)


def everything(epoch: int | None = None) -> Commit:
    """A commit of every part at once."""
    return Commit(
        records=(a_draft("first"), a_draft("second")),
        epoch=epoch,
        create=a_release(),
        application=StoredApplication(an_application(), "v1"),
        engage=an_engagement(),
        release_kill="k-elsewhere",
        messages=(a_message("m-1"), a_message("m-2")),
        tokens=(a_token(),),
        answered=an_answer(),
    )


def assert_empty(store: Store) -> None:
    """Nothing of ``everything`` is there."""
    assert store.release("r-1") is None
    assert store.application("shop") is None
    assert store.kills().engaged == ()
    assert store.kills().released == frozenset()
    assert store.outbox_due(1e12, 10) == []
    assert store.tokens() == []
    assert store.answered("key-1", "ci") is None
    assert store.audit(Page()) == []
    assert store.verify_audit().records == 0
