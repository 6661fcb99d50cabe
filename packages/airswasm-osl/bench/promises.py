"""The ratios that airswasm-osl promises.

What a folder that cannot be left adds to reading, writing and listing, what a host adds around it,
and what a request to a component costs.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from airswasm.osl import Folder
from airswasm.osl._files.openat2 import open_by_walking
from paired import Promise, Promises, Work, times

sys.path.insert(0, str(Path(__file__).parent))
from bench_serving import our_server
from peers import client_of, plain_server

PATH = "/a/b/c/file"
SIZES = {"4k": 4096, "1m": 2**20}


def plainly(path: Path) -> bytes:
    """Read a file without a check."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fstat(fd)
        return os.pread(fd, 100, 0)
    finally:
        os.close(fd)


def listed(path: Path) -> list[tuple[str, bool]]:
    """List a folder without a check."""
    with os.scandir(path) as entries:
        return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:
    """Give the promises."""
    (folder / "a/b/c").mkdir(parents=True)
    path = folder / PATH[1:]
    path.write_bytes(b"x" * 100)
    for name, size in SIZES.items():
        (folder / name).write_bytes(bytes(size))
    for number in range(50):
        (path.parent / f"other-{number}").write_bytes(b"")
    async with (
        plain_server() as base,
        our_server(folder, "hello") as ours,
        client_of(base, "/") as asks_base,
        client_of(ours, "/hello") as asks_ours,
    ):
        with Folder(folder) as best, Folder(folder, open_beneath=open_by_walking) as walking:
            yield {
                **files(folder, path, best, walking),
                "serving": Promise(
                    Work(asks_ours, time.thread_time), Work(asks_base, time.thread_time)
                ),
            }


def files(folder: Path, path: Path, best: Folder, walking: Folder) -> Promises:
    """Return the promises of files."""
    reading = Work(times(lambda: plainly(path)), time.thread_time)

    def work(call: object) -> Work:
        return Work(times(call), time.thread_time)  # type: ignore[arg-type]

    return {
        "read": Promise(work(lambda: best.read(PATH, 0, 100)), reading),
        "read-walking": Promise(work(lambda: walking.read(PATH, 0, 100)), reading),
        "list": Promise(
            work(lambda: best.list_directory("/a/b/c")), work(lambda: listed(path.parent))
        ),
        **{
            f"read-{name}": Promise(
                work(lambda at=f"/{name}", size=size: best.read(at, 0, size)),
                work(lambda at=folder / name: at.read_bytes()),
            )
            for name, size in SIZES.items()
        },
        "stat": Promise(work(lambda: best.stat(PATH)), reading),
    }
