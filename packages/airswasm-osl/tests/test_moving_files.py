"""Files that move while others write, measure and look at them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from airswasm.osl import Folder
from airswasm.osl._files.measuring import _walked
from airswasm.osl._files.naming import FileInfo


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


@pytest.mark.parametrize("act", ["rename", "write"])
def test_nothing_moves_while_a_folder_is_measured(tmp_path: Path, act: str) -> None:
    """Or it could go from where was not looked yet to where was, and count for nothing."""
    done = threading.Event()
    with Folder(tmp_path) as folder:
        folder.write("/a", b"new")

        def move() -> None:
            if act == "rename":
                folder.rename(("a",), ("b",))
            else:
                folder.write("/b", b"new")
            done.set()

        thread = threading.Thread(target=move)
        with folder._ledger.moving():  # as `charged` has it while it measures
            thread.start()
            assert not done.wait(0.1)
            assert not (tmp_path / "b").exists()
        thread.join()
        assert (tmp_path / "b").read_bytes() == b"new"


@pytest.mark.parametrize("seconds", [-1, 0, 2**33, 2**62 // 10**9 * 10, 2**40])
def test_every_time_has_a_number(seconds: int) -> None:
    """A u64 of nanoseconds ends in 2554, and times of files do not."""
    fields = (0o100644, 1, 1, 1, 0, 0, 5, seconds, seconds, seconds)
    status = os.stat_result(fields, {"st_mtime_ns": seconds * 10**9})
    assert 0 <= FileInfo.of(status).modified_ns < 2**64
