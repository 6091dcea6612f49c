"""References to container images, taken apart and put together. Pure: which registry keeps what is asked elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from controller.ports import Refused

DOCKER_HUB = "docker.io"
DEFAULT_TAG = "latest"
NAME_CHARS_MAX = 255
"""What registries accept of a name."""

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_HOST = re.compile(
    r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::([1-9][0-9]{0,4}))?"
)
_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Image:
    """``name`` is as it was written, so that people recognise it: "nginx" stays "nginx"."""

    name: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @property
    def registry(self) -> str:
        """Host, and port where one is named, of the registry that keeps it."""
        host, path = _split(self.name)
        return DOCKER_HUB if not path or host == f"index.{DOCKER_HUB}" else host

    @property
    def repository(self) -> str:
        """Its name inside the registry. Docker Hub keeps what has no owner under library/."""
        host, path = _split(self.name)
        inside = path or host
        return f"library/{inside}" if self.registry == DOCKER_HUB and "/" not in inside else inside

    def tagged(self, tag: str) -> Image:
        """The same image under another tag; a digest belongs to the old one. Raises Refused."""
        if not is_tag(tag):
            raise Refused(f"{tag[:80]!r} is no tag of an image: letters, digits and ._- up to 128, no . or - first")
        return replace(self, tag=tag, digest=None)

    def pinned(self, digest: str) -> Image:
        """With the digest that its tag means now."""
        return replace(self, tag=self.tag or DEFAULT_TAG, digest=digest)


def parse_image(text: str) -> Image:
    """``[host[:port]/]path[:tag][@digest]``. Raises Refused."""
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise Refused(f"the image {text[:120]!r} has no digest after its @: sha256: and 64 of 0-9a-f")
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        name, colon, tag = rest, "", ""
    if not _is_name(name) or (colon and not is_tag(tag)):
        raise Refused(f"{text[:120]!r} is not the name of an image: [registry/]name[:tag][@digest], in lower case")
    return Image(name, tag or None, digest or None)


def _is_name(name: str) -> bool:
    host, path = _split(name)
    if name.endswith("/") or len(name) > NAME_CHARS_MAX:
        return False
    if path and ((registry := _HOST.fullmatch(host)) is None or int(registry.group(1) or 0) > 65_535):
        return False
    return all(_PART.fullmatch(part) for part in (path or host).split("/"))


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def _split(name: str) -> tuple[str, str]:
    """Host and path, or the whole and "" where no registry is named. What has a dot, a port or an upper-case letter in
    front of its first slash is a registry, and so is localhost."""
    first, slash, path = name.partition("/")
    if slash and (first == "localhost" or re.search(r"[.:A-Z\[]", first)):
        return first, path
    return name, ""
