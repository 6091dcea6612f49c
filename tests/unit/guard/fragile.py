"""A guard in memory that notes every effect on disk and proxy, and can die at any of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from controller.core.model import Application
from controller.guard.model import Saved, Shown
from controller.ports import RouteWrite
from tests.contract.router_fixtures import application
from tests.fakes.router import FakeRouter

T = TypeVar("T")


class Crash(BaseException):
    """The process is gone at this point. Not an Exception, so that nothing can handle it."""


class Fragile(FakeRouter):
    """Notes every effect, and dies at the one numbered ``fatal``, before or after it happened."""

    def __init__(self, fatal: int | None = None, after: bool = False) -> None:
        self.effects: list[str] = []
        self.fatal = fatal
        self.after = after
        super().__init__(lambda: 1_000.0)
        proxy_push = self.haproxy.push

        def push(backend: str, commands: tuple[str, ...]) -> Shown:
            if not commands:
                return proxy_push(backend, ())
            return self._effect("proxy", lambda: proxy_push(backend, commands))

        self.haproxy.push = push  # type: ignore[method-assign]
        self.app = application()
        self.add(self.app)

    def _save(self, saved: Saved) -> None:
        self._effect("disk", lambda: super(Fragile, self)._save(saved))

    def _effect(self, name: str, do: Callable[[], T]) -> T:
        number = len(self.effects)
        self.effects.append(name)
        if number == self.fatal and not self.after:
            raise Crash
        done = do()
        if number == self.fatal:
            raise Crash
        return done

    @property
    def live(self) -> float:
        return self.haproxy.share_pct("shop")


def write(router: FakeRouter, app: Application, weight_pct: int, epoch: int = 1) -> None:
    router.write(app, RouteWrite(weight_pct, "r1", epoch, router.read(app).revision, 60.0))
