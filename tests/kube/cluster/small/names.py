"""Which names, labels and annotations Kubernetes takes, with its own words for those it does not."""

from __future__ import annotations

import re
from typing import Any

from tests.kube.cluster.raw import Raw
from tests.kube.cluster.small.failures import Cause, forbidden_field, wrong

LABEL_PART = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL_PART}(\.{LABEL_PART})*"
DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"

SAY_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"
)
SAY_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL_PART}')"
)
SAY_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    f"and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '{DNS_1035}')"
)
SAY_QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{QUALIFIED}')"
)
SAY_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{VALUE}')"
)
ANNOTATIONS_BYTES = 256 * 1024
"""What all annotations of one object may have together; etcd would take more, clients that list would not."""

LABEL_NAMED = frozenset({"namespaces"})
DNS_1035_NAMED = frozenset({"services"})
FREELY_NAMED = frozenset({"roles", "rolebindings", "clusterroles", "clusterrolebindings"})


def wrong_name(plural: str, name: str) -> Cause | None:
    """An object's own name."""
    if plural in FREELY_NAMED:
        return None if name and "/" not in name and "%" not in name else wrong("metadata.name", name, "a path segment")
    pattern, say, longest = SUBDOMAIN, SAY_SUBDOMAIN, 253
    if plural in LABEL_NAMED:
        pattern, say, longest = LABEL_PART, SAY_LABEL, 63
    if plural in DNS_1035_NAMED:
        pattern, say, longest = DNS_1035, SAY_1035, 63
    if len(name) > longest:
        return wrong("metadata.name", name, f"must be no more than {longest} characters")
    return None if re.fullmatch(pattern, name) else wrong("metadata.name", name, say)


def wrong_key(field: str, key: str) -> Cause | None:
    prefix, slash, name = key.rpartition("/")
    if slash and not re.fullmatch(SUBDOMAIN, prefix):
        return wrong(field, key, f"prefix part {SAY_SUBDOMAIN}")
    if not name or len(name) > 63:
        return wrong(
            field, key, "name part must be non-empty" if not name else "name part must be no more than 63 bytes"
        )
    return None if re.fullmatch(QUALIFIED, name) else wrong(field, key, SAY_QUALIFIED)


def wrong_value(field: str, value: str) -> Cause | None:
    if len(value) > 63:
        return wrong(field, value, "must be no more than 63 bytes")
    return None if re.fullmatch(VALUE, value) else wrong(field, value, SAY_VALUE)


def wrong_labels(field: str, labels: dict[str, str]) -> list[Cause]:
    found = [cause for key in labels if (cause := wrong_key(field, key))]
    return found + [cause for value in labels.values() if (cause := wrong_value(field, value))]


def wrong_annotations(field: str, annotations: dict[str, str]) -> list[Cause]:
    found = [cause for key in annotations if (cause := wrong_key(field, key.lower()))]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > ANNOTATIONS_BYTES:
        found.append(Cause(field, f"Too long: may not be more than {ANNOTATIONS_BYTES} bytes", "FieldValueTooLong"))
    return found


def wrong_metadata(metadata: Raw, before: Raw | None) -> list[Cause]:
    """Labels, annotations, owners and finalizers of an object that is about to be written."""
    found = wrong_labels("metadata.labels", metadata.get("labels") or {})
    found += wrong_annotations("metadata.annotations", metadata.get("annotations") or {})
    for owner in metadata.get("ownerReferences") or []:
        found += wrong_owner(owner)
    if before is not None and "deletionTimestamp" in before:
        new = [one for one in metadata.get("finalizers") or [] if one not in (before.get("finalizers") or [])]
        if new:
            listed = ", ".join(f'"{one}"' for one in new)
            told = "no new finalizers can be added if the object is being deleted, found new finalizers "
            found.append(forbidden_field("metadata.finalizers", told + "[]string{" + listed + "}"))
    return found


def wrong_finalizers(metadata: Raw) -> list[Cause]:
    """Built-in kinds take only those with a domain; custom kinds are warned about the others."""
    known = ("orphan", "foregroundDeletion", "kubernetes")
    told = "name is neither a standard finalizer name nor is it fully qualified"
    finalizers = metadata.get("finalizers") or []
    return [
        wrong(f"metadata.finalizers[{number}]", one, told)
        for number, one in enumerate(finalizers)
        if "/" not in one and one not in known
    ]


def wrong_owner(owner: dict[str, Any]) -> list[Cause]:
    said = {"apiVersion": "version", "kind": "kind", "name": "name", "uid": "uid"}
    missing = [field for field in said if not owner.get(field)]
    return [wrong(f"metadata.ownerReferences.{field}", "", f"{said[field]} must not be empty") for field in missing]
