"""What the disk does to a store: kills, locks, damage, no space."""

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Iterator
from pathlib import Path

import anyio
import pytest
from airswasm.storage import (
    RocksStore,
    SqliteStore,
    StorageCorrupted,
    StorageError,
    StorageLocked,
    StorageReadOnly,
    StorageUnavailable,
    Store,
)
from airswasm.storage.testing import MemoryDisk, MemoryStore

pytestmark = pytest.mark.anyio

ON_DISK = {"rocks": RocksStore, "sqlite": SqliteStore}
both = pytest.mark.parametrize("kind", sorted(ON_DISK))


def open_kind(kind: str, folder: Path, **options: object) -> Store:
    return ON_DISK[kind](folder / "store", **options)  # type: ignore[arg-type]


WRITER = """
    import sys, anyio
    from pathlib import Path
    from airswasm.storage import RocksStore, SqliteStore

    kind, folder, start = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

    async def main():
        make = {"rocks": RocksStore, "sqlite": SqliteStore}[kind]
        async with make(folder / "store", durability="os") as store:
            space = store.namespace("local/hello")
            number = start
            while True:
                number += 1
                value = bytes(number % 97)
                await space.batch({"last": b"%d" % number, f"k{number % 50}": value})
                print(number, flush=True)

    anyio.run(main)
"""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@both
async def test_a_killed_host_loses_nothing_acknowledged(kind: str, tmp_path: Path) -> None:
    """kill -9 in the middle of writing, ten times over: what was acknowledged is there."""
    script = tmp_path / "writer.py"
    script.write_text(textwrap.dedent(WRITER))
    acknowledged = 0
    for _ in range(10):
        with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this test
            [sys.executable, str(script), kind, str(tmp_path), str(acknowledged)],
            stdout=subprocess.PIPE,
        ) as writer:
            assert writer.stdout is not None
            for _ in range(30):
                acknowledged = int(writer.stdout.readline())
            writer.kill()
            rest = writer.stdout.read().split(b"\n")[:-1]
            acknowledged = int(rest[-1]) if rest else acknowledged
        async with open_kind(kind, tmp_path) as store:
            space = store.namespace("local/hello")
            last = int(await space.get("last") or b"0")
            assert acknowledged <= last <= acknowledged + 1
            assert await space.usage() == await space.recount()
            acknowledged = last


@both
async def test_a_second_host_is_told_that_it_is_the_second(kind: str, tmp_path: Path) -> None:
    """Typed, with what to do instead; the first host does not notice."""
    async with open_kind(kind, tmp_path) as store:
        with pytest.raises(StorageLocked, match="read_only"):
            async with open_kind(kind, tmp_path):
                pass
        await store.namespace("a").set("k", b"1")
    async with open_kind(kind, tmp_path) as store:
        assert await store.namespace("a").get("k") == b"1"


