"""Fetch a package from an OCI registry: `oci://registry/repository:tag` or `…@sha256:…`.

Two artifacts are packages. One has a single layer, the `.airswasm` file. The other is the wasm
artifact of the CNCF, whose layer `application/wasm` is the component; the package's other files are
further layers, each with its path as title. Every digest is checked here, and the signature later.
The manifest's digest is the pin.

A registry says in its refusal where tokens are to be had. Credentials go there only if it is the
registry itself, or if the operator named it: another host gets an anonymous request.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlencode

import anyio.to_thread
from airswasm.security import judge_path, network_source

from .._packages.archive import ArchiveLimits, write_archive
from ..errors import (
    PackageInvalid,
    SourceChanged,
    SourceFailed,
    SourceRefused,
    SourceTooLarge,
    SourceUnknown,
)
from .credentials import docker_login
from .dialing import Dialer
from .https import check_status
from .settings import SourceSettings
from .source import Arrived, Fetched
from .urls import Login, Url, read_url
from .web import Answer, Web, basic

__all__ = ("OciSource",)

PACKAGE = "application/vnd.airswasm.package.v1+zip"
WASM = "application/wasm"
WASM_CONFIG = "application/vnd.wasm.config.v0+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_TITLE = "org.opencontainers.image.title"
_MANIFEST_BYTES = 1024 * 1024
_TOKEN_BYTES = 256 * 1024
_MOST_MANIFESTS = 64
_LIMITS = ArchiveLimits()
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FIELD = re.compile(r"([a-z]+)=\"([^\"\\]*)\"")


@dataclass(frozen=True, slots=True)
class _Reference:
    """An artifact of a registry."""

    registry: Url
    repository: str
    tag: str
    digest: str
    login: Login | None = field(default=None, repr=False)

    def at(self, kind: str, name: str) -> Url:
        """Return the address of a manifest or a blob."""
        path = f"/v2/{self.repository}/{kind}/{name}"
        return Url(self.registry.host, self.registry.port, path)

    def __str__(self) -> str:
        end = f"@{self.digest}" if self.digest else f":{self.tag}"
        return f"oci://{self.registry.authority}/{self.repository}{end}"


@dataclass(frozen=True, slots=True)
class _Descriptor:
    """The entry of a manifest for some bytes."""

    media_type: str
    digest: str
    size_bytes: int
    title: str
    architecture: str


class OciSource:
    """The kind `oci`.

    Args:
        settings: What an operator allows.
        dialer: Connects; by default as the settings say.
    """

    def __init__(self, settings: SourceSettings, dialer: Dialer | None = None) -> None:
        self._settings = settings
        self._dialer = dialer or Dialer(settings)

    def canonical(self, text: str) -> str:
        """See `PackageSource`; without login, and with the tag `latest` if there is none."""
        return str(_read(text))

    def pinned(self, text: str, pin: str) -> str:
        """See `PackageSource`; the pin is the digest of a manifest."""
        base = text.partition("://")[2]
        end = str(_read(text)).rpartition("/")[2]
        name = re.split("[:@]", end, maxsplit=1)[0]
        return f"oci://{base.rpartition('/')[0]}/{name}@{pin}"

    async def fetch(self, text: str, arrived: Arrived) -> Fetched:
        """See `PackageSource`."""
        reference = _read(text)
        login = reference.login or await docker_login(reference.registry.authority)
        visit = _Visit(self._settings, self._dialer, reference, login)
        pin, manifest = await visit.manifest()
        content = await visit.package(manifest, arrived)
        return Fetched(content, str(reference), pin, visit.place)


class _Visit:
    """The requests to one registry for one artifact."""

    def __init__(
        self, settings: SourceSettings, dialer: Dialer, reference: _Reference, login: Login | None
    ) -> None:
        self._settings, self._reference, self._login = settings, reference, login
        self._source = str(reference)
        self._web = Web(settings, dialer, self._source)
        self._authorization = ""
        self._left = settings.most_bytes
        self._is_redirected = False

    @property
    def place(self) -> str:
        """The text by which `[trust] sources` may trust it; empty if another server answered.

        Where the layers come from does not matter: the manifest has their digests.
        """
        reference = self._reference
        ref = reference.digest or reference.tag
        place = network_source(
            "oci", reference.registry.authority, f"/{reference.repository}", ref=ref
        )
        return "" if self._is_redirected else place

    async def manifest(self) -> tuple[str, Mapping[str, object]]:
        """Return the digest and the content of the artifact's manifest."""
        named = self._reference.digest or self._reference.tag
        digest, document = await self._document(named, self._reference.digest)
        if document.get("mediaType") == _INDEX or "manifests" in document:
            chosen = self._chosen(_descriptors(document.get("manifests"), self._source))
            digest, document = await self._document(chosen.digest, chosen.digest)
            if "manifests" in document:
                raise SourceRefused(self._source, "an index within an index")
        return digest, document

    async def package(self, manifest: Mapping[str, object], arrived: Arrived) -> bytes:
        """Return the bytes of the package that a manifest describes."""
        layers = _descriptors(manifest.get("layers"), self._source)
        if [each.media_type for each in layers] == [PACKAGE]:
            return await self._blob(layers[0], arrived)
        if [each.media_type for each in layers].count(WASM) != 1 or not _is_wasm(manifest):
            raise PackageInvalid(
                self._source, f"neither one layer {PACKAGE} nor a wasm artifact with its files"
            )
        files: dict[str, bytes] = {}
        for layer in layers:
            problem = judge_path(layer.title) if layer.title else "a layer has no title"
            if problem or layer.title in files:
                raise PackageInvalid(
                    self._source, problem or "two layers are one file", member=layer.title
                )
            files[layer.title] = await self._blob(layer, arrived)
        return await anyio.to_thread.run_sync(lambda: write_archive(files, is_compressed=False))

    async def _document(self, name: str, digest: str) -> tuple[str, Mapping[str, object]]:
        url = self._reference.at("manifests", name)
        answer = await self._get(url, f"{_MANIFEST}, {_INDEX}", _MANIFEST_BYTES)
        self._is_redirected |= len(answer.hops) > 1
        found = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        told = digest or answer.headers.get("docker-content-digest", found)
        if found != told:
            raise SourceChanged(self._source, told, found)
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise SourceFailed(self._source, "its manifest is not JSON") from error
        return found, _table(document)

    def _chosen(self, manifests: Sequence[_Descriptor]) -> _Descriptor:
        known = [each for each in manifests if each.media_type == _MANIFEST]
        wasm = [each for each in known if each.architecture == "wasm"]
        fitting = wasm or known
        if len(fitting) != 1:
            raise SourceRefused(
                self._source, f"no single one of {len(manifests)} manifests fits",
                hint="name the manifest by its digest: oci://…@sha256:…",
            )  # fmt: skip
        return fitting[0]

    async def _blob(self, layer: _Descriptor, arrived: Arrived) -> bytes:
        if layer.size_bytes > self._left:
            allowed = f"{self._settings.most_bytes:,} bytes"
            raise SourceTooLarge(self._source, "sources.most_bytes", allowed)
        self._left -= layer.size_bytes
        url = self._reference.at("blobs", layer.digest)
        answer = await self._get(url, "*/*", layer.size_bytes, arrived)
        found = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if found != layer.digest:
            raise SourceChanged(self._source, layer.digest, found)
        return answer.body

    async def _get(
        self, url: Url, accept: str, most_bytes: int, arrived: Arrived = lambda _bytes: None
    ) -> Answer:
        answer = await self._asked(url, accept, most_bytes, arrived)
        if answer.status == 401 and url.is_same_server(answer.url):
            self._authorization = await self._authorized(answer)
            answer = await self._asked(url, accept, most_bytes, arrived)
        has_login = self._login is not None
        check_status(answer.status, answer.url, self._source, has_login=has_login, place=_PLACE)
        return answer

    async def _asked(self, url: Url, accept: str, most_bytes: int, arrived: Arrived) -> Answer:
        return await self._web.get(
            url, authorization=self._authorization, accept=accept, most_bytes=most_bytes,
            arrived=arrived,
        )  # fmt: skip

    async def _authorized(self, refusal: Answer) -> str:
        """Return the header that the registry asks for.

        Raises:
            SourceFailed: There is no token to be had.
        """
        challenge = refusal.headers.get("www-authenticate", "")
        scheme = challenge.partition(" ")[0].lower()
        if scheme == "basic" and self._login is not None:
            return basic(self._login)
        if scheme != "bearer":
            check_status(401, refusal.url, self._source, has_login=False, place=_PLACE)
        fields = dict(_FIELD.findall(challenge))
        try:
            realm, login, _ = read_url(fields.get("realm", ""), shown="the realm of its tokens")
        except SourceUnknown as error:
            raise SourceRefused(self._source, f"{error.source}: {error.reason}") from None
        if login is not None:
            raise SourceRefused(self._source, "the realm of its tokens has a login")
        query = {
            "service": fields.get("service", ""),
            "scope": f"repository:{self._reference.repository}:pull",
        }
        url = Url(realm.host, realm.port, realm.path, urlencode(query))
        may_know = realm.is_same_server(self._reference.registry) or (
            realm.authority in self._settings.token_hosts
        )
        shown = basic(self._login) if self._login is not None and may_know else ""
        answer = await self._web.get(url, authorization=shown, most_bytes=_TOKEN_BYTES)
        if answer.status != 200 and self._login is not None and not may_know:
            raise SourceFailed(
                self._source, f"{realm.authority} gives tokens only for credentials",
                hint=f'if {self._reference.registry.authority} may send them there, add '
                f'"{realm.authority}" to `token_hosts` under [sources] in config.toml',
            )  # fmt: skip
        check_status(answer.status, realm, self._source, has_login=bool(shown), place=_PLACE)
        return f"Bearer {self._token(answer.body)}"

    def _token(self, body: bytes) -> str:
        try:
            table = _table(json.loads(body))
        except (ValueError, RecursionError):
            table = _table(None)
        token = table.get("token") or table.get("access_token")
        if not isinstance(token, str) or not re.fullmatch("[!-~]+", token):
            raise SourceFailed(self._source, "the registry gives no usable token")
        return token


