"""Fetch a package out of a git repository: `git+https://host/path@REF#subfolder`.

One commit is fetched, bare and shallow, by a process of its own (`git_child`), and the files of the
package are read out of its trees; nothing is checked out. The commit is the pin.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar, cast

import anyio
import anyio.abc
import anyio.to_thread
from airswasm.security import judge_path, network_source
from airswasm.wit import ScratchUnusable
from anyio.streams.buffered import BufferedByteReceiveStream

from .._packages.archive import ArchiveLimits, write_archive
from .._packages.manifest import MANIFEST_NAME
from .._packages.package import SIGNATURE_NAME, member_names, source_names
from ..errors import (
    ExtraMissing,
    LifecycleError,
    PackageInvalid,
    SourceFailed,
    SourceRefused,
    SourceTooLarge,
    SourceUnknown,
)
from . import git_child
from .credentials import netrc_login
from .dialing import Dialer
from .gate import Gate
from .settings import SourceSettings
from .source import Arrived, Fetched
from .trees import FetchedTree, TreeFile
from .urls import Login, Url, check_text, read_authority, read_url
from .web import Web, basic

__all__ = ("GitSource",)

T = TypeVar("T")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,254}")
_SSH = 22
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_LIMITS = ArchiveLimits()
_LINE_BYTES = 64 * 1024
_LIST_BYTES = 8 * 2**20
_MEMORY_BYTES = 1024 * 2**20
_LFS = b"version https://git-lfs.github.com/spec"
_KEPT = (
    "HOME", "USERPROFILE", "SSH_AUTH_SOCK", "PATH", "SYSTEMROOT", "TEMP", "TMP", "PYTHONPATH",
    "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
"""The variables of the environment that the child gets."""


@dataclass(frozen=True, slots=True)
class _Repository:
    """A git source, read.

    Attributes:
        scheme: `https`, `ssh` or `file`.
        address: What libgit2 is given: the repository without login, REF and subfolder.
        ref: A branch, tag, full name or commit; empty for the default branch.
        folder: The package's folder in it; empty for the root.
        url: The server, for https.
        host: The server, for ssh, with the port.
        login: That of the text.
    """

    scheme: str
    address: str
    ref: str
    folder: str
    url: Url | None = None
    host: tuple[str, int] = ("", 0)
    login: Login | None = field(default=None, repr=False)

    def __str__(self) -> str:
        ref, folder = f"@{self.ref}" * bool(self.ref), f"#{self.folder}" * bool(self.folder)
        return f"git+{self.address}{ref}{folder}"

    @property
    def place(self) -> str:
        """The text by which `[trust] sources` may trust it; empty for a repository of this machine.

        Who can write to a repository is not known by the modes of one file.
        """
        if self.scheme == "file":
            return ""
        authority, _, path = self.address.partition("://")[2].partition("/")
        return network_source(
            f"git+{self.scheme}", authority, f"/{path}", ref=self.ref, folder=self.folder
        )


class GitSource:
    """The kind `git`.

    Args:
        settings: What an operator allows.
        dialer: Connects; by default as the settings say.
    """

    def __init__(self, settings: SourceSettings, dialer: Dialer | None = None) -> None:
        if importlib.util.find_spec("pygit2") is None:
            raise ExtraMissing("git", "airswasm-lifecycle", "git")
        self._settings = settings
        self._dialer = dialer or Dialer(settings)

    def canonical(self, text: str) -> str:
        """See `PackageSource`; without login."""
        return str(_read(text))

    def pinned(self, text: str, pin: str) -> str:
        """See `PackageSource`; the pin is a commit."""
        read = _read(text)
        folder = f"#{read.folder}" if read.folder else ""
        base = text.partition("#")[0]
        return f"{base.removesuffix(f'@{read.ref}') if read.ref else base}@{pin}{folder}"

    async def fetch(self, text: str, arrived: Arrived) -> Fetched:
        """See `PackageSource`."""
        repository = _read(text)
        source = str(repository)
        if repository.scheme == "ssh":  # after that, its key says who it is
            await self._dialer.addresses(source, *repository.host)
        async with _temporary_folder() as folder:

            async def read(child: _Child) -> dict[str, bytes]:
                return await _package_files(child, repository, source)

            if repository.url is None:
                request = await self._request(repository, folder, "")
                commit, files = await self._fetched(repository, request, arrived, read)
            else:
                commit, files = await self._through_gate(
                    repository, repository.url, folder, arrived, read
                )
        content = await anyio.to_thread.run_sync(lambda: write_archive(files, is_compressed=False))
        place = "" if await self._has_moved(repository) else repository.place
        return Fetched(content, source, commit, place)

    async def fetch_tree(self, text: str, arrived: Arrived) -> FetchedTree:
        """See `TreeSource`; all files of the commit below the folder."""
        repository = _read(text)
        source = str(repository)
        if repository.scheme == "ssh":
            await self._dialer.addresses(source, *repository.host)
        async with _temporary_folder() as folder:
            return await self._tree(repository, folder, arrived)

    async def _tree(self, repository: _Repository, folder: str, arrived: Arrived) -> FetchedTree:
        source, most = str(repository), self._settings.most_bytes

        async def read(child: _Child) -> Mapping[str, TreeFile]:
            return await _tree_files(child, repository, source, most)

        if repository.url is None:
            request = await self._request(repository, folder, "")
            commit, files = await self._fetched(repository, request, arrived, read)
        else:
            commit, files = await self._through_gate(
                repository, repository.url, folder, arrived, read
            )
        return FetchedTree(files, source, commit)

    async def _through_gate(
        self,
        repository: _Repository,
        url: Url,
        folder: str,
        arrived: Arrived,
        read: Callable[[_Child], Awaitable[T]],
    ) -> tuple[str, T]:
        scope = anyio.CancelScope()
        gate = Gate(str(repository), url, self._dialer, self._settings.most_bytes, scope.cancel)
        found: tuple[str, T] | None = None
        async with gate.open() as proxy:
            request = await self._request(repository, folder, proxy)
            with scope:
                found = await self._fetched(repository, request, arrived, read)
        if gate.failure is not None or found is None:
            raise gate.failure or SourceFailed(str(repository), "it was not fetched")
        return found

    async def _fetched(
        self,
        repository: _Repository,
        request: Mapping[str, object],
        arrived: Arrived,
        read: Callable[[_Child], Awaitable[T]],
    ) -> tuple[str, T]:
        source = str(repository)
        async with _started(str(request["folder"]), request) as child:
            commit = await child.commit(source, arrived, self._settings.most_bytes)
            return commit, await read(child)

    async def _has_moved(self, repository: _Repository) -> bool:
        """Return whether a server sends elsewhere for a repository, or cannot be asked.

        libgit2 follows a redirect within the server and does not tell; a moved repository is not
        the place that was named.
        """
        url = repository.url
        if url is None:
            return False
        login = repository.login or await netrc_login(url.host)
        refs = replace(url, path=f"{url.path}/info/refs", query="service=git-upload-pack")
        try:
            return await Web(self._settings, self._dialer, str(repository)).is_redirected(
                refs, authorization=basic(login) if login else ""
            )
        except LifecycleError:
            return True

    async def _request(
        self, repository: _Repository, folder: str, proxy: str
    ) -> Mapping[str, object]:
        settings, login = self._settings, repository.login
        if login is None and repository.url is not None:
            login = await netrc_login(repository.url.host)
        return {
            "url": repository.address.removeprefix("file:"),
            "ref": repository.ref,
            "folder": folder,
            "home": _home(),
            "proxy": proxy,
            "login": (login.name, login.password) if login is not None else None,
            "ca_file": settings.ca_file,
            "is_local": repository.scheme == "file",
            "most_bytes": settings.most_bytes,
            "most_file_bytes": _LIMITS.member_bytes,
            "memory_bytes": _MEMORY_BYTES + 2 * settings.most_bytes,
            "cpu_seconds": max(1, round(settings.timeout)),
            "silence": settings.rate_window,
        }


@dataclass(frozen=True, slots=True)
class _Child:
    """The process that has the repository."""

    process: anyio.abc.Process
    lines: BufferedByteReceiveStream
    source: str = ""

    async def commit(self, source: str, arrived: Arrived, most_bytes: int) -> str:
        """Return the id of the commit once it is fetched."""
        while True:
            answer = await self._next(source)
            if "received" in answer:
                arrived(int(str(answer["received"])))
            elif "commit" in answer:
                return str(answer["commit"])
            else:
                raise _failure(source, answer, most_bytes)

    async def read(self, source: str, path: str) -> bytes | None:
        """Return a file of the commit; None if it has none of that path."""
        assert self.process.stdin is not None
        try:
            await self.process.stdin.send(json.dumps(path).encode() + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise await self._ended(source) from None
        answer = await self._next(source)
        if "missing" in answer:
            return None
        if "large" in answer:
            raise SourceTooLarge(f"{source}: {path}", "a file", f"{_LIMITS.member_bytes:,} bytes")
        if "refused" in answer:
            raise SourceRefused(
                source, f"{path}: {answer['refused']}",
                hint="a package in a repository is made of plain files",
            )  # fmt: skip
        content = await self.lines.receive_exactly(int(str(answer["size"])))
        if content.startswith(_LFS):
            raise SourceRefused(
                source, f"{path} is a pointer of Git LFS, whose content is not fetched",
                hint="commit the file itself",
            )  # fmt: skip
        return content

    async def tree(self, source: str, folder: str) -> Mapping[str, bool]:
        """Return the paths of all files below a folder, and whether each is executable."""
        assert self.process.stdin is not None
        try:
            await self.process.stdin.send(json.dumps({"tree": folder}).encode() + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise await self._ended(source) from None
        answer = await self._next(source, _LIST_BYTES)
        if "refused" in answer:
            raise SourceRefused(
                source, str(answer["refused"]), hint="a project is made of plain files and folders"
            )
        return dict(cast("Iterable[tuple[str, bool]]", answer["files"]))

    async def _next(self, source: str, most_bytes: int = _LINE_BYTES) -> Mapping[str, object]:
        try:
            line = await self.lines.receive_until(b"\n", most_bytes)
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
            raise await self._ended(source) from None
        return cast("Mapping[str, object]", json.loads(line))

    async def _ended(self, source: str) -> SourceFailed:
        with anyio.move_on_after(5):
            await self.process.wait()
        code = self.process.returncode
        reason = f"the process that fetches ended ({code}): it may have reached a limit"
        return SourceFailed(source, reason)


def _failure(source: str, answer: Mapping[str, object], most_bytes: int) -> LifecycleError:
    kind, reason = str(answer.get("failed")), str(answer.get("reason"))
    if kind == "large":
        return SourceTooLarge(source, "sources.most_bytes", f"{most_bytes:,} bytes")
    hints = {
        "login": "for https, write a login into ~/.netrc; for ssh, load the key into an ssh agent",
        "identity": "for https, name the certificate in `ca_file` under [sources]; for ssh, "
        "compare the server's key and add it to ~/.ssh/known_hosts",
    }
    return SourceFailed(source, reason, hint=hints.get(kind, ""))


async def _package_files(child: _Child, repository: _Repository, source: str) -> dict[str, bytes]:
    prefix = f"{repository.folder}/" if repository.folder else ""
    manifest = await child.read(source, prefix + MANIFEST_NAME)
    if manifest is None:
        reason = f"is not a package: it has no {prefix}{MANIFEST_NAME}"
        hint = "name the package's folder in the repository after `#`: git+…@REF#FOLDER"
        raise PackageInvalid(source, reason, hint=hint)
    signature = await child.read(source, prefix + SIGNATURE_NAME)
    files = {} if signature is None else {SIGNATURE_NAME: signature}
    total = 0
    names = dict.fromkeys(member_names(signature, manifest, source))
    while names:
        name = next(iter(names))
        del names[name]
        problem = judge_path(name)
        if problem:
            raise PackageInvalid(source, problem, member=name)
        content = await child.read(source, prefix + name)
        if content is not None:
            files[name] = content
            total += len(content)
        if signature is None:
            more = source_names(content, f"{source}/{name}")
            names |= dict.fromkeys(each for each in more if each not in files)
        if total > _LIMITS.total_bytes or len(files) > _LIMITS.members:
            raise SourceTooLarge(source, "a package", f"{_LIMITS.total_bytes:,} bytes")
    return files


async def _tree_files(
    child: _Child, repository: _Repository, source: str, most_bytes: int
) -> Mapping[str, TreeFile]:
    prefix = f"{repository.folder}/" if repository.folder else ""
    files: dict[str, TreeFile] = {}
    total = 0
    for name, is_executable in (await child.tree(source, repository.folder)).items():
        problem = judge_path(name)
        if problem:
            raise PackageInvalid(source, problem, member=name)
        content = await child.read(source, prefix + name)
        if content is not None:
            files[name] = TreeFile(content, is_executable)
            total += len(content)
        if total > most_bytes:
            raise SourceTooLarge(source, "sources.most_bytes", f"{most_bytes:,} bytes")
    return files


def _home() -> str:
    return str(Path("~").expanduser())


@asynccontextmanager
async def _temporary_folder() -> AsyncGenerator[str]:
    try:
        made = tempfile.TemporaryDirectory(prefix="airswasm-git-", ignore_cleanup_errors=True)
    except OSError as error:
        raise ScratchUnusable.of(error) from error
    try:
        yield made.name
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(made.cleanup)


@asynccontextmanager
async def _started(folder: str, request: Mapping[str, object]) -> AsyncGenerator[_Child]:
    """Start the child, and kill it at the end of the block: it holds nothing of worth."""
    process = await anyio.open_process(
        [sys.executable, "-P", "-X", "utf8", git_child.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
        start_new_session=True,  # Ctrl-C is for this process, which ends that one
    )
    async with process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            await process.stdin.send(json.dumps(request).encode() + b"\n")
            yield _Child(process, BufferedByteReceiveStream(process.stdout))
        finally:
            if process.returncode is None:
                process.kill()


def _read(text: str) -> _Repository:
    scheme, _, rest = text.partition(":")
    kind = scheme.lower().partition("+")[2]
    base, _, folder = rest.partition("#")
    if kind not in ("https", "ssh", "file"):
        raise SourceUnknown(
            f"{scheme}:…", "a repository is reached by git+https:, git+ssh: or git+file:",
            hint="write git+https://host/path@REF#folder",
        )  # fmt: skip
    if folder and judge_path(folder):
        raise SourceUnknown(f"{scheme}:…#…", f"the folder after #: {judge_path(folder)}")
    if kind == "file":
        return _read_file(base, folder)
    netloc, _, path = base.removeprefix("//").partition("/")
    check_text(base, f"{scheme}://…")
    path, ref = _split_ref(path, f"{scheme}://…")
    if not base.startswith("//") or not netloc or not path:
        raise SourceUnknown(f"{scheme}:…", "it has no server or no path")
    if kind == "https":
        url, login, _ = read_url(f"https://{netloc}/{path}", shown=f"{scheme}://…")
        if url.query:
            raise SourceUnknown(f"git+{url}", "a repository has no query")
        return _Repository("https", str(url), ref, folder, url=url, login=login)
    return _read_ssh(netloc, path, ref, folder)


def _read_ssh(netloc: str, path: str, ref: str, folder: str) -> _Repository:
    host, port, login = read_authority(netloc, _SSH, "git+ssh://…")
    name = login.name if login is not None else "git"
    if (login is not None and login.password) or not _USER.fullmatch(name):
        raise SourceUnknown(
            "git+ssh://…", "ssh takes a plain user name, and keys instead of a password",
            hint="load the key into an ssh agent",
        )  # fmt: skip
    place = f"[{host}]" if ":" in host else host
    place = place if port == _SSH else f"{place}:{port}"
    return _Repository(
        "ssh", f"ssh://{name}@{place}/{path}", ref, folder, host=(host, port), login=Login(name, "")
    )


def _read_file(base: str, folder: str) -> _Repository:
    path, ref = base, ""
    if not Path(_without_slashes(base)).exists():  # a path may have an @ of its own
        path, ref = _split_ref(base, "git+file:…")
    where = Path(_without_slashes(path))
    if not where.exists():
        raise SourceFailed(f"git+file:{where}", "does not exist")
    return _Repository("file", f"file:{where.resolve()}", ref, folder)


def _without_slashes(path: str) -> str:
    return path.removeprefix("//") if path.startswith("///") else path


def _split_ref(path: str, shown: str) -> tuple[str, str]:
    before, at, ref = path.rpartition("@")
    if not at:
        return path, ""
    if not _REF.fullmatch(ref) or ".." in ref or "//" in ref or ref.endswith((".lock", "/", ".")):
        raise SourceUnknown(
            shown, "the part after @ is no branch, tag or commit",
            hint="a name has letters, digits and . _ / + -, and begins with a letter or digit",
        )  # fmt: skip
    return before, ref
