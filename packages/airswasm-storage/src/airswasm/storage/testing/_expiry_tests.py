"""Tests of values that expire: when they are seen, what is left of them, and the clock."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .._layout.keys import EVERYTHING, SPACES, encode_name, prefixes_of, range_of
from .._layout.space import ENTRY_BYTES
from .._settings import StoreLimits
from .._spaces.export import ExportedEntry, write_export
from .._spaces.inline import LONGEST_TTL
from .._spaces.namespace import Namespace, Usage
from .._store import Store
from ..errors import QuotaExceeded, StorageCorrupted
from ._suite import Clock, OpenStore, Suite, cut

TIMED_BYTES = 3 * (ENTRY_BYTES + 1)
"""Charged for an entry that expires, with a key of one byte and no value."""

KEYS = ["a", "b", "b/1", "b/2", "é", "\U0010ffff"]
steps = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(KEYS), st.none() | st.integers(1, 6)),
    st.tuples(st.just("delete"), st.sampled_from(KEYS), st.none()),
    st.tuples(st.just("expire"), st.sampled_from(KEYS), st.none() | st.integers(1, 6)),
    st.tuples(st.just("wait"), st.just(""), st.integers(1, 4)),
    st.tuples(st.just("sweep"), st.just(""), st.none()),
    st.tuples(st.just("prefix"), st.just("b"), st.none()),
    st.tuples(st.just("copy"), st.just(""), st.none()),
    st.tuples(st.just("checkpoint"), st.just(""), st.none()),
    st.tuples(st.just("exchange"), st.just(""), st.none()),
    st.tuples(st.just("load"), st.just(""), st.none()),
    st.tuples(st.just("reopen"), st.just(""), st.none()),
)
Script = list[tuple[str, str, int | None]]


class Model:
    """The visible content by a dictionary: values and the times at which they expire."""

    def __init__(self) -> None:
        self.content: dict[str, tuple[bytes, float | None]] = {}

    def seen(self, now: float) -> dict[str, bytes]:
        """Return what a reader sees."""
        return {key: v for key, (v, at) in self.content.items() if at is None or at > now}


async def check(space: Namespace, expected: dict[str, bytes]) -> None:
    """Compare everything that a reader can ask for."""
    ordered = sorted(expected, key=str.encode)
    assert [(e.key, e.value) async for e in space.entries()] == [(k, expected[k]) for k in ordered]
    assert [e.key async for e in space.entries("b", reverse=True)] == [
        key for key in ordered[::-1] if key.startswith("b")
    ]
    for key in KEYS:
        assert await space.get(key) == expected.get(key)
        assert await space.exists(key) is (key in expected)
        assert key in expected or await space.ttl(key) is None
    usage = await space.usage()
    assert usage == await space.recount() == space.read_usage()
    assert usage.keys == len(expected)
    exported = b"".join([chunk async for chunk in space.export()])
    assert exported.count(b'"value"') == len(expected)


class ExpiryTests(Suite):
    """The promises about `ttl`."""

    pytestmark = pytest.mark.anyio

    async def test_an_expired_value_is_never_seen(self, open_store: OpenStore) -> None:
        """From its moment on, by no reader, whether it was swept or not; its neighbours stay."""
        clock = Clock()
        async with open_store(clock=clock, limits=StoreLimits(page_entries=2)) as store:
            space = store.namespace("a")
            await space.batch({key: key.encode() for key in KEYS}, ttls={"b": 10, "b/2": 20})
            await space.checkpoints.create("all")
            assert await space.ttl("b") == 10
            assert await space.ttl("a") is None
            everything = {key: key.encode() for key in KEYS}
            clock.now += 9.5
            await check(space, everything)
            clock.now += 0.5
            del everything["b"]
            await check(space, everything)
            clock.now += 10
            del everything["b/2"]
            await check(space, everything)
            assert (await space.scan("b", after="b")).entries[0].key == "b/1"
            assert not await space.delete("b")
            assert await space.batch({"b": None, "b/2": None, "a": None}) == 1
            del everything["a"]
            await check(space, everything)
            await space.checkpoints.restore("all")
            await check(space, everything | {"a": b"a"})

    async def test_a_difference_shows_nothing_expired(self, open_store: OpenStore) -> None:
        """On neither side."""
        clock = Clock()
        async with open_store(clock=clock) as store:
            space = store.namespace("a")
            await space.batch({"k": b"1", "l": b"1"}, ttls={"k": 10})
            await space.checkpoints.create("one")
            await space.set("m", b"1", ttl=10)
            async with aclosing(space.checkpoints.diff("one")) as found:
                assert [each.key async for each in found] == ["m"]
            clock.now += 10
            assert [each async for each in space.checkpoints.diff("one")] == []

    async def test_what_expired_is_swept_and_counted(self, open_store: OpenStore) -> None:
        """In bounded steps, beside others; nothing of it is left, and the count says how many."""
        clock = Clock()
        async with open_store(clock=clock) as store:
            space = store.namespace("a")
            for start in range(0, 2_000, 500):
                keys = [f"k{number}" for number in range(start, start + 500)]
                await space.batch(dict.fromkeys(keys, b"v"), ttls=dict.fromkeys(keys, 10))
            await space.set("stays", b"v")
            assert store.expired_entries == 0
            clock.now += 10
            assert await space.usage() == Usage(6 + ENTRY_BYTES, 1, space.quota_bytes)
            swept = await store.sweep_expired()
            assert (swept, store.expired_entries) == (swept, 2_000)
            assert await rows_of(store, "a") == 1
            assert await space.usage() == await space.recount()

    async def test_it_is_swept_in_the_background(self, open_store: OpenStore) -> None:
        """Also what expired while the store was closed, without a call."""
        clock = Clock()
        async with open_store(clock=clock) as store:
            space = store.namespace("a")
            await space.batch({"1": b"", "2": b""}, ttls={"1": 10, "2": 20})
            clock.now += 10
            with anyio.fail_after(30):
                while store.expired_entries < 1:  # noqa: ASYNC110 - nothing announces it
                    await anyio.sleep(0.01)
        clock.now += 10
        async with open_store(clock=clock) as store:
            assert not await store.namespace("a").exists("2")
            with anyio.fail_after(30):
                while await rows_of(store, "a"):  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            assert store.expired_entries == 1
            assert store.namespaces() == ()

    async def test_expiry_outlives_the_store(self, open_store: OpenStore) -> None:
        """A restart neither shortens nor lengthens a life, and does not revive what expired."""
        clock = Clock()
        async with open_store(clock=clock) as store:
            await store.namespace("a").batch({"1": b"x", "2": b"x"}, ttls={"1": 10, "2": 100})
        clock.now += 10
        async with open_store(clock=clock) as store:
            space = store.namespace("a")
            assert await space.get("1") is None
            assert await space.ttl("2") == 90
            await store.sweep_expired()
        clock.now -= 5
        async with open_store(clock=clock) as store:
            assert [e.key async for e in store.namespace("a").entries()] == ["2"]

    @pytest.mark.parametrize("is_reopened", [False, True])
    async def test_a_clock_that_is_set_loses_nothing(
        self, open_store: OpenStore, is_reopened: bool
    ) -> None:
        """Set back, and forward again: each value has its time, neither less nor much more."""
        clock = Clock()
        store = await open_store(clock=clock, timer=clock.timer).__aenter__()
        space = store.namespace("a")
        await space.set("old", b"1", ttl=10)
        clock.set_by(-86_400)
        if is_reopened:
            await store.aclose()
            store = await open_store(clock=clock, timer=clock.timer).__aenter__()
            space = store.namespace("a")
        await space.set("new", b"1", ttl=10)
        assert (await space.ttl("old"), await space.ttl("new")) == (10, 10)
        clock.now += 5
        assert (await space.ttl("old"), await space.ttl("new")) == (5, 5)
        clock.set_by(86_400)
        clock.now += 4
        assert await space.batch({}, expected={"old": b"1", "new": b"1"}) == 0
        clock.now += 1
        assert [e async for e in space.entries()] == []
        await store.aclose()

    async def test_a_new_value_has_a_new_life(self, open_store: OpenStore) -> None:
        """Set without a time it lasts; `expire` changes the time and keeps the value."""
        clock = Clock()
        async with open_store(clock=clock) as store:
            space = store.namespace("a")
            await space.set("k", b"1", ttl=10)
            await space.set("k", b"2")
            assert await space.usage() == Usage(2 + ENTRY_BYTES, 1, space.quota_bytes)
            assert await space.expire("k", 5)
            assert await space.usage() == Usage(1 + TIMED_BYTES, 1, space.quota_bytes)
            clock.now += 4
            assert (await space.get("k"), await space.ttl("k")) == (b"2", 1)
            assert await space.expire("k", None)
            clock.now += 100
            assert (await space.get("k"), await space.ttl("k")) == (b"2", None)
            await space.set("k", b"3", ttl=1)
            clock.now += 1
            assert not await space.expire("k", 10)
            assert not await space.exists("k")
            assert await space.usage() == Usage(0, 0, space.quota_bytes)

    async def test_what_expired_makes_room(self, open_store: OpenStore) -> None:
        """A cache at its quota takes new values once old ones expired."""
        clock = Clock()
        async with open_store(clock=clock) as store:
            space = store.namespace("a", quota_bytes=2 * TIMED_BYTES, quota_keys=2)
            await space.batch({"1": b"", "2": b""}, ttls={"1": 10, "2": 20})
            with pytest.raises(QuotaExceeded):
                await space.set("3", b"", ttl=10)
            clock.now += 10
            await space.set("3", b"", ttl=10)
            with pytest.raises(QuotaExceeded):
                await space.set("4", b"", ttl=10)

    async def test_all_that_expired_makes_room_at_once(self, open_store: OpenStore) -> None:
        """A write fits wherever the usage says that it does."""
        clock, keys = Clock(), [f"{number:04}" for number in range(1_000)]
        async with open_store(clock=clock) as store:
            space = store.namespace("a", quota_bytes=400_000, quota_keys=1_000)
            await space.batch(dict.fromkeys(keys, bytes(100)), ttls=dict.fromkeys(keys, 10))
            clock.now += 10
            assert space.read_usage().keys == 0
            await space.batch(dict.fromkeys(keys[::-1], bytes(300)))
            assert await space.usage() == await space.recount()

    async def test_verifying_counts_what_waits_to_be_swept(self, open_store: OpenStore) -> None:
        """An expired entry is no damage, however much of it there is; a wrong counter is."""
        clock, keys = Clock(), [f"{number:04}" for number in range(5_000)]
        async with open_store(clock=clock) as store:
            space = store.namespace("a", has_batch_bounds=False)
            await space.batch(dict.fromkeys(keys, b"v"), ttls=dict.fromkeys(keys, 10))
            clock.now += 10
            await space.verify()
            assert (await space.usage()).keys == 0
            await store.sweep_expired()
            await space.set("k", b"v")
            await space.verify()
            store.space(space.record_key).keys += 1
            with pytest.raises(StorageCorrupted, match="a has 1 keys of 66 bytes"):
                await space.verify()

    async def test_an_import_takes_any_expiry(self, open_store: OpenStore) -> None:
        """A small one and a large one, merged or replacing: the times of the file hold."""
        clock = Clock()
        at = clock.now + 2 * LONGEST_TTL
        async with open_store(clock=clock, limits=StoreLimits(batch_entries=8)) as store:
            for count in (1, 9, 1_025):
                written = [ExportedEntry(f"k{each}", b"v", at) for each in range(count)]
                content = b"".join(write_export("a", clock.now, written))
                for replace in (False, True):
                    space = store.namespace("a")
                    assert await space.load(cut(content, 4_096), replace=replace) == count
                    assert await space.ttl("k0") == 2 * LONGEST_TTL
                    assert await space.clear() == count

    async def test_an_export_carries_expiry(self, open_store: OpenStore) -> None:
        """As a time of the clock; what expired on the way is not taken in."""
        clock = Clock()
        async with open_store(clock=clock) as store:
            source = store.namespace("a")
            await source.batch({"1": b"", "2": b"", "3": b""}, ttls={"1": 10, "2": 20})
            content = b"".join([chunk async for chunk in source.export()])
            assert b'"expires":1000010.0' in content
            clock.now += 10
            for replace in (False, True):
                target = store.namespace(f"b{replace}")
                await target.load(cut(content, 10), any_name=True, replace=replace)
                assert [e.key async for e in target.entries()] == ["2", "3"]
                assert await target.ttl("2") == 10
                assert await target.usage() == await target.recount()

    async def test_nothing_of_a_removed_expiry_is_left(self, open_store: OpenStore) -> None:
        """Purge, copy and restore take the rows of an expiry with them."""
        async with open_store(clock=Clock()) as store:
            space = store.namespace("a")
            keys = [f"k{number}" for number in range(600)]
            await space.batch(dict.fromkeys(keys, b""), ttls=dict.fromkeys(keys, 10))
            await space.checkpoints.create("one")
            await space.checkpoints.restore("one")
            await store.namespace("b").copy_from(space)
            await store.purge("a")
            await store.purge("b")
            with anyio.fail_after(30):
                while len(list(store.backend.scan(*EVERYTHING))) > 2:
                    await anyio.lowlevel.checkpoint()

    def test_it_does_what_a_dictionary_with_times_does(self, open_store: OpenStore) -> None:
        """Over any sequence of steps, sweeps and restarts between them or not."""

        @settings(
            max_examples=self.examples,
            deadline=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture],
        )
        @given(st.lists(steps, max_size=15))
        def follow(script: Script) -> None:
            anyio.run(self._follow, open_store, script)

        follow()

    async def _follow(self, open_store: OpenStore, script: Script) -> None:
        clock, model = Clock(), Model()
        store = await open_store(clock=clock).__aenter__()
        try:
            await store.purge("a")
            for kind, key, number in script:
                space = store.namespace("a")
                if kind == "reopen":
                    await store.aclose()
                    store = await open_store(clock=clock).__aenter__()
                else:
                    await take_step(store, clock, kind, key, number)
                predict(model, clock.now, kind, key, number)
                space = store.namespace("a")
                await check(space, model.seen(clock.now))
        finally:
            await store.aclose()


async def take_step(store: Store, clock: Clock, kind: str, key: str, number: int | None) -> None:
    """Do one step of a script."""
    space = store.namespace("a")
    match kind:
        case "set":
            await space.set(key, key.encode(), ttl=number)
        case "delete":
            await space.delete(key)
        case "expire":
            await space.expire(key, number)
        case "wait":
            clock.now += number or 0
        case "sweep":
            await store.sweep_expired()
        case "prefix":
            await space.delete_prefix(key)
        case "copy":
            await space.copy_from(space)
        case "checkpoint":
            await space.checkpoints.create("c")
            await space.checkpoints.restore("c")
            await space.checkpoints.drop("c")
        case "exchange":
            await space.kept_checkpoints.create("c", moment=anyio.lowlevel.checkpoint)
            await space.kept_checkpoints.exchange("c", None)
        case "load":
            await space.load(space.export(), replace=True)
        case _:
            raise AssertionError(kind)


def predict(model: Model, now: float, kind: str, key: str, number: int | None) -> None:
    """Do the same to the model."""
    at = None if number is None else now + number
    model.content = {k: model.content[k] for k in model.seen(now)}
    match kind:
        case "set":
            model.content[key] = (key.encode(), at)
        case "delete":
            model.content.pop(key, None)
        case "expire" if key in model.content:
            model.content[key] = (model.content[key][0], at)
        case "prefix":
            model.content = {k: v for k, v in model.content.items() if not k.startswith(key)}
        case _:
            pass


async def rows_of(store: Store, name: str) -> int:
    """Return how many rows the engine has for the content of a namespace."""
    generation = store.space(SPACES + encode_name(name)).generation
    found = [range_of(prefix) for prefix in prefixes_of(generation)]
    await anyio.lowlevel.checkpoint()
    return sum(1 for bounds in found for _ in store.backend.scan(*bounds))
