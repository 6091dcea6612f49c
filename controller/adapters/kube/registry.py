"""Asks an image registry which digest a tag means now. It reads manifests and nothing else, and never writes."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from controller.adapters.kube.images import DEFAULT_TAG, DOCKER_HUB, Image, is_digest, parse_image
from controller.adapters.kube.registry_logins import Challenge, Login, challenge_of, login_for, logins_of
from controller.ports import Refused, Unavailable

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)

MANIFEST_BYTES_MAX = 4 * 1024 * 1024
"""What registries themselves accept."""

TOKEN_BYTES_MAX = 256 * 1024
CONFIG_BYTES_MAX = 1024 * 1024
"""A Docker configuration is at most one Secret."""

HOPS_MAX = 8
"""Requests for one answer: the question, its challenge, and some redirects."""

WHOLE_S = 20.0
"""For one reference. Somebody waits for the answer to a deploy."""

HUB_HOST = f"registry-1.{DOCKER_HUB}"


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """How registries are spoken to.

    ``docker_config`` is the path of a Docker configuration, read again for every question, as it may be rotated;
    ``logins`` are by registry, and win. ``plain_http`` are the only host:port that are spoken to without TLS.
    ``authority`` is a file of certificates that are trusted beside the public ones.
    """

    docker_config: str | None = None
    logins: Mapping[str, Login] = field(default_factory=dict)
    plain_http: frozenset[str] = frozenset()
    authority: str | None = None
    connect_s: float = 2.0
    read_s: float = 8.0


class ImageResolver:
    """Safe from any number of threads. It remembers nothing: a tag may mean something else a moment later.

    Raises Refused when the settings name an authority that cannot be read.
    """

    def __init__(self, settings: RegistrySettings, monotonic_s: Callable[[], float]) -> None:
        self._settings, self._monotonic_s = settings, monotonic_s
        timeout = httpx.Timeout(settings.read_s, connect=settings.connect_s)
        self._client = httpx.Client(timeout=timeout, follow_redirects=False, verify=_trusted(settings.authority))

    def resolve(self, reference: str) -> str:
        """``name:tag@digest``. With a digest it is returned as it is, without asking. Raises Refused or Unavailable."""
        image = parse_image(reference)
        if image.digest is not None:
            return reference
        return str(image.pinned(_Question(self._client, self._settings, image, self._monotonic_s).digest()))

    def close(self) -> None:
        self._client.close()


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes


class _Question:
    """One reference: what was asked, who we said we are, and by when there has to be an answer."""

    def __init__(
        self, client: httpx.Client, settings: RegistrySettings, image: Image, monotonic_s: Callable[[], float]
    ) -> None:
        self._client, self._settings, self._image = client, settings, image
        self._monotonic_s, self._until_s = monotonic_s, monotonic_s() + WHOLE_S
        self._shown: dict[str, str] = {}
        host = HUB_HOST if image.registry == DOCKER_HUB else image.registry
        scheme = "http" if host in settings.plain_http else "https"
        self._url = f"{scheme}://{host}/v2/{image.repository}/manifests/{image.tag or DEFAULT_TAG}"
        self._login = self._login_of()

    def digest(self) -> str:
        answer = self._follow("HEAD")
        told = str(answer.headers.get("Docker-Content-Digest", ""))
        if answer.status == 200 and is_digest(told):
            return told
        if answer.status not in (200, 405):
            raise self._no(answer)
        answer = self._follow("GET")
        if answer.status != 200:
            raise self._no(answer)
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind not in MANIFESTS or answer.headers.get("Content-Encoding", "identity") != "identity":
            raise Unavailable(f"{self._where}: the answer is no manifest of an image; is it a registry?")
        return "sha256:" + hashlib.sha256(answer.body).hexdigest()

    @property
    def _where(self) -> str:
        return f"image {self._image} at {self._image.registry}"

    def _follow(self, method: str) -> _Answer:
        """The final answer, after redirects and with a token where one is asked for."""
        url = self._url
        for _ in range(HOPS_MAX):
            place = _origin(url)
            answer = self._send(method, url, {"Accept": ", ".join(MANIFESTS)}, MANIFEST_BYTES_MAX)
            if answer.status in (301, 302, 303, 307, 308):
                url = self._allowed(answer.headers.get("Location", ""), url)
            elif answer.status == 401 and place not in self._shown:
                # Credentials belong to the registry that was named, not to one it sends us on to.
                login = self._login if place == _origin(self._url) else None
                self._shown[place] = self._authorization(answer, login)
            else:
                return answer
        raise Unavailable(f"{self._where}: the registry sends us on and on")

    def _authorization(self, answer: _Answer, login: Login | None) -> str:
        challenge = challenge_of(answer.headers.get("WWW-Authenticate", ""))
        if challenge is None:
            raise self._no(answer)
        if challenge.scheme == "basic":
            if login is None:
                raise self._no(answer)
            return login.basic
        return f"Bearer {self._token(challenge, login)}"

    def _token(self, challenge: Challenge, login: Login | None) -> str:
        asked = {"scope": challenge.scope_for(self._image.repository)}
        if challenge.service:
            asked["service"] = challenge.service
        url = str(httpx.URL(self._allowed(challenge.realm)).copy_merge_params(asked))
        answer = self._send("GET", url, {"Authorization": login.basic} if login else {}, TOKEN_BYTES_MAX)
        if answer.status in (400, 401, 403):
            raise self._no(answer)
        try:
            told = json.loads(answer.body) if answer.status == 200 else {}
        except (ValueError, RecursionError):
            told = {}
        token = told.get("token") or told.get("access_token") if isinstance(told, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise Unavailable(f"{self._where}: its token service answered {answer.status} without a token")
        return token

    def _send(self, method: str, url: str, headers: dict[str, str], bytes_max: int) -> _Answer:
        shown = self._shown.get(_origin(url))
        # Digests are of the bytes as they are kept, so nothing may pack them on the way.
        sent = {"User-Agent": "interlock", "Accept-Encoding": "identity"} | headers
        if shown is not None and "Authorization" not in sent:
            sent["Authorization"] = shown
        body = bytearray()
        try:
            with self._client.stream(method, url, headers=sent) as response:
                for part in response.iter_raw():
                    body += part
                    if len(body) > bytes_max:
                        raise Unavailable(f"{self._where}: an answer is larger than {bytes_max // 1024} KiB")
                    self._hurry()
                self._hurry()
                return _Answer(response.status_code, response.headers, bytes(body))
        except httpx.HTTPError as error:
            raise Unavailable(f"{self._where}: the registry cannot be reached ({_why(error)})") from error

    def _hurry(self) -> None:
        if self._monotonic_s() > self._until_s:
            raise Unavailable(f"{self._where}: no answer within {WHOLE_S:g} s")

    def _allowed(self, url: str, base: str = "") -> str:
        """Only where TLS is spoken, or where the operator said that it is not. Raises Refused."""
        try:
            whole = str(httpx.URL(urljoin(base, url)))
            parts = urlsplit(whole)
        except (ValueError, httpx.InvalidURL):
            raise Refused(f"{self._where}: the registry sends us to what is no address") from None
        plain = parts.scheme == "http" and parts.netloc in self._settings.plain_http
        if not parts.hostname or "@" in parts.netloc or not (plain or parts.scheme == "https"):
            raise Refused(f"{self._where}: the registry sends us to an address that is not https")
        return whole

    def _login_of(self) -> Login | None:
        image, path = self._image, self._settings.docker_config
        own = login_for(self._settings.logins, image.registry, image.repository)
        if own is not None or path is None:
            return own
        try:
            with Path(path).open("rb") as file:
                logins = logins_of(file.read(CONFIG_BYTES_MAX + 1).decode())
        except OSError as error:
            raise Unavailable(f"the Docker configuration {path} cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise Refused(f"the Docker configuration {path} cannot be used: {type(error).__name__}") from None
        return login_for(logins, image.registry, image.repository)

    def _no(self, answer: _Answer) -> Refused | Unavailable:
        image, login = self._image, self._login
        match answer.status:
            case 404:
                return Refused(f"there is no {self._where}: is the tag {image.tag or DEFAULT_TAG} pushed already?")
            case 400 | 401 | 403 if login is None:
                text = f"there is no {self._where}, or it is private: "
                return Refused(text + f"give interlock a Docker configuration with a login for {image.registry}")
            case 400 | 401 | 403 if login is not None:
                return Refused(f"{self._where}: the registry does not let {login.username!r} read it")
            case 429:
                return Unavailable(f"{self._where}: the registry answers no more questions for now (429)")
            case status if status >= 500:
                return Unavailable(f"{self._where}: the registry answered {status}")
        return Refused(f"{self._where}: the registry answered {answer.status}")


def _trusted(authority: str | None) -> ssl.SSLContext:
    """The public authorities, and the operator's own beside them."""
    context = httpx.create_ssl_context()
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except OSError as error:
            raise Refused(f"the registry authority {authority} cannot be used: {type(error).__name__}") from None
    return context


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _why(error: httpx.HTTPError) -> str:
    """Without the texts of libraries, which can hold addresses with tokens."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {seen.verify_message}"
        seen = seen.__cause__ or seen.__context__
    return type(error).__name__
