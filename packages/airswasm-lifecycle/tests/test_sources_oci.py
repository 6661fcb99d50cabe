"""Packages from OCI registries, a real one among them, and what a hostile one may try."""

import base64
import hashlib
import json
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import (
    LifecycleError,
    Package,
    PackageInvalid,
    SourceChanged,
    SourceFailed,
    SourceRefused,
    SourceTooLarge,
    SourceUnknown,
)
from airswasm.lifecycle._sources.oci import PACKAGE, WASM, WASM_CONFIG, OciSource

pytestmark = pytest.mark.anyio
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
TITLE = "org.opencontainers.image.title"
REGISTRY = shutil.which("docker-registry")
Server = Any
Workshop = Any


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    fields = {"content-length": str(len(body)), **headers}
    lines = "".join(f"{key.replace('_', '-')}: {value}\r\n" for key, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def layer(content: bytes, media_type: str = PACKAGE, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(content), "size": len(content), **more}


def manifest(*layers: dict[str, Any], config: str = WASM_CONFIG) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2, "mediaType": MANIFEST, "config": layer(b"{}", config),
            "layers": list(layers),
        }
    ).encode()  # fmt: skip


def files_of(package: Package) -> dict[str, bytes]:
    assert package.signature is not None
    return {**package.files, "component.sig": package.signature}


def wasm_artifact(package: Package) -> tuple[bytes, list[bytes]]:
    files = files_of(package)
    types = {"component.wasm": WASM}
    layers = [
        layer(content, types.get(name, "text/plain"), annotations={TITLE: name})
        for name, content in files.items()
    ]
    return manifest(*layers), list(files.values())


@dataclass
class Hostile:
    """A registry whose every answer a test may write."""

    web: Server
    blobs: list[bytes] = field(default_factory=list)

    def put(self, document: bytes, *blobs: bytes, tag: str = "1.0") -> None:
        for name in (tag, sha256(document)):
            self.web.answers[f"/v2/shop/orders/manifests/{name}"] = answer(document)
        for each in blobs:
            self.web.answers[f"/v2/shop/orders/blobs/{sha256(each)}"] = answer(each)

    def text(self, end: str = ":1.0", login: str = "") -> str:
        return f"oci://{login}one.example:{self.web.port}/shop/orders{end}"

    async def fetch(self, end: str = ":1.0", login: str = "", **settings: Any) -> Any:
        chosen = replace(self.web.settings, **settings)
        failure: Exception | None = None
        async with self.web.running():
            source = OciSource(chosen, self.web.dialer(chosen))
            try:
                return await source.fetch(self.text(end, login), lambda _count: None)
            except LifecycleError as error:
                failure = error  # not in the server's task group, which would wrap it
        raise failure


@pytest.fixture
def registry(web_server: Server) -> Hostile:
    return Hostile(web_server)


@pytest.fixture(scope="module")
def package(workshop: Workshop) -> Any:
    return workshop.package()


async def test_one_layer_is_the_package(registry: Hostile, package: Package) -> None:
    """By tag or by digest; the digest of the manifest is the pin."""
    content = package.to_archive()
    document = manifest(layer(content))
    registry.put(document, content)
    for end in (":1.0", f"@{sha256(document)}", f":other@{sha256(document)}"):
        fetched = await registry.fetch(end)
        assert fetched.content == content
        assert fetched.pin == sha256(document)
    source = OciSource(registry.web.settings)
    pinned = source.pinned(registry.text(), fetched.pin)
    assert pinned == registry.text(f"@{sha256(document)}")
    assert source.canonical("oci://me:sesame@one.example/a/b") == "oci://one.example/a/b:latest"


async def test_a_wasm_artifact_has_its_files_as_layers(registry: Hostile, package: Package) -> None:
    """Other runtimes see the component; here its manifest and signature are with it."""
    document, blobs = wasm_artifact(package)
    registry.put(document, *blobs)
    fetched = await registry.fetch()
    assert Package.from_bytes(fetched.content).digest == package.digest


async def test_an_index_leads_to_one_manifest(registry: Hostile, package: Package) -> None:
    """To the one for wasm, where there are others."""
    content = package.to_archive()
    document = manifest(layer(content))
    other = manifest(layer(b"native"))
    entries = [
        layer(other, MANIFEST, platform={"architecture": "amd64", "os": "linux"}),
        layer(document, MANIFEST, platform={"architecture": "wasm", "os": "wasip2"}),
    ]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    registry.put(document, content, tag="none")
    registry.put(index)
    fetched = await registry.fetch()
    assert fetched.content == content
    assert fetched.pin == sha256(document)


