"""Where the controller is and which token goes there: flags before environment before config file. It sends nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from api.client import LOOPBACK, READ_TIMEOUT_S, Endpoint, Misconfigured
from controller.documents import DocumentError, load_document

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8460
DEFAULT_URL = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
FILE_BYTES_MAX = 64 * 1024
"""A config or token file is a few lines; a larger one is the wrong file."""
TIMEOUT_S_MAX = 600.0
"""Enough for the verification of a long audit chain; a request that takes longer is lost."""
CONFIG_FIELDS = frozenset({"url", "token", "token_file", "ca_file"})


@dataclass(frozen=True, slots=True)
class Flags:
    """What was given on the command line; None where it was not."""

    url: str | None = None
    token_file: str | None = None
    ca_file: str | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """The endpoint, and what the user should know about how it was put together."""

    endpoint: Endpoint
    warnings: tuple[str, ...] = ()


def config_path(env: Mapping[str, str]) -> Path:
    named = env.get("INTERLOCK_CONFIG")
    return Path(named) if named else Path.home() / ".config" / "interlock" / "config.yaml"


def connect(flags: Flags, env: Mapping[str, str], config_file: Path) -> Connection:
    """Raises Misconfigured when something given cannot be used."""
    config = _config(config_file)
    url = (flags.url or env.get("INTERLOCK_URL") or config.get("url") or DEFAULT_URL).rstrip("/")
    warnings: list[str] = []
    token = _token(flags, env, config, url, warnings)
    parts = urlsplit(url)
    if token and parts.scheme == "http" and parts.hostname not in LOOPBACK:
        warnings.append(f"the token goes to {parts.hostname} unencrypted: use an https address")
    ca_file = flags.ca_file or env.get("INTERLOCK_CA_FILE") or config.get("ca_file")
    timeout_s = READ_TIMEOUT_S if flags.timeout_s is None else flags.timeout_s
    if not 0.1 <= timeout_s <= TIMEOUT_S_MAX:
        raise Misconfigured(f"--request-timeout takes 0.1 to {TIMEOUT_S_MAX:g} seconds")
    trusted = str(Path(ca_file).expanduser()) if ca_file else None
    return Connection(Endpoint(url, token, trusted, timeout_s), tuple(warnings))


def _token(flags: Flags, env: Mapping[str, str], config: dict[str, str], url: str, warnings: list[str]) -> str:
    """The config file's token belongs to the config file's address and is never sent to another one."""
    if flags.token_file:
        return _token_file(flags.token_file, warnings)
    if env.get("INTERLOCK_TOKEN"):
        return env["INTERLOCK_TOKEN"].strip()
    if env.get("INTERLOCK_TOKEN_FILE"):
        return _token_file(env["INTERLOCK_TOKEN_FILE"], warnings)
    if url != config.get("url", DEFAULT_URL).rstrip("/"):
        return ""
    if "token" in config:
        return config["token"].strip()
    return _token_file(config["token_file"], warnings) if "token_file" in config else ""


def _token_file(name: str, warnings: list[str]) -> str:
    path = Path(name).expanduser()
    if _open_to_others(path):
        warnings.append(f"others on this machine can read the token file {path}: chmod 600 it")
    token = _text(path, "token file").strip()
    if not token:
        raise Misconfigured(f"the token file {path} is empty")
    return token


def _config(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    if _open_to_others(path):
        raise Misconfigured(f"others on this machine can read or change {path}: run chmod 600 on it")
    try:
        data = load_document(_text(path, "config file"))
    except DocumentError as error:
        raise Misconfigured(f"{path}: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise Misconfigured(f"{path} must hold lines like `url: https://...`, each value a text")
    unknown = sorted(str(name) for name in data.keys() - CONFIG_FIELDS)
    if unknown:
        raise Misconfigured(
            f"{path} has the unknown field {unknown[0]!r}; known are {', '.join(sorted(CONFIG_FIELDS))}"
        )
    return data


def _text(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        if len(raw) > FILE_BYTES_MAX:
            raise Misconfigured(f"the {what} {path} is larger than {FILE_BYTES_MAX // 1024} KiB: is it the right file?")
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise Misconfigured(f"the {what} {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"the {what} {path} is not text") from error


def _open_to_others(path: Path) -> bool:
    """Whether group or others may touch it. Windows keeps its own lists and says nothing useful here."""
    if os.name != "posix":
        return False
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
    except OSError:
        return False
