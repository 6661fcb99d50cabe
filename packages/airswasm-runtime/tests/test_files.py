"""Files are there whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from airswasm.runtime import files
from airswasm.runtime.files import exchange, replace_file, write_new_file


def test_a_file_is_replaced_by_all_its_parts(tmp_path: Path) -> None:
    """And nothing else is left in the folder."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    replace_file(path, b"new", b"", b" content")
    assert path.read_bytes() == b"new content"
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk refuses while it is synced."""

    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new")
    with pytest.raises(OSError, match="No space"):
        write_new_file(tmp_path / "other", b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_replaces_nothing_and_follows_no_link(tmp_path: Path) -> None:
    """The first one has it."""
    path, link = tmp_path / "file", tmp_path / "link"
    write_new_file(path, b"first")
    link.symlink_to(tmp_path / "elsewhere")
    for taken in (path, link):
        with pytest.raises(FileExistsError):
            write_new_file(taken, b"second")
    assert path.read_bytes() == b"first"
    assert link.is_symlink()
    assert not link.exists()


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_a_file_is_its_owners_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    """The umask takes from what is asked for."""
    replace_file(tmp_path / "mine", b"x")
    replace_file(tmp_path / "ours", b"x", mode=0o666)
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o600
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("is_at_once", [True, False])
def test_two_folders_exchange_their_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_at_once: bool
) -> None:
    """In one step where the system has it, and in three elsewhere."""
    if not is_at_once:
        monkeypatch.setattr(files, "_exchange_at_once", lambda *_: False)
    first, second = tmp_path / "first", tmp_path / "second"
    for each in (first, second):
        each.mkdir()
        (each / each.name).touch()
    exchange(first, second)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {
        "first", "second", "first/second", "second/first",
    }  # fmt: skip
    with pytest.raises(OSError):  # noqa: PT011  # the kind differs between systems
        exchange(tmp_path / "none", second)
    assert (second / "first").exists()