def _index(count: int, digest: str = sha256(b"x"), media_type: str = MANIFEST) -> bytes:
    entry = {"mediaType": media_type, "digest": digest, "size": 1}
    return json.dumps({"mediaType": INDEX, "manifests": [entry] * count}).encode()


@pytest.mark.parametrize(
    "document",
    [
        _index(2), _index(1000), _index(0), _index(1, media_type=INDEX), _index(1, "md5:1"),
        b'{"layers": "x"}', b'{"layers": [{"mediaType": 1}]}', b"{}", b"[]",
        json.dumps({"layers": [layer(b"x", size=-1)]}).encode(),
        json.dumps({"layers": [layer(b"x", size="1")]}).encode(),
        json.dumps({"layers": [layer(b"x", digest="sha256:../../x")]}).encode(),
        json.dumps({"layers": [layer(b"x")] * 1000}).encode(),
    ],
)  # fmt: skip
async def test_a_manifest_that_is_odd_is_refused(registry: Hostile, document: bytes) -> None:
    """Many manifests, none, other digests, sizes that are no sizes."""
    registry.put(document)
    with pytest.raises(SourceRefused):
        await registry.fetch()


@pytest.mark.parametrize("document", [b"not json", b"[" * 100_000, b"\xff\xfe"])
async def test_a_manifest_that_is_no_json_is_said(registry: Hostile, document: bytes) -> None:
    """One line, whatever it is."""
    registry.put(document)
    with pytest.raises(SourceFailed, match="not JSON"):
        await registry.fetch()


@pytest.mark.parametrize(
    "layers",
    [
        [layer(b"x", "application/vnd.docker.image.rootfs.diff.tar.gzip")],
        [layer(b"x"), layer(b"y")],
        [layer(b"x", WASM)],
        [layer(b"x", WASM, annotations={TITLE: "a"}), layer(b"y", WASM, annotations={TITLE: "b"})],
        [layer(b"x", WASM, annotations={TITLE: "../../etc/passwd"})],
        [layer(b"x", WASM, annotations={TITLE: "/etc/passwd"})],
        [layer(b"x", WASM, annotations={TITLE: "a\\b"})],
        [layer(b"x", WASM, annotations={TITLE: "a"}), layer(b"x", "t", annotations={TITLE: "a"})],
    ],
)
async def test_layers_of_another_kind_are_no_package(registry: Hostile, layers: Any) -> None:
    """Another type, two components, names that lead elsewhere, no names at all."""
    registry.put(manifest(*layers), b"x", b"y")
    with pytest.raises(PackageInvalid):
        await registry.fetch()


async def test_every_digest_is_checked(registry: Hostile, package: Package) -> None:
    """That of the manifest, named or told, and that of the layer."""
    content = package.to_archive()
    document = manifest(layer(content))
    registry.put(document, content)
    blob = f"/v2/shop/orders/blobs/{sha256(content)}"
    registry.web.answers[blob] = answer(bytes(len(content)))
    with pytest.raises(SourceChanged):
        await registry.fetch()
    named = "/v2/shop/orders/manifests/"
    registry.web.answers[f"{named}{sha256(b'z')}"] = answer(document)
    with pytest.raises(SourceChanged):
        await registry.fetch(f"@{sha256(b'z')}")
    told = {"docker_content_digest": sha256(b"other")}
    registry.web.answers[f"{named}1.0"] = answer(document, **told)
    with pytest.raises(SourceChanged):
        await registry.fetch()


async def test_a_layer_is_as_long_as_announced(registry: Hostile) -> None:
    """Longer, or announced as longer than allowed, it ends at the limit."""
    content = b"x" * 1000
    registry.put(manifest(layer(content, size=10)), content)
    with pytest.raises(SourceTooLarge):
        await registry.fetch()
    registry.put(manifest(layer(content, size=10**15)), content)
    with pytest.raises(SourceTooLarge):
        await registry.fetch()
    assert not any(each.target.count("blobs") for each in registry.web.requests[3:])


@pytest.mark.parametrize(
    "text",
    [
        "oci://", "oci://one.example", "oci://one.example/", "oci://one.example/UPPER:1",
        "oci://one.example/a/../b:1", "oci://one.example/a//b", "oci://one.example/a:-x",
        "oci://one.example/a@sha256:12", "oci://one.example/a@md5:1", "oci://one.example/a:1#x",
        "oci://one.example/a?x=1", "oci:one.example/a", "oci://one.example/a:", "oci://127.1/a",
        "oci://one.example/a@", "oci://one.example/%2e%2e/a", "oci+http://one.example/a",
    ],
)  # fmt: skip
async def test_a_text_that_is_no_artifact(registry: Hostile, text: str) -> None:
    """It is refused before anything is looked up."""
    with pytest.raises(SourceUnknown):
        OciSource(registry.web.settings).canonical(text)


