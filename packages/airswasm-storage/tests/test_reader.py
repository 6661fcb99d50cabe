"""Reading a store without an event loop."""

import sys
from importlib.metadata import distribution
from pathlib import Path

import anyio
import pytest
from airswasm.storage import (
    EngineMismatch,
    EngineUnknown,
    InvalidNamespace,
    StorageClosed,
    StorageCorrupted,
    StorageUnavailable,
    open_store,
    read_store,
)
from airswasm.storage._layout.keys import SPACES, encode_name
from airswasm.storage._reader import OWN_ENGINES

pytestmark = pytest.mark.anyio
VALUES: dict[str, bytes | None] = {f"key-{number:03}": b"x" * number for number in range(300)}


@pytest.fixture(params=["rocksdb", "sqlite"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_reader_shows_what_the_store_holds(tmp_path: Path, engine: str) -> None:
    """Every entry in order, and the size that the store counts; beside the writer, too."""
    async with open_store(tmp_path / "s", engine) as store:
        namespace = store.namespace("a/b")
        await namespace.batch(VALUES)
        await store.namespace("a/c").set("other", b"1")
        await namespace.delete("key-000")
        with read_store(tmp_path / "s", engine) as reader:
            found = list(reader.entries("a/b"))
            assert found == [(key, VALUES[key]) for key in sorted(VALUES) if key != "key-000"]
            assert reader.used_bytes("a/b") == namespace.read_usage().used_bytes
            assert list(reader.entries("a/nothing")) == []
            assert reader.used_bytes("a/nothing") == 0
            assert reader.lost_writes == 0


async def test_a_reader_tells_what_a_store_tells(tmp_path: Path) -> None:
    """With the same errors: no store, another engine, an unknown one, a bad name, closed."""
    with pytest.raises(StorageUnavailable), read_store(tmp_path / "none"):
        pass
    assert not (tmp_path / "none").exists()
    async with open_store(tmp_path / "s") as store:
        await store.namespace("a").set("k", b"v")
    with pytest.raises(EngineMismatch, match="rocksdb"), read_store(tmp_path / "s", "sqlite"):
        pass
    with pytest.raises(EngineUnknown, match="rocksbd"):
        read_store(tmp_path / "s", "rocksbd")
    reader = read_store(tmp_path / "s")
    with pytest.raises(StorageClosed):
        reader.used_bytes("a")
    with reader, pytest.raises(InvalidNamespace):
        reader.used_bytes("")
    with pytest.raises(StorageClosed):
        list(reader.entries("a"))


async def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    """It is not taken for an empty namespace."""
    async with open_store(tmp_path / "s") as store:
        store.backend.apply([(SPACES + encode_name("a"), b"short")])
    with read_store(tmp_path / "s") as reader, pytest.raises(StorageCorrupted):
        reader.used_bytes("a")


def test_our_engines_are_those_of_our_entry_points() -> None:
    """A reader looks them up here, and a store among the entry points."""
    entries = distribution("airswasm-storage").entry_points.select(group="airswasm.storage_engines")
    assert {each.name: tuple(each.value.split(":")) for each in entries} == OWN_ENGINES


async def test_a_reader_needs_no_event_loop(tmp_path: Path) -> None:
    """To import one takes longer than to read."""
    async with open_store(tmp_path / "s") as store:
        await store.namespace("a").set("k", b"v")
    code = (
        "import sys; from airswasm.storage import read_store\n"
        "with read_store(sys.argv[1]) as reader: print(*reader.entries('a'))\n"
        "sys.exit(','.join({'anyio', 'asyncio', 'importlib.metadata'} & set(sys.modules)) or 0)"
    )
    done = await anyio.run_process([sys.executable, "-c", code, str(tmp_path / "s")], check=False)
    assert (done.returncode, done.stdout) == (0, b"('k', b'v')\n"), done.stderr
