"""Where the Authorization header of a call comes from, read again as tokens are rotated. It never shows or logs one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from controller.ports import Unavailable

T = TypeVar("T")

REREAD_S = 60.0
"""How old a token from a file may be. The kubelet rotates a projected token when a fifth of its life is left, so that
the one before is good for minutes at least."""

TOKEN_BYTES_MAX = 64 * 1024
"""Real tokens are 1 to 4 KiB."""

PLUGIN_S = 15.0
"""The longest an operator's credential plugin may take; the client's own loader would wait for ever."""


class Credentials(Protocol):
    def authorization(self) -> str | None:
        """The header's value, or None where calls carry none. Raises Unavailable."""
        ...

    def rejected(self) -> None:
        """The server did not accept it: read it again before the next call."""
        ...


class NoToken:
    """For client certificates, which are shown in the handshake."""

    def authorization(self) -> str | None:
        return None

    def rejected(self) -> None:
        return None


class FileToken:
    """A token in a file that others rotate."""

    def __init__(self, path: Path, monotonic_s: Callable[[], float]) -> None:
        self._path, self._monotonic_s = path, monotonic_s
        self._token: str | None = None
        self._read_at_s = 0.0
        self._lock = threading.Lock()

    def authorization(self) -> str | None:
        with self._lock:
            if self._token is None or self._monotonic_s() - self._read_at_s >= REREAD_S:
                self._token = self._read()
                self._read_at_s = self._monotonic_s()
            return f"Bearer {self._token}"

    def rejected(self) -> None:
        with self._lock:
            self._read_at_s -= REREAD_S

    def _read(self) -> str:
        try:
            with self._path.open("rb") as file:
                token = file.read(TOKEN_BYTES_MAX + 1).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            return self._last(f"cannot be read ({type(error).__name__})")
        if not token or not token.isprintable() or " " in token or len(token) > TOKEN_BYTES_MAX:
            return self._last("holds no token")
        return token

    def _last(self, why: str) -> str:
        """A file in the middle of its replacement is no reason to stop: the last token is good for minutes."""
        if self._token is None:
            raise Unavailable(f"the token file {self._path} {why}")
        return self._token


class LoadedToken:
    """What the kubernetes client's loader says, which may run the credential plugin of an operator's kubeconfig."""

    def __init__(self, load: Callable[[], str | None], monotonic_s: Callable[[], float]) -> None:
        self._load, self._monotonic_s = load, monotonic_s
        self._value: str | None = None
        self._read_at_s: float | None = None
        self._lock = threading.Lock()

    def authorization(self) -> str | None:
        with self._lock:
            if self._read_at_s is None or self._monotonic_s() - self._read_at_s >= REREAD_S:
                self._value = bounded(self._load, PLUGIN_S)
                self._read_at_s = self._monotonic_s()
            return self._value

    def rejected(self) -> None:
        with self._lock:
            self._read_at_s = None


def bounded(load: Callable[[], T], wait_s: float) -> T:
    """Call ``load``, which may start a program that hangs, and give up on it after ``wait_s``. Raises Unavailable."""
    answers: list[T] = []
    troubles: list[Exception] = []

    def run() -> None:
        try:
            answers.append(load())
        except Exception as error:  # noqa: BLE001  raised again in the caller's thread
            troubles.append(error)

    thread = threading.Thread(target=run, name="kubeconfig", daemon=True)
    thread.start()
    thread.join(wait_s)
    if troubles:
        raise troubles[0]
    if not answers:
        raise Unavailable(f"the credential plugin of the kubeconfig gave no answer within {wait_s:g} s")
    return answers[0]