class TestTokens:
    """A registry names the realm of its tokens; credentials go to it only if it may have them."""

    @staticmethod
    def guard(registry: Hostile, package: Package, realm: str, token: bytes = b"") -> None:
        content = package.to_archive()
        document = manifest(layer(content))
        registry.put(document, content)
        opened = dict(registry.web.answers)
        challenge = f'Bearer realm="{realm}",service="registry",scope="repository:*:push"'

        def guarded(target: str) -> Any:
            async def serve(request: Any, stream: Any) -> None:
                if request.headers.get("authorization") == "Bearer t0ken":
                    await stream.send(opened[target])
                else:
                    await stream.send(answer(b"", "401 No", www_authenticate=challenge))

            return serve

        for target in opened:
            registry.web.answers[target] = guarded(target)
        registry.web.answers["/token"] = answer(token or b'{"token": "t0ken"}')

    async def test_the_registrys_own_realm_gets_the_login(
        self, registry: Hostile, package: Package, no_credentials: Path
    ) -> None:
        """From docker's configuration; the token is for pulling this repository, and no more."""

        async def run(config: dict[str, Any]) -> Any:
            place = no_credentials / ".docker"
            place.mkdir(exist_ok=True)
            (place / "config.json").write_text(json.dumps(config))
            async with registry.web.running():
                where = f"one.example:{registry.web.port}"
                self.guard(registry, package, f"https://{where}/token")
                if "auths" in config:
                    auths = {where: config["auths"]["REGISTRY"]}
                    (place / "config.json").write_text(json.dumps({"auths": auths}))
                source = OciSource(registry.web.settings, registry.web.dialer())
                await source.fetch(registry.text(), lambda _count: None)
            return next(each for each in registry.web.requests if "/token" in each.target)

        encoded = base64.b64encode(b"me:sesame").decode()
        asked = await run({"auths": {"REGISTRY": {"auth": encoded}}})
        assert asked.headers["authorization"] == f"Basic {encoded}"
        assert "scope=repository%3Ashop%2Forders%3Apull" in asked.target
        assert "push" not in asked.target
        registry.web.requests.clear()
        assert "authorization" not in (await run({})).headers

    async def test_another_realm_gets_no_login(self, registry: Hostile, package: Package) -> None:
        """An anonymous request at most, until an operator names the server."""
        async with registry.web.running():
            other = f"two.example:{registry.web.port}"
            self.guard(registry, package, f"https://{other}/token")
            for hosts, header in (((), None), ((other,), "Basic bWU6c2VzYW1l")):
                settings = replace(registry.web.settings, token_hosts=hosts)
                source = OciSource(settings, registry.web.dialer(settings))
                await source.fetch(registry.text(login="me:sesame@"), lambda _count: None)
                asked = [each for each in registry.web.requests if "/token" in each.target][-1]
                assert asked.headers.get("authorization") == header
        first = registry.web.requests[0]
        assert "authorization" not in first.headers, "nothing is sent before it is asked for"

    @pytest.mark.parametrize(
        "realm",
        ["http://one.example/token", "file:///etc/passwd", "https://169.254.169.254/token",
         "https://me:word@one.example/token", "", "https://127.1/token"],
    )  # fmt: skip
    async def test_a_realm_is_an_address_like_any_other(
        self, registry: Hostile, package: Package, realm: str
    ) -> None:
        """Only https, and only checked addresses."""
        self.guard(registry, package, realm)
        with pytest.raises(SourceRefused):
            await registry.fetch(login="me:sesame@")

    @pytest.mark.parametrize("token", [b"{}", b'{"token": "a\\r\\nx: y"}', b"no", b'{"token": 1}'])
    async def test_a_token_is_one_word(
        self, registry: Hostile, package: Package, token: bytes
    ) -> None:
        """Nothing of it gets into another header."""
        async with registry.web.running():
            realm = f"https://one.example:{registry.web.port}/token"
            self.guard(registry, package, realm, token)
            source = OciSource(registry.web.settings, registry.web.dialer())
            with pytest.raises(SourceFailed, match="token"):
                await source.fetch(registry.text(), lambda _count: None)

    async def test_a_redirected_layer_gets_no_token(
        self, registry: Hostile, package: Package
    ) -> None:
        """The store behind a registry is another server."""
        async with registry.web.running():
            self.guard(registry, package, f"https://one.example:{registry.web.port}/token")
            content = package.to_archive()
            blob = f"/v2/shop/orders/blobs/{sha256(content)}"
            stored = registry.web.url("/stored", "two.example")
            registry.web.answers[blob] = answer(b"", "307 Moved", location=stored)
            registry.web.answers["/stored"] = answer(content)
            source = OciSource(registry.web.settings, registry.web.dialer())
            fetched = await source.fetch(registry.text(), lambda _count: None)
        assert fetched.content == content
        asked = next(each for each in registry.web.requests if each.target == "/stored")
        assert "authorization" not in asked.headers


