"""Tests of what the host keeps of a namespace for the versions of a component."""

from __future__ import annotations

from typing import TypeAlias

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .._layout.keys import DATA_PREFIX_BYTES, EVERYTHING
from .._snapshots import StorageSnapshots
from .._store import Store
from ..errors import CheckpointExists
from ._namespace_tests import content_of, fill, swept
from ._suite import OpenStore, Suite

NAME = "local/hello"
_KEYS, _LABELS = st.sampled_from("abc"), st.sampled_from(("l1", "l2", "l3"))
STEPS = st.one_of(
    st.tuples(st.just("set"), _KEYS, st.binary(max_size=3)),
    st.tuples(st.just("delete"), _KEYS),
    st.tuples(st.just("take"), _LABELS, _KEYS),
    st.tuples(st.just("copy"), _LABELS, _LABELS),
    st.tuples(st.just("exchange"), _LABELS, st.none() | _LABELS),
    st.tuples(st.just("drop"), _LABELS),
    st.tuples(st.just("purge")),
    st.tuples(st.just("reopen")),
)
Content: TypeAlias = dict[str, bytes]


class SnapshotTests(Suite):
    """The promises of `airswasm.runtime.Snapshots`, kept by the store."""

    def test_snapshots_are_as_a_model_says(self, open_store: OpenStore) -> None:
        """Each has what was there at its moment; nothing of one gets into another or is lost."""

        @settings(
            max_examples=self.examples,
            deadline=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture],
        )
        @given(st.lists(STEPS, max_size=20))
        def follow(script: list[tuple[object, ...]]) -> None:
            anyio.run(self._follow_script, open_store, script)

        follow()

    async def _follow_script(self, open_store: OpenStore, script: list[tuple[object, ...]]) -> None:
        live: Content = {}
        kept: dict[str, Content] = {}
        store = await open_store().__aenter__()
        try:
            await store.purge(NAME)
            await store.namespace("local/neighbour").set("a", b"mine")
            for kind, *arguments in script:
                if kind == "reopen":
                    await store.aclose()
                    store = await open_store().__aenter__()
                else:
                    live = await _take_step(store, live, kept, str(kind), arguments)
                await _check(store, live, kept)
            await swept(store)
            await _check(store, live, kept)
            entries = sum(map(len, (live, *kept.values()))) + 1
            rows = [k for k, _ in store.backend.scan(*EVERYTHING) if k[:1] == b"d"]
            assert len([k for k in rows if len(k) > DATA_PREFIX_BYTES]) == entries
        finally:
            await store.aclose()

    @pytest.mark.anyio
    async def test_what_is_written_up_to_the_moment_is_in_it(self, open_store: OpenStore) -> None:
        """And nothing that is written after it; a full quota refuses neither copy nor exchange."""
        async with open_store() as store:
            space = store.namespace(NAME)
            await fill(space, {f"k{number:04}": b"old" for number in range(3_000)})
            full = store.namespace(NAME, quota_bytes=space.read_usage().used_bytes)
            before = dict[str, bytes]()

            async def still() -> None:
                await full.batch({f"k{number:04}": b"now" for number in range(0, 1_000)})
                await full.delete("k2999")
                before.update(await content_of(full))

            snapshots = StorageSnapshots(store)
            await snapshots.take(NAME, "l1", still)
            await full.set("k0000", b"aft")
            difference = await snapshots.compare(NAME, "l1", 10)
            assert (difference.changed, difference.is_cut) == (1, False)
            size = await snapshots.size(NAME, "l1")
            assert size is not None
            assert size.items == 2_999
            await snapshots.exchange(NAME, "l1", "l2")
            assert await content_of(full) == before
            await full.set("k0000", b"one")
            assert await full.usage() == await full.recount()

    @pytest.mark.anyio
    async def test_operators_do_not_meet_them(self, open_store: OpenStore) -> None:
        """A label of an operator's may be the same, and is of another checkpoint."""
        async with open_store() as store:
            space, snapshots = store.namespace(NAME), StorageSnapshots(store)
            await space.set("a", b"1")
            await snapshots.take(NAME, "l1", anyio.lowlevel.checkpoint)
            assert space.checkpoints.list() == ()
            await space.set("a", b"2")
            await space.checkpoints.create("l1")
            with pytest.raises(CheckpointExists):
                await snapshots.take(NAME, "l1", anyio.lowlevel.checkpoint)
            await space.checkpoints.drop("l1")
            await snapshots.exchange(NAME, "l1", None)
            assert await content_of(space) == {"a": b"1"}


async def _take_step(
    store: Store, live: Content, kept: dict[str, Content], kind: str, arguments: list[object]
) -> Content:
    """Do one step, and return what the model then has as the present content."""
    space, snapshots = store.namespace(NAME), StorageSnapshots(store)
    match kind, arguments:
        case "set", [str(key), bytes(value)]:
            await space.set(key, value)
            return {**live, key: value}
        case "delete", [str(key)]:
            await space.delete(key)
            return {k: v for k, v in live.items() if k != key}
        case "take", [str(label), str(key)] if label not in kept:
            await snapshots.take(NAME, label, lambda: space.set(key, b"moment"))
            kept[label] = {**live, key: b"moment"}
            return kept[label]
        case "copy", [str(label), str(to)] if label in kept and to not in kept:
            await snapshots.copy(NAME, label, to)
            kept[to] = kept[label]
        case "exchange", [str(label), aside] if aside not in kept and aside != label:
            assert aside is None or isinstance(aside, str)
            await snapshots.exchange(NAME, label, aside)
            if label in kept:
                if aside is not None:
                    kept[aside] = live
                return kept.pop(label)
        case "drop", [str(label)]:
            await snapshots.drop(NAME, label)
            kept.pop(label, None)
        case "purge", []:
            await store.purge(NAME)
            kept.clear()
            return {}
        case _:
            pass
    return live


async def _check(store: Store, live: Content, kept: dict[str, Content]) -> None:
    space, snapshots = store.namespace(NAME), StorageSnapshots(store)
    assert await content_of(space) == live
    assert await space.usage() == await space.recount()
    assert sorted(snapshots.labels()) == sorted((NAME, label) for label in kept)
    for label, content in kept.items():
        size = await snapshots.size(NAME, label)
        assert size is not None
        assert size.items == len(content)
        found = {d.key: d.before async for d in space.kept_checkpoints.diff(label)}
        assert found == {
            key: content.get(key) for key in {*content, *live} if content.get(key) != live.get(key)
        }
