"""Raw objects and the JSON Patches that change them: looking into one, single steps, annotations. Pure; it knows no
kind of route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.adapters.kube.kinds import Raw

Steps = list[Raw]
"""Steps of one JSON Patch, carried out in order."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of one object: steps on its content, and annotations to set or (None) to take away.

    ``builds`` says that the steps add more than numbers: the server is asked first what it would make of them.
    """

    steps: Steps = field(default_factory=list)
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    builds: bool = False


def pointer(*parts: str | int) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def put(path: str, value: Any) -> Raw:
    """Set a field, there or not; or insert into a list."""
    return {"op": "add", "path": path, "value": value}


def drop(path: str) -> Raw:
    return {"op": "remove", "path": path}


def look_into(raw: Any, *keys: str) -> Any:
    """The value below ``keys``, or None where the way ends."""
    for key in keys:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw


def objects_in(raw: Any, *keys: str) -> list[Raw]:
    """The list below ``keys``, every place kept, so that its numbers hold in a patch; what is no object is {}."""
    found = look_into(raw, *keys)
    return [one if isinstance(one, dict) else {} for one in found] if isinstance(found, list) else []


def annotations_of(raw: Raw) -> dict[str, str]:
    found = look_into(raw, "metadata", "annotations")
    return found if isinstance(found, dict) else {}


def labels_of(raw: Raw) -> dict[str, str]:
    found = look_into(raw, "metadata", "labels")
    return found if isinstance(found, dict) else {}


def annotation_steps(raw: Raw, wanted: Mapping[str, str | None]) -> Steps:
    """What brings the annotations to ``wanted``; empty when they are there. All others stay."""
    have = annotations_of(raw)
    new = {key: value for key, value in wanted.items() if value is not None and have.get(key) != value}
    if new and not isinstance(look_into(raw, "metadata", "annotations"), dict):
        return [put("/metadata/annotations", new)]
    gone = [key for key, value in wanted.items() if value is None and key in have]
    return [put(pointer("metadata", "annotations", key), value) for key, value in new.items()] + [
        drop(pointer("metadata", "annotations", key)) for key in gone
    ]


def at_version(raw: Raw) -> Steps:
    """The precondition: the object is still the one that was read."""
    return [_test("/metadata/resourceVersion", raw["metadata"]["resourceVersion"])]


IDENTITIES = (("name",), ("destination", "host"), ("requestMirror", "backendRef", "name"), ("host",), ("value",))
"""Where an entry of a list, or a field that is taken away, says what it is."""


def at_content(raw: Raw, annotation: str, steps: Steps) -> Steps:
    """A narrower precondition: ``annotation`` is as it was read, and every step still meets what it was meant for. Then
    whoever else writes a status, a label or another annotation is no conflict.

    Only texts and numbers are compared: API servers up to 1.33 at least drop the connection over a null in a list.
    """
    text = annotations_of(raw).get(annotation)
    met = [_met(raw, step["path"]) for step in steps if step["path"].startswith("/spec/")]
    if text is None or None in met:
        return at_version(raw)
    tests = [_test(pointer("metadata", "annotations", annotation), text)]
    return tests + [one for n, one in enumerate(met) if one is not None and one not in met[:n]]


def _met(raw: Raw, path: str) -> Raw | None:
    """A test that the step at ``path`` meets the entry or the field that it was made for; None when nothing tells."""
    keys = path.split("/")[1:]
    nearest: tuple[list[str], Any] | None = None
    value: Any = raw
    for depth, key in enumerate(keys, start=1):
        counted = isinstance(value, list)
        if counted and not (key.isdigit() and int(key) < len(value)):
            return None
        value = value[int(key)] if counted else look_into(value, key)
        if counted:
            nearest = keys[:depth], value
    first = (["0"], value[0]) if isinstance(value, list) and value else ([], value)
    for below, met in (nearest or ([], None), (keys + first[0], first[1])):
        for identity in IDENTITIES:
            told = look_into(met, *identity)
            if isinstance(told, str | int) and not isinstance(told, bool):
                return _test("/" + "/".join([*below, *identity]), told)
    return None


def _test(path: str, value: Any) -> Raw:
    return {"op": "test", "path": path, "value": value}


def covers(wanted: Any, have: Any) -> bool:
    """Whether everything wanted is there. The server may have added defaults to objects, but nothing to lists."""
    if isinstance(wanted, Mapping):
        return isinstance(have, Mapping) and all(key in have and covers(wanted[key], have[key]) for key in wanted)
    if isinstance(wanted, list):
        same = isinstance(have, list) and len(have) == len(wanted)
        return same and all(covers(one, other) for one, other in zip(wanted, have, strict=True))
    return bool(wanted == have)


def among(path: str, have: Sequence[Raw], ours: Sequence[bool], wanted: Sequence[tuple[int, Raw]]) -> Steps:
    """Steps that make our entries of the list at ``path`` the wanted ones; empty when they are.

    ``wanted`` holds, in order, the place of the foreign entry (in ``have``) that each of ours stands right before.
    """
    foreign = [place for place, mine in enumerate(ours) if not mine]
    target: list[Raw | int] = []
    for place in foreign:
        target += [entry for before, entry in wanted if before == place]
        target.append(place)
    if _stands(have, ours, target):
        return []
    gone = [drop(pointer_in(path, place)) for place in reversed(range(len(have))) if ours[place]]
    return gone + [put(pointer_in(path, n), entry) for n, entry in enumerate(target) if isinstance(entry, dict)]


def pointer_in(path: str, place: int | str) -> str:
    return f"{path}/{place}"


def _stands(have: Sequence[Raw], ours: Sequence[bool], target: Sequence[Raw | int]) -> bool:
    if len(have) != len(target):
        return False
    pairs = zip(range(len(have)), target, strict=True)
    return all(
        covers(entry, have[place]) and ours[place] if isinstance(entry, dict) else entry == place
        for place, entry in pairs
    )