_PLACE = "log in with `docker login`, or write a login for it into docker's config.json"


def _read(text: str) -> _Reference:
    shown = "oci://…"
    scheme, _, rest = text.partition("://")
    if scheme.lower() != "oci" or not rest:
        raise SourceUnknown(f"{scheme[:10]}…", "write oci://registry/repository:tag")
    registry, login, fragment = read_url(f"https://{rest}", shown=shown)
    if fragment or registry.query or "#" in rest or "?" in rest:
        raise SourceUnknown(shown, "an artifact has neither a query nor a #")
    name, _, digest = registry.path[1:].partition("@")
    repository, colon, tag = name.partition(":")
    if not _REPOSITORY.fullmatch(repository) or len(repository) > 255:
        raise SourceUnknown(shown, "the repository is not made of a-z, 0-9 and . _ - between /")
    if (colon and not _TAG.fullmatch(tag)) or ("@" in name + registry.path[1:] and not digest):
        raise SourceUnknown(shown, "the part after : is no tag")
    if digest and not _DIGEST.fullmatch(digest):
        raise SourceUnknown(shown, "the part after @ is not sha256: and 64 digits")
    place = Url(registry.host, registry.port, "/")
    return _Reference(place, repository, tag or ("" if digest else "latest"), digest, login)


def _descriptors(value: object, source: str) -> Sequence[_Descriptor]:
    entries = cast("list[object]", value) if isinstance(value, list) else []
    if not 0 < len(entries) <= min(_MOST_MANIFESTS, _LIMITS.members):
        raise SourceRefused(source, f"its manifest lists {len(entries)} parts")
    return tuple(_descriptors_of(entries, source))


def _descriptors_of(entries: Sequence[object], source: str) -> Iterator[_Descriptor]:
    for entry in map(_table, entries):
        digest, size = entry.get("digest"), entry.get("size")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise SourceRefused(source, "a part of its manifest has no SHA-256")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise SourceRefused(source, "a part of its manifest has no size")
        yield _Descriptor(
            str(entry.get("mediaType")), digest, size,
            str(_table(entry.get("annotations")).get(_TITLE, "")),
            str(_table(entry.get("platform")).get("architecture", "")),
        )  # fmt: skip


def _is_wasm(manifest: Mapping[str, object]) -> bool:
    config = _table(manifest.get("config")).get("mediaType")
    return WASM_CONFIG in (config, manifest.get("artifactType"))


def _table(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
