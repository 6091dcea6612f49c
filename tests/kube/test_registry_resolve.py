"""What a tag means is asked of the registry, with a login where one is needed and TLS wherever it is not excused."""

from __future__ import annotations

import base64
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.kube.registry import MANIFEST_BYTES_MAX, _trusted
from controller.adapters.kube.registry_logins import Challenge, Login, challenge_of, login_for, logins_of
from controller.ports import PortError, Refused, Unavailable
from tests.kube.registry_stage import INDEX, Registry, basic, digest_of, manifest, resolver, running
from tests.kube.scripted import Heard, Script, Wire, certificate, scripted, serving

BODY = manifest()
DIGEST = digest_of(BODY)
SHOP = {("acme/shop", "2.0.1"): BODY, ("shop", "latest"): BODY}


def docker_config(folder: Path, entries: dict[str, Any]) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps({"auths": entries, "credsStore": "desktop"}))
    return str(path)


def packed(username: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def test_a_tag_becomes_the_digest_it_means_now() -> None:
    with running(Registry(dict(SHOP))) as registry, resolver(registry.host) as found:
        assert found.resolve(f"{registry.host}/acme/shop:2.0.1") == f"{registry.host}/acme/shop:2.0.1@{DIGEST}"
        assert [(heard.method, heard.path) for heard in registry.heard] == [("HEAD", "/v2/acme/shop/manifests/2.0.1")]
        accepted = registry.heard[0].headers["accept"]
        assert INDEX in accepted
        assert "manifest.list.v2+json" in accepted
        registry.kept["acme/shop", "2.0.1"] = manifest("two")
        assert found.resolve(f"{registry.host}/acme/shop:2.0.1").endswith(digest_of(manifest("two")))


def test_without_a_tag_the_latest_is_meant_and_named() -> None:
    with running(Registry(dict(SHOP))) as registry, resolver(registry.host) as found:
        assert found.resolve(f"{registry.host}/shop") == f"{registry.host}/shop:latest@{DIGEST}"


def test_a_reference_with_a_digest_is_returned_as_it_is_without_asking() -> None:
    reference = f"registry.invalid/acme/shop:2.0.1@{DIGEST}"
    with resolver() as found:
        assert found.resolve(reference) == reference


@pytest.mark.parametrize("head", [True, False])
def test_where_no_digest_is_named_it_is_counted_from_the_manifest(head: bool) -> None:
    with running(Registry(dict(SHOP), digests=False, head=head)) as registry, resolver(registry.host) as found:
        assert found.resolve(f"{registry.host}/shop").endswith(DIGEST)
        assert [heard.method for heard in registry.heard] == ["HEAD", "GET"]
        assert registry.heard[1].headers["accept-encoding"] == "identity"


def test_a_token_is_fetched_for_reading_this_repository_only_and_without_a_login_anonymously() -> None:
    with running(Registry(dict(SHOP), tokens=True)) as registry, resolver(registry.host) as found:
        assert found.resolve(f"{registry.host}/acme/shop:2.0.1").endswith(DIGEST)
        asked, token, again = registry.heard
        assert "authorization" not in asked.headers
        assert "authorization" not in token.headers
        assert token.query == {"service": "reg, istry", "scope": "repository:acme/shop:pull"}
        assert again.headers["authorization"] == "Bearer for-acme-shop"


def test_a_login_of_the_docker_configuration_is_shown_to_the_token_service_and_read_again(tmp_path: Path) -> None:
    with running(Registry(dict(SHOP), tokens=True, login=basic("ci", "p:w"))) as registry:
        path = docker_config(tmp_path, {registry.host: packed("ci", "old")})
        with resolver(registry.host, docker_config=path) as found:
            with pytest.raises(Refused, match="does not let 'ci' read it"):
                found.resolve(f"{registry.host}/shop")
            docker_config(tmp_path, {registry.host: packed("ci", "p:w")})
            assert found.resolve(f"{registry.host}/shop").endswith(DIGEST)


def test_a_login_from_the_settings_is_used_for_its_registry_alone() -> None:
    with running(Registry(dict(SHOP), only_basic=True, login=basic("ci", "pw"))) as registry:
        with resolver(registry.host, logins={registry.host: Login("ci", "pw")}) as found:
            assert found.resolve(f"{registry.host}/shop").endswith(DIGEST)
        with (
            resolver(registry.host, logins={"ghcr.io": Login("ci", "pw")}) as found,
            pytest.raises(Refused, match=f"or it is private: give interlock .* a login for {registry.host}"),
        ):
            found.resolve(f"{registry.host}/shop")
        assert all("authorization" not in heard.headers for heard in registry.heard[2:])


def test_an_image_that_is_not_there_says_what_to_look_at() -> None:
    with (
        running(Registry(dict(SHOP))) as registry,
        resolver(registry.host) as found,
        pytest.raises(Refused, match=r"there is no image .*/acme/shop:9 at .*: is the tag 9 pushed already\?"),
    ):
        found.resolve(f"{registry.host}/acme/shop:9")


def test_plain_http_is_spoken_only_where_the_operator_excused_it() -> None:
    with (
        running(Registry(dict(SHOP))) as registry,
        resolver() as found,
        pytest.raises(Unavailable, match="cannot be reached"),
    ):
        found.resolve(f"{registry.host}/shop")
    assert registry.heard == []


def test_tls_is_spoken_and_verified_with_the_operators_authority(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    registry = Registry(dict(SHOP))
    with scripted(registry, serving(crt, key)) as server:
        with resolver(authority=str(crt)) as found:
            assert found.resolve(f"127.0.0.1:{server.port}/shop").endswith(DIGEST)
        with resolver() as found, pytest.raises(Unavailable, match="its certificate is not trusted"):
            found.resolve(f"127.0.0.1:{server.port}/shop")
    assert len(server.heard) == 1


def test_the_operators_authority_stands_beside_the_public_ones_and_has_to_be_one(tmp_path: Path) -> None:
    crt, _ = certificate(tmp_path)
    public, both = (len(_trusted(path).get_ca_certs()) for path in (None, str(crt)))
    assert both == public + 1 > 50
    for path in (tmp_path / "none", Path(__file__)):
        with pytest.raises(Refused, match=r"authority .* cannot be used"), resolver(authority=str(path)):
            pass


def test_a_redirect_is_followed_without_the_login_and_not_to_plain_http() -> None:
    with running(Registry(dict(SHOP))) as mirror:

        def onward(heard: Heard, wire: Wire) -> None:
            if "authorization" not in heard.headers:
                wire.answer(401, b"", WWW_Authenticate="Basic realm=x")
            else:
                wire.answer(307, b"", Location=f"http://{mirror.host}{heard.path}")

        with scripted(onward) as server:
            host = f"127.0.0.1:{server.port}"
            logins = {host: Login("ci", "pw")}
            with resolver(host, mirror.host, logins=logins) as found:
                assert found.resolve(f"{host}/shop") == f"{host}/shop:latest@{DIGEST}"
            assert "authorization" not in mirror.heard[0].headers
            with resolver(host, logins=logins) as found, pytest.raises(Refused, match="an address that is not https"):
                found.resolve(f"{host}/shop")
            assert len(mirror.heard) == 1


def test_a_login_is_not_shown_to_a_registry_that_one_is_sent_on_to() -> None:
    with running(Registry(dict(SHOP), tokens=True, login=basic("ci", "pw"))) as mirror:

        def onward(heard: Heard, wire: Wire) -> None:
            wire.answer(302, b"", Location=f"http://{mirror.host}{heard.path}")

        with scripted(onward) as server:
            host = f"127.0.0.1:{server.port}"
            with resolver(host, mirror.host, logins={host: Login("ci", "pw")}) as found, pytest.raises(Refused):
                found.resolve(f"{host}/shop")
        assert all("authorization" not in heard.headers for heard in mirror.heard)


@pytest.mark.parametrize(
    "realm", ["https://[bad/t", "https://x:99999999/t", "https://a b/t", "//[", "https://" + "x" * 70_000]
)
def test_what_is_no_address_is_not_asked(realm: str) -> None:
    def onward(_heard: Heard, wire: Wire) -> None:
        wire.answer(302, b"", Location=realm)

    challenge = f'Bearer realm="{realm}",service="x"'
    with running(Registry(dict(SHOP), tokens=True, challenge=challenge)) as registry, scripted(onward) as other:
        hosts = (registry.host, f"127.0.0.1:{other.port}")
        with resolver(*hosts) as found:
            for host in hosts:
                with pytest.raises((Refused, Unavailable)):
                    found.resolve(f"{host}/shop")


@pytest.mark.parametrize(
    "realm", ["http://169.254.169.254/latest", "https://u:p@auth.example.com/t", "file:///etc/passwd", "/token", ""]
)
def test_a_token_is_not_fetched_from_wherever_a_registry_says(realm: str) -> None:
    challenge = f'Bearer realm="{realm}",service="x"'
    with (
        running(Registry(dict(SHOP), tokens=True, challenge=challenge)) as registry,
        resolver(registry.host) as found,
        pytest.raises(Refused, match="an address that is not https"),
    ):
        found.resolve(f"{registry.host}/shop")


def redirects(heard: Heard, wire: Wire) -> None:
    wire.answer(302, b"", Location=heard.path)


def hangs(_heard: Heard, wire: Wire) -> None:
    wire.hang()


def resets(_heard: Heard, wire: Wire) -> None:
    wire.reset()


def portal(_heard: Heard, wire: Wire) -> None:
    wire.answer(200, b"<html>Please log in</html>", Content_Type="text/html")


def huge(_heard: Heard, wire: Wire) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n" % INDEX.encode())
    for _ in range(MANIFEST_BYTES_MAX // 65_536 + 2):
        wire.send(b" " * 65_536)
    wire.close()


def packs(_heard: Heard, wire: Wire) -> None:
    wire.answer(200, b"\x1f\x8b", Content_Type=INDEX, Content_Encoding="gzip")


def bad_digest(heard: Heard, wire: Wire) -> None:
    wire.answer(200 if heard.method == "HEAD" else 503, b"", Docker_Content_Digest="sha256:../../x")


def no_token(heard: Heard, wire: Wire) -> None:
    if heard.path == "/token":
        wire.answer(200, [1])
    else:
        wire.answer(401, b"", WWW_Authenticate=f'Bearer realm="http://{heard.headers["host"]}/token"')


def evil_token(heard: Heard, wire: Wire) -> None:
    if heard.path == "/token":
        wire.answer(200, {"token": "x\r\nX-Evil: 1"})
    else:
        wire.answer(401, b"", WWW_Authenticate=f'Bearer realm="http://{heard.headers["host"]}/token"')


def busy(_heard: Heard, wire: Wire) -> None:
    wire.answer(429, b"")


def down(_heard: Heard, wire: Wire) -> None:
    wire.answer(502, b"")


UNAVAILABLE: list[Script] = [
    redirects,
    hangs,
    resets,
    portal,
    huge,
    packs,
    bad_digest,
    no_token,
    evil_token,
    busy,
    down,
]


@pytest.mark.parametrize("script", UNAVAILABLE)
def test_a_registry_in_trouble_is_unavailable_and_never_guessed_for(script: Script) -> None:
    with scripted(script) as server:
        host = f"127.0.0.1:{server.port}"
        with resolver(host) as found, pytest.raises(Unavailable) as caught:
            found.resolve(f"{host}/shop:1")
    assert f"image {host}/shop:1 at {host}" in str(caught.value)
    assert len(server.heard) <= 8


def never(_heard: Heard, wire: Wire) -> None:
    wire.answer(401, b"", WWW_Authenticate="Negotiate")


def teapot(_heard: Heard, wire: Wire) -> None:
    wire.answer(418, b"")


def token_not_enough(heard: Heard, wire: Wire) -> None:
    if heard.path == "/token":
        wire.answer(200, {"token": "t"})
    else:
        wire.answer(401, b"", WWW_Authenticate=f'Bearer realm="http://{heard.headers["host"]}/token"')


@pytest.mark.parametrize("script", [never, teapot, token_not_enough])
def test_a_registry_that_says_no_is_refused(script: Script) -> None:
    with scripted(script) as server:
        host = f"127.0.0.1:{server.port}"
        with resolver(host) as found, pytest.raises(Refused):
            found.resolve(f"{host}/shop:1")


def test_a_registry_that_is_not_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host = f"127.0.0.1:{taken.getsockname()[1]}"
    with resolver(host) as found, pytest.raises(Unavailable, match="ConnectError"):
        found.resolve(f"{host}/shop")
    with resolver() as found, pytest.raises(Unavailable, match="cannot be reached"):
        found.resolve("no.such.host.invalid/shop")


def test_an_answer_that_trickles_ends_at_the_limit_for_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.adapters.kube.registry.WHOLE_S", 0.3)

    def trickle(heard: Heard, wire: Wire) -> None:
        if heard.method == "HEAD":
            wire.answer(200, b"")
            return
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            wire.send(b" ")
            wire.hang(0.02)

    started = time.perf_counter()
    with scripted(trickle) as server:
        host = f"127.0.0.1:{server.port}"
        with resolver(host) as found, pytest.raises(Unavailable, match="no answer within"):
            found.resolve(f"{host}/shop")
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (None, Unavailable, "cannot be read"),
        ("{", Refused, "cannot be used"),
        ('{"auths": []}', Refused, "cannot be used"),
        ('{"auths": {"ghcr.io": {"auth": "secret!!"}}}', Refused, "cannot be used"),
        ('{"auths": {"ghcr.io": "secret"}}', Refused, "cannot be used"),
    ],
)
def test_an_unusable_docker_configuration_is_said_to_be_that_and_not_shown(
    tmp_path: Path, text: str | None, error: type[PortError], said: str
) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)
    with resolver(docker_config=str(path)) as found, pytest.raises(error, match=said) as caught:
        found.resolve("ghcr.io/acme/shop")
    assert "secret" not in str(caught.value)


