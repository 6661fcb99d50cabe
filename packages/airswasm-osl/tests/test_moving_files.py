"""Files that move while others write, measure and look at them."""

from __future__ import annotations

import contextlib
import os
import random
import threading
from pathlib import Path

import pytest
from airswasm.osl import Folder, FolderLimits
from airswasm.osl._files.ledger import Ledgers
from airswasm.osl._files.measuring import _walked, measured
from airswasm.osl._files.naming import FileInfo, parts_of
from airswasm.osl.errors import OslError

LIMITS = FolderLimits(total_bytes=300_000, total_entries=40, file_bytes=200_000, free_bytes=0)
NAMES = ("/a", "/b", "/c", "/c/x", "/c/y", "/d", "/e", "/e/z")


def test_a_replacement_takes_the_name_where_it_is_now(tmp_path: Path) -> None:
    """Not in the directory that had the name before: that may be out of its component's grant."""
    (tmp_path / "public").mkdir()
    with Folder(tmp_path) as folder:
        with folder.replacement(("public", "file")) as new:
            (tmp_path / "public").rename(tmp_path / "private")
            (tmp_path / "private" / "file").write_text("another's")
            with pytest.raises(FileNotFoundError):
                new.commit()
            (tmp_path / "public").mkdir()
            new.commit()
        assert (tmp_path / "public" / "file").read_bytes() == b""
        assert (tmp_path / "private" / "file").read_text() == "another's"


def test_a_directory_that_becomes_a_file_is_passed_over(tmp_path: Path) -> None:
    """A write that needs the folder's size does not fail for what another one does."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        walk = _walked(fd)
        assert next(walk)[1] == ["a"]
        (tmp_path / "a" / "b").rmdir()
        (tmp_path / "a").rmdir()
        (tmp_path / "a").write_text("")
        assert list(walk) == []
    finally:
        os.close(fd)


def test_a_quota_holds_while_files_move(tmp_path: Path) -> None:
    """What is renamed while the folder is measured counts, and measurements do not get mixed up."""
    ledgers = Ledgers()
    folders = [Folder(tmp_path, LIMITS, ledgers=ledgers) for _ in range(2)]

    def work(folder: Folder, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(150):
            path, other = parts_of(chance.choice(NAMES)), parts_of(chance.choice(NAMES))
            text = "/" + "/".join(path)
            with contextlib.suppress(OslError, OSError):
                match chance.randrange(5):
                    case 0:
                        folder.write(text, bytes(chance.randrange(60_000)))
                    case 1:
                        folder.append(text, bytes(chance.randrange(30_000)))
                    case 2:
                        folder.remove(text)
                    case 3:
                        folder.create_directory(text)
                    case _:
                        folder.rename(path, other)

    for round_ in range(8):
        threads = [
            threading.Thread(target=work, args=(folders[each % 2], 10 * round_ + each))
            for each in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        fd = os.open(tmp_path, os.O_RDONLY)
        size = measured(fd)
        os.close(fd)
        assert size.size_bytes <= LIMITS.total_bytes
        assert size.entries <= LIMITS.total_entries


@pytest.mark.parametrize("seconds", [-1, 0, 2**33, 2**62 // 10**9 * 10, 2**40])
def test_every_time_has_a_number(seconds: int) -> None:
    """A u64 of nanoseconds ends in 2554, and times of files do not."""
    fields = (0o100644, 1, 1, 1, 0, 0, 5, seconds, seconds, seconds)
    status = os.stat_result(fields, {"st_mtime_ns": seconds * 10**9})
    assert 0 <= FileInfo.of(status).modified_ns < 2**64
