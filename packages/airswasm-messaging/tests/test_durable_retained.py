"""Retained values that outlive the host: written, restored, taken back, and forgotten."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from airswasm.actor import ActorSystem, Envelope
from airswasm.actor.testing import Probe
from airswasm.messaging import (
    DurableRetained,
    DurableSettings,
    MessageNotWritten,
    MessagingCounters,
    MessagingLimits,
    Messenger,
    PayloadTooLarge,
    RetainedFull,
    RetainedTopics,
    RetainedValue,
    RetainedValues,
    messaging_interface,
)
from airswasm.messaging._forgetting import forget
from airswasm.runtime import Caller, Ok, Pending, Services
from airswasm.storage import StorageUnavailable, Store, open_store
from hypothesis import given, settings
from hypothesis import strategies as st

from .test_guests import case_of, outcome_of

pytestmark = pytest.mark.anyio
KEPT = DurableSettings(topics=("orders.**",), retained=("**.state",))
TOPICS = ("orders.1", "a.state", "a.other")


class Host:
    def __init__(self, store: Store, actors: ActorSystem, retained: DurableRetained) -> None:
        self.store, self.actors, self.retained = store, actors, retained

    def values(self) -> dict[str, bytes]:
        return {each.topic: each.payload for each in self.retained.matching("**")}

    async def retain(self, topic: str, payload: bytes, sender: str = "a/b") -> object:
        call = messaging_interface(self.actors.broker, retained=self.retained).functions
        outcome = call["publish-retained"](Caller(sender), topic, payload)
        return await outcome_of(outcome) if isinstance(outcome, Pending) else outcome


@asynccontextmanager
async def hosting(
    folder: Path,
    *,
    terms: DurableSettings = KEPT,
    limits: MessagingLimits | None = None,
    counters: MessagingCounters | None = None,
) -> AsyncGenerator[Host]:
    async with open_store(folder / "store") as store, ActorSystem() as actors:
        values = RetainedValues(limits, counters)
        retained = DurableRetained(store, values, terms, actors.events)
        retained.open()
        yield Host(store, actors, retained)


def refuse(_changes: object = None) -> None:
    raise StorageUnavailable(Path("disk"), "no space left")


async def test_values_outlive_the_host_where_settings_say_so(tmp_path: Path) -> None:
    """Of durable topics and of those of the setting, with publisher, chain and mark."""
    async with hosting(tmp_path) as host:
        for topic in TOPICS:
            assert await host.retain(topic, topic.encode()) == Ok(0)
        assert await host.retain("orders.2", b"gone") == Ok(0)
        assert await host.retain("orders.2", b"") == Ok(0)
    counters = MessagingCounters()
    async with hosting(tmp_path, counters=counters) as host:
        assert host.values() == {each: each.encode() for each in TOPICS[:2]}
        assert (counters.retained_restored, counters.retained_values) == (2, 2)
        probe = Probe()
        host.actors.spawn(probe, name="a/late")
        call = messaging_interface(host.actors.broker, retained=host.retained).functions
        assert call["subscribe"](Caller("a/late"), "orders.*") == Ok(None)
        assert await probe.wait_for(1) == [b"orders.1"]
        (message,) = probe.messages
        assert (message.sender, message.topic) == ("a/b", "orders.1")
        assert message.envelope is not None
        assert message.envelope.is_retained


async def test_the_publisher_is_answered_when_the_disk_has_the_value(tmp_path: Path) -> None:
    """One that the disk refuses is not retained, now or after a restart."""
    async with hosting(tmp_path) as host:
        assert await host.retain("a.state", b"old") == Ok(0)
        backend = host.store.backend
        sync, apply = backend.sync, backend.apply
        backend.sync = refuse  # type: ignore[method-assign]
        assert case_of(await host.retain("a.state", b"new")) == "rate-limited"
        assert host.values() == {"a.state": b"old"}
        backend.apply = refuse  # type: ignore[method-assign]
        assert case_of(await host.retain("a.state", b"newer")) == "rate-limited"
        messenger = Messenger(host.actors.broker, codec="none", retained=host.retained)
        for publish in (messenger.publish_and_wait, messenger.publish):
            with pytest.raises(MessageNotWritten):
                await publish("a.state", b"newest", retain=True)  # type: ignore[misc]
        assert host.values() == {"a.state": b"old"}
        backend.sync, backend.apply = sync, apply  # type: ignore[method-assign]
        with anyio.fail_after(30):
            while host.store.failure is not None:
                await anyio.sleep(0.11)
                host.store.ask_for_recovery()
        assert await host.retain("b.state", b"more") == Ok(0)  # writes the other one down, too
    async with hosting(tmp_path) as host:
        assert host.values() == {"a.state": b"old", "b.state": b"more"}


async def test_a_value_larger_than_the_store_takes(tmp_path: Path) -> None:
    """Its publisher is told how large it may be; the last one stays."""
    async with hosting(tmp_path) as host:
        await host.retain("a.state", b"old")
        size = host.store.limits.value_bytes
        value = RetainedValue("a.state", bytes(size), "a/b", Envelope("id"))
        with pytest.raises(PayloadTooLarge) as refused:
            host.retained.retain(value)
        assert host.values() == {"a.state": b"old"}
        most = bytes(refused.value.limit_bytes)
        written = anyio.Event()
        host.retained.retain(
            RetainedValue("a.state", most, "a/b", Envelope("id")), lambda _error: written.set()
        )
        await written.wait()
    async with hosting(tmp_path) as host:
        assert host.values() == {"a.state": most}


async def test_what_the_settings_keep_no_longer_is_removed(tmp_path: Path) -> None:
    """Topics that no pattern names, and values beyond the bounds: for good."""
    async with hosting(tmp_path) as host:
        for topic in ("orders.1", "orders.2", "a.state"):
            await host.retain(topic, b"x")
    terms = DurableSettings(topics=("orders.**",))
    async with hosting(tmp_path, terms=terms, limits=MessagingLimits(retained_values=1)) as host:
        (left,) = host.values()
        assert left.startswith("orders.")
        await host.store.namespace("x").set("k", b"")
    async with hosting(tmp_path) as host:
        assert list(host.values()) == [left]


async def test_a_purge_removes_the_values_of_a_publisher(tmp_path: Path) -> None:
    """From memory and disk, and no others; a disk that refuses is asked again."""
    async with hosting(tmp_path) as host:
        await host.retain("orders.1", b"mine", "a/mine")
        await host.retain("orders.2", b"yours", "a/yours")
        services = Services()
        services.add(RetainedTopics, host.retained)  # type: ignore[type-abstract]
        backend = host.store.backend
        apply = backend.apply
        backend.apply = refuse  # type: ignore[method-assign]
        with pytest.raises(StorageUnavailable):
            await forget(services, "a/mine")
        backend.apply = apply  # type: ignore[method-assign]
        with anyio.fail_after(30):
            while host.store.failure is not None:
                await anyio.sleep(0.11)
                host.store.ask_for_recovery()
        await forget(services, "a/mine")
        assert host.values() == {"orders.2": b"yours"}
    async with hosting(tmp_path) as host:
        assert host.values() == {"orders.2": b"yours"}


async def test_a_damaged_value_keeps_no_host_from_starting(tmp_path: Path) -> None:
    async with hosting(tmp_path) as host:
        await host.retain("orders.1", b"x")
        for number, value in enumerate((b"", b"\xff", b"\x81\x01", b"\x9b" + b"\xff" * 8)):
            await host.store.namespace("airswasm-retained").set(str(number), value)
    async with hosting(tmp_path) as host:
        assert host.values() == {"orders.1": b"x"}


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(TOPICS), st.binary(max_size=3), st.sampled_from(("a/a", "a/b"))),
        st.sampled_from(("restart", "a/a", "a/b")),
    ),
    max_size=20,
)


@given(steps=_STEPS)
@settings(max_examples=30, deadline=None)
def test_a_restart_brings_back_exactly_what_is_kept(
    steps: list[tuple[str, bytes, str] | str],
) -> None:
    """Whatever was published, removed and purged before it."""

    async def run(folder: Path) -> None:
        rest, model = [*steps, "restart"], dict[str, tuple[bytes, str]]()
        while rest:
            async with hosting(folder, limits=MessagingLimits(retained_values_each=2)) as host:
                assert host.values() == {topic: payload for topic, (payload, _) in model.items()}
                while rest and (step := rest.pop(0)) != "restart":
                    if isinstance(step, str):
                        await host.retained.forget(step)
                        model = {t: known for t, known in model.items() if known[1] != step}
                        continue
                    topic, payload, sender = step
                    if await host.retain(topic, payload, sender) == Ok(0):
                        model.pop(topic, None)
                        if payload:
                            model[topic] = payload, sender
                assert host.values() == {topic: payload for topic, (payload, _) in model.items()}
                model = {topic: known for topic, known in model.items() if topic != "a.other"}

    with TemporaryDirectory() as folder:
        anyio.run(run, Path(folder))


async def test_the_bounds_hold_for_what_is_stored(tmp_path: Path) -> None:
    async with hosting(tmp_path, limits=MessagingLimits(retained_values_each=1)) as host:
        await host.retain("orders.1", b"x")
        with pytest.raises(RetainedFull):
            host.retained.retain(RetainedValue("orders.2", b"x", "a/b", Envelope("id")))
        assert case_of(await host.retain("orders.2", b"x")) == "rate-limited"


@pytest.mark.parametrize("end", ["removed", "purged", "replaced", "kept"])
async def test_what_settings_keep_follows_a_reload(tmp_path: Path, end: str) -> None:
    """A topic that is kept again has the value of today, and none that ended meanwhile."""
    topics = DurableSettings(topics=("orders.**",))
    async with hosting(tmp_path) as host:
        for topic in ("a.state", "orders.1"):
            await host.retain(topic, b"old", "a/mine")
        host.retained.hold_to(settings=topics, limits=MessagingLimits(retained_values=9))
        if end == "purged":
            await host.retained.forget("a/mine")
        elif end != "kept":
            await host.retain("a.state", b"" if end == "removed" else b"new", "a/mine")
        before = host.values()
        host.retained.hold_to(settings=KEPT)
        host.retained.hold_to(limits=MessagingLimits(retained_values=8))  # settings stay
        await host.store.namespace("x").set("k", b"")  # the disk has all before that
        assert host.values() == before
    async with hosting(tmp_path) as host:
        assert host.values() == before


async def test_the_store_holds_nothing_of_what_is_kept_no_longer(tmp_path: Path) -> None:
    """A purge finds everything there is, also after settings have changed."""
    async with hosting(tmp_path) as host:
        space = host.store.namespace("airswasm-retained")
        await host.retain("a.state", b"secret")
        assert len(list(space.read_page("").entries)) == 1
        host.retained.hold_to(settings=DurableSettings())
        assert host.values() == {"a.state": b"secret"}
        assert list(space.read_page("").entries) == []


async def test_a_value_that_nothing_waits_for_and_the_disk_refuses(tmp_path: Path) -> None:
    """The host notes it, and the topic has the value that it had before."""
    async with hosting(tmp_path) as host:
        await host.retain("a.state", b"old")
        host.store.backend.sync = refuse  # type: ignore[method-assign]
        take_back = host.retained.retain(RetainedValue("a.state", b"new", "a/b", Envelope("id")))
        with anyio.fail_after(30):
            while host.values() != {"a.state": b"old"}:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        take_back()  # twice is as once
        assert host.values() == {"a.state": b"old"}
        assert host.actors.events.listener_errors > 0


async def test_a_purge_whose_write_fails_says_so(tmp_path: Path) -> None:
    """Also where the disk fails later than the write: it is called again."""
    async with hosting(tmp_path) as host:
        await host.retain("a.state", b"x")
        host.store.backend.sync = refuse  # type: ignore[method-assign]
        with pytest.raises(StorageUnavailable):
            await host.retained.forget("a/b")


async def test_many_stored_values_come_back(tmp_path: Path) -> None:
    """More than the store reads at once."""
    async with hosting(tmp_path) as host:
        count = host.store.limits.page_entries + 5
        topics = [f"orders.{number}" for number in range(count)]
        for topic in topics:
            host.retained.retain(RetainedValue(topic, b"x", "a/b", Envelope("id")))
    async with hosting(tmp_path) as host:
        assert sorted(host.values()) == sorted(topics)
