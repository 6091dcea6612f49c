"""The guard's record on disk: one JSON file with a checksum, replaced whole and fsynced. It decides nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from controller.core.model import Mark
from controller.guard.model import Address, Names, Pool, Route, Saved
from controller.guard.wire import NAME, decode_mark, encode_mark

FILE = "guard.json"
FORMAT = 1
FILE_BYTES = 64 << 20
"""500 routes with 200 halts each and 1,000 pools of 256 endpoints stay under this."""

SALVAGE = re.compile(rb'"backend":"([^"]{1,120})","stable":"([^"]{1,120})","canary":"([^"]{1,120})"')


class Corrupt(Exception):
    """The file is there and is not what was written. ``names`` are the routes that could be made out in it."""

    def __init__(self, text: str, names: tuple[Names, ...]) -> None:
        super().__init__(text)
        self.names = names


@dataclass(frozen=True, slots=True)
class StateFile:
    directory: Path

    def load(self) -> Saved:
        """An absent file is an empty record. Raises Corrupt, and OSError when it cannot be read at all."""
        try:
            with (self.directory / FILE).open("rb") as file:
                raw = file.read(FILE_BYTES + 1)
        except FileNotFoundError:
            return Saved()
        try:
            return decode(raw)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Corrupt(f"{self.directory / FILE} is corrupt: {error!r}", names_in(raw)) from error

    def set_aside(self) -> Path:
        """Keep a corrupt file for people under a name that is free."""
        for number in range(10_000):
            aside = self.directory / f"{FILE}.corrupt-{number}"
            if not aside.exists():
                (self.directory / FILE).rename(aside)
                return aside
        raise FileExistsError(f"{self.directory} is full of corrupt records")

    def save(self, saved: Saved) -> None:
        """Durable when this returns. On OSError the file is the old one or the new one, never a mixture."""
        target, fresh = self.directory / FILE, self.directory / f"{FILE}.new"
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(encode(saved))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def names_in(raw: bytes) -> tuple[Names, ...]:
    """The routes that can be made out in a damaged file, so that they can be brought down and held."""
    found = [tuple(part.decode("ascii", "replace") for part in match) for match in SALVAGE.findall(raw)]
    return tuple(Names(*parts) for parts in dict.fromkeys(found) if all(NAME.fullmatch(part) for part in parts))


def encode(saved: Saved) -> bytes:
    body = json.dumps(
        {
            "lost": saved.lost,
            "routes": [_encode_route(route) for route in saved.routes],
            "pools": [_encode_pool(pool) for pool in saved.pools],
        },
        separators=(",", ":"),
    )
    return f'{{"format":{FORMAT},"crc32":{zlib.crc32(body.encode())},"body":{body}}}\n'.encode()


def decode(raw: bytes) -> Saved:
    """Raises ValueError, KeyError or TypeError for anything but what ``encode`` wrote."""
    text = raw.decode("utf-8")
    whole = json.loads(text)
    if whole["format"] != FORMAT:
        raise ValueError(f"format {whole['format']!r} is not {FORMAT}")
    start = text.index('"body":') + len('"body":')
    if not text.endswith("}\n") or zlib.crc32(text[start:-2].encode()) != whole["crc32"]:
        raise ValueError("the checksum does not match")
    body = whole["body"]
    routes = tuple(_decode_route(item) for item in body["routes"])
    pools = tuple(_decode_pool(item) for item in body["pools"])
    return Saved(routes, pools, body["lost"] is True)


def _encode_route(route: Route) -> dict[str, object]:
    return {
        "backend": route.names.backend,
        "stable": route.names.stable,
        "canary": route.names.canary,
        "weight_pct": route.weight_pct,
        "revision": route.revision,
        "epoch": route.epoch,
        "release_id": route.release_id,
        "lease_s": route.lease_s,
        "lease_expired": route.lease_expired,
        "lease_saved_s": route.lease_saved_s,
        "halts": [encode_mark(mark) for mark in route.halts],
        "mark": encode_mark(route.mark) if route.mark else None,
        "drift_count": route.drift_count,
    }


def _decode_route(item: Mapping[str, object]) -> Route:
    halts = item["halts"]
    if not isinstance(halts, list):
        raise TypeError("halts is not a list")
    return Route(
        names=Names(str(item["backend"]), str(item["stable"]), str(item["canary"])),
        weight_pct=_whole(item["weight_pct"]),
        revision=_whole(item["revision"]),
        epoch=_whole(item["epoch"]),
        release_id=None if item["release_id"] is None else str(item["release_id"]),
        lease_s=None if item["lease_s"] is None else float(str(item["lease_s"])),
        lease_expired=item["lease_expired"] is True,
        lease_saved_s=None if item.get("lease_saved_s") is None else float(str(item["lease_saved_s"])),
        halts=tuple(decode_mark(mark) for mark in halts),
        mark=_optional_mark(item["mark"]),
        drift_count=_whole(item["drift_count"]),
    )


def _optional_mark(item: object) -> Mark | None:
    return None if item is None else decode_mark(item)


def _encode_pool(pool: Pool) -> dict[str, object]:
    endpoints = [[address.host, address.port, address.drain] for address in pool.endpoints]
    return {"pool": pool.name, "epoch": pool.epoch, "endpoints": endpoints}


def _decode_pool(item: Mapping[str, object]) -> Pool:
    endpoints = item["endpoints"]
    if not isinstance(endpoints, list):
        raise TypeError("endpoints is not a list")
    addresses = tuple(Address(str(host), _whole(port), drain is True) for host, port, drain in endpoints)
    return Pool(str(item["pool"]), _whole(item["epoch"]), addresses)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is not a whole number")
    return value
