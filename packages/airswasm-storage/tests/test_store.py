"""What every backend must do: one suite for all of them."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import pytest
from airswasm.storage import (
    ExportInvalid,
    InvalidKey,
    InvalidNamespace,
    QuotaExceeded,
    StorageClosed,
    StorageError,
    StorageUnavailable,
    Store,
    StoreLimits,
    Usage,
    ValueTooLarge,
)

pytestmark = pytest.mark.anyio

OpenStore = Callable[..., Store]
HOSTILE = ["a", "a:", "a:b", ":", "\x7f", "\xff", "ÿÿ", "a\0", "\0", "local/hello", "x" * 255, "😀"]


async def test_values_come_back(open_store: OpenStore) -> None:
    """Set, get, exists, delete; any bytes, the empty value included."""
    async with open_store() as store:
        space = store.namespace("local/hello")
        assert await space.get("k") is None
        assert not await space.exists("k")
        for value in (b"", b"\0\xff" * 1_000, b"1"):
            await space.set("k", value)
            assert await space.get("k") == value
        assert await space.exists("k")
        assert await space.delete("k")
        assert not await space.delete("k")
        assert await space.get("k") is None


async def test_values_outlive_the_store(open_store: OpenStore) -> None:
    """What was set is there after closing and opening, counters included."""
    async with open_store() as store:
        await store.namespace("local/hello").set("count", b"41")
        await store.namespace("local/hello").set("count", b"42")
    async with open_store() as store:
        space = store.namespace("local/hello", quota_bytes=100)
        assert await space.get("count") == b"42"
        assert await space.usage() == Usage(7, 1, 100)


async def test_namespaces_never_meet(open_store: OpenStore) -> None:
    """Whatever their ids and keys are, what one holds no other sees, changes, counts or scans."""
    async with open_store(durability="os") as store:
        spaces = [store.namespace(name) for name in HOSTILE]
        for space in spaces:
            for key in HOSTILE:
                await space.set(key, f"{space.name}|{key}".encode())
        await spaces[0].clear()
        for space in spaces[1:]:
            found = [entry async for entry in space.entries()]
            assert {entry.key for entry in found} == set(HOSTILE)
            assert all(entry.value == f"{space.name}|{entry.key}".encode() for entry in found)
            assert await space.usage() == await space.recount()
        assert await spaces[0].usage() == Usage(0, 0, spaces[0].quota_bytes)
        assert set(store.namespaces()) == set(HOSTILE[1:])


@pytest.mark.parametrize("name", ["", "x" * 256, "é" * 128, "\ud800"])
async def test_unusable_namespaces_are_refused(open_store: OpenStore, name: str) -> None:
    """An id has 1 to 255 bytes."""
    async with open_store() as store:
        with pytest.raises(InvalidNamespace):
            store.namespace(name)


@pytest.mark.parametrize("key", ["", "x" * 1_025, "é" * 513, "\udfff"])
async def test_unusable_keys_are_refused(open_store: OpenStore, key: str) -> None:
    """A key has 1 to 1,024 bytes of UTF-8."""
    async with open_store() as store:
        space = store.namespace("a")
        for attempt in (space.get(key), space.set(key, b""), space.delete(key), space.exists(key)):
            with pytest.raises(InvalidKey):
                await attempt
        await space.set("x" * 1_024, b"")


async def test_scans_are_ordered_bounded_and_complete(open_store: OpenStore) -> None:
    """Pages follow each other in the order of bytes, without gap or repeat."""
    keys = sorted((f"user/{n}" for n in range(25)), key=str.encode)
    async with open_store(durability="os", limits=StoreLimits(page_entries=10)) as store:
        space = store.namespace("a")
        for key in [*keys, "user", "user0", "usez", "\U0010ffff"]:
            await space.set(key, b"v")
        page = await space.scan("user/", limit=7)
        assert [entry.key for entry in page.entries] == keys[:7]
        assert page.next == keys[6]
        assert len((await space.scan("user/", limit=1_000)).entries) == 10
        assert [entry.key async for entry in space.entries("user/")] == keys
        last = await space.scan("user/", after=keys[-2])
        assert ([entry.key for entry in last.entries], last.next) == ([keys[-1]], None)
        assert (await space.scan("user/", after="zzz")).entries == ()
        assert (await space.scan("user/", after="a")).entries[0].key == keys[0]
        assert [e.key for e in (await space.scan("\U0010ffff")).entries] == ["\U0010ffff"]


async def test_a_full_last_page_has_no_next(open_store: OpenStore) -> None:
    """`next` is set exactly when there is more."""
    async with open_store(limits=StoreLimits(page_entries=2)) as store:
        space = store.namespace("a")
        await space.batch({"1": b"", "2": b""})
        assert (await space.scan()).next is None
        await space.set("3", b"")
        assert (await space.scan()).next == "2"


async def test_pages_are_bounded_in_bytes(open_store: OpenStore) -> None:
    """A page holds at most `page_bytes`; one larger entry comes alone rather than never."""
    limits = StoreLimits(page_bytes=1_000, value_bytes=5_000)
    async with open_store(limits=limits, durability="os") as store:
        space = store.namespace("a")
        for key, size in [("1", 400), ("2", 400), ("3", 400), ("4", 5_000), ("5", 1)]:
            await space.set(key, bytes(size))
        pages, after = [], None
        while True:
            page = await space.scan(after=after)
            pages.append([entry.key for entry in page.entries])
            after = page.next
            if after is None:
                break
        assert pages == [["1", "2"], ["3"], ["4"], ["5"]]


async def test_large_values_are_refused(open_store: OpenStore) -> None:
    """The limit itself is allowed."""
    async with open_store(limits=StoreLimits(value_bytes=10)) as store:
        space = store.namespace("a")
        await space.set("k", bytes(10))
        with pytest.raises(ValueTooLarge):
            await space.set("k", bytes(11))
        assert await space.get("k") == bytes(10)


async def test_the_quota_holds_and_says_what_is_used(open_store: OpenStore) -> None:
    """Keys and values count; what does not fit changes nothing; replacing counts the difference."""
    async with open_store() as store:
        space = store.namespace("a", quota_bytes=20)
        await space.set("key1", bytes(10))
        with pytest.raises(QuotaExceeded) as caught:
            await space.set("key2", bytes(3))
        assert (caught.value.used_bytes, caught.value.needed_bytes) == (14, 7)
        await space.set("key2", bytes(2))
        await space.set("key1", bytes(10))
        assert await space.usage() == Usage(20, 2, 20)
        await space.delete("key1")
        assert await space.usage() == Usage(6, 1, 20)


async def test_a_lowered_quota_lets_a_namespace_shrink(open_store: OpenStore) -> None:
    """Over its quota a component can still delete and replace by less, but not grow."""
    async with open_store() as store:
        await store.namespace("a", quota_bytes=100).set("k", bytes(50))
        space = store.namespace("a", quota_bytes=10)
        await space.set("k", bytes(40))
        with pytest.raises(QuotaExceeded):
            await space.set("k", bytes(41))
        assert await space.delete("k")


async def test_a_batch_is_all_or_nothing(open_store: OpenStore) -> None:
    """One entry that does not fit, and none is written."""
    async with open_store(limits=StoreLimits(value_bytes=100)) as store:
        space = store.namespace("a", quota_bytes=50)
        await space.set("old", b"1")
        for bad in ({"x": bytes(101)}, {"": b""}, {"x": bytes(60)}):
            with pytest.raises(StorageError):
                await space.batch({"new": b"1", "old": None, **bad})
        assert [entry.key async for entry in space.entries()] == ["old"]
        assert await space.batch({"new": b"1", "old": None, "missing": None}) == 1
        assert [entry.key async for entry in space.entries()] == ["new"]


async def test_counters_match_under_concurrency(open_store: OpenStore) -> None:
    """Eight writers over few keys against a tight quota: never above it, never miscounted."""
    async with open_store(durability="os") as store:
        space = store.namespace("a", quota_bytes=300)

        async def work(seed: int) -> None:
            handle = store.namespace("a", quota_bytes=300)
            for step in range(40):
                key, size = f"k{(seed * 7 + step * 3) % 11}", (seed * 31 + step * 17) % 70
                try:
                    if step % 4 == 3:
                        await handle.delete(key)
                    else:
                        await handle.set(key, bytes(size))
                except QuotaExceeded:
                    pass
                assert handle.read_usage().used_bytes <= 300

        async with anyio.create_task_group() as group:
            for seed in range(8):
                group.start_soon(work, seed)
        assert await space.usage() == await space.recount()
    async with open_store() as store:
        space = store.namespace("a", quota_bytes=300)
        assert await space.usage() == await space.recount()


async def test_many_writers_share_few_disk_waits(open_store: OpenStore) -> None:
    """A thousand durable writes at once wait for the disk a few times, not a thousand times."""
    async with open_store(durability="sync") as store:

        async def one(number: int) -> None:
            await store.namespace(f"local/n{number}").set("count", b"1")

        async with anyio.create_task_group() as group:
            for number in range(1_000):
                group.start_soon(one, number)
        assert 1 <= store.syncs <= 50
        assert len(store.namespaces()) == 1_000


async def test_exports_come_back(open_store: OpenStore) -> None:
    """An export taken in elsewhere gives the same content; values are any bytes."""
    async with open_store(durability="os") as store:
        source = store.namespace("a")
        for number in range(500):
            await source.set(f"k{number}\n😀", bytes([number % 256]) * number)
        content = b"".join([chunk async for chunk in source.export()])
        target = store.namespace("b")
        await target.set("stays", b"1")
        assert await target.load(cut(content, 999)) == 500
        assert await target.exists("stays")
        await target.load(cut(content, 100_000), replace=True)
        assert not await target.exists("stays")
        assert [e async for e in target.entries()] == [e async for e in source.entries()]
        assert await target.usage() == await target.recount()


async def cut(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def test_an_export_is_of_one_moment(open_store: OpenStore) -> None:
    """What is written while it is read is not in it."""
    async with open_store(durability="os") as store:
        space = store.namespace("a")
        for number in range(100):
            await space.set(f"k{number:03}", bytes(10_000))
        chunks = space.export()
        content = await anext(chunks)
        await space.set("k050", b"changed")
        await space.delete("k099")
        await space.set("k100", b"new")
        content += b"".join([chunk async for chunk in chunks])
        copy = store.namespace("b")
        await copy.load(cut(content, 50_000))
        assert await copy.get("k050") == bytes(10_000)
        assert await copy.exists("k099")
        assert not await copy.exists("k100")


async def test_a_damaged_export_imports_nothing(open_store: OpenStore) -> None:
    """Cut short, altered, extended or foreign: refused as a whole."""
    async with open_store(durability="os") as store:
        space = store.namespace("a")
        await space.batch({"k1": b"1", "k2": b"2"})
        content = b"".join([chunk async for chunk in space.export()])
        lines = content.splitlines(keepends=True)
        damaged = [
            b"",
            b"x",
            b"[]\n",
            content[:-1],
            b"".join(lines[:-1]),
            b"".join(lines[1:]),
            b"".join([lines[0], *lines[2:]]),
            content + lines[1],
            content.replace(b'"Mg=="', b'"Mw=="'),
            content.replace(b'"Mg=="', b'"!"'),
            content.replace(b'"k2"', b"2"),
            content.replace(b"v1", b"v2"),
        ]
        for bad in damaged:
            with pytest.raises(ExportInvalid):
                await store.namespace("b").load(cut(bad, 10))
        assert not [entry async for entry in store.namespace("b").entries()]


async def test_an_import_obeys_the_quota(open_store: OpenStore) -> None:
    """Too much is refused while it is read, and nothing is taken in."""
    async with open_store(durability="os") as store:
        await store.namespace("a").batch({f"k{n}": bytes(100) for n in range(20)})
        target = store.namespace("b", quota_bytes=500)
        with pytest.raises(QuotaExceeded):
            await target.load(store.namespace("a").export())
        assert (await target.usage()).keys == 0


async def test_a_copy_replaces_all(open_store: OpenStore) -> None:
    """A namespace can be put back to what another holds, in one step."""
    async with open_store() as store:
        await store.namespace("a").batch({"1": b"a", "2": b"a"})
        await store.namespace("b").batch({"2": b"b", "3": b"b"})
        await store.namespace("b").copy_from(store.namespace("a"))
        found = {e.key: e.value async for e in store.namespace("b").entries()}
        assert found == {"1": b"a", "2": b"a"}
        assert await store.namespace("b").clear() == 2
        assert store.namespaces() == ("a",)


async def test_a_closed_store_refuses(open_store: OpenStore) -> None:
    """Typed, before opening and after closing."""
    store = open_store()
    with pytest.raises(StorageClosed):
        await store.namespace("a").get("k")
    async with store:
        await store.namespace("a").set("k", b"")
    for attempt in (store.namespace("a").get("k"), store.namespace("a").set("k", b"")):
        with pytest.raises(StorageUnavailable):
            await attempt
    await store.aclose()


async def test_closing_waits_for_what_is_being_written(open_store: OpenStore) -> None:
    """A write that was applied when the store closes is acknowledged, and there."""
    store = open_store(durability="sync")
    outcomes: list[object] = []
    async with store:
        store.namespace("a").write({"k": b"1"}, outcomes.append)
    assert outcomes == [None]
    async with open_store() as store:
        assert await store.namespace("a").get("k") == b"1"


async def test_a_cancelled_host_closes_its_store(open_store: OpenStore) -> None:
    """Ctrl-C while opening or running: it can be opened again, and nothing is lost."""
    with anyio.CancelScope() as scope:
        async with open_store(durability="sync") as store:
            store.namespace("a").write({"k": b"1"}, lambda error: None)
            scope.cancel()
            await anyio.sleep_forever()
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with open_store() as store:
            await anyio.sleep_forever()
    async with open_store() as store:
        assert await store.namespace("a").get("k") == b"1"


async def test_a_cancelled_write_leaves_a_working_store(open_store: OpenStore) -> None:
    """Giving up while waiting for the disk leaves the value written, and counters right."""
    async with open_store(durability="sync") as store:
        space = store.namespace("a")
        with anyio.CancelScope() as scope:
            scope.cancel()
            await space.set("k", b"1")
        await space.set("k2", b"1")
        assert await space.usage() == await space.recount()


async def test_two_stores_know_nothing_of_each_other(tmp_path: Path) -> None:
    """Nothing is global."""
    from airswasm.storage.testing import MemoryStore

    async with MemoryStore() as one, MemoryStore() as other:
        await one.namespace("a").set("k", b"1")
        assert await other.namespace("a").get("k") is None
