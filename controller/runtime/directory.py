"""The applications as last read, for what must know a route while the store is down. A cache, never a truth."""

from __future__ import annotations

import threading
from collections.abc import Callable

from controller.core.model import Application, Release
from controller.core.moves import ENDED
from controller.ports import Page, Store

PAGE = 500
"""Applications per read; the whole list is walked."""


class Directory:
    """Refreshed by the heartbeat; a failed refresh keeps what was known."""

    def __init__(self, store: Store, last_seen: Callable[[str], Release | None]) -> None:
        self._store, self._last_seen = store, last_seen
        self._lock = threading.Lock()
        self._known: tuple[Application, ...] = ()

    def refresh(self) -> None:
        found: list[Application] = []
        after = ""
        while True:
            page = self._store.applications(Page(after, PAGE))
            found += [stored.app for stored in page]
            if len(page) < PAGE:
                break
            after = page[-1].app.name
        with self._lock:
            self._known = tuple(found)

    def applications(self) -> tuple[Application, ...]:
        with self._lock:
            return self._known

    def of_release(self, release_id: str) -> Application | None:
        """The application whose route a release may hold: None once it has ended, since the route is another's then.

        From memory, else from the store. Raises PortError when neither knows.
        """
        release = self._last_seen(release_id) or self._store.release(release_id)
        return release.app if release is not None and release.phase not in ENDED else None
