"""Packages out of git repositories, served over https, and what a hostile one may try."""

import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
import anyio.abc
import pytest
from airswasm.lifecycle import (
    Package,
    PackageInvalid,
    SourceFailed,
    SourceRefused,
    SourceSettings,
    SourceTooLarge,
    SourceUnknown,
    archive_of,
)
from airswasm.lifecycle._sources import git_child
from airswasm.lifecycle._sources.git import GitSource
from airswasm.security import SecurityError

pygit2 = pytest.importorskip("pygit2")

pytestmark = pytest.mark.anyio
GIT = shutil.which("git")
needs_git = pytest.mark.skipif(GIT is None, reason="git serves the repository")
Server = Any
Workshop = Any
FILE, LINK, SUBMODULE, TREE = 0o100644, 0o120000, 0o160000, 0o040000
AUTHOR = pygit2.Signature("a", "a@example.org", 1_700_000_000, 0)


@dataclass
class Repository:
    """A bare repository whose commits are written object by object, as an attacker would."""

    folder: Path

    def __post_init__(self) -> None:
        self.repo = pygit2.init_repository(str(self.folder), bare=True, initial_head="main")

    @property
    def text(self) -> str:
        return f"git+file:{self.folder}"

    def commit(self, files: dict[str, bytes], odd: Any = None) -> str:
        """Commit files; `odd` gives entries of the root a mode of their own."""
        entries = {name: (FILE, content) for name, content in files.items()} | (odd or {})
        head = "refs/heads/main"
        parents = [self.repo.references[head].target] if head in self.repo.references else []
        tree = self._tree(entries)
        return str(self.repo.create_commit(head, AUTHOR, AUTHOR, "a commit", tree, parents))

    def tag(self, name: str, commit: str) -> None:
        self.repo.references.create(f"refs/tags/{name}", pygit2.Oid(hex=commit), force=True)

    def _tree(self, entries: dict[str, tuple[int, bytes]]) -> Any:
        builder = self.repo.TreeBuilder()
        folders: dict[str, dict[str, tuple[int, bytes]]] = {}
        for name, (mode, content) in entries.items():
            folder, slash, rest = name.partition("/")
            if slash:
                folders.setdefault(folder, {})[rest] = (mode, content)
            elif mode == SUBMODULE:
                builder.insert(name, pygit2.Oid(hex=content.decode()), mode)
            else:
                builder.insert(name, self.repo.create_blob(content), mode)
        for folder, inside in folders.items():
            builder.insert(folder, self._tree(inside), TREE)
        return builder.write()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r@e" / "shop.git")


def files_of(package: Package) -> dict[str, bytes]:
    signed = {"component.sig": package.signature} if package.signature else {}
    return {**package.files, **signed}


@pytest.fixture(scope="module")
def package(workshop: Workshop) -> Any:
    return workshop.package()


async def fetch(text: str, settings: SourceSettings | None = None, dialer: Any = None) -> Any:
    source = GitSource(settings or SourceSettings(), dialer)
    return await source.fetch(text, lambda _count: None)


def same(fetched: Any, package: Package) -> bool:
    return Package.from_bytes(fetched.content).digest == package.digest


async def test_a_package_is_read_out_of_a_commit(repository: Repository, package: Package) -> None:
    """By branch, tag, full name or commit, from the root or a folder; the commit is the pin."""
    first = repository.commit(files_of(package))
    repository.repo.create_tag(
        "v1", pygit2.Oid(hex=first), pygit2.enums.ObjectType.COMMIT, AUTHOR, ""
    )
    inside = {f"apps/orders/{name}": content for name, content in files_of(package).items()}
    second = repository.commit(inside)
    for ref in ("v1", "refs/tags/v1", first):
        fetched = await fetch(f"{repository.text}@{ref}")
        assert same(fetched, package)
        assert fetched.pin == first
    for ref in ("", "@main", "@refs/heads/main", f"@{second}"):
        fetched = await fetch(f"{repository.text}{ref}#apps/orders")
        assert same(fetched, package)
        assert fetched.pin == second
    source = GitSource(SourceSettings())
    pinned = source.pinned(f"{repository.text}@main#apps/orders", first)
    assert pinned == f"{repository.text}@{first}#apps/orders"
    assert source.canonical(fetched.source) == fetched.source


