"""A CustomResourceDefinition's structural schema: what it prunes, what it fills in and what it refuses."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from tests.kube.cluster.raw import Raw
from tests.kube.cluster.small.failures import Cause, required, shown, unsupported, wrong

KEEP = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"


def pruned(value: Any, schema: Raw) -> Any:
    """A copy without the fields that the schema does not know."""
    if isinstance(value, list):
        return [pruned(one, schema.get("items") or {KEEP: True}) for one in value]
    if not isinstance(value, dict):
        return value
    known: Raw = schema.get("properties") or {}
    other = schema.get("additionalProperties")
    result = {}
    for key, one in value.items():
        if key in known:
            result[key] = pruned(one, known[key])
        elif isinstance(other, dict):
            result[key] = pruned(one, other)
        elif schema.get(KEEP) or other is True:
            result[key] = copy.deepcopy(one)
    return result


def filled(value: Any, schema: Raw) -> Any:
    """``value`` with the schema's defaults, in place. A null where none may be makes room for the default."""
    if isinstance(value, list):
        for one in value:
            filled(one, schema.get("items") or {})
    if not isinstance(value, dict):
        return value
    for key, below in (schema.get("properties") or {}).items():
        if "default" in below and (key not in value or (value[key] is None and not below.get("nullable"))):
            value[key] = copy.deepcopy(below["default"])
        if key in value:
            filled(value[key], below)
    other = schema.get("additionalProperties")
    if isinstance(other, dict):
        for one in value.values():
            filled(one, other)
    return value


def wrongs(value: Any, schema: Raw, at: str = "") -> list[Cause]:
    """What the schema refuses."""
    if value is None and schema.get("nullable"):
        return []
    typed = wrong_type(value, schema, at)
    if typed is not None:
        return [typed]
    if "enum" in schema and value not in schema["enum"]:
        return [unsupported(at, value, tuple(str(one) for one in schema["enum"]))]
    match value:
        case dict():
            return wrong_fields(value, schema, at)
        case list():
            return wrong_items(value, schema, at)
        case str():
            return wrong_text(value, schema, at)
        case bool() | None:
            return []
        case _:
            return wrong_number(value, schema, at)


TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


def wrong_type(value: Any, schema: Raw, at: str) -> Cause | None:
    wanted = schema.get("type", "")
    if schema.get(INT_OR_STRING):
        fits = isinstance(value, int | str) and not isinstance(value, bool)
        wanted = "integer,string"
    elif not wanted:
        fits = True
    else:
        fits = isinstance(value, TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))
    if fits:
        return None
    is_a = type_name(value)
    told = f'Invalid value: "{is_a}": {at} in body must be of type {wanted}: "{is_a}"'
    return Cause(at, told, "FieldValueTypeInvalid")


def type_name(value: Any) -> str:
    if value is None:
        return "null"
    return next(name for name in ("boolean", "object", "array", "string", "integer", "number")
                if isinstance(value, TYPES[name]))  # fmt: skip


def wrong_fields(value: Raw, schema: Raw, at: str) -> list[Cause]:
    dot = f"{at}." if at else ""
    found = [required(f"{dot}{key}") for key in schema.get("required") or [] if key not in value]
    other = schema.get("additionalProperties")
    for key, one in value.items():
        below = (schema.get("properties") or {}).get(key, other if isinstance(other, dict) else None)
        if below is not None:
            found += wrongs(one, below, f"{dot}{key}")
    if len(value) > schema.get("maxProperties", len(value)):
        found.append(too_many(at, len(value), schema["maxProperties"], "properties"))
    if schema.get("oneOf") and sum(not wrongs(value, one, at) for one in schema["oneOf"]) != 1:
        found.append(wrong(at, "object", f"{at} in body must validate one and only one schema (oneOf)"))
    return found


def wrong_items(value: list[Any], schema: Raw, at: str) -> list[Cause]:
    items = schema.get("items") or {}
    found = [cause for number, one in enumerate(value) for cause in wrongs(one, items, f"{at}[{number}]")]
    if len(value) > schema.get("maxItems", len(value)):
        found.append(too_many(at, len(value), schema["maxItems"], "items"))
    if len(value) < schema.get("minItems", 0):
        told = f"{at} in body should have at least {schema['minItems']} items"
        found.append(wrong(at, len(value), told))
    keys = schema.get("x-kubernetes-list-map-keys")
    if schema.get("x-kubernetes-list-type") == "map" and keys:
        found += doubled([{key: one.get(key) for key in keys} for one in value if isinstance(one, dict)], at)
    if schema.get("x-kubernetes-list-type") == "set":
        found += doubled(value, at)
    return found


def doubled(keys: list[Any], at: str) -> list[Cause]:
    texts = [json.dumps(key, separators=(",", ":")) for key in keys]
    twice = [number for number, text in enumerate(texts) if text in texts[:number]]
    return [Cause(f"{at}[{n}]", f"Duplicate value: {texts[n]}", "FieldValueDuplicate") for n in twice]


def too_many(at: str, size: int, most: int, what: str) -> Cause:
    return Cause(at, f"Too many: {size}: must have at most {most} {what}", "FieldValueTooMany")


def wrong_text(value: str, schema: Raw, at: str) -> list[Cause]:
    if len(value) > schema.get("maxLength", len(value)):
        return [Cause(at, f"Too long: may not be more than {schema['maxLength']} bytes", "FieldValueTooLong")]
    if len(value) < schema.get("minLength", 0):
        return [wrong(at, value, f"{at} in body should be at least {schema['minLength']} chars long")]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return [wrong(at, value, f"{at} in body should match '{schema['pattern']}'")]
    return []


def wrong_number(value: Any, schema: Raw, at: str) -> list[Cause]:
    if value < schema.get("minimum", value):
        return [wrong(at, value, f"{at} in body should be greater than or equal to {shown(schema['minimum'])}")]
    if value > schema.get("maximum", value):
        return [wrong(at, value, f"{at} in body should be less than or equal to {shown(schema['maximum'])}")]
    return []
