"""One controller at a time on one PostgreSQL store: a lock that the server lets go with its session. The epoch in the
store, not this lock, is what keeps an older leader from committing."""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from typing import Any

import psycopg

from controller.adapters.store.postgres import LOCK_SPACE, Postgres
from controller.ports import Refused, Unavailable

TRY_S = 0.25

_TAKE = f"SELECT pg_try_advisory_lock({LOCK_SPACE}, hashtext(current_database() || '.' || current_schema()))"


class Turn:
    """Held from ``take`` to ``close``. ``keep``, called again and again, takes it anew after the server was away."""

    def __init__(self, database: Postgres) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._session: psycopg.Connection[Any] | None = None

    def take(self, patience_s: float) -> None:
        """Raises Refused when another controller has had it for all of ``patience_s``, Unavailable without a server."""
        for _ in range(max(1, round(patience_s / TRY_S))):
            if self._taken():
                return
            if self._closed.wait(TRY_S):
                break
        raise Refused(
            f"another interlock runs on the store {self._database.name}: stop it first, or give this one a database "
            "of its own"
        )

    def keep(self) -> None:
        """Raises Refused when another controller took it meanwhile: then the store fences this one."""
        with self._lock:
            session = self._session
        if session is not None and self._answers(session):
            return
        self.take(0.0)

    def close(self) -> None:
        self._closed.set()
        self._drop()

    def _taken(self) -> bool:
        self._drop()
        with ExitStack() as closing_it:
            try:
                session = self._database.connect()
                closing_it.callback(session.close)
                row = session.execute(_TAKE).fetchone()
            except psycopg.Error as error:
                raise Unavailable(f"the store {self._database.name}: {self._database.meaning(error)}") from error
            if row is None or not row[0]:
                return False
            with self._lock:
                if self._closed.is_set():
                    return False
                self._session = session
            closing_it.pop_all()
        return True

    def _answers(self, session: psycopg.Connection[Any]) -> bool:
        try:
            session.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def _drop(self) -> None:
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            with suppress(psycopg.Error):
                session.close()
