"""Directories within directories: no depth breaks the host, and none outlives a purge."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from airswasm.osl import Folder
from airswasm.osl._files.forgetting import remove_folder
from airswasm.osl._files.measuring import DEPTH, measured
from airswasm.osl.errors import OslError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a home of Windows has short paths")


def nest(folder: Path, depth: int) -> None:
    """Nest as a program can: level by level, beyond what a path can say."""
    fd = os.open(folder, os.O_RDONLY)
    for number in range(depth):
        os.mkdir("d", dir_fd=fd)
        os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)


@pytest.mark.parametrize("depth", [0, 1, DEPTH, 900, 3_000])
def test_a_purge_removes_every_depth(tmp_path: Path, depth: int) -> None:
    """It takes neither a descriptor nor the stack for each level, and leaves nothing."""
    folder, outside = tmp_path / "a", tmp_path / "outside"
    folder.mkdir()
    outside.write_text("kept")
    nest(folder, depth)
    (folder / "link").symlink_to(outside)
    (folder / ".airswasm-0123456789abcdef").write_text("left by kill -9")
    remove_folder(folder)
    assert not folder.exists()
    assert outside.read_text() == "kept"
    remove_folder(folder)


def test_a_guest_nests_so_deep_and_no_deeper(tmp_path: Path) -> None:
    """By folders, by files, by a rename that puts one deep tree below another."""
    with Folder(tmp_path / "a") as folder:
        path = ""
        for _ in range(DEPTH):
            path += "/d"
            folder.create_directory(path)
        for deeper in (
            lambda: folder.create_directory(f"{path}/d"),
            lambda: folder.write(f"{path}/f", b"x"),
            lambda: folder.append(f"{path}/f", b"x"),
        ):
            with pytest.raises(OslError, match="nest at most 128 deep"):
                deeper()
        folder.create_directory("/e")
        folder.create_directory("/e/e")
        with pytest.raises(OSError, match="nest at most"):
            folder.rename(("e",), ("d",) * (DEPTH - 1) + ("e",))
        folder.rename(("e", "e"), ("d",) * (DEPTH - 1) + ("e",))
        assert len(folder.list_directory("/" + "/".join("d" * (DEPTH - 1)))) == 2


def test_what_a_program_nested_is_refused_and_not_a_crash(tmp_path: Path) -> None:
    """To measure it would take a descriptor for each level: it is an error of the system's kind."""
    folder = tmp_path / "a"
    folder.mkdir()
    nest(folder, 2_000)
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    with Folder(folder) as opened:
        with pytest.raises(OslError, match="nest at most"):
            opened.write("/x", b"x")
        fd = os.open(folder, os.O_RDONLY)
        try:
            with pytest.raises(OSError, match="nest at most"):
                measured(fd)
        finally:
            os.close(fd)
    if before:
        assert len(list(Path("/proc/self/fd").iterdir())) <= before
    remove_folder(folder)
