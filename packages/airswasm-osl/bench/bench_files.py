"""What opening a file strictly beneath a folder costs, against opening it just so.

Prints medians and ratios, all of one run: absolute times are those of this machine.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from airswasm.osl import BLOCK, Folder
from airswasm.osl._files.openat2 import best_opener, open_by_openat2, open_by_walking
from airswasm.security import Grants, Guard, Kinds

KINDS = Kinds(BLOCK.capabilities)

ROUNDS = 15
CALLS = 1_000
PATH = "/a/b/c/file"


def microseconds(function: Callable[[], object]) -> float:
    """The median time of one call."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(CALLS):
            function()
        times.append((time.perf_counter() - started) / CALLS * 1e6)
    return statistics.median(times)


def main() -> None:
    """Compares ways to read 100 bytes four folders deep."""
    root = Path(tempfile.mkdtemp())
    (root / "a/b/c").mkdir(parents=True)
    (root / PATH[1:]).write_bytes(b"x" * 100)
    guard = Guard(KINDS, {"local/a": Grants({"filesystem:read": ("/a/**",)})})

    def plainly() -> bytes:
        fd = os.open(root / PATH[1:], os.O_RDONLY)
        try:
            return os.read(fd, 100)
        finally:
            os.close(fd)

    def by_realpath() -> bytes:
        assert os.path.realpath(root / PATH[1:]).startswith(str(root))
        return plainly()

    ways: dict[str, Callable[[], object]] = {
        "os.open, unchecked": plainly,
        "realpath, then os.open (loses the race)": by_realpath,
        "one step for each name": _reader(Folder(root, open_beneath=open_by_walking)),
        "the guard's decision alone": lambda: guard.check("local/a", "filesystem:read", PATH),
    }
    if best_opener() is open_by_openat2:
        ways["openat2"] = _reader(Folder(root, open_beneath=open_by_openat2))
    base = microseconds(plainly)
    for name, way in ways.items():
        taken = microseconds(way)
        print(f"{name:42} {taken:7.1f} µs  {taken / base:5.1f}x")


def _reader(folder: Folder) -> Callable[[], object]:
    return lambda: folder.read(PATH, 0, 100)


if __name__ == "__main__":
    main()
