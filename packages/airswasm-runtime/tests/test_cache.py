"""The compile cache: what it gives is what it wrote, or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from airswasm.runtime import UnsafeCacheFolder
from airswasm.runtime._compile.cache import KEY_NAME, PIECE_BYTES, SUFFIX, CompileCache

IMAGE = bytes(range(256)) * 300
posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="modes are POSIX's")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> CompileCache:
    made = CompileCache(folder, engine="e1")
    made.put("d1", IMAGE, "about d1")
    return made


def only_entry(folder: Path) -> Path:
    (entry,) = folder.glob(f"*{SUFFIX}")
    return entry


def test_an_entry_reads_back(cache: CompileCache) -> None:
    """An entry starts with the code as it was written and keeps its description."""
    entry = cache.get("d1")
    assert entry is not None
    assert entry.description == "about d1"
    assert entry.path.read_bytes().startswith(IMAGE)


def test_an_entry_of_several_pieces_reads_back(cache: CompileCache) -> None:
    """Large entries, which are verified in pieces, read back too."""
    large = os.urandom(2 * PIECE_BYTES + 17)
    cache.put("large", large, "")
    entry = cache.get("large")
    assert entry is not None
    assert entry.path.read_bytes()[: len(large)] == large


def test_another_engine_finds_nothing(cache: CompileCache, folder: Path) -> None:
    """Code of another engine version or configuration is never found."""
    assert CompileCache(folder, engine="e2").get("d1") is None
    assert CompileCache(folder, engine="e1").get("d1") is not None


@pytest.mark.parametrize("at", [0, 1000, len(IMAGE) + 2, -1, -20, -50])
def test_a_flipped_bit_is_refused_and_removed(cache: CompileCache, folder: Path, at: int) -> None:
    """A change anywhere, in code, description, length, MAC or mark, is noticed."""
    path = only_entry(folder)
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)
    assert cache.get("d1") is None
    assert not path.exists()


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"x", lambda c: b""])
def test_torn_and_grown_entries_are_refused(
    cache: CompileCache, folder: Path, change: Callable[[bytes], bytes]
) -> None:
    """An entry is whole or nothing."""
    path = only_entry(folder)
    path.write_bytes(change(path.read_bytes()))
    assert cache.get("d1") is None


def test_swapped_entries_are_refused(cache: CompileCache, folder: Path) -> None:
    """An entry under another's name is not taken for it."""
    first = only_entry(folder)
    cache.put("d2", b"other" * 100, "")
    (second,) = set(folder.glob(f"*{SUFFIX}")) - {first}
    shutil.copy(first, second)
    assert cache.get("d2") is None
    assert cache.get("d1") is not None


def test_entries_of_another_cache_are_refused(cache: CompileCache, folder: Path) -> None:
    """An entry that was written with another key is foreign, whatever its name."""
    elsewhere = folder.parent / "elsewhere"
    CompileCache(elsewhere, engine="e1").put("d1", b"evil" * 100, "")
    shutil.copy(only_entry(elsewhere), only_entry(folder))
    assert cache.get("d1") is None


@posix
def test_folder_and_files_are_the_owners_alone(cache: CompileCache, folder: Path) -> None:
    """Other users can neither read the key nor write an entry."""
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / KEY_NAME).stat().st_mode & 0o777 == 0o600
    assert only_entry(folder).stat().st_mode & 0o777 == 0o600


@posix
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_can_write_is_refused(folder: Path, mode: int) -> None:
    """Code is not run from where others could have put it."""
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(UnsafeCacheFolder, match=f"{mode:04o}"):
        CompileCache(folder, engine="e1")


@posix
def test_a_folder_that_is_opened_up_later_is_refused(cache: CompileCache, folder: Path) -> None:
    """The folder is checked each time, not only at the start."""
    folder.chmod(0o777)
    with pytest.raises(UnsafeCacheFolder):
        cache.get("d1")


@posix
def test_a_link_is_no_folder(folder: Path) -> None:
    """A link could be turned to another folder at any time."""
    folder.symlink_to(folder.parent)
    with pytest.raises(UnsafeCacheFolder, match="not a folder"):
        CompileCache(folder, engine="e1")


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_folder_of_someone_else_is_refused(folder: Path) -> None:
    """A folder that belongs to another user is theirs to fill."""
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    with pytest.raises(UnsafeCacheFolder, match="12345"):
        CompileCache(folder, engine="e1")


@posix
@pytest.mark.parametrize("spoil", ["readable", "short", "link"])
def test_a_key_that_others_may_know_is_replaced(
    cache: CompileCache, folder: Path, spoil: str
) -> None:
    """With a key that is not private, nothing that it signed is believed."""
    key = folder / KEY_NAME
    if spoil == "readable":
        key.chmod(0o644)
    elif spoil == "short":
        key.write_bytes(b"k")
    else:
        key.rename(folder.parent / "moved")
        key.symlink_to(folder.parent / "moved")
    again = CompileCache(folder, engine="e1")
    assert again.get("d1") is None
    assert key.stat().st_mode & 0o777 == 0o600
    assert not key.is_symlink()


def test_an_entry_that_is_a_link_is_refused(cache: CompileCache, folder: Path) -> None:
    """Entries are files of ours; a link to one is not followed."""
    path = only_entry(folder)
    moved = path.rename(folder.parent / "moved")
    path.symlink_to(moved)
    assert cache.get("d1") is None


def test_the_least_recently_used_goes_first(folder: Path) -> None:
    """The size is bounded, and reading an entry keeps it."""
    cache = CompileCache(folder, engine="e1", most_bytes=3500)
    for at, name in enumerate(("a", "b", "c")):
        cache.put(name, bytes(1000), "")
        newest = max(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (at, at))
    assert cache.get("a") is not None
    cache.put("d", bytes(1000), "")
    assert cache.get("b") is None
    assert {name for name in "acd" if cache.get(name)} == {"a", "c", "d"}
    assert cache.size_bytes() <= 3500


def test_what_is_larger_than_the_cache_is_not_kept(folder: Path) -> None:
    """One entry never empties the cache for nothing."""
    cache = CompileCache(folder, engine="e1", most_bytes=500)
    cache.put("small", bytes(100), "")
    cache.put("large", bytes(1000), "")
    assert cache.get("large") is None
    assert cache.get("small") is not None


def test_no_half_written_file_is_left(cache: CompileCache, folder: Path) -> None:
    """Writing leaves the key and entries behind, nothing else."""
    cache.put("d1", IMAGE, "again")
    assert {path.name for path in folder.iterdir()} == {KEY_NAME, only_entry(folder).name}


def test_clear_keeps_the_key(cache: CompileCache, folder: Path) -> None:
    """After clearing, the cache goes on with the same key."""
    cache.clear()
    assert cache.get("d1") is None
    assert (folder / KEY_NAME).exists()
    cache.put("d1", IMAGE, "")
    assert CompileCache(folder, engine="e1").get("d1") is not None
