"""Tests of what the disk and the system do to a store: kills, locks, no space, no writing."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import ClassVar

import anyio
import pytest

from .._engines import open_store
from .._reader import read_store
from .._settings import Durability
from .._store import Store
from ..errors import (
    EngineMismatch,
    StorageCorrupted,
    StorageError,
    StorageLocked,
    StorageReadOnly,
    StorageUnavailable,
)
from ._suite import Suite

WRITER = """
    import sys, anyio
    from airswasm.storage import open_store

    folder, engine, durability, start = sys.argv[1:]

    async def write(store, task):
        space, log, number = store.namespace("local/hello"), store.log("in"), int(start)
        while True:
            number += 1
            values = {f"last{task}": b"%d" % number, f"k{number % 50}": bytes(number % 97)}
            await space.batch(values)
            print("value", task, number, flush=True)
            entry = await log.append(b"%d %d" % (task, number))
            print("append", entry, task, number, flush=True)

    async def read(store):
        consumer = await store.log("in").consumer("c")
        while True:
            last = (await consumer.receive(3))[-1].number
            await consumer.acknowledge_through(last)
            print("acknowledge", last, flush=True)

    async def main():
        async with open_store(folder, engine, durability=durability) as store:
            async with anyio.create_task_group() as group:
                group.start_soon(read, store)
                for task in range(4):
                    group.start_soon(write, store, task)

    anyio.run(main)
"""

HOLDER = """
    import sys, anyio
    from airswasm.storage import open_store

    async def main():
        async with open_store(sys.argv[1], sys.argv[2]):
            print("open", flush=True)
            await anyio.to_thread.run_sync(sys.stdin.read)

    anyio.run(main)
"""

FULL = """
    import resource, signal, sys, anyio
    from airswasm.storage import StorageUnavailable, open_store

    async def succeeds(attempt):
        try:
            await attempt
        except StorageUnavailable:
            return False
        return True

    async def main():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        async with open_store(sys.argv[1], sys.argv[2]) as store:
            space = store.namespace("a")
            await space.set("first", b"1")
            resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, hard))
            stored = 0
            while stored < 500 and await succeeds(space.set(f"k{stored}", bytes(100_000))):
                stored += 1
            assert stored < 500 and await space.get("first") == b"1"
            assert not await succeeds(space.set("still", bytes(100_000)))
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            with anyio.fail_after(60):
                while not await succeeds(space.set("after", b"1")):
                    await anyio.sleep(0.05)
            assert await space.usage() == await space.recount()
            print(stored)

    anyio.run(main)