HOLDER = """
    import sys, anyio
    from pathlib import Path
    from airswasm.storage import RocksStore, SqliteStore

    async def main():
        make = {"rocks": RocksStore, "sqlite": SqliteStore}[sys.argv[1]]
        async with make(Path(sys.argv[2]) / "store"):
            print("open", flush=True)
            await anyio.to_thread.run_sync(sys.stdin.read)

    anyio.run(main)
"""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@both
async def test_another_process_holds_the_lock(kind: str, tmp_path: Path) -> None:
    """The same when the first host is another process; its end frees the store."""
    script = tmp_path / "holder.py"
    script.write_text(textwrap.dedent(HOLDER))
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this test
        [sys.executable, str(script), kind, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(StorageLocked):
            async with open_kind(kind, tmp_path):
                pass
        holder.kill()
    async with open_kind(kind, tmp_path) as store:
        assert store.namespaces() == ()


@both
async def test_reading_beside_a_running_host(kind: str, tmp_path: Path) -> None:
    """A command sees what the host had stored, and cannot write."""
    async with open_kind(kind, tmp_path) as host:
        await host.namespace("a").set("k", b"1")
        async with open_kind(kind, tmp_path, read_only=True) as reader:
            assert await reader.namespace("a").get("k") == b"1"
            assert reader.namespaces() == ("a",)
            assert b"".join([c async for c in reader.namespace("a").export()]).count(b"\n") == 3
            with pytest.raises(StorageReadOnly):
                await reader.namespace("a").set("k", b"2")
        await host.namespace("a").set("k", b"3")
        assert await host.namespace("a").get("k") == b"3"


@both
async def test_reading_needs_a_store(kind: str, tmp_path: Path) -> None:
    """Nothing is made where nothing is."""
    with pytest.raises(StorageUnavailable):
        async with open_kind(kind, tmp_path, read_only=True):
            pass
    assert not (tmp_path / "store").exists()


@both
async def test_a_checkpoint_is_a_store(kind: str, tmp_path: Path) -> None:
    """A copy taken while the host runs opens on its own, as of that moment."""
    async with open_kind(kind, tmp_path) as store:
        await store.namespace("a").set("k", b"1")
        await store.checkpoint(tmp_path / "copy")
        await store.namespace("a").set("k", b"2")
        with pytest.raises(StorageUnavailable):
            await store.checkpoint(tmp_path / "copy")
    copied = tmp_path / "copy" if kind == "rocks" else tmp_path / "copy" / "store"
    async with ON_DISK[kind](copied) as copy:
        assert await copy.namespace("a").get("k") == b"1"
        assert await copy.namespace("a").usage() == await copy.namespace("a").recount()


async def test_damaged_rocksdb_files_are_told(tmp_path: Path) -> None:
    """A store whose files were overwritten does not open as an empty one."""
    async with open_kind("rocks", tmp_path) as store:
        await store.namespace("a").set("k", b"1")
    for file in (tmp_path / "store").glob("MANIFEST-*"):
        file.write_bytes(b"\xff" * file.stat().st_size)
    with pytest.raises(StorageCorrupted):
        async with open_kind("rocks", tmp_path):
            pass


async def test_damaged_sqlite_files_are_told(tmp_path: Path) -> None:
    """The same for SQLite."""
    async with open_kind("sqlite", tmp_path) as store:
        await store.namespace("a").batch({f"k{n}": bytes(1_000) for n in range(100)})
    (tmp_path / "store").write_bytes(b"\xff" * 10_000)
    with pytest.raises(StorageCorrupted):
        async with open_kind("sqlite", tmp_path):
            pass


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6, 0.9, 0.999])
async def test_a_torn_log_leaves_a_consistent_prefix(tmp_path: Path, keep: float) -> None:
    """After a power loss, the store holds what some number of batches had made of it."""
    async with open_kind("rocks", tmp_path, durability="os") as store:
        space = store.namespace("a")
        for number in range(1, 101):
            await space.batch({"last": b"%d" % number, f"k{number}": bytes(number)})
        shutil.copytree(tmp_path / "store", tmp_path / "torn" / "store")
    log = max((tmp_path / "torn" / "store").glob("*.log"), key=lambda file: file.stat().st_size)
    os.truncate(log, int(log.stat().st_size * keep))
    async with open_kind("rocks", tmp_path / "torn") as store:
        space = store.namespace("a")
        last = int(await space.get("last") or b"0")
        expected = {f"k{number}" for number in range(1, last + 1)} | ({"last"} if last else set())
        assert {entry.key async for entry in space.entries()} == expected
        assert await space.usage() == await space.recount()


async def test_a_lost_tail_is_noticed(tmp_path: Path) -> None:
    """Acknowledged writes that the disk gave up are counted at the next opening."""
    async with open_kind("rocks", tmp_path, durability="sync") as store:
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
    async with open_kind("rocks", tmp_path) as store:
        await store.namespace("a").set("k", b"1")
    current = tmp_path / "store" / "CURRENT"
    content = current.read_bytes()
    current.unlink()
    for read_only in (True, False):
        with pytest.raises(StorageCorrupted, match="CURRENT"):
            async with open_kind("rocks", tmp_path, read_only=read_only):
                pass
    current.write_bytes(content)
    async with open_kind("rocks", tmp_path) as store:
        assert await store.namespace("a").get("k") == b"1"


