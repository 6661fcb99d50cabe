"""A folder is all that can be reached through it, however the tree is bent meanwhile."""

from __future__ import annotations

import errno
import gc
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from airswasm.osl import Folder, FolderLimits
from airswasm.osl._files.held import Held
from airswasm.osl._files.measuring import PARTIAL_PREFIX
from airswasm.osl._files.measuring import measured as size_of
from airswasm.osl._files.naming import parts_of
from airswasm.osl._files.openat2 import (
    OpenBeneath,
    best_opener,
    open_by_openat2,
    open_by_walking,
)
from airswasm.osl.errors import (
    AccessDenied,
    LimitReached,
    Malformed,
    NotFound,
    OslError,
)
from hypothesis import given
from hypothesis import strategies as st

OPENERS = [
    pytest.param(
        open_by_openat2,
        id="openat2",
        marks=pytest.mark.skipif(
            best_opener() is not open_by_openat2, reason="this kernel has no openat2"
        ),
    ),
    pytest.param(open_by_walking, id="walking"),
]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


@pytest.fixture(params=OPENERS)
def opener(request: pytest.FixtureRequest) -> OpenBeneath:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def folder(root: Path, opener: OpenBeneath):  # type: ignore[no-untyped-def]
    with Folder(root, open_beneath=opener) as opened:
        yield opened


def test_what_was_written_is_read(folder: Folder) -> None:
    """A file has the content that it was given, and parts of it can be read."""
    folder.write("/a", b"0123456789")
    assert folder.read("/a", 0, 100) == b"0123456789"
    assert folder.read("/a", 3, 4) == b"3456"
    assert folder.read("/a", 50, 4) == b""
    folder.append("/a", b"ab")
    folder.append("/b", b"new")
    assert folder.read("/a", 8, 100) == b"89ab"
    assert folder.read("/b", 0, 100) == b"new"


def test_directories(folder: Folder) -> None:
    """Made, listed in order of names, described, removed when empty."""
    folder.create_directory("/d")
    folder.write("/d/b", b"12")
    folder.write("/d/a", b"")
    folder.create_directory("/d/c")
    assert [(entry.name, entry.kind) for entry in folder.list_directory("/d")] == [
        ("a", "file"),
        ("b", "file"),
        ("c", "directory"),
    ]
    assert (folder.stat("/d/b").kind, folder.stat("/d/b").size_bytes) == ("file", 2)
    assert folder.stat("/").kind == "directory"
    with pytest.raises(OslError):
        folder.remove("/d")
    for path in ("/d/a", "/d/b", "/d/c", "/d"):
        folder.remove(path)
    with pytest.raises(NotFound):
        folder.list_directory("/d")


@pytest.mark.parametrize(
    "path", ["/../outside/secret", "/a/../../outside/secret", "/..", "/a\\..\\b", "/a\0b"]
)
def test_paths_upwards_have_no_meaning(folder: Folder, path: str) -> None:
    """`..`, NUL and backslashes are refused as names before the system sees them."""
    with pytest.raises(Malformed):
        folder.read(path, 0, 10)
    with pytest.raises(Malformed):
        folder.write(path, b"x")


@given(st.lists(st.text(max_size=8), max_size=5))
def test_parts_are_plain_names(names: list[str]) -> None:
    """Whatever text a path is, its parts are refused or cannot lead anywhere else."""
    try:
        parts = parts_of("/" + "/".join(names))
    except Malformed:
        return
    for part in parts:
        assert part not in ("", ".", "..")
        assert not {"/", "\\", "\0"} & set(part)


@pytest.mark.parametrize("target", ["../outside/secret", "/etc/passwd", "real", "/proc/self/root"])
def test_symbolic_links_lead_nowhere(
    folder: Folder, root: Path, outside: Path, target: str
) -> None:
    """Relative, absolute, magic and harmless links alike: a link is a second name."""
    folder.write("/real", b"real")
    (root / "link").symlink_to(target)
    for act in (
        lambda: folder.read("/link", 0, 10),
        lambda: folder.append("/link", b"x"),
        lambda: folder.write("/link", b"x"),
    ):
        with pytest.raises((AccessDenied, Malformed)):
            act()
    assert folder.stat("/link").kind == "other"
    assert (outside / "secret").read_text() == "secret"
    folder.remove("/link")
    assert folder.read("/real", 0, 10) == b"real"


def test_a_linked_directory_leads_nowhere(folder: Folder, root: Path, outside: Path) -> None:
    """A link in the middle of a path stops it, for every operation."""
    (root / "way").symlink_to(outside)
    operations: list[Callable[[], object]] = [
        lambda: folder.read("/way/secret", 0, 10),
        lambda: folder.write("/way/new", b"x"),
        lambda: folder.append("/way/new", b"x"),
        lambda: folder.remove("/way/secret"),
        lambda: folder.create_directory("/way/new"),
        lambda: folder.list_directory("/way"),
        lambda: folder.stat("/way/secret"),
        lambda: folder.rename(("way", "secret"), ("mine",)),
    ]
    for operation in operations:
        with pytest.raises((OslError, OSError)):
            operation()
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_only_files_and_directories(folder: Folder, root: Path) -> None:
    """A FIFO would block its opener for ever, and a socket is not a file."""
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        previous = Path.cwd()
        os.chdir(root)
        try:
            listening.bind("socket")
        finally:
            os.chdir(previous)
    for name in ("/fifo", "/socket"):
        for act in (folder.read, folder.write, folder.append):
            with pytest.raises(OslError):
                act(name, 0, 1) if act == folder.read else act(name, b"x")  # type: ignore[operator]
        assert folder.stat(name).kind == "other"


