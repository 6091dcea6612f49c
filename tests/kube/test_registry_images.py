"""How references to images are taken apart, and what is no reference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.kube.images import Image, is_digest, is_tag, parse_image
from controller.ports import Refused

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("nginx", "docker.io", "library/nginx", None, None),
        ("nginx:1.25", "docker.io", "library/nginx", "1.25", None),
        ("docker.io/nginx", "docker.io", "library/nginx", None, None),
        ("docker.io/library/nginx:1", "docker.io", "library/nginx", "1", None),
        ("index.docker.io/acme/shop", "docker.io", "acme/shop", None, None),
        ("acme/shop", "docker.io", "acme/shop", None, None),
        ("ghcr.io/acme/team/shop:2.0.1", "ghcr.io", "acme/team/shop", "2.0.1", None),
        ("localhost/shop", "localhost", "shop", None, None),
        ("localhost:5000/shop", "localhost:5000", "shop", None, None),
        ("registry.local:5000/shop:v1", "registry.local:5000", "shop", "v1", None),
        ("REGISTRY/shop", "REGISTRY", "shop", None, None),
        ("[::1]:5000/shop:v1", "[::1]:5000", "shop", "v1", None),
        ("10.0.0.7/shop", "10.0.0.7", "shop", None, None),
        (f"shop@{DIGEST}", "docker.io", "library/shop", None, DIGEST),
        (f"ghcr.io/a/b:1@{DIGEST}", "ghcr.io", "a/b", "1", DIGEST),
        ("a_b/c__d/e-f--g.h:_x", "docker.io", "a_b/c__d/e-f--g.h", "_x", None),
    ],
)
def test_a_reference_says_where_its_image_is_kept(
    text: str, registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    image = parse_image(text)
    assert (image.registry, image.repository, image.tag, image.digest) == (registry, repository, tag, digest)
    assert str(image) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":1",
        "nginx:",
        "Nginx",
        "acme/Shop",
        "nginx:-1",
        "nginx:" + "a" * 129,
        "/nginx",
        "nginx/",
        "a//b",
        "ghcr.io/",
        "ghcr.io:99999999/x",
        "ghcr.io:65536/x",
        "ghcr.io:0/x",
        "https://ghcr.io/a/b",
        "user@ghcr.io/a/b",
        "nginx@sha256:abc",
        "nginx@" + DIGEST.upper(),
        "nginx@md5:" + "a" * 32,
        "nginx@",
        "nginx 1",
        "nginx\n",
        "nginx?x",
        "../etc/passwd",
        "ghcr.io/../x",
        "-x",
        "a" * 256,
        "ghcr..io/x:y:z",
        "[::1/x",
    ],
)
def test_what_is_no_reference_is_refused_in_words(text: str) -> None:
    with pytest.raises(Refused, match=r"is not the name of an image|no digest after its @"):
        parse_image(text)


def test_another_tag_drops_the_digest_of_the_old_one() -> None:
    assert str(parse_image(f"ghcr.io/a/b:1@{DIGEST}").tagged("2")) == "ghcr.io/a/b:2"
    with pytest.raises(Refused, match="is no tag"):
        parse_image("a").tagged("1/2")


def test_a_pinned_image_keeps_its_name_and_tag() -> None:
    assert str(parse_image("nginx:1.25").pinned(DIGEST)) == f"nginx:1.25@{DIGEST}"
    assert str(parse_image("nginx").pinned(DIGEST)) == f"nginx:latest@{DIGEST}"


NAMES = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,8})?(/[a-z0-9]{1,8}){0,3}", fullmatch=True)
TAGS = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
HOSTS = st.sampled_from(["", "ghcr.io/", "localhost:5000/", "[::1]:443/", "docker.io/"])


@given(HOSTS, NAMES, TAGS, st.sampled_from([None, DIGEST]))
def test_what_was_put_together_is_taken_apart_again(host: str, name: str, tag: str | None, digest: str | None) -> None:
    image = Image(host + name, tag, digest)
    assert parse_image(str(image)) == image


@given(st.text(max_size=80))
def test_any_text_is_an_image_that_reads_back_or_is_refused(text: str) -> None:
    try:
        image = parse_image(text)
    except Refused:
        return
    assert str(image) == text
    assert image.repository
    assert image.tag is None or is_tag(image.tag)
    assert image.digest is None or is_digest(image.digest)
