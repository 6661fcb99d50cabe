"""A namespace against a dictionary, over any sequence of steps."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from airswasm.storage import ENTRY_BYTES, QuotaExceeded, Store, StoreLimits, open_store
from airswasm.storage.testing import MemoryDisk, MemoryStore
from hypothesis import given, settings
from hypothesis import strategies as st

QUOTA = 60 + 3 * ENTRY_BYTES
names = st.sampled_from(["a", "a:", "b"])
keys = st.sampled_from(["k", "kk", "k/", "k/1", "k/2", "é", "\U0010ffff", "z"])
values = st.binary(max_size=20)
steps = st.one_of(
    st.tuples(st.just("set"), names, keys, values),
    st.tuples(st.just("delete"), names, keys, st.none()),
    st.tuples(st.just("clear"), names, st.none(), st.none()),
    st.tuples(st.just("reopen"), names, st.none(), st.none()),
)
Model = dict[str, dict[str, bytes]]


def size_of(content: dict[str, bytes]) -> int:
    return sum(len(key.encode()) + len(value) + ENTRY_BYTES for key, value in content.items())


def predict(model: Model, name: str, step: str, key: str, value: bytes) -> bool:
    """Apply a step to the model; whether it is allowed."""
    content = dict(model.get(name, {}))
    if step == "set":
        content[key] = value
    elif step == "delete":
        content.pop(key, None)
    elif step == "clear":
        content.clear()
    if size_of(content) > QUOTA and size_of(content) > size_of(model.get(name, {})):
        return False
    model[name] = content
    return True


async def follow(
    open_store: Callable[[], Store], script: list[tuple[str, str, str, bytes]]
) -> None:
    model: Model = {}
    store = await open_store().__aenter__()
    try:
        for step, name, key, value in script:
            if step == "reopen":
                await store.aclose()
                store = await open_store().__aenter__()
                continue
            space = store.namespace(name, quota_bytes=QUOTA)
            allowed = predict(model, name, step, key, value)
            try:
                match step:
                    case "set":
                        await space.set(key, value)
                    case "delete":
                        await space.delete(key)
                    case _:
                        await space.clear()
            except QuotaExceeded:
                assert not allowed
            else:
                assert allowed
        await compare(store, model)
    finally:
        await store.aclose()


async def compare(store: Store, model: Model) -> None:
    assert set(store.namespaces()) == {name for name, content in model.items() if content}
    for name, content in model.items():
        space = store.namespace(name, quota_bytes=QUOTA)
        found = [(entry.key, entry.value) async for entry in space.entries()]
        assert found == sorted(content.items(), key=lambda item: item[0].encode())
        for prefix in ("k", "k/", "é", "none"):
            expected = {key for key in content if key.startswith(prefix)}
            assert {entry.key async for entry in space.entries(prefix)} == expected
        assert await space.usage() == await space.recount()
        assert (await space.usage()).used_bytes == size_of(content)


LIMITS = StoreLimits(page_entries=2)


@pytest.mark.parametrize(("kind", "examples"), [("memory", 100), ("sqlite", 15), ("rocksdb", 15)])
def test_it_does_what_a_dictionary_does(kind: str, examples: int) -> None:
    """Sets, deletes, clears and restarts: content, order, prefixes, counters and quota agree."""

    @settings(max_examples=examples, deadline=None)
    @given(st.lists(steps, max_size=25))
    def check(script: list[tuple[str, str, str, bytes]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path, disk = Path(folder) / "store", MemoryDisk()
            backends: dict[str, Callable[[], Store]] = {
                "memory": lambda: MemoryStore(disk, limits=LIMITS),
                "sqlite": lambda: open_store(path, "sqlite", durability="os", limits=LIMITS),
                "rocksdb": lambda: open_store(path, durability="os", limits=LIMITS),
            }
            anyio.run(follow, backends[kind], script)

    check()


@pytest.mark.anyio
@pytest.mark.parametrize("begun", ["before", "after"])
async def test_a_shielded_write_in_a_cancelled_store_ends(begun: str) -> None:
    """A program that is cancelled may still write on its way out: nothing must wait for ever."""
    disk = MemoryDisk()
    with anyio.CancelScope() as scope:
        async with MemoryStore(disk, durability="sync") as store:
            namespace = store.namespace("a/b", quota_bytes=1_000)
            if begun == "after":
                scope.cancel()
                with suppress(anyio.get_cancelled_exc_class()):
                    await anyio.lowlevel.checkpoint()
            with anyio.CancelScope(shield=True), anyio.fail_after(20):
                scope.cancel()
                await namespace.set("k", b"1")
                await namespace.set("k", b"2")
    async with MemoryStore(disk) as store:
        assert await store.namespace("a/b", quota_bytes=1_000).get("k") == b"2"


@pytest.mark.anyio
async def test_a_purge_waits_once_for_all_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six hundred of them go in a few batches, and none is left."""
    async with MemoryStore(MemoryDisk()) as store:
        space = store.namespace("a")
        await space.set("k", b"v")
        for number in range(600):
            await space.checkpoints.create(f"c{number}")
        written = list[int]()
        apply = store.apply

        def note(changes: list[tuple[bytes, bytes | None]]) -> object:
            written.append(len(changes))
            return apply(changes)

        monkeypatch.setattr(store, "apply", note)
        assert await store.purge("a") == 1
        assert len([each for each in written if each > 2]) <= 4
        assert max(written) <= 2 * 256
        assert space.checkpoints.list() == ()
        assert store.namespaces() == ()
        await store.verify()
