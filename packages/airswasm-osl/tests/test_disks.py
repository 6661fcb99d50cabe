"""A full disk, a disk that hangs, what memory has: the guest gets an error, and no other waits."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from airswasm.osl import BLOCK, Folder, FolderLimits, Mount, OslPolicy, folders_below, provide
from airswasm.osl._files import tree as tree_module
from airswasm.osl._files.held import pread_all, pread_cached
from airswasm.osl.errors import LimitReached
from airswasm.runtime import Caller, Err, Ok, Services
from airswasm.security import Grants, Guard, Kinds
from hypothesis import given, settings
from hypothesis import strategies as st

KINDS = Kinds(BLOCK.capabilities)
VERBS = ("read", "write", "delete", "list")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=64", "tmpfs", str(disk)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no right to mount: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@LINUX
def test_a_full_disk_is_an_error(small_disk: Path) -> None:
    """A replaced file keeps its old content, nothing is left behind, and room comes back."""
    with Folder(small_disk, FolderLimits(free_bytes=0)) as folder:
        folder.write("/kept", b"old")
        folder.write("/big", bytes(700_000))
        for _ in range(3):
            with pytest.raises(LimitReached) as raised:
                folder.write("/kept", bytes(600_000))
            assert str(small_disk) not in str(raised.value)
        with pytest.raises(LimitReached):
            folder.append("/kept", bytes(600_000))
        assert folder.read("/big", 0, 10**6) == bytes(700_000)
        assert sorted(path.name for path in small_disk.iterdir()) == ["big", "kept"]
        folder.remove("/big")
        folder.write("/kept", bytes(600_000))


@LINUX
def test_a_disk_without_inodes_is_an_error(small_disk: Path) -> None:
    """Empty files fill it; removing one makes room for one."""
    with Folder(small_disk, FolderLimits(free_bytes=0)) as folder:
        made = 0
        with pytest.raises(LimitReached):  # noqa: PT012 - the loop counts what went before
            for number in range(100):
                folder.create_directory(f"/{number}")
                made += 1
        assert 20 < made < 64
        folder.remove("/0")
        folder.create_directory("/again")


@LINUX
def test_the_last_of_the_disk_is_the_hosts(small_disk: Path) -> None:
    """Components stop before it is full."""
    with Folder(small_disk, FolderLimits(free_bytes=500_000)) as folder:
        folder.write("/f", bytes(300_000))
        with pytest.raises(LimitReached, match="keeps the rest"):
            folder.write("/g", bytes(400_000))


@pytest.mark.anyio
@pytest.mark.parametrize("function", ["status", "__init__"])
async def test_a_mount_that_hangs_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    """Forty operations wait for it; another mount and own files answer meanwhile."""
    slow, fast = tmp_path / "slow", tmp_path / "fast"
    for folder in (slow, fast):
        folder.mkdir()
        (folder / "f").write_text("content")
    answered, entered = threading.Event(), threading.Semaphore(0)
    hanging = {"status": Folder.status, "__init__": Folder.__init__}[function]

    def hang(self: Folder, *args: Any, **options: Any) -> object:
        if "/mnt/slow" in (getattr(self, "_prefix", ""), options.get("prefix")):
            entered.release()
            answered.wait()
        return hanging(self, *args, **options)

    monkeypatch.setattr(tree_module.Folder, function, hang)
    guard = Guard(KINDS)
    allow = {f"filesystem:{verb}": ("/**", "/mnt/**") for verb in VERBS}
    mounts = (Mount("slow", str(slow)), Mount("fast", str(fast)))
    services = Services()
    services.add(Guard, guard)
    services.add(OslPolicy, OslPolicy(folders_below(tmp_path / "own"), mounts=mounts))
    files = next(each for each in provide(services) if "component/filesystem" in each.name)
    stat = cast("Any", files.functions["stat"])
    outcomes: list[object] = []

    async def look(name: str, path: str) -> None:
        guard.grant(name, Grants(allow))
        outcomes.append(await stat(Caller(name), path))

    try:
        async with anyio.create_task_group() as tasks:
            for number in range(60):
                tasks.start_soon(look, f"local/c{number}", "/mnt/slow/f")
            await anyio.to_thread.run_sync(entered.acquire)
            with anyio.fail_after(30):
                await look("local/x", "/mnt/fast/f")
                await look("local/y", "/")
            assert [isinstance(each, Ok) for each in outcomes] == [True, True]
            answered.set()
    finally:
        answered.set()
    assert len(outcomes) == 62
    assert not any(isinstance(each, Err) for each in outcomes)


@settings(deadline=None)
@given(st.binary(max_size=5_000), st.integers(0, 6_000), st.integers(0, 6_000))
def test_what_memory_has_is_what_the_disk_has(content: bytes, offset: int, max_bytes: int) -> None:
    """The quick way answers like the other, or does not answer."""
    fd = os.memfd_create("content") if hasattr(os, "memfd_create") else -1
    if fd < 0:
        pytest.skip("no files in memory")
    os.write(fd, content)
    quick = pread_cached(fd, max_bytes, offset)
    assert quick in (None, content[offset : offset + max_bytes])
    assert pread_all(fd, max_bytes, offset) == content[offset : offset + max_bytes]
    os.close(fd)
    assert pread_cached(fd, 1, 0) is None


def test_a_file_in_memory_is_read_at_once(tmp_path: Path) -> None:
    """On the file systems that can tell; one that cannot takes the other way."""
    (tmp_path / "f").write_bytes(bytes(range(256)) * 100)
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    content = (tmp_path / "f").read_bytes()
    for offset, size in ((0, 4096), (25_000, 4096), (25_600, 10), (0, 25_600)):
        assert pread_cached(fd, size, offset) in (None, content[offset : offset + size])
    assert pread_cached(fd, 10**6, 0) is None
    os.close(fd)