async def test_an_opening_that_was_interrupted_is_no_damage(tmp_path: Path) -> None:
    """A disk that was full at the first opening: no store yet, and none is lost."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "MANIFEST-000001").write_bytes(b"")
    assert not RocksStore.exists(tmp_path / "store")
    with pytest.raises(StorageUnavailable, match="no store"):
        async with open_kind("rocks", tmp_path, read_only=True):
            pass
    async with open_kind("rocks", tmp_path) as store:
        await store.namespace("a").set("k", b"1")
    assert RocksStore.exists(tmp_path / "store")


async def test_verify_finds_a_flipped_bit(tmp_path: Path) -> None:
    """Opening does not read the data; `verify` does."""
    async with open_kind("rocks", tmp_path) as store:
        await store.namespace("a").set("k", bytes(10_000))
        assert await store.verify() == 2
    async with open_kind("rocks", tmp_path) as store:  # moves it from the log to a table
        assert await store.verify() == 2
    (table,) = (tmp_path / "store").glob("*.sst")
    content = bytearray(table.read_bytes())
    content[20] ^= 1
    table.write_bytes(content)
    async with open_kind("rocks", tmp_path, read_only=True) as store:
        with pytest.raises(StorageCorrupted):
            await store.verify()


@both
async def test_an_unusable_folder_is_told(kind: str, tmp_path: Path) -> None:
    """A file where a folder should be."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        async with open_kind(kind, tmp_path / "file"):
            pass


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB; needs root, so it is skipped elsewhere."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root on Linux")
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let us mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@both
async def test_a_full_disk_loses_nothing_and_heals(kind: str, small_disk: Path) -> None:
    """Writes are refused, typed; what was acknowledged stays readable; freed space is used."""
    async with open_kind(kind, small_disk, durability="sync") as store:
        space = store.namespace("a")
        await space.set("first", b"1")
        fill(small_disk / "filler")
        stored = 0
        while stored < 2_000 and await succeeds(space.set(f"k{stored}", bytes(100_000))):
            stored += 1
        assert stored < 2_000
        assert await space.get("first") == b"1"
        with pytest.raises(StorageUnavailable):
            await space.set("still", bytes(100_000))
        (small_disk / "filler").unlink()
        with anyio.fail_after(30):
            while not await succeeds(space.set("after", b"1")):  # noqa: ASYNC110
                await anyio.sleep(0.05)
        assert [await space.exists(f"k{number}") for number in range(stored)] == [True] * stored
        assert await space.usage() == await space.recount()
    async with open_kind(kind, small_disk) as store:
        space = store.namespace("a")
        assert await space.get("after") == b"1"
        assert [await space.exists(f"k{number}") for number in range(stored)] == [True] * stored
        assert await space.usage() == await space.recount()


async def succeeds(attempt: Awaitable[object]) -> bool:
    try:
        await attempt
    except StorageUnavailable:
        return False
    return True


def fill(path: Path) -> None:
    """Take all but a few MiB."""
    with path.open("wb") as file:
        free = shutil.disk_usage(path.parent).free
        file.write(bytes(free - 6 * 1024 * 1024))


async def test_a_failed_wait_for_the_disk_is_told_to_everybody() -> None:
    """All writers who shared the wait get the error, and later ones until it heals."""
    disk = MemoryDisk()
    async with MemoryStore(disk, durability="sync") as store:
        outcomes: list[object] = []
        store.namespace("a").write({"k": b"1"}, outcomes.append)
        store.namespace("b").write({"k": b"1"}, outcomes.append)
        disk.is_full = True
        with pytest.raises(StorageUnavailable):
            await store.namespace("c").set("k", b"1")
        with anyio.fail_after(10):
            while len(outcomes) < 2:
                await anyio.lowlevel.checkpoint()
        assert all(isinstance(outcome, StorageUnavailable) for outcome in outcomes)
        assert store.failure is not None
        disk.is_full = False
        with anyio.fail_after(10):
            while not await succeeds(store.namespace("c").set("k", b"1")):  # noqa: ASYNC110
                await anyio.sleep(0.01)
        assert store.failure is None