@pytest.mark.skipif(sys.platform == "win32", reason="the helper is a shell script")
async def test_a_helper_of_docker_has_the_login(
    registry: Hostile, package: Package, no_credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for this registry; a name that is no program's is not run."""
    helper = no_credentials / "docker-credential-tests"
    helper.write_text('#!/bin/sh\nread key\necho \'{"Username": "me", "Secret": "sesame"}\'\n')
    helper.chmod(0o700)
    monkeypatch.setenv("PATH", f"{no_credentials}:/usr/bin:/bin")
    monkeypatch.setenv("DOCKER_CONFIG", str(no_credentials))
    content = package.to_archive()
    async with registry.web.running():
        where = f"one.example:{registry.web.port}"
        TestTokens.guard(registry, package, f"https://{where}/token")
        for name, header in (("tests", "Basic bWU6c2VzYW1l"), ("../tests", None)):
            config = json.dumps({"credHelpers": {where: name}})
            (no_credentials / "config.json").write_text(config)
            source = OciSource(registry.web.settings, registry.web.dialer())
            assert (await source.fetch(registry.text(), lambda _count: None)).content == content
            asked = [each for each in registry.web.requests if "/token" in each.target][-1]
            assert asked.headers.get("authorization") == header


@pytest.mark.skipif(REGISTRY is None, reason="Debian's docker-registry is not installed")
async def test_a_real_registry_gives_both_artifacts(
    real_registry: Any, web_server: Server, package: Package
) -> None:
    """Pushed by tag, pulled by tag and by the digest that the registry told."""
    content = package.to_archive()
    document, blobs = wasm_artifact(package)
    for tag, made, parts in (
        ("one", manifest(layer(content)), [content]),
        ("files", document, blobs),
    ):
        for each in (*parts, b"{}"):
            real_registry.push_blob(each)
        real_registry.push_manifest(tag, made)
        settings = web_server.settings
        source = OciSource(settings, web_server.dialer(settings))
        place = f"oci://one.example:{real_registry.port}/shop/orders"
        for end in (f":{tag}", f"@{sha256(made)}"):
            fetched = await source.fetch(f"{place}{end}", lambda _count: None)
            assert Package.from_bytes(fetched.content).digest == package.digest
            assert fetched.pin == sha256(made)
    with pytest.raises(SourceFailed, match="404"):
        await source.fetch(f"{place}:nope", lambda _count: None)


@dataclass
class _Real:
    port: int
    context: ssl.SSLContext

    def _send(self, method: str, url: str, body: bytes = b"", kind: str = "") -> Any:
        address = url if url.startswith("https://") else f"https://127.0.0.1:{self.port}{url}"
        headers = {"Content-Type": kind or "application/octet-stream"}
        request = urllib.request.Request(address, body, headers, method=method)
        return urllib.request.urlopen(request, context=self.context, timeout=30)

    def push_blob(self, content: bytes) -> None:
        with self._send("POST", "/v2/shop/orders/blobs/uploads/") as answered:
            place = answered.headers["location"]
        sign = "&" if "?" in place else "?"
        self._send("PUT", f"{place}{sign}digest={sha256(content)}", content).close()

    def push_manifest(self, tag: str, content: bytes) -> None:
        self._send("PUT", f"/v2/shop/orders/manifests/{tag}", content, MANIFEST).close()


@pytest.fixture
def real_registry(tmp_path: Path, authority: Any) -> Iterator[_Real]:
    assert REGISTRY is not None
    made, ca_file = authority
    issued = made.issue_cert("one.example", "127.0.0.1")
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for each in issued.cert_chain_pems:
        each.write_to_path(str(tmp_path / "cert.pem"), append=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "store")}},
        "http": {
            "addr": f"127.0.0.1:{port}",
            "tls": {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")},
        },
    }
    (tmp_path / "config.yml").write_text(json.dumps(config))
    context = ssl.create_default_context(cafile=str(ca_file))
    process = subprocess.Popen(
        [REGISTRY, "serve", str(tmp_path / "config.yml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        real = _Real(port, context)
        while True:  # another process, which cannot notify this one
            assert process.poll() is None, "the registry ended"
            try:
                real._send("GET", "/v2/").close()
                break
            except OSError:
                time.sleep(0.02)
        yield real
    finally:
        process.kill()
        process.wait()
