"""Tests of batches to one namespace: bounds, preconditions, expiry, all or nothing."""

from __future__ import annotations

import pytest

from .._settings import Durability, StoreLimits
from ..errors import (
    BatchTooLarge,
    InvalidLifetime,
    PreconditionFailed,
    QuotaExceeded,
    StorageError,
)
from ._suite import Clock, OpenStore, Suite

LIMITS = StoreLimits(batch_entries=5, batch_bytes=100)


class BatchTests(Suite):
    """The promises of `Namespace.batch`."""

    pytestmark = pytest.mark.anyio

    async def test_a_batch_is_bounded(self, open_store: OpenStore) -> None:
        """In entries and in bytes; the bounds themselves are allowed, and the refusal is whole."""
        async with open_store(limits=LIMITS) as store:
            space = store.namespace("a")
            await space.batch({str(number): b"" for number in range(5)})
            await space.batch({"x": bytes(99)})
            for values in ({str(number): b"" for number in range(6)}, {"x": bytes(100)}):
                with pytest.raises(BatchTooLarge) as caught:
                    await space.batch(values)
                assert (caught.value.most_entries, caught.value.most_bytes) == (5, 100)
            batch = store.batch()
            for number in range(6):
                batch.set(space, f"y{number}", b"")
            with pytest.raises(BatchTooLarge):
                await batch.commit()
            assert (await space.usage()).keys == 6
            hosts = store.namespace("hosts", has_batch_bounds=False)
            await hosts.batch({str(number): bytes(100) for number in range(6)})
            assert (await hosts.usage()).keys == 6

    async def test_a_batch_has_preconditions(self, open_store: OpenStore) -> None:
        """On keys that it changes and on others; one that fails, and nothing changes."""
        async with open_store() as store:
            space = store.namespace("a")
            await space.batch({"version": b"1", "old": b""})
            assert await space.batch(
                {"version": b"2", "old": None, "new": b"x"}, expected={"version": b"1", "new": None}
            ) == 1  # fmt: skip
            for expected in ({"version": b"1"}, {"version": None}, {"old": b""}, {"new": b"y"}):
                with pytest.raises(PreconditionFailed) as caught:
                    await space.batch({"version": b"3"}, expected=expected)
                assert caught.value.key in expected
            assert await space.batch({}, expected={"version": b"2"}) == 0
            assert await space.get("version") == b"2"

    async def test_a_batch_over_namespaces_has_preconditions(self, open_store: OpenStore) -> None:
        """One part that finds another value, and no part happens."""
        async with open_store() as store:
            one, other = store.namespace("a"), store.namespace("b")
            await one.set("k", b"1")
            for expected in (b"0", None):
                batch = store.batch()
                batch.set(other, "copy", b"1")
                batch.expect(one, "k", expected)
                with pytest.raises(PreconditionFailed):
                    await batch.commit()
            assert not await other.exists("copy")
            batch = store.batch()
            batch.set(other, "copy", b"1", ttl=60)
            batch.expect(one, "k", b"1")
            await batch.commit()
            assert await other.ttl("copy") == pytest.approx(60, abs=30)

    async def test_values_preconditions_and_expiry_are_one(self, open_store: OpenStore) -> None:
        """Whatever of them is refused, neither value nor expiry changed."""
        clock = Clock()
        async with open_store(clock=clock) as store:
            space = store.namespace("a", quota_bytes=1_000)
            await space.batch({"k": b"1", "l": b"1"}, ttls={"l": 10})
            before = await space.usage()
            refused: list[tuple[type[StorageError], dict[str, object]]] = [
                (PreconditionFailed, {"expected": {"k": b"2"}}),
                (QuotaExceeded, {}),
                (InvalidLifetime, {"ttls": {"k": 0}}),
                (InvalidLifetime, {"ttls": {"k": float("nan")}}),
                (InvalidLifetime, {"ttls": {"k": 1e10}}),
                (InvalidLifetime, {"ttls": {"gone": 5}}),
                (InvalidLifetime, {"ttls": {"not set": 5}}),
            ]
            for error, options in refused:
                size = 2_000 if error is QuotaExceeded else 1
                with pytest.raises(error):
                    await space.batch(
                        {"k": bytes(size), "l": b"2", "gone": None},
                        **{"ttls": {"k": 5}, **options},  # type: ignore[arg-type]
                    )
                assert (await space.get("k"), await space.get("l")) == (b"1", b"1")
                assert (await space.ttl("k"), await space.ttl("l")) == (None, 10)
                assert await space.usage() == before == await space.recount()

    @pytest.mark.parametrize(
        ("rule", "own", "has_log", "waits"),
        [
            ("os", None, True, False),
            ("os", "os", False, False),
            ("os", "sync", False, True),
            ("sync", None, False, True),
            ("sync", "os", False, False),
            ("sync", "os", True, True),
        ],
    )
    async def test_a_batch_has_the_strictest_durability_of_its_parts(
        self,
        open_store: OpenStore,
        rule: Durability,
        own: Durability | None,
        has_log: bool,
        waits: bool,
    ) -> None:
        """It waits for the disk if one of its namespaces does, or a log and the store."""
        async with open_store(durability=rule) as store:
            batch, done = store.batch(), list[object]()
            batch.set(store.namespace("a", durability="os"), "k", b"v")
            batch.set(store.namespace("b", durability=own), "k", b"v")
            if has_log:
                batch.append(store.log("a"), b"v")
            batch.write(done.append)
            assert done == ([] if waits else [None])

    async def test_an_expired_value_is_no_value_to_a_precondition(
        self, open_store: OpenStore
    ) -> None:
        """A lease that ran out can be taken, once."""
        clock = Clock()
        async with open_store(clock=clock) as store:
            space = store.namespace("a")
            assert await space.compare_and_set("lease", None, b"one", ttl=10)
            assert not await space.compare_and_set("lease", None, b"two", ttl=10)
            clock.now += 10
            assert not await space.compare_and_set("lease", b"one", b"one", ttl=10)
            assert await space.compare_and_set("lease", None, b"two", ttl=10)
            assert not await space.compare_and_set("lease", None, b"one", ttl=10)
            assert await space.usage() == await space.recount()