"""

on_one_loop = pytest.mark.parametrize("anyio_backend", ["asyncio"])


class DiskTests(Suite):
    """The promises of a store whose content outlives the process."""

    pytestmark = pytest.mark.anyio
    kills: ClassVar[int] = 6

    @on_one_loop
    @pytest.mark.parametrize("durability", ["sync", "os"])
    async def test_a_killed_host_loses_nothing_acknowledged(
        self, durable: str, durability: Durability, tmp_path: Path
    ) -> None:
        """Values, entries and acknowledgements are there, in order; counters are right."""
        script = tmp_path / "writer.py"
        script.write_text(textwrap.dedent(WRITER))
        folder, start = tmp_path / "store", 0
        chance = random.Random(1)  # noqa: S311 - when to kill
        for _ in range(self.kills):
            command = [sys.executable, str(script), str(folder), durable, durability, str(start)]
            said = Said(run_and_kill(command, chance.randint(20, 200)))
            async with open_store(folder, durable) as store:
                await said.check(store)
            start = max(start, *said.values.values())

    async def test_a_lost_tail_is_found_and_said(self, durable: str, tmp_path: Path) -> None:
        """A disk that gave up acknowledged writes: counted once, at the next opening."""
        folder, lost = tmp_path / "store", tmp_path / "lost"
        async with open_store(folder, durable) as store:
            await store.namespace("a").set("k", b"1")
            await store.checkpoint(lost)
            for number in range(20):
                await store.namespace("a").set("k", b"%d" % number)
            assert store.lost_writes == 0
            with read_store(folder, durable) as reader:
                assert reader.lost_writes == 0
        async with open_store(folder, durable) as store:
            assert store.lost_writes == 0
        shutil.copyfile(folder / "airswasm-watermark", lost / "airswasm-watermark")
        with read_store(lost, durable) as reader:
            assert reader.lost_writes >= 20
        async with open_store(lost, durable) as store:
            assert store.lost_writes >= 20
            await store.namespace("a").set("k", b"2")
            assert store.failure is None
        async with open_store(lost, durable) as store:
            assert store.lost_writes == 0

    @on_one_loop
    async def test_another_process_holds_the_lock(self, durable: str, tmp_path: Path) -> None:
        """A second host is told that it is the second; the end of the first frees the store."""
        script = tmp_path / "holder.py"
        script.write_text(textwrap.dedent(HOLDER))
        command = [sys.executable, str(script), str(tmp_path / "store"), durable]
        with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this test
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"open\n"
            with pytest.raises(StorageLocked, match="read_only"):
                async with open_store(tmp_path / "store", durable):
                    pass
            holder.kill()
        async with open_store(tmp_path / "store", durable) as store:
            assert store.namespaces() == ()

    async def test_a_second_store_is_told_that_it_is_the_second(
        self, durable: str, tmp_path: Path
    ) -> None:
        """In one process too; the first one does not notice."""
        async with open_store(tmp_path / "store", durable) as store:
            with pytest.raises(StorageLocked):
                async with open_store(tmp_path / "store", durable):
                    pass
            await store.namespace("a").set("k", b"1")
        async with open_store(tmp_path / "store", durable) as store:
            assert await store.namespace("a").get("k") == b"1"

    async def test_reading_beside_a_running_host(self, durable: str, tmp_path: Path) -> None:
        """A command sees what the host had stored, and cannot write."""
        async with open_store(tmp_path / "store", durable) as host:
            await host.namespace("a").set("k", b"1")
            await host.log("l").append(b"1")
            async with open_store(tmp_path / "store", durable, read_only=True) as reader:
                assert await reader.namespace("a").get("k") == b"1"
                assert (reader.namespaces(), reader.logs()) == (("a",), ("l",))
                assert [e.payload for e in (await reader.log("l").read()).entries] == [b"1"]
                exported = [chunk async for chunk in reader.namespace("a").export()]
                assert b"".join(exported).count(b"\n") == 3
                for attempt in (
                    reader.namespace("a").set("k", b"2"),
                    reader.namespace("a").clear(),
                    reader.log("l").append(b"2"),
                ):
                    with pytest.raises(StorageReadOnly):
                        await attempt
                assert reader.failure is None
            await host.namespace("a").set("k", b"3")
            assert await host.namespace("a").get("k") == b"3"

    async def test_reading_needs_a_store(self, durable: str, tmp_path: Path) -> None:
        """Nothing is made where nothing is."""
        with pytest.raises(StorageUnavailable):
            async with open_store(tmp_path / "store", durable, read_only=True):
                pass
        assert not (tmp_path / "store").exists()

    async def test_an_unusable_folder_is_told(self, durable: str, tmp_path: Path) -> None:
        """A file where the folder should be, or above it."""
        (tmp_path / "file").write_bytes(b"")
        for folder in (tmp_path / "file", tmp_path / "file" / "store"):
            with pytest.raises(StorageError):
                async with open_store(folder, durable):
                    pass

    async def test_a_folder_remembers_its_engine(self, durable: str, tmp_path: Path) -> None:
        """Another engine is refused, to read as well, with the way out; the data is untouched."""
        async with open_store(tmp_path / "store", durable) as store:
            await store.namespace("a").set("k", b"1")
        for engine in {"rocksdb", "sqlite", "memory"} - {durable}:
            for read_only in (False, True):
                with pytest.raises(EngineMismatch, match=f"migrate --to {engine}") as caught:
                    async with open_store(tmp_path / "store", engine, read_only=read_only):
                        pass
                assert caught.value.written == durable
        async with open_store(tmp_path / "store", durable) as store:
            assert await store.namespace("a").get("k") == b"1"

    async def test_a_store_that_lost_its_files_does_not_begin_anew(
        self, durable: str, tmp_path: Path
    ) -> None:
        """The engine's files are gone, and the folder says that it was a store."""
        folder = tmp_path / "store"
        async with open_store(folder, durable) as store:
            await store.namespace("a").set("k", b"1")
        for file in folder.iterdir():
            if not file.name.startswith("airswasm-store"):
                file.unlink() if file.is_file() else shutil.rmtree(file)
        for read_only in (True, False):
            with pytest.raises(StorageCorrupted):
                async with open_store(folder, durable, read_only=read_only):
                    pass

    async def test_a_copy_of_the_store_is_a_store(self, durable: str, tmp_path: Path) -> None:
        """Taken while the host runs, it opens on its own, as of that moment."""
        async with open_store(tmp_path / "store", durable) as store:
            await store.namespace("a").set("k", b"1")
            await store.checkpoint(tmp_path / "copy")
            await store.namespace("a").set("k", b"2")
            with pytest.raises(StorageUnavailable):
                await store.checkpoint(tmp_path / "copy")
        async with open_store(tmp_path / "copy", durable) as copy:
            space = copy.namespace("a")
            assert await space.get("k") == b"1"
            assert await space.usage() == await space.recount()

    @pytest.fixture
    def small_disk(self, tmp_path: Path) -> Iterator[Path]:
        """Return a file system of 48 MiB."""
        folder = tmp_path / "small"
        folder.mkdir()
        if sys.platform != "linux" or not mount("-t", "tmpfs", "-o", "size=48m", "t", str(folder)):
            pytest.skip("mounting a small file system needs root on Linux")
        yield folder
        subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: S607 - PATH finds it

    async def test_a_full_disk_loses_nothing_and_heals(
        self, durable: str, small_disk: Path
    ) -> None:
        """Writes are refused, reads go on, nothing acknowledged is lost; freed space is used."""
        folder = small_disk / "store"
        async with open_store(folder, durable) as store:
            space, log = store.namespace("a"), store.log("l")
            await space.set("first", b"1")
            fill(small_disk / "filler")
            stored = 0
            while stored < 2_000 and await succeeds(space.set(f"k{stored}", bytes(100_000))):
                stored += 1
                await succeeds(log.append(b"%d" % stored))
            assert stored < 2_000
            assert await space.get("first") == b"1"
            with pytest.raises(StorageUnavailable):
                await space.set("still", bytes(100_000))
            (small_disk / "filler").unlink()
            with anyio.fail_after(30):
                while not await succeeds(space.set("after", b"1")):  # noqa: ASYNC110
                    await anyio.sleep(0.05)
            await log.append(b"after")
            await check_full(store, stored)
        async with open_store(folder, durable) as store:
            assert await store.namespace("a").get("after") == b"1"
            await check_full(store, stored)

    @on_one_loop
    async def test_a_file_that_may_not_grow_is_a_full_disk(
        self, durable: str, tmp_path: Path
    ) -> None:
        """The same by a limit of the process, which needs no privilege."""
        if sys.platform == "win32":
            pytest.skip("the system has no limit for the size of files")
        script, folder = tmp_path / "full.py", tmp_path / "store"
        script.write_text(textwrap.dedent(FULL))
        command = [sys.executable, str(script), str(folder), durable]
        done = await anyio.run_process(command, check=False)
        assert done.returncode == 0, done.stderr.decode()
        async with open_store(folder, durable) as store:
            space = store.namespace("a")
            assert await space.exists("after")
            stored = int(done.stdout)
            assert [await space.exists(f"k{number}") for number in range(stored)] == [True] * stored
            assert await space.usage() == await space.recount()

    @pytest.mark.parametrize("was_killed", [False, True])
    async def test_a_read_only_file_system_can_be_read(
        self, durable: str, small_disk: Path, was_killed: bool
    ) -> None:
        """A backup that is mounted for reading, of a store that was closed or copied running."""
        folder = small_disk / "store"
        async with open_store(folder, durable) as store:
            await store.namespace("a").batch({f"k{number}": b"1" for number in range(500)})
            if was_killed:
                shutil.copytree(folder, small_disk / "killed")
                folder = small_disk / "killed"
        for _ in range(400):  # a thread of the engine may close its files a moment later
            if mount("-o", "remount,ro", str(small_disk)):
                break
            await anyio.sleep(0.05)
        else:
            pytest.fail("the disk stays in use after its store was closed")
        async with open_store(folder, durable, read_only=True) as store:
            space = store.namespace("a")
            assert len([entry async for entry in space.entries()]) == 500
            assert await space.usage() == await space.recount()
            assert b"".join([chunk async for chunk in space.export()]).count(b"\n") == 502
            with pytest.raises(StorageReadOnly):
                await space.set("k", b"2")
        with pytest.raises(StorageUnavailable):
            async with open_store(folder, durable):
                pass


