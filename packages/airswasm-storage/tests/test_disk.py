"""Damage that only one engine can suffer, and what it makes of it."""

import os
import shutil
import sqlite3
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.storage import (
    RocksStore,
    StorageCorrupted,
    StorageUnavailable,
    Store,
    open_store,
    read_store,
)
from airswasm.storage.testing import MemoryDisk, MemoryStore

pytestmark = pytest.mark.anyio


def open_kind(kind: str, folder: Path, **options: object) -> Store:
    return open_store(folder / "store", kind, **options)  # type: ignore[arg-type]


async def test_damaged_rocksdb_files_are_told(tmp_path: Path) -> None:
    """A store whose files were overwritten does not open as an empty one."""
    async with open_kind("rocksdb", tmp_path) as store:
        await store.namespace("a").set("k", b"1")
    for file in (tmp_path / "store").glob("MANIFEST-*"):
        file.write_bytes(b"\xff" * file.stat().st_size)
    with pytest.raises(StorageCorrupted):
        async with open_kind("rocksdb", tmp_path):
            pass


async def test_damaged_sqlite_files_are_told(tmp_path: Path) -> None:
    """The same for SQLite."""
    async with open_kind("sqlite", tmp_path) as store:
        await store.namespace("a").batch({f"k{n}": bytes(1_000) for n in range(100)})
    (tmp_path / "store" / "data.sqlite").write_bytes(b"\xff" * 10_000)
    with pytest.raises(StorageCorrupted):
        async with open_kind("sqlite", tmp_path):
            pass


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6, 0.9, 0.999])
async def test_a_torn_log_leaves_a_consistent_prefix(tmp_path: Path, keep: float) -> None:
    """After a power loss, the store holds what some number of batches had made of it."""
    async with open_kind("rocksdb", tmp_path, durability="os") as store:
        space = store.namespace("a")
        for number in range(1, 101):
            await space.batch({"last": b"%d" % number, f"k{number}": bytes(number)})
        shutil.copytree(tmp_path / "store", tmp_path / "torn" / "store")
    log = max((tmp_path / "torn" / "store").glob("*.log"), key=lambda file: file.stat().st_size)
    os.truncate(log, int(log.stat().st_size * keep))
    async with open_kind("rocksdb", tmp_path / "torn") as store:
        space = store.namespace("a")
        last = int(await space.get("last") or b"0")
        expected = {f"k{number}" for number in range(1, last + 1)} | ({"last"} if last else set())
        assert {entry.key async for entry in space.entries()} == expected
        assert await space.usage() == await space.recount()


async def test_a_lost_tail_is_noticed(tmp_path: Path) -> None:
    """Acknowledged writes that the disk gave up are counted at the next opening."""
    async with open_kind("rocksdb", tmp_path, durability="sync") as store:
        for number in range(20):
            await store.namespace("a").set("k", b"%d" % number)
        shutil.copytree(tmp_path / "store", tmp_path / "whole" / "store")
        shutil.copytree(tmp_path / "store", tmp_path / "torn" / "store")
    log = max((tmp_path / "torn" / "store").glob("*.log"), key=lambda file: file.stat().st_size)
    os.truncate(log, log.stat().st_size // 2)
    async with RocksStore(tmp_path / "whole" / "store") as store:
        assert store.lost_writes == 0
    async with RocksStore(tmp_path / "torn" / "store") as store:
        assert store.lost_writes > 0
        await store.namespace("a").set("k", b"1")
    async with RocksStore(tmp_path / "torn" / "store") as store:
        assert store.lost_writes == 0


async def test_a_lost_CURRENT_is_damage_and_no_new_store(tmp_path: Path) -> None:  # noqa: N802
    """RocksDB would begin anew and delete the rest; put back, everything is there."""
    async with open_kind("rocksdb", tmp_path) as store:
        await store.namespace("a").set("k", b"1")
    current = tmp_path / "store" / "CURRENT"
    content = current.read_bytes()
    current.unlink()
    for read_only in (True, False):
        with pytest.raises(StorageCorrupted, match="CURRENT"):
            async with open_kind("rocksdb", tmp_path, read_only=read_only):
                pass
    current.write_bytes(content)
    async with open_kind("rocksdb", tmp_path) as store:
        assert await store.namespace("a").get("k") == b"1"


async def test_an_opening_that_was_interrupted_is_no_damage(tmp_path: Path) -> None:
    """A disk that was full at the first opening: no store yet, and none is lost."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "MANIFEST-000001").write_bytes(b"")
    assert not RocksStore.exists(tmp_path / "store")
    with pytest.raises(StorageUnavailable, match="no store"):
        async with open_kind("rocksdb", tmp_path, read_only=True):
            pass
    async with open_kind("rocksdb", tmp_path) as store:
        await store.namespace("a").set("k", b"1")
    assert RocksStore.exists(tmp_path / "store")


async def test_verify_finds_a_flipped_bit(tmp_path: Path) -> None:
    """Opening does not read the data; `verify` does."""
    async with open_kind("rocksdb", tmp_path) as store:
        await store.namespace("a").set("k", bytes(10_000))
        assert await store.verify() == 3
    async with open_kind("rocksdb", tmp_path) as store:  # moves it from the log to a table
        assert await store.verify() == 3
    (table,) = (tmp_path / "store").glob("*.sst")
    content = bytearray(table.read_bytes())
    content[20] ^= 1
    table.write_bytes(content)
    async with open_kind("rocksdb", tmp_path, read_only=True) as store:
        with pytest.raises(StorageCorrupted):
            await store.verify()


async def test_a_failed_wait_for_the_disk_is_told_to_all_that_wait() -> None:
    """All writers who shared the wait get the error, and later ones until it heals."""
    disk = MemoryDisk()
    async with MemoryStore(disk, durability="sync") as store:
        outcomes: list[object] = []
        store.namespace("a").write({"k": b"1"}, outcomes.append)
        store.namespace("b").write({"k": b"1"}, outcomes.append)
        disk.is_full = True
        with pytest.raises(StorageUnavailable):
            await store.namespace("c").set("k", b"1")
        with anyio.fail_after(30):
            while len(outcomes) < 2:
                await anyio.lowlevel.checkpoint()
        assert all(isinstance(outcome, StorageUnavailable) for outcome in outcomes)
        assert store.failure is not None
        disk.is_full = False
        with anyio.fail_after(30):
            while not await succeeds(store.namespace("c").set("k", b"1")):  # noqa: ASYNC110
                await anyio.sleep(0.01)
        assert store.failure is None


async def succeeds(attempt: Awaitable[object]) -> bool:
    try:
        await attempt
    except StorageUnavailable:
        return False
    return True


async def test_a_stopped_sqlite_store_is_read_without_room_for_its_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader changes nothing, so a full disk is no reason to refuse it."""
    async with open_store(tmp_path, "sqlite") as store:
        await store.namespace("a/b").set("k", b"v")
    connect = sqlite3.connect

    class WithoutRoom(sqlite3.Connection):
        """What SQLite 3.40 answered on a tmpfs without a free page."""

        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
            raise error

    def connect_without_room(place: str, **options: Any) -> sqlite3.Connection:
        is_indexed = str(tmp_path) in place and "immutable" not in place
        return connect(place, **options, factory=WithoutRoom if is_indexed else sqlite3.Connection)

    monkeypatch.setattr(sqlite3, "connect", connect_without_room)
    with read_store(tmp_path, "sqlite") as reader:
        assert dict(reader.entries("a/b")) == {"k": b"v"}