def test_a_file_is_replaced_whole(folder: Folder, root: Path) -> None:
    """Readers see all of one content, and no partial file stays or is shown."""
    contents = [bytes([byte]) * 200_000 for byte in (65, 66)]
    folder.write("/f", contents[0])
    over, seen = threading.Event(), set()

    def read() -> None:
        while not over.is_set():
            seen.add(folder.read("/f", 0, 1_000_000))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(40):
        folder.write("/f", contents[turn % 2])
    over.set()
    reader.join()
    assert seen <= set(contents)
    assert [path.name for path in root.iterdir()] == ["f"]


def test_a_failed_write_leaves_the_old_content(
    folder: Folder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk fails before the rename, the old file is there and the new one gone."""
    folder.write("/f", b"old")

    def fail(_fd: int) -> None:
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OslError):
        folder.write("/f", b"new")
    assert folder.read("/f", 0, 10) == b"old"
    assert [path.name for path in root.iterdir()] == ["f"]


def test_partial_files_belong_to_the_host(folder: Folder, root: Path) -> None:
    """A file that is being written is neither listed nor reachable."""
    (root / f"{PARTIAL_PREFIX}abc").write_text("half")
    assert folder.list_directory("/") == []
    with pytest.raises(Malformed):
        folder.read(f"/{PARTIAL_PREFIX}abc", 0, 10)


def test_limits(root: Path) -> None:
    """Size, entries and the disk's last space are bounded, and the error names the bound."""
    with Folder(root, FolderLimits(file_bytes=10, entries=2)) as folder:
        with pytest.raises(LimitReached, match="10 bytes"):
            folder.write("/f", b"x" * 11)
        folder.append("/f", b"x" * 6)
        with pytest.raises(LimitReached):
            folder.append("/f", b"x" * 6)
        for name in "gh":
            folder.write(f"/{name}", b"")
        with pytest.raises(LimitReached, match="2 entries"):
            folder.list_directory("/")
    with Folder(root, FolderLimits(free_bytes=2**62)) as full:
        with pytest.raises(LimitReached):
            full.write("/f", b"x")
        with pytest.raises(LimitReached):
            full.append("/f", b"x")
        assert full.read("/f", 0, 10) == b"x" * 6


def test_all_files_together_are_bounded(root: Path) -> None:
    """Content, many small files and directories count; what was removed counts no more."""
    with Folder(root, FolderLimits(total_bytes=100_000)) as folder:
        folder.write("/a", b"x" * 60_000)
        with pytest.raises(LimitReached, match="100,000"):
            folder.write("/b", b"x" * 60_000)
        with pytest.raises(LimitReached):
            folder.append("/a", b"x" * 60_000)
        folder.remove("/a")
        for turn in range(5):
            folder.write("/b", bytes([turn]) * 40_000)
    with Folder(root, FolderLimits(total_bytes=100_000)) as folder:
        with pytest.raises(LimitReached):
            folder.append("/c", b"x" * 60_000)
        with pytest.raises(LimitReached):
            _hundred(lambda number: folder.create_directory(f"/d{number}"))
        with pytest.raises(LimitReached):
            _hundred(lambda number: folder.append(f"/e{number}", b""))
    assert measured(root) < 100_000


def _hundred(act: Callable[[int], None]) -> None:
    for number in range(100):
        act(number)


def measured(root: Path) -> int:
    fd = os.open(root, os.O_RDONLY)
    try:
        return size_of(fd).size_bytes
    finally:
        os.close(fd)


def test_errors_do_not_tell_the_hosts_paths(folder: Folder, root: Path) -> None:
    """A guest learns its own path, not where its folder lies."""
    with pytest.raises(NotFound) as failed:
        folder.read("/a/b", 0, 1)
    assert "/a/b" in failed.value.text
    assert str(root) not in failed.value.text


def test_a_closed_folder_closes_after_its_last_user(root: Path) -> None:
    """A descriptor number is never given back under a thread that still uses it."""
    fd = os.open(root.parent, os.O_RDONLY)
    held = Held(fd)
    with held.using():
        held.close()
        os.fstat(fd)
        with pytest.raises(OSError, match="Bad file"), held.using():
            pass
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)
    held.close()


def test_what_was_never_taken_is_closed(root: Path) -> None:
    """A file that was opened for a guest which is gone leaves no descriptor behind."""
    fd = os.open(root.parent, os.O_RDONLY)
    held = Held(fd)
    del held
    gc.collect()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


@pytest.mark.parametrize("opener", OPENERS)
def test_a_racing_link_never_wins(root: Path, outside: Path, opener: OpenBeneath) -> None:
    """While a directory flips to a link and back, reads give its file or fail, never another."""
    with Folder(root, open_beneath=opener) as folder:
        folder.create_directory("/d")
        folder.write("/d/secret", b"mine")
        over = threading.Event()
        flipper = threading.Thread(target=_flip, args=(root, outside, over))
        flipper.start()
        outcomes: dict[object, int] = {}
        until = time.monotonic() + 0.7
        while time.monotonic() < until:
            try:
                outcome: object = folder.read("/d/secret", 0, 10)
            except OslError as error:
                outcome = type(error)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        over.set()
        flipper.join()
    assert b"secret" not in outcomes
    assert b"mine" in outcomes
    assert sum(outcomes.values()) > 100


def _flip(root: Path, outside: Path, over: threading.Event) -> None:
    link = root / "l"
    link.symlink_to(outside)
    while not over.is_set():
        (root / "d").rename(root / "away")
        link.rename(root / "d")
        (root / "d").rename(link)
        (root / "away").rename(root / "d")