def mount(*arguments: str) -> bool:
    """Mount a file system; return whether the system allowed it."""
    try:
        command = ["mount", *arguments]
        done = subprocess.run(command, check=False, capture_output=True)
    except OSError:
        return False
    return done.returncode == 0


def run_and_kill(command: list[str], lines: int) -> list[list[str]]:
    """Run a command, kill it after so-many lines, and return all that it said, in words."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.stdout.read().split(b"\n")[:-1]
    return [line.decode().split() for line in said]


class Said:
    """The acknowledgements that a killed process had received."""

    def __init__(self, lines: list[list[str]]) -> None:
        self.values: dict[str, int] = {}
        self.entries: dict[int, str] = {}
        self.acknowledged = 0
        for kind, *words in lines:
            match kind, words:
                case "value", [task, number]:
                    self.values[task] = int(number)
                case "append", [entry, *payload]:
                    self.entries[int(entry)] = " ".join(payload)
                case _:
                    (entry,) = words
                    self.acknowledged = int(entry)

    async def check(self, store: Store) -> None:
        """Compare with what is there."""
        space, log = store.namespace("local/hello"), store.log("in")
        for task, number in self.values.items():
            last = int(await space.get(f"last{task}") or b"0")
            assert number <= last <= number + 1
        assert await space.usage() == await space.recount()
        status = await log.status()
        assert (status.entries, status.size_bytes) == await log.recount()
        consumer = await log.consumer("c", window_entries=4_096)
        through = consumer.read_status().acknowledged
        assert through >= self.acknowledged
        left = {entry.number: entry.payload.decode() for entry in consumer.take()}
        assert list(left) == list(range(through + 1, status.next))
        for number, payload in self.entries.items():
            assert number <= through or left[number] == payload
        for task in self.values:
            numbers = [int(p.split()[1]) for p in left.values() if p.split()[0] == task]
            assert numbers == sorted(set(numbers))


async def check_full(store: Store, stored: int) -> None:
    """Compare a store that was full with what it acknowledged."""
    space, log = store.namespace("a"), store.log("l")
    assert [await space.exists(f"k{number}") for number in range(stored)] == [True] * stored
    assert await space.usage() == await space.recount()
    status = await log.status()
    assert (status.entries, status.size_bytes) == await log.recount()


async def succeeds(attempt: Awaitable[object]) -> bool:
    """Whether the disk took a write."""
    try:
        await attempt
    except StorageUnavailable:
        return False
    return True


def fill(path: Path) -> None:
    """Take all of a file system but a few MiB."""
    with path.open("wb") as file:
        free = shutil.disk_usage(path.parent).free
        file.write(bytes(free - 6 * 1024 * 1024))