async def test_nothing_is_left_on_the_disk(
    repository: Repository, package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither after a fetch, nor after one that failed, nor after a cancel."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    repository.commit(files_of(package))
    await fetch(repository.text)
    with pytest.raises(SourceFailed):
        await fetch(f"{repository.text}@nope")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await fetch(repository.text)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "git+file:{0}@--upload-pack=touch", "git+file:{0}@main..v1", "git+file:{0}@a b",
        "git+file:{0}@main\u2028", "git+file:{0}@-main", "git+file:{0}@main.lock",
        "git+file:{0}#../x", "git+file:{0}#/etc", "git+file:{0}#a/../../b", "git+file:{0}#a\\b",
        "git+ssh://-oProxyCommand=touch/x", "git+ssh://me:word@one.example/x",
        "git+ssh://-o@one.example/x", "git+ext::sh -c touch", "git+http://one.example/x",
        "git+git://one.example/x", "git+https://one.example", "git+https://one.example/x?y",
        "git+https://one.example/x@", "git:{0}", "git+file+x:{0}", "git+ssh://one.example:x/y",
    ],
)  # fmt: skip
async def test_a_text_that_is_no_repository_starts_nothing(
    repository: Repository, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No option, no other scheme, no way out of the repository."""
    monkeypatch.setattr(anyio, "open_process", None)
    with pytest.raises(SourceUnknown):
        await fetch(text.format(repository.folder))


@pytest.mark.parametrize(
    ("name", "mode", "content", "reason"),
    [
        ("Component.toml", LINK, b"/etc/passwd", "symbolic link"),
        ("component.wasm", LINK, b"Component.toml", "symbolic link"),
        ("component.wasm", SUBMODULE, b"1" * 40, "submodule"),
        ("component.sig", LINK, b"../x", "symbolic link"),
    ],
)
async def test_a_package_is_plain_files(
    repository: Repository, package: Package, name: str, mode: int, content: bytes, reason: str
) -> None:
    """A link or a submodule in the place of a file is refused, and followed nowhere."""
    repository.commit(files_of(package), {name: (mode, content)})
    with pytest.raises(SourceRefused, match=reason):
        await fetch(repository.text)


async def test_a_folder_is_not_a_link(repository: Repository, package: Package) -> None:
    """The way to the package leads through trees only."""
    odd = {"app": (LINK, b"."), "part": (SUBMODULE, b"1" * 40)}
    repository.commit(files_of(package), odd)
    for folder in ("app", "part", "Component.toml"):
        with pytest.raises(SourceRefused):
            await fetch(f"{repository.text}#{folder}")
    with pytest.raises(PackageInvalid) as caught:
        await fetch(f"{repository.text}#nowhere")
    assert "#FOLDER" in caught.value.hint


async def test_nothing_of_a_repository_is_executed_or_filtered(
    repository: Repository, package: Package, tmp_path: Path
) -> None:
    """Neither filters, nor hooks, nor submodules; the bytes are those of the blobs."""
    touched = tmp_path / "touched"
    run = f"touch {touched}"
    extra = {
        ".gitattributes": b"* filter=evil text eol=crlf ident\n",
        ".gitmodules": f'[submodule "s"]\npath = s\nurl = -u{run}\nupdate = !{run}\n'.encode(),
        ".lfsconfig": b"[lfs]\nurl = https://one.example\n",
    }
    with (repository.folder / "config").open("a") as file:
        file.write(f'[filter "evil"]\nsmudge = {run}\nclean = {run}\nrequired = true\n')
        file.write(f"[core]\nsshCommand = {run}\nfsmonitor = {run}\ngitProxy = {run}\n")
    hook = repository.folder / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{run}\n")
    hook.chmod(0o755)
    repository.commit({**files_of(package), **extra})
    assert same(await fetch(repository.text), package)
    assert not touched.exists()


async def test_the_users_git_configuration_leads_nowhere_else(
    repository: Repository, package: Package, no_credentials: Path
) -> None:
    """An `insteadOf` would give another repository under this one's name."""
    (no_credentials / ".gitconfig").write_text(
        f'[url "file:///nowhere"]\n\tinsteadOf = {repository.folder.as_uri()}\n'
    )
    repository.commit(files_of(package))
    assert same(await fetch(repository.text), package)


async def test_a_large_repository_ends_at_the_limit(
    repository: Repository, package: Package
) -> None:
    """Counted while it arrives."""
    repository.commit({**files_of(package), "large": os.urandom(2**20)})
    with pytest.raises(SourceTooLarge):
        await fetch(repository.text, SourceSettings(most_bytes=2**18))


async def test_a_pointer_of_lfs_is_said(repository: Repository, package: Package) -> None:
    """Instead of a complaint about its bytes."""
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    files = {**files_of(package), "component.wasm": pointer}
    repository.commit(files)
    with pytest.raises(SourceRefused, match="LFS"):
        await fetch(repository.text)


async def test_a_blob_that_explodes_is_not_read(repository: Repository, package: Package) -> None:
    """Many zeros are few bytes on the wire; the header of the blob says so before it is read."""
    repository.commit({**files_of(package), "component.wasm": bytes(129 * 2**20)})
    with pytest.raises(SourceTooLarge):
        await fetch(repository.text)


async def test_the_process_ends_with_its_parent(tmp_path: Path) -> None:
    """Whatever it waits for: a server that says nothing, and a parent that was killed."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        process = await anyio.open_process([sys.executable, "-P", git_child.__file__])
        async with process:
            assert process.stdin is not None
            request = {
                "url": f"https://127.0.0.1:{port}/x", "ref": "", "folder": str(tmp_path),
                "home": str(tmp_path), "proxy": "", "login": None, "ca_file": "",
                "is_local": False, "most_bytes": 2**20, "most_file_bytes": 2**20,
                "memory_bytes": 2**30, "cpu_seconds": 60, "silence": 600.0,
            }  # fmt: skip
            await process.stdin.send(json.dumps(request).encode() + b"\n")
            async with await listener.listeners[0].accept():
                await process.stdin.aclose()
                assert await process.wait() == 0


async def test_a_name_that_is_both_is_refused(repository: Repository, package: Package) -> None:
    """A branch and a tag of one name; the error says the full names."""
    repository.tag("main", repository.commit(files_of(package)))
    await fetch(f"{repository.text}@main")  # both are the same commit
    repository.commit({"other": b""})
    with pytest.raises(SourceFailed, match="refs/heads/main or refs/tags/main"):
        await fetch(f"{repository.text}@main")


async def test_a_changed_file_fails_the_signature(repository: Repository, package: Package) -> None:
    """A repository is trusted with nothing: the package's own signature decides."""
    repository.commit({**files_of(package), "component.wasm": b"other"})
    fetched = await fetch(repository.text)
    with pytest.raises(SecurityError):
        Package.from_bytes(fetched.content)


async def test_a_folder_and_its_repository_are_one_package(
    repository: Repository, package: Package, tmp_path: Path
) -> None:
    """Whatever the source, the same bytes are verified."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in files_of(package).items():
        (folder / name).write_bytes(content)
    repository.commit(files_of(package))
    assert (await fetch(repository.text)).content == archive_of(folder)


@needs_git
class TestOverHttps:
    """A repository behind `git http-backend`, with a certificate that only the tests trust."""

    async def test_it_is_fetched_by_tag_and_commit(
        self, git_server: Server, repository: Repository, package: Package
    ) -> None:
        """Shallow where the server names the commit, whole where it must look for it."""
        first = repository.commit(files_of(package))
        repository.commit({"README": b"later"})
        repository.tag("v1", first)
        for ref in ("v1", first):
            fetched = await git_server.fetch(f"@{ref}")
            assert same(fetched, package)
            assert fetched.pin == first
        repository.repo.references.delete("refs/tags/v1")
        assert (await git_server.fetch(f"@{first}")).pin == first

    async def test_it_is_reached_through_the_gate(
        self, git_server: Server, repository: Repository, package: Package
    ) -> None:
        """No address but a checked one is reached."""
        repository.commit(files_of(package))
        await git_server.fetch()
        assert set(git_server.web.looked_up) == {"one.example"}
        closed = replace(git_server.web.settings, internal_networks=())
        with pytest.raises(SourceRefused, match="loopback"):
            await git_server.fetch(settings=closed)

    async def test_a_login_goes_to_its_server_and_shows_nowhere(
        self, git_server: Server, repository: Repository, package: Package, no_credentials: Path
    ) -> None:
        """From the text or from netrc; a wrong one is refused without its text."""
        repository.commit(files_of(package))
        git_server.login = "Basic bWU6c2VzYW1l"
        fetched = await git_server.fetch(login="me:sesame@")
        assert "sesame" not in repr(fetched)
        with pytest.raises(SourceFailed) as caught:
            await git_server.fetch(login="me:wr0ng@")
        assert "wr0ng" not in f"{caught.value!r} {caught.value} {caught.value.hint}"
        with pytest.raises(SourceFailed, match="login"):
            await git_server.fetch()
        netrc = no_credentials / ".netrc"
        netrc.write_text("machine one.example login me password sesame\n")
        netrc.chmod(0o600)
        assert same(await git_server.fetch(), package)

    async def test_a_redirect_to_another_server_is_refused(
        self, git_server: Server, repository: Repository
    ) -> None:
        """Whatever it is: the gate has one way out."""
        for location in ("https://two.example/x", "http://one.example/x", "file:///etc"):
            git_server.redirect = location
            with pytest.raises((SourceRefused, SourceFailed)):
                await git_server.fetch()
        assert "two.example" not in git_server.web.looked_up

    async def test_a_repository_that_moved_is_another_place(
        self, git_server: Server, repository: Repository, package: Package
    ) -> None:
        """It is fetched where its server sends to, and no trusted place."""
        repository.commit(files_of(package))
        fetched = await git_server.fetch("@main")
        port = git_server.server_address[1]
        assert fetched.place == f"git+https://one.example:{port}/shop.git@main"
        git_server.moved = {"/old.git": "/shop.git"}
        moved = await git_server.fetch(path="/old.git")
        assert same(moved, package)
        assert moved.place == ""
        assert moved.source.endswith("/old.git")

    async def test_a_certificate_counts(self, git_server: Server, repository: Repository) -> None:
        """Without the authority's, nothing is fetched."""
        with pytest.raises(SourceFailed, match=r"certificate|SSL"):
            await git_server.fetch(settings=replace(git_server.web.settings, ca_file=""))

    async def test_it_ends_at_the_limit_while_it_arrives(
        self, git_server: Server, repository: Repository, package: Package
    ) -> None:
        """By the bytes on the connection, headers and all."""
        repository.commit({**files_of(package), "large": os.urandom(2**21)})
        with pytest.raises(SourceTooLarge):
            await git_server.fetch()


class _Backend(BaseHTTPRequestHandler):
    """`git http-backend`, as a web server runs it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._run()

    def do_POST(self) -> None:
        self._run()

    def log_message(self, *_: object) -> None:
        pass

    def _run(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        old = next((each for each in server.moved if self.path.startswith(each)), None)
        if old is not None:
            self._answer(302, [("Location", self.path.replace(old, server.moved[old]))], b"")
        elif server.redirect:
            self._answer(302, [("Location", server.redirect)], b"")
        elif server.login and self.headers.get("authorization") != server.login:
            self._answer(401, [("WWW-Authenticate", 'Basic realm="x"')], b"")
        else:
            self._answer(*self._of_git(server.root, body))

    def _of_git(self, root: str, body: bytes) -> tuple[int, list[Any], bytes]:
        assert GIT is not None
        path, _, query = self.path.partition("?")
        done = subprocess.run(
            [GIT, "http-backend"],
            input=body, capture_output=True, check=True,
            env={
                "GIT_PROJECT_ROOT": root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
                "QUERY_STRING": query, "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("content-type", ""), "PATH": os.environ["PATH"],
                "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
                "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
            },
        )  # fmt: skip
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [each.split(": ", 1) for each in head.decode().split("\r\n")]
        status = next((int(value[:3]) for name, value in fields if name == "Status"), 200)
        return status, [each for each in fields if each[0] != "Status"], content

    def _answer(self, status: int, fields: list[Any], content: bytes) -> None:
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _GitServer(ThreadingHTTPServer):
    """An https server for repositories, in a thread of its own."""

    daemon_threads = True
    redirect = ""
    login = ""
    moved: Mapping[str, str] = MappingProxyType({})

    def __init__(self, root: Path, web: Server) -> None:
        super().__init__(("127.0.0.1", 0), _Backend)
        self.root, self.web = str(root), web
        self.socket = web.tls.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def handle_error(self, *_: object) -> None:
        assert isinstance(sys.exc_info()[1], OSError | ssl.SSLError), sys.exc_info()

    async def fetch(
        self, ref: str = "", login: str = "", settings: Any = None, path: str = "/shop.git"
    ) -> Any:
        text = f"git+https://{login}one.example:{self.server_address[1]}{path}{ref}"
        chosen = settings or self.web.settings
        return await fetch(text, chosen, self.web.dialer(chosen))


@pytest.fixture
def git_server(repository: Repository, web_server: Server) -> Iterator[_GitServer]:
    server = _GitServer(repository.folder.parent, web_server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
