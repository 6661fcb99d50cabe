"""Tests of namespaces: values, pages, quotas, batches, exports, checkpoints, and the store."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import anyio
import anyio.lowlevel
import pytest

from .._layout.keys import EVERYTHING, GARBAGE, range_of
from .._layout.space import ENTRY_BYTES
from .._logs.log_records import LogBounds
from .._settings import StoreLimits
from .._spaces.namespace import Namespace, Usage
from .._store import Store
from ..errors import (
    CheckpointExists,
    CheckpointUnknown,
    ExportForeign,
    ExportInvalid,
    InvalidKey,
    InvalidNamespace,
    QuotaExceeded,
    StorageClosed,
    StorageError,
    StorageUnavailable,
    ValueTooLarge,
)
from ._suite import HOSTILE, OpenStore, Suite, cut


async def content_of(space: Namespace) -> dict[str, bytes]:
    """Return everything that a namespace holds."""
    return {entry.key: entry.value async for entry in space.entries()}


async def fill(space: Namespace, values: Mapping[str, bytes]) -> None:
    """Write more entries than one batch may have."""
    entries = iter(values.items())
    while part := dict(islice(entries, StoreLimits().batch_entries)):
        await space.batch(part)


async def swept(store: Store) -> None:
    """Wait until what belongs to nothing is removed."""
    with anyio.fail_after(30):
        while list(store.backend.scan(*range_of(GARBAGE))):
            await anyio.lowlevel.checkpoint()


class NamespaceTests(Suite):
    """The promises of `Namespace`, `Checkpoints` and `Store`."""

    pytestmark = pytest.mark.anyio

    async def test_values_come_back(self, open_store: OpenStore) -> None:
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

    async def test_values_outlive_the_store(self, open_store: OpenStore) -> None:
        """A stored value is there after closing and opening, counters included."""
        async with open_store() as store:
            await store.namespace("local/hello").set("count", b"41")
            await store.namespace("local/hello").set("count", b"42")
        async with open_store() as store:
            space = store.namespace("local/hello", quota_bytes=100)
            assert await space.get("count") == b"42"
            assert await space.usage() == Usage(7 + ENTRY_BYTES, 1, 100)

    async def test_namespaces_never_meet(self, open_store: OpenStore) -> None:
        """Whatever their names and keys, none sees, changes, counts or scans what another holds."""
        async with open_store() as store:
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
    async def test_unusable_namespaces_are_refused(self, open_store: OpenStore, name: str) -> None:
        """A name has 1 to 255 bytes of UTF-8."""
        async with open_store() as store:
            with pytest.raises(InvalidNamespace):
                store.namespace(name)

    @pytest.mark.parametrize("key", ["", "x" * 1_025, "é" * 513, "\udfff"])
    async def test_unusable_keys_are_refused(self, open_store: OpenStore, key: str) -> None:
        """A key has 1 to 1,024 bytes of UTF-8."""
        async with open_store() as store:
            space = store.namespace("a")
            for attempt in (
                space.get(key),
                space.set(key, b""),
                space.delete(key),
                space.exists(key),
            ):
                with pytest.raises(InvalidKey):
                    await attempt
            await space.set("x" * 1_024, b"")

    async def test_scans_are_ordered_bounded_and_complete(self, open_store: OpenStore) -> None:
        """Pages follow each other in the order of bytes, without gap or repeat."""
        keys = sorted((f"user/{n}" for n in range(25)), key=str.encode)
        async with open_store(limits=StoreLimits(page_entries=10)) as store:
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

    async def test_a_full_last_page_has_no_next(self, open_store: OpenStore) -> None:
        """`next` is set exactly when there is more."""
        async with open_store(limits=StoreLimits(page_entries=2)) as store:
            space = store.namespace("a")
            await space.batch({"1": b"", "2": b""})
            assert (await space.scan()).next is None
            await space.set("3", b"")
            assert (await space.scan()).next == "2"

    async def test_pages_are_bounded_in_bytes(self, open_store: OpenStore) -> None:
        """A page holds at most `page_bytes`; one larger entry comes alone rather than never."""
        limits = StoreLimits(page_bytes=1_000, value_bytes=5_000)
        async with open_store(limits=limits) as store:
            space = store.namespace("a")
            for key, size in [("1", 400), ("2", 400), ("3", 400), ("4", 5_000), ("5", 1)]:
                await space.set(key, bytes(size))
            pages: list[list[str]] = []
            after = None
            while True:
                page = await space.scan(after=after)
                pages.append([entry.key for entry in page.entries])
                after = page.next
                if after is None:
                    break
            assert pages == [["1", "2"], ["3"], ["4"], ["5"]]

    async def test_large_values_are_refused(self, open_store: OpenStore) -> None:
        """The limit itself is allowed."""
        async with open_store(limits=StoreLimits(value_bytes=10)) as store:
            space = store.namespace("a")
            await space.set("k", bytes(10))
            with pytest.raises(ValueTooLarge):
                await space.set("k", bytes(11))
            assert await space.get("k") == bytes(10)

    async def test_the_quota_holds_and_says_what_is_used(self, open_store: OpenStore) -> None:
        """Each entry counts key, value and a fixed cost; an excess changes nothing."""
        quota = 20 + 2 * ENTRY_BYTES
        async with open_store() as store:
            space = store.namespace("a", quota_bytes=quota)
            await space.set("key1", bytes(10))
            with pytest.raises(QuotaExceeded, match=f"of {quota} bytes") as caught:
                await space.set("key2", bytes(3))
            refused = caught.value
            assert (refused.used_bytes, refused.needed_bytes, refused.quota_bytes) == (
                14 + ENTRY_BYTES, 7 + ENTRY_BYTES, quota,
            )  # fmt: skip
            await space.set("key2", bytes(2))
            await space.set("key1", bytes(10))
            assert await space.usage() == Usage(quota, 2, quota)
            await space.delete("key1")
            assert await space.usage() == Usage(6 + ENTRY_BYTES, 1, quota)

    async def test_the_number_of_keys_has_a_quota(self, open_store: OpenStore) -> None:
        """A key more is refused, with the numbers; a batch that replaces one is not."""
        async with open_store() as store:
            space = store.namespace("a", quota_keys=2)
            await space.batch({"1": b"", "2": b""})
            with pytest.raises(QuotaExceeded, match="2 of 2 keys") as caught:
                await space.batch({"3": b"", "4": b"", "1": None})
            refused = caught.value
            assert (refused.used_keys, refused.needed_keys, refused.quota_keys) == (2, 1, 2)
            await space.batch({"3": b"", "1": None})
            assert await space.usage() == Usage(2 + 2 * ENTRY_BYTES, 2, space.quota_bytes, 2)
            space.quota_keys = 3
            await space.set("4", b"")
            space.quota_keys = 1
            await space.set("4", b"another value")
            with pytest.raises(QuotaExceeded):
                await space.set("5", b"")
            assert await space.delete("4")
            source = store.namespace("b")
            await source.batch({"1": b"", "2": b"", "3": b"", "4": b""})
            with pytest.raises(QuotaExceeded, match="keys"):
                await space.load(source.export(), any_name=True)
            assert [entry.key async for entry in space.entries()] == ["2", "3"]

    async def test_a_lowered_quota_lets_a_namespace_shrink(self, open_store: OpenStore) -> None:
        """Over its quota a component can still delete and replace by less, but not grow."""
        async with open_store() as store:
            space = store.namespace("a", quota_bytes=1_000)
            await space.set("k", bytes(50))
            space.quota_bytes = 10
            await space.set("k", bytes(40))
            with pytest.raises(QuotaExceeded):
                await space.set("k", bytes(41))
            assert await space.delete("k")

    async def test_a_batch_is_all_or_nothing(self, open_store: OpenStore) -> None:
        """One entry that does not fit, and none is written."""
        async with open_store(limits=StoreLimits(value_bytes=100)) as store:
            space = store.namespace("a", quota_bytes=200)
            await space.set("old", b"1")
            for bad in ({"x": bytes(101)}, {"": b""}, {"x": bytes(80)}):
                with pytest.raises(StorageError):
                    await space.batch({"new": b"1", "old": None, **bad})
            assert [entry.key async for entry in space.entries()] == ["old"]
            assert await space.batch({"new": b"1", "old": None, "missing": None}) == 1
            assert [entry.key async for entry in space.entries()] == ["new"]

    async def test_counters_match_under_concurrency(self, open_store: OpenStore) -> None:
        """Eight writers over few keys against a tight quota: never above it, never miscounted."""
        async with open_store() as store:
            space = store.namespace("a", quota_bytes=900)

            async def work(seed: int) -> None:
                handle = store.namespace("a", quota_bytes=900)
                for step in range(40):
                    key, size = f"k{(seed * 7 + step * 3) % 11}", (seed * 31 + step * 17) % 70
                    try:
                        if step % 4 == 3:
                            await handle.delete(key)
                        else:
                            await handle.set(key, bytes(size))
                    except QuotaExceeded:
                        pass
                    assert handle.read_usage().used_bytes <= 900

            async with anyio.create_task_group() as group:
                for seed in range(8):
                    group.start_soon(work, seed)
            assert await space.usage() == await space.recount()
        async with open_store() as store:
            space = store.namespace("a", quota_bytes=900)
            assert await space.usage() == await space.recount()

    async def test_many_writers_share_few_disk_waits(self, open_store: OpenStore) -> None:
        """A thousand durable writes at once wait for the disk a few times, not a thousand times."""
        async with open_store(durability="sync") as store:

            async def one(number: int) -> None:
                await store.namespace(f"local/n{number}").set("count", b"1")

            async with anyio.create_task_group() as group:
                for number in range(1_000):
                    group.start_soon(one, number)
            assert 1 <= store.syncs <= 50
            assert len(store.namespaces()) == 1_000

    async def test_exports_come_back(self, open_store: OpenStore) -> None:
        """An export taken in elsewhere gives the same content; values are any bytes."""
        async with open_store() as store:
            source = store.namespace("a")
            for number in range(500):
                await source.set(f"k{number}\n😀", bytes([number % 256]) * number)
            content = b"".join([chunk async for chunk in source.export()])
            target = store.namespace("b")
            await target.set("stays", b"1")
            assert await target.load(cut(content, 999), any_name=True) == 500
            assert await target.exists("stays")
            await target.load(cut(content, 100_000), replace=True, any_name=True)
            assert not await target.exists("stays")
            assert [e async for e in target.entries()] == [e async for e in source.entries()]
            assert await target.usage() == await target.recount()

    async def test_an_export_is_of_one_moment(self, open_store: OpenStore) -> None:
        """An export does not contain writes made after its start."""
        async with open_store() as store:
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
            await copy.load(cut(content, 50_000), any_name=True)
            assert await copy.get("k050") == bytes(10_000)
            assert await copy.exists("k099")
            assert not await copy.exists("k100")

    async def test_a_damaged_export_imports_nothing(self, open_store: OpenStore) -> None:
        """Cut short, altered, extended or foreign: refused as a whole."""
        async with open_store() as store:
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
                    await store.namespace("b").load(cut(bad, 10), any_name=True)
            assert not [entry async for entry in store.namespace("b").entries()]

    async def test_the_bounds_of_a_batch_bound_no_operator(self, open_store: OpenStore) -> None:
        """An import and the deletion of a prefix work whatever `StoreLimits` says of batches."""
        limits = StoreLimits(batch_entries=4, batch_bytes=600)
        keys = [f"{'é' * 200}{number}" for number in range(4)]
        async with open_store(limits=limits) as store:
            space = store.namespace("a", has_batch_bounds=False)
            await space.batch(dict.fromkeys([*keys, *"12345"], b"v"))
            target = store.namespace("b")
            assert await target.load(space.export(), any_name=True) == 9
            assert await target.delete_prefix("é") == 4
            assert [entry.key async for entry in target.entries()] == [*"12345"]

    async def test_an_import_obeys_the_quota(self, open_store: OpenStore) -> None:
        """Too much is refused while it is read, and nothing is taken in."""
        async with open_store() as store:
            await store.namespace("a").batch({f"k{n}": bytes(100) for n in range(20)})
            target = store.namespace("b", quota_bytes=1_000)
            with pytest.raises(QuotaExceeded):
                await target.load(store.namespace("a").export(), any_name=True)
            assert (await target.usage()).keys == 0

    async def test_a_copy_replaces_all(self, open_store: OpenStore) -> None:
        """A namespace can be put back to what another holds, in one step."""
        async with open_store() as store:
            await store.namespace("a").batch({"1": b"a", "2": b"a"})
            await store.namespace("b").batch({"2": b"b", "3": b"b"})
            await store.namespace("b").copy_from(store.namespace("a"))
            found = {e.key: e.value async for e in store.namespace("b").entries()}
            assert found == {"1": b"a", "2": b"a"}
            assert await store.namespace("b").clear() == 2
            assert store.namespaces() == ("a",)

    async def test_a_closed_store_refuses(self, open_store: OpenStore) -> None:
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

    async def test_closing_waits_for_what_is_being_written(self, open_store: OpenStore) -> None:
        """A write that was applied when the store closes is acknowledged, and there."""
        store = open_store(durability="sync")
        outcomes: list[object] = []
        async with store:
            store.namespace("a").write({"k": b"1"}, outcomes.append)
        assert outcomes == [None]
        async with open_store() as store:
            assert await store.namespace("a").get("k") == b"1"

    async def test_a_cancelled_host_closes_its_store(self, open_store: OpenStore) -> None:
        """Ctrl-C while opening or running: it can be opened again, and nothing is lost."""
        with anyio.CancelScope() as scope:
            async with open_store(durability="sync") as store:
                store.namespace("a").write({"k": b"1"}, lambda _: None)
                scope.cancel()
                await anyio.sleep_forever()
        with anyio.CancelScope() as scope:
            scope.cancel()
            async with open_store() as store:
                await anyio.sleep_forever()
        async with open_store() as store:
            assert await store.namespace("a").get("k") == b"1"

    async def test_a_cancelled_write_leaves_a_working_store(self, open_store: OpenStore) -> None:
        """Giving up while waiting for the disk leaves the value written, and counters right."""
        async with open_store(durability="sync") as store:
            space = store.namespace("a")
            with anyio.CancelScope() as scope:
                scope.cancel()
                await space.set("k", b"1")
            await space.set("k2", b"1")
            assert await space.usage() == await space.recount()

    async def test_an_import_names_its_namespace(self, open_store: OpenStore) -> None:
        """The export of another namespace is refused unless the caller says that it may be."""
        async with open_store() as store:
            await store.namespace("a").set("k", b"1")
            for content in (store.namespace("a"), store.namespace("empty")):
                with pytest.raises(ExportForeign) as caught:
                    await store.namespace("b").load(content.export())
                assert caught.value.namespace == "b"
            assert store.namespaces() == ("a",)
            assert await store.namespace("a").load(store.namespace("a").export()) == 1

    @pytest.mark.parametrize("replace", [False, True])
    async def test_a_long_import_is_seen_whole(self, open_store: OpenStore, replace: bool) -> None:
        """Readers see the old content until they see the new; what is written meanwhile stays."""
        async with open_store() as store:
            source, target = store.namespace("a"), store.namespace("b")
            await fill(source, {f"k{number:04}": b"new" for number in range(3_000)})
            await fill(target, {f"k{number:04}": b"old" for number in range(2_000, 4_000)})
            seen: set[tuple[bytes | None, bytes | None]] = set()
            progress: list[int] = []
            count = 0

            async def use_it() -> None:
                for number in range(300):
                    await target.batch({f"x{number}": b"1", f"k{3_999 - number:04}": None})
                    seen.add((target.read("k0000"), target.read("k2500")))

            async with anyio.create_task_group() as group:
                group.start_soon(use_it)
                count = await target.load(
                    source.export(), replace=replace, any_name=True, progress=progress.append
                )
            content = await content_of(target)
            assert count == 3_000
            assert [key for key, value in content.items() if value == b"new"] == [
                f"k{number:04}" for number in range(3_000)
            ]
            assert (b"old" in content.values()) is not replace
            assert seen <= {(None, b"old"), (b"new", b"new")}
            assert progress == sorted(progress)
            assert progress[-1] >= 3_000
            assert await target.usage() == await target.recount()
        async with open_store() as store:
            assert await store.namespace("b").usage() == await store.namespace("b").recount()

    async def test_writes_during_a_merge_are_kept(self, open_store: OpenStore) -> None:
        """Every key has the value of the import or the last one written, and counts match."""
        async with open_store() as store:
            source, target = store.namespace("a"), store.namespace("b")
            await fill(source, {f"k{number:04}": b"new" for number in range(2_000)})
            await fill(target, {f"m{number:04}": b"old" for number in range(2_000)})
            expected: dict[str, bytes | None] = {f"m{number:04}": b"old" for number in range(2_000)}
            content: dict[str, bytes] = {}
            is_over = False

            async def use_it() -> None:
                for number in range(100_000):
                    if is_over:
                        return
                    changes = {
                        f"m{number * 7 % 2_000:04}": None if number % 3 else b"%d" % number,
                        f"k{number % 2_000:04}": b"by the component",
                        f"z{number % 500}": bytes(number % 50),
                    }
                    await target.batch(changes)
                    expected.update({key: value for key, value in changes.items() if key[0] != "k"})

            async with anyio.create_task_group() as group:
                group.start_soon(use_it)
                await target.load(source.export(), any_name=True)
                content = await content_of(target)
                is_over = True
            expected |= {f"k{number:04}": content[f"k{number:04}"] for number in range(2_000)}
            assert await target.usage() == await target.recount()
            now = await content_of(target)
            assert {k: v for k, v in expected.items() if v is not None and k[0] != "k"} == {
                k: v for k, v in now.items() if k[0] != "k"
            }
            assert len([key for key in now if key[0] == "k"]) == 2_000

    @pytest.mark.parametrize("kind", ["replace", "merge", "restore", "prefix", "checkpoint"])
    async def test_a_cancelled_operation_changes_nothing(
        self, open_store: OpenStore, kind: str
    ) -> None:
        """Half way through, the content is what it was, and what was built is given back."""
        async with open_store() as store:
            space = store.namespace("a")
            await fill(space, {f"k{number:04}": b"old" for number in range(3_000)})
            await space.checkpoints.create("first")
            await fill(space, {f"k{number:04}": b"now" for number in range(3_000)})
            content = b"".join([chunk async for chunk in space.export()])
            before, kept = await content_of(space), space.checkpoints.list()
            with anyio.CancelScope() as scope:

                def cancel(keys: int) -> None:
                    if keys > 1_000:
                        scope.cancel()

                match kind:
                    case "replace" | "merge":
                        chunks = cut(content, 10_000)
                        await space.load(chunks, replace=kind == "replace", progress=cancel)
                    case "restore":
                        await space.checkpoints.restore("first", progress=cancel)
                    case "prefix":
                        await fill(space, {f"l{number:04}": b"now" for number in range(2_000)})
                        before = await content_of(space)
                        await space.delete_prefix("k", progress=cancel)
                    case _:
                        await space.checkpoints.create("second", progress=cancel)
            assert scope.cancelled_caught
            assert await content_of(space) == before
            assert space.checkpoints.list() == kept
            assert await space.usage() == await space.recount()
            await swept(store)
        async with open_store() as store:
            assert await content_of(store.namespace("a")) == before

    async def test_counting_can_be_given_up(self, open_store: OpenStore) -> None:
        """Recount and verification end at a cancel, and leave a store that counts right."""
        async with open_store() as store:
            space = store.namespace("a")
            await fill(space, {f"k{number}": b"v" for number in range(5_000)})
            for work in (space.recount, store.verify):
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await work()
                assert scope.cancelled_caught
            assert await space.usage() == await space.recount()
            assert await store.verify() > 5_000

    async def test_nothing_is_left_of_what_was_removed(self, open_store: OpenStore) -> None:
        """Purged content is off the disk a little later, also when the store was closed before."""
        async with open_store() as store:
            space = store.namespace("a")
            await fill(space, {f"k{number}": b"secret" for number in range(2_000)})
            await space.checkpoints.create("one")
            assert await store.purge("a") == 2_000
            assert store.namespaces() == ()
            assert space.checkpoints.list() == ()
            await space.set("new", b"1")
            assert await content_of(space) == {"new": b"1"}
        async with open_store() as store:
            await swept(store)
            values = [value for _, value in store.backend.scan(*EVERYTHING)]
            assert b"secret" not in values
            assert len(values) == 3
            assert await content_of(store.namespace("a")) == {"new": b"1"}

    async def test_a_key_changes_only_from_what_was_expected(self, open_store: OpenStore) -> None:
        """None stands for no value on both sides."""
        async with open_store() as store:
            space = store.namespace("a")
            assert not await space.compare_and_set("k", b"1", b"2")
            assert await space.compare_and_set("k", None, b"1")
            assert not await space.compare_and_set("k", None, b"2")
            assert await space.compare_and_set("k", b"1", b"2")
            assert await space.get("k") == b"2"
            assert await space.compare_and_set("k", b"2", None)
            assert store.namespaces() == ()

    async def test_increments_by_compare_and_set_are_not_lost(self, open_store: OpenStore) -> None:
        """Of several tasks that change one value, each succeeds once for each change."""
        async with open_store(durability="sync") as store:
            space = store.namespace("a")

            async def add(times: int) -> None:
                while times:
                    old = await space.get("count")
                    new = b"%d" % (int(old or b"0") + 1)
                    times -= await space.compare_and_set("count", old, new)

            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(add, 10)
            assert await space.get("count") == b"50"

    @pytest.mark.parametrize("count", [10, 3_000])
    async def test_a_prefix_is_removed(self, open_store: OpenStore, count: int) -> None:
        """Few keys or many: those below the prefix go, their neighbours stay."""
        async with open_store() as store:
            space = store.namespace("a", quota_bytes=10**9)
            await fill(space, {f"a/{number}": b"1" for number in range(count)})
            await space.batch(dict.fromkeys(["a", "a.", "a0", "b/1"], b"2"))
            small = store.namespace("a", quota_bytes=1)
            assert await small.delete_prefix("a/") == count
            assert await small.delete_prefix("a/") == 0
            assert set(await content_of(space)) == {"a", "a.", "a0", "b/1"}
            assert await space.usage() == await space.recount()
            with pytest.raises(InvalidKey):
                await space.delete_prefix("")

    async def test_scans_run_backwards(self, open_store: OpenStore) -> None:
        """From the highest key, page by page, without gap or repeat."""
        async with open_store(limits=StoreLimits(page_entries=7)) as store:
            space = store.namespace("a")
            keys = [f"k{number:02}" for number in range(25)]
            await space.batch(dict.fromkeys([*keys, "j", "l", "\U0010ffff"], b""))
            assert [e.key async for e in space.entries("k", reverse=True)] == keys[::-1]
            page = await space.scan("k", after="k03", limit=2, reverse=True)
            assert ([entry.key for entry in page.entries], page.next) == (["k02", "k01"], "k01")
            assert (await space.scan("k", after="j", reverse=True)).entries == ()
            assert (await space.scan(reverse=True)).entries[0].key == "\U0010ffff"

    async def test_a_checkpoint_is_put_back(self, open_store: OpenStore) -> None:
        """Content and counters are what they were; the checkpoint stays and outlives the store."""
        async with open_store(clock=lambda: 7.0) as store:
            space = store.namespace("a")
            await space.batch({"1": b"a", "2": b"b", "3": b"c"})
            made = await space.checkpoints.create("v1")
            assert (made.created_at, made.used_bytes, made.keys) == (7.0, 6 + 3 * ENTRY_BYTES, 3)
            await space.batch({"1": None, "2": b"changed", "4": b"new"})
            found = [(d.key, d.before, d.now) async for d in space.checkpoints.diff("v1")]
            assert found == [("1", b"a", None), ("2", b"b", b"changed"), ("4", None, b"new")]
        async with open_store() as store:
            space = store.namespace("a")
            assert space.checkpoints.list() == (made,)
            for _ in range(2):
                assert await space.checkpoints.restore("v1") == made
                assert await content_of(space) == {"1": b"a", "2": b"b", "3": b"c"}
                assert await space.usage() == await space.recount()
                assert [d async for d in space.checkpoints.diff("v1")] == []
                await space.clear()
            await space.checkpoints.drop("v1")
            assert space.checkpoints.list() == ()

    async def test_checkpoints_are_told_apart(self, open_store: OpenStore) -> None:
        """By label and by namespace, whatever these are; an absent one and a second are refused."""
        async with open_store() as store:
            for number, name in enumerate(HOSTILE):
                space = store.namespace(name)
                await space.set("k", b"%d" % number)
                for label in HOSTILE[:8]:
                    await space.checkpoints.create(label)
                await space.clear()
            for number, name in enumerate(HOSTILE):
                space = store.namespace(name)
                assert {each.label for each in space.checkpoints.list()} == set(HOSTILE[:8])
                with pytest.raises(CheckpointExists):
                    await space.checkpoints.create("a:")
                for attempt in (space.checkpoints.restore("b"), space.checkpoints.drop("b")):
                    with pytest.raises(CheckpointUnknown):
                        await attempt
                await space.checkpoints.drop("a")
                await space.checkpoints.restore("a:")
                assert await space.get("k") == b"%d" % number

    async def test_an_empty_namespace_has_checkpoints_too(self, open_store: OpenStore) -> None:
        """To put it back is to empty the namespace."""
        async with open_store() as store:
            space = store.namespace("a")
            await space.checkpoints.create("empty")
            await space.set("k", b"1")
            await space.checkpoints.restore("empty")
            assert await space.usage() == await space.recount() == Usage(0, 0, space.quota_bytes)
            await space.set("k", b"2")
            assert await content_of(space) == {"k": b"2"}

    async def test_a_batch_spans_namespaces_and_logs(self, open_store: OpenStore) -> None:
        """All or nothing: one part that is refused, and none of the others happens."""
        async with open_store(durability="sync") as store:
            one, other = store.namespace("a"), store.namespace("b", quota_bytes=10 + ENTRY_BYTES)
            inbox, outbox = store.log("in"), store.log("out", LogBounds(entries=1))
            consumer = await inbox.consumer("c")
            await inbox.extend([b"1", b"2"])
            (first, _) = await consumer.receive()
            batch = store.batch()
            batch.set(one, "k", b"1")
            batch.set(other, "k", b"2")
            batch.append(outbox, b"answer")
            batch.acknowledge(consumer, first.number)
            await batch.commit()
            assert (await one.get("k"), await other.get("k")) == (b"1", b"2")
            assert [entry.payload for entry in (await outbox.read()).entries] == [b"answer"]
            assert [entry.payload for entry in (await inbox.read()).entries] == [b"2"]
            for is_value in (True, False):
                batch = store.batch()
                batch.set(one, "k", b"changed")
                batch.acknowledge(consumer, 2)
                if is_value:
                    batch.set(other, "large", bytes(20))
                else:
                    batch.append(outbox, b"another")
                with pytest.raises(StorageError):
                    await batch.commit()
            assert await one.get("k") == b"1"
            assert (await inbox.status()).entries == 1
            consumer.redeliver()
            (again,) = await consumer.receive()
            assert (again.number, again.attempt) == (2, 2)

    async def test_durability_can_be_that_of_a_namespace(self, open_store: OpenStore) -> None:
        """A namespace may wait for the disk in a store that does not, and the other way round."""
        async with open_store(durability="sync") as store:
            await store.namespace("sync").set("k", b"1")
            waits = store.syncs
            for _ in range(10):
                await store.namespace("os", durability="os").set("k", b"1")
            assert store.syncs == waits
        async with open_store(durability="os") as store:
            await store.namespace("a", durability="sync").set("k", b"1")
            waits = store.syncs
            await store.namespace("a", durability="sync").set("k", b"1")
            assert store.syncs == waits + 1
