"""The files of projects that are to be built, from every kind of source that has them."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import (
    PackageInvalid,
    SourceFailed,
    SourceRefused,
    Sources,
    SourceSettings,
    SourceTooLarge,
    TreeFile,
)
from airswasm.lifecycle._sources.https import UrlSource
from airswasm.lifecycle._sources.trees import check_tree

pytestmark = pytest.mark.anyio

GIT = shutil.which("git")
MANIFEST = b'[component]\nname = "local/hello"\nversion = "0.1.0"\n'
FILES = {"Component.toml": MANIFEST, "src/hello.c": b"int x;", "build.sh": b"#!/bin/sh\n"}


def write(folder: Path) -> Path:
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "build.sh").chmod(0o755)
    return folder


def committed(root: Path) -> str:
    """Make a repository of a folder, and return its commit."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a"]):
        subprocess.run([str(GIT), *who, *arguments], cwd=root, check=True)
    head = [str(GIT), "rev-parse", "HEAD"]
    return subprocess.run(head, cwd=root, capture_output=True, check=True).stdout.decode().strip()


async def test_a_folder_gives_its_regular_files(tmp_path: Path) -> None:
    """Without what links lead to, what is no file, and what belongs to the machine."""
    folder = write(tmp_path / "project")
    (tmp_path / "secret").write_text("x")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "folder-link").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    for left_out in (".git", "__pycache__", "node_modules", "src/.venv"):
        (folder / left_out).mkdir()
        (folder / left_out / "x").write_text("x")
    tree = await Sources(SourceSettings()).fetch_tree(str(folder))
    assert {name: each.content for name, each in tree.files.items()} == FILES
    assert [name for name, each in tree.files.items() if each.is_executable] == ["build.sh"]
    assert (tree.source, tree.pin) == (str(folder), "")


@pytest.mark.skipif(GIT is None, reason="git makes the repository")
async def test_a_commit_gives_the_files_below_a_folder(tmp_path: Path) -> None:
    """Pinned by the commit; links in it are left out."""
    pytest.importorskip("pygit2")
    folder = write(tmp_path / "repository" / "parts" / "hello")
    (folder / "link").symlink_to("/etc/passwd")
    (tmp_path / "repository" / "other").write_text("x")
    root = tmp_path / "repository"
    commit = committed(root)
    sources = Sources(SourceSettings())
    tree = await sources.fetch_tree(f"git+file:{root}#parts/hello")
    assert {name: each.content for name, each in tree.files.items()} == FILES
    assert [name for name, each in tree.files.items() if each.is_executable] == ["build.sh"]
    assert tree.pin == commit
    for text, error in (
        (f"git+file:{root}#parts/none", SourceRefused),
        (f"git+file:{root}", PackageInvalid),
        (f"git+file:{root}@none#parts/hello", SourceFailed),
    ):
        with pytest.raises(error):
            await sources.fetch_tree(text)
    with pytest.raises(SourceTooLarge):
        await Sources(SourceSettings(most_bytes=20)).fetch_tree(f"git+file:{root}#parts/hello")


def zipped(files: dict[str, bytes], prefix: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{prefix}{name}", content)
    return buffer.getvalue()


@pytest.mark.parametrize("prefix", ["", "hello-1.2.0/"])
async def test_a_server_gives_a_zip_file(web_server: Any, prefix: str) -> None:
    """Its files may lie in one folder, as those of a release do."""
    body = zipped(FILES, prefix)
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    async with web_server.running():
        web_server.answers["/p.zip"] = head + body
        source = UrlSource(web_server.settings, web_server.dialer())
        tree = await source.fetch_tree(web_server.url("/p.zip"), lambda _count: None)
        assert {name: each.content for name, each in tree.files.items()} == FILES
        assert tree.pin.startswith("sha256:")
        small = replace(web_server.settings, most_bytes=len(body) - 1)
        with pytest.raises(SourceTooLarge):
            await UrlSource(small, web_server.dialer()).fetch_tree(
                web_server.url("/p.zip"), lambda _count: None
            )


@pytest.mark.parametrize("body", [zipped({"../x": b""}), zipped(FILES) + b"x", b"no zip", b""])
async def test_another_archive_is_refused(web_server: Any, body: bytes) -> None:
    """It is read like a package: one reading, plain names."""
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    async with web_server.running():
        web_server.answers["/p.zip"] = head + body
        with pytest.raises(PackageInvalid):
            await UrlSource(web_server.settings, web_server.dialer()).fetch_tree(
                web_server.url("/p.zip"), lambda _count: None
            )


async def test_other_sources_have_nothing_to_build(tmp_path: Path) -> None:
    """Standard input, a file, a registry, a folder without a manifest."""
    sources = Sources(SourceSettings())
    file = tmp_path / "p.airswasm"
    file.write_bytes(b"x")
    for text in ("-", str(file), str(tmp_path), str(tmp_path / "none")):
        with pytest.raises(PackageInvalid):
            await sources.fetch_tree(text)
    with pytest.raises(SourceRefused, match="no sources to build"):
        await sources.fetch_tree("oci://registry.example/shop/orders:1")
    with pytest.raises(SourceTooLarge):
        await Sources(SourceSettings(most_bytes=10)).fetch_tree(str(write(tmp_path / "project")))


@pytest.mark.parametrize(
    "names", [["../x"], ["/x"], ["a", "A"], ["a\\b"], ["nul\0x"], ["a/../b"], ["C:/x"]]
)
def test_names_that_could_be_others_are_refused(names: list[str]) -> None:
    """Each name becomes a path in the folder of the build, and nothing else."""
    files = {"Component.toml": MANIFEST, **dict.fromkeys(names, b"")}
    with pytest.raises(PackageInvalid):
        check_tree({name: TreeFile(each) for name, each in files.items()}, "a test", 1000)
