"""Damage that only this engine can suffer: its journals, its file, readers beside a writer."""

import shutil
import threading
from pathlib import Path

import pytest
from airswasm.storage import (
    Backend,
    EngineOptions,
    StorageCorrupted,
    StorageLocked,
    StorageUnavailable,
    open_store,
)
from airswasm.storage_sled import _copying, open_sled

pytestmark = pytest.mark.anyio
ALL = (b"\0", b"\xff")


def content_of(backend: Backend) -> dict[bytes, bytes]:
    return dict(backend.scan(*ALL))


def journal_of(folder: Path) -> Path:
    (journal,) = folder.glob("journal-*")
    return journal


def copied(folder: Path, target: Path, journal_bytes: int | None = None) -> Path:
    """Copy a store as a killed process leaves it, with a part of its journal."""
    shutil.copytree(folder, target)
    if journal_bytes is not None:
        content = journal_of(target).read_bytes()
        journal_of(target).write_bytes(content[:journal_bytes])
    return target


def test_a_torn_journal_leaves_a_prefix(tmp_path: Path) -> None:
    """Wherever it was torn, the content is what some number of batches had made of it."""
    backend = open_sled(tmp_path / "store", EngineOptions())
    for number in range(1, 21):
        backend.apply([(b"last", b"%d" % number), (b"k%d" % number, bytes(number))])
    size = journal_of(tmp_path / "store").stat().st_size
    for part in range(0, size + 1, 97):
        folder = copied(tmp_path / "store", tmp_path / f"torn{part}", part)
        torn = open_sled(folder, EngineOptions(is_new=False))
        found = content_of(torn)
        last = int(found.get(b"last", b"0"))
        assert set(found) == {b"k%d" % n for n in range(1, last + 1)} | (
            {b"last"} if last else set()
        )
        assert torn.sequence == last
        torn.close()
    backend.close()


def test_an_altered_journal_ends_where_it_was_altered(tmp_path: Path) -> None:
    """No byte of it can be changed unnoticed; what stands before counts."""
    backend = open_sled(tmp_path / "store", EngineOptions())
    for number in range(3):
        backend.apply([(b"%d" % number, b"value")])
    size = journal_of(tmp_path / "store").stat().st_size
    for at in range(0, size, 7):
        folder = copied(tmp_path / "store", tmp_path / f"altered{at}")
        content = bytearray(journal_of(folder).read_bytes())
        content[at] ^= 0x10
        journal_of(folder).write_bytes(content)
        altered = open_sled(folder, EngineOptions(is_new=False))
        whole = {b"%d" % number: b"value" for number in range(altered.sequence)}
        assert content_of(altered) == whole
        altered.close()
    backend.close()


def test_full_journals_are_emptied(tmp_path: Path) -> None:
    """They do not grow without bound, and nothing is lost when they go."""
    backend = open_sled(tmp_path / "store", EngineOptions())
    for number in range(60):
        backend.apply([(b"%02d" % number, bytes(500_000))])
        if number % 10 == 9:
            backend.sync()
    size = sum(file.stat().st_size for file in (tmp_path / "store").glob("journal-*"))
    assert size < 16 * 1024 * 1024
    folder = copied(tmp_path / "store", tmp_path / "killed")
    killed = open_sled(folder, EngineOptions(is_new=False))
    assert len(content_of(killed)) == 60
    killed.close()
    backend.close()


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    """sled would panic; the caller gets the block's error, and the next store works."""
    backend = open_sled(tmp_path / "store", EngineOptions())
    backend.apply([(b"%d" % number, bytes(1_000)) for number in range(500)])
    backend.close()
    (tmp_path / "store" / "conf").write_bytes(b"\xff" * 40)
    with pytest.raises(StorageCorrupted):
        open_sled(tmp_path / "store", EngineOptions(is_new=False))
    other = open_sled(tmp_path / "other", EngineOptions())
    other.apply([(b"k", b"v")])
    other.close()


def test_readers_go_on_while_writers_write(tmp_path: Path) -> None:
    """Calls give up the interpreter's lock, and a snapshot stays as it was all the time."""
    backend = open_sled(tmp_path / "store", EngineOptions())
    backend.apply([(b"%04d" % number, b"old") for number in range(1_000)])
    snapshot = backend.snapshot()
    seen: list[int] = []

    def read() -> None:
        for _ in range(20):
            seen.append(sum(value == b"old" for _, value in snapshot.scan(*ALL)))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(0, 1_000, 10):
        backend.apply([(b"%04d" % n, None) for n in range(number, number + 5)])
        backend.apply([(b"%04d" % n, b"new") for n in range(number + 5, number + 10)])
        backend.apply([(b"9%04d" % number, b"old")])
    for reader in readers:
        reader.join()
    assert seen == [1_000] * 40
    assert len(list(snapshot.scan(*ALL, reverse=True))) == 1_000
    snapshot.close()
    assert sum(value == b"new" for _, value in backend.scan(*ALL)) == 500
    backend.close()


async def test_a_reader_beside_a_writer_sees_one_moment(tmp_path: Path) -> None:
    """Its copy is whole, whatever the writer did meanwhile."""
    async with open_store(tmp_path / "store", "sled") as store:
        space = store.namespace("a")
        for number in range(50):
            await space.batch({f"k{number}": bytes(5_000), "last": b"%d" % number})
            if number % 10 == 0:
                async with open_store(tmp_path / "store", "sled", read_only=True) as reader:
                    beside = reader.namespace("a")
                    assert await beside.get("last") == b"%d" % number
                    assert await beside.usage() == await beside.recount()


def test_a_store_that_never_holds_still_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader says so, and leaves no half of a copy."""
    backend = open_sled(tmp_path / "store", EngineOptions())
    monkeypatch.setattr(_copying, "_PATIENCE", 0.0)
    monkeypatch.setattr(_copying, "_SETTLED_NANOSECONDS", 10**18)
    with pytest.raises(StorageUnavailable, match="all the time"):
        _copying.copy_folder(tmp_path / "store", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    with pytest.raises(StorageLocked):
        open_sled(tmp_path / "store", EngineOptions(is_new=False))
    backend.close()
