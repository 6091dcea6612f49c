"""Pod templates and the versions they are: which image, which text, which digest. Pure."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from controller.adapters.kube.images import is_digest, is_tag, parse_image
from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.workload.names import HASH_LABEL, VERSION
from controller.ports import Refused

VERSION_CHARS_MAX = 255
"""What the rest of the controller takes for a version."""


def canonical(template: Mapping[str, Any]) -> Raw:
    """The template without what only its ReplicaSet knows and without empty metadata, so that equal means equal.

    What is inside is shared with ``template``: whoever changes it copies it first.
    """
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    bare = {key: value for key, value in template.items() if value is not None}
    return {**bare, "metadata": {**metadata, "labels": labels}}


def digest_of(template: Mapping[str, Any]) -> str:
    """64 hex digits that change with anything in the template."""
    text = json.dumps(canonical(template), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def main_container(template: Mapping[str, Any], wanted: str | None) -> Raw:
    """The container whose image is the version. Raises Refused."""
    containers = (template.get("spec") or {}).get("containers") or []
    found = [one for one in containers if wanted is None or one.get("name") == wanted]
    if not found:
        names = ", ".join(str(one.get("name")) for one in containers) or "none"
        raise Refused(
            f"the pod template has no container {wanted!r}, only {names}: correct target.kubernetes.container"
        )
    chosen: Raw = found[0]
    return chosen


def image_of(template: Mapping[str, Any], container: str | None) -> str:
    return str(main_container(template, container).get("image", ""))


def text_of(template: Mapping[str, Any], container: str | None) -> str:
    """What a template calls itself: by its annotation, else by its main container's image."""
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(VERSION) or image_of(template, container))


def with_digest(text: str, digest: str) -> str:
    """The text of a template that another template has as well, or that is told by its template alone."""
    return f"{text[: VERSION_CHARS_MAX - 10]}+t{digest[:8]}"


def template_text(template: Mapping[str, Any], container: str | None) -> str:
    """The version of a template that changes by itself, from Git, in any of its fields."""
    return with_digest(image_of(template, container), digest_of(template))


def with_version(template: Mapping[str, Any], container: str | None, version: str) -> Raw:
    """The template with this image in its main container and everything else as it was."""
    changed: Raw = copy.deepcopy(dict(template))
    main_container(changed, container)["image"] = version
    metadata = changed.get("metadata") or {}
    if (metadata.get("annotations") or {}).get(VERSION) is not None:
        metadata["annotations"][VERSION] = version
    return changed


def reference(image: str, version: str) -> str:
    """The image that a person means by ``version``, beside one that runs ``image``. Raises Refused."""
    if is_digest(version):
        return str(replace(parse_image(image), tag=None, digest=version))
    if is_tag(version):
        return str(parse_image(image).tagged(version))
    return str(parse_image(version))


def require_short(version: str) -> str:
    if len(version) > VERSION_CHARS_MAX:
        raise Refused(f"the version {version[:80]}… is longer than {VERSION_CHARS_MAX} characters")
    return version
