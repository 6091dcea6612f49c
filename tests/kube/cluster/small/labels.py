"""Label and field selectors: read from a query, and matched against objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tests.kube.cluster.raw import Raw, labels_of, name_of, namespace_of
from tests.kube.cluster.small.failures import bad_request

Matches = Callable[[Raw], bool]
FIELDS: Mapping[str, Callable[[Raw], str]] = {
    "metadata.name": name_of,
    "metadata.namespace": namespace_of,
}
FIELDS_OF: Mapping[str, Mapping[str, Callable[[Raw], str]]] = {
    "pods": {
        "spec.nodeName": lambda pod: str(pod["spec"].get("nodeName", "")),
        "status.phase": lambda pod: str(pod.get("status", {}).get("phase", "")),
    },
    "secrets": {"type": lambda secret: str(secret.get("type", ""))},
    "events": {
        "involvedObject.name": lambda event: str(event["involvedObject"].get("name", "")),
        "involvedObject.kind": lambda event: str(event["involvedObject"].get("kind", "")),
        "involvedObject.uid": lambda event: str(event["involvedObject"].get("uid", "")),
        "involvedObject.namespace": lambda event: str(event["involvedObject"].get("namespace", "")),
        "reason": lambda event: str(event.get("reason", "")),
        "type": lambda event: str(event.get("type", "")),
    },
}
SET = re.compile(r"\s*([^\s!=,()]+)\s+(in|notin)\s*\(([^)]*)\)\s*(?:,|$)")
PLAIN = re.compile(r"\s*(!?)\s*([^\s!=,()]+)\s*(?:(==|=|!=)\s*([^\s,()=!]*))?\s*(?:,|$)")


def by_labels(text: str) -> Matches:
    """``a=b,c!=d,e in (f,g),h,!i``; an empty text matches everything."""
    tests, at = [], 0
    while at < len(text):
        found = SET.match(text, at) or PLAIN.match(text, at)
        if found is None or (text[at:].endswith(",") and found.end() == len(text)):
            raise bad_request(f"unable to parse requirement: found '{text[at : at + 1]}', expected: identifier")
        tests.append(of_set(*found.groups()) if found.re is SET else of_plain(*found.groups()))
        at = found.end()
    return lambda body: all(test(labels_of(body)) for test in tests)


def of_set(key: str, how: str, listed: str) -> Callable[[Mapping[str, str]], bool]:
    values = {value.strip() for value in listed.split(",")}
    if how == "in":
        return lambda labels: labels.get(key) in values
    return lambda labels: key not in labels or labels[key] not in values


def of_plain(no: str, key: str, how: str | None, value: str | None) -> Callable[[Mapping[str, str]], bool]:
    if how is None:
        return (lambda labels: key not in labels) if no else (lambda labels: key in labels)
    if how == "!=":
        return lambda labels: labels.get(key) != value
    return lambda labels: labels.get(key) == value


def by_fields(plural: str, text: str) -> Matches:
    known = {**FIELDS, **FIELDS_OF.get(plural, {})}
    tests: list[Matches] = []
    for part in filter(None, text.split(",")):
        key, how, value = re.split(r"(!=|==|=)", part, maxsplit=1) if re.search("=", part) else (part, "", "")
        if key not in known:
            told = ", ".join(f'"{one}"' for one in FIELDS)
            raise bad_request(f'"{key}" is not a known field selector: only {told}')
        tests.append(of_field(known[key], how, value))
    return lambda body: all(test(body) for test in tests)


def of_field(read: Callable[[Raw], str], how: str, value: str) -> Matches:
    return (lambda body: read(body) != value) if how == "!=" else (lambda body: read(body) == value)


def selects(selector: Raw | None, labels: Mapping[str, str]) -> bool:
    """A LabelSelector object against labels; no selector selects nothing."""
    if selector is None:
        return False
    plain = (selector.get("matchLabels") or {}).items()
    if any(labels.get(key) != value for key, value in plain):
        return False
    return all(meets(one, labels) for one in selector.get("matchExpressions") or [])


def meets(wanted: Raw, labels: Mapping[str, str]) -> bool:
    has, values = wanted["key"] in labels, wanted.get("values") or []
    match wanted["operator"]:
        case "Exists":
            return has
        case "DoesNotExist":
            return not has
        case "In":
            return has and labels[wanted["key"]] in values
        case _:
            return not has or labels[wanted["key"]] not in values