def test_the_longest_entry_that_fits_is_the_login_and_helpers_are_never_asked() -> None:
    text = json.dumps(
        {
            "auths": {
                "https://index.docker.io/v1/": packed("hub", "1"),
                "https://ghcr.io": packed("ghcr", "2"),
                "ghcr.io/acme": {"username": "acme", "password": "3"},
                "ghcr.io/acmeother": packed("other", "4"),
                "helped.io": {},
                "token.io": {"identitytoken": "x"},
            },
            "credHelpers": {"helped.io": "evil"},
        }
    )
    logins = logins_of(text)
    assert login_for(logins, "docker.io", "library/nginx") == Login("hub", "1")
    assert login_for(logins, "ghcr.io", "else/x") == Login("ghcr", "2")
    assert login_for(logins, "ghcr.io", "acme/shop") == Login("acme", "3")
    assert login_for(logins, "helped.io", "x") is None
    assert login_for(logins, "token.io", "x") is None
    assert login_for(logins, "ghcr.io.evil.com", "x") is None


def test_a_password_is_not_in_the_representation_of_a_login() -> None:
    assert "pw" not in repr(Login("ci", "pw"))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Bearer realm="https://a/t",service="s",scope="c"', Challenge("bearer", "https://a/t", "s", "c")),
        ('bearer realm="https://a/t" , service=s', Challenge("bearer", "https://a/t", "s")),
        ('Basic realm="x", Bearer realm="https://a/t"', Challenge("bearer", "https://a/t")),
        ('Basic realm="with, Bearer inside"', Challenge("basic", "with, Bearer inside")),
        ('Bearer realm="a\\"b"', Challenge("bearer", 'a"b')),
        ("Basic", Challenge("basic")),
        ("Negotiate", None),
        ("", None),
    ],
)
def test_what_a_registry_asks_for(header: str, expected: Challenge | None) -> None:
    assert challenge_of(header) == expected


@pytest.mark.parametrize("scope", ["", "repository:other:pull,push", "registry:catalog:*", "repository:a b:pull"])
def test_no_more_than_reading_is_asked_for_whatever_the_registry_says(scope: str) -> None:
    assert Challenge("bearer", scope=scope).scope_for("acme/shop") == "repository:acme/shop:pull"
