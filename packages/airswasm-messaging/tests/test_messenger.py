"""Python code that sends values."""

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from airswasm.actor import (
    ActorSystem,
    Context,
    Envelope,
    InvalidTopic,
    MailboxFull,
    MailboxSpec,
    Message,
    NoRoute,
)
from airswasm.actor.testing import Probe
from airswasm.messaging import (
    Acceptance,
    CodecNotAccepted,
    Delivery,
    DurableDelivery,
    DurableRetained,
    DurableSettings,
    InvalidAddress,
    InvalidEnvelope,
    InvalidPayload,
    MessageNotWritten,
    Messenger,
    RetainedValues,
    Unencodable,
    UnknownCodec,
    decode,
    encode,
)
from airswasm.storage import StorageUnavailable, open_store

pytestmark = pytest.mark.anyio


async def test_values_go_out_and_come_back() -> None:
    """CBOR by default; an answer is decoded by its own prefix, which may be another."""
    async with ActorSystem() as system:
        messenger = Messenger(system.broker, sender="test/me")

        def double(message: Message, context: Context) -> object:
            assert message.sender == "test/me"
            assert isinstance(message.payload, bytes)
            value = decode(message.payload)
            assert isinstance(value, dict)
            return encode(value["n"] * 2, "json")

        system.spawn(double, name="test/double")
        system.spawn(lambda message, context: message.payload, name="test/echo")
        system.spawn(lambda message, context: None, name="test/none")
        assert await messenger.ask("test/double", {"n": 21}) == 42
        for codec in ("cbor", "json", "msgpack"):
            assert await messenger.ask("test/echo", {"é": [1]}, codec=codec) == {"é": [1]}
        assert await messenger.ask("test/echo", "é", codec="raw") == "é".encode()
        assert await messenger.ask("test/none", [1, 2]) is None


async def test_bytes_get_bytes() -> None:
    """Who sends bytes as they are gets the answer as it is; so does who gets no known codec."""
    async with ActorSystem() as system:
        messenger = Messenger(system.broker)
        system.spawn(lambda message, context: message.payload, name="test/echo")
        for payload in (b"Question", b"plain", encode([1])):
            assert await messenger.ask("test/echo", payload, codec="none") == payload
        answers = iter((b"plain", b"\x50\x08\x01", b""))
        system.spawn(lambda message, context: next(answers), name="test/other")
        assert await messenger.ask("test/other", 1) == b"plain"
        assert await messenger.ask("test/other", 1) == b"\x50\x08\x01"
        assert await messenger.ask("test/other", 1) == b""


async def test_an_answer_of_many_items_is_read_in_steps() -> None:
    """Python code that asks a component does not hold up its own loop."""
    rows = [[number] for number in range(20_000)]
    async with ActorSystem() as system:
        system.spawn(lambda message, context: encode(rows), name="test/many")
        turns = 0
        answers: list[object] = []

        async def ask() -> None:
            answers.append(await Messenger(system.broker).ask("test/many", None))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            while not answers:
                turns += 1
                await anyio.lowlevel.checkpoint()
        assert turns > 20
        assert answers == [rows]


async def test_telling_and_publishing() -> None:
    """Does not wait; publishing counts the mailboxes."""
    async with ActorSystem() as system:
        seen: list[tuple[object, str | None]] = []

        def note(message: Message, context: Context) -> None:
            assert isinstance(message.payload, bytes)
            seen.append((decode(message.payload), message.topic))

        ref = system.spawn(note, name="test/note")
        await system.started(ref)
        system.broker.subscribe("a.*", "test/note")
        messenger = Messenger(system.broker)
        messenger.tell("test/note", [1])
        assert messenger.publish("a.b", {"x": None}) == 1
        assert messenger.publish("other", 1) == 0
        await ref.drain(5)
        assert seen == [([1], None), ({"x": None}, "a.b")]


async def test_what_cannot_be_sent_is_told() -> None:
    """Before anything is sent, with the type that says what is wrong."""
    async with ActorSystem() as system:
        system.spawn(lambda message, context: b"\x51\xff", name="test/liar")
        messenger = Messenger(system.broker)
        with pytest.raises(NoRoute):
            await messenger.ask("test/absent", 1)
        with pytest.raises(InvalidAddress):
            messenger.tell("test/*", 1)
        with pytest.raises(Unencodable):
            messenger.tell("test/liar", object())
        with pytest.raises(InvalidTopic):
            messenger.publish("a..b", 1)
        with pytest.raises(InvalidPayload):
            await messenger.ask("test/liar", 1)
        with pytest.raises(UnknownCodec):
            messenger.tell("test/liar", 1, codec="yaml")
        picky = MailboxSpec(refuse=Acceptance("test/picky", ("json",), "json").refuse)
        system.spawn(lambda message, context: None, name="test/picky", mailbox=picky)
        with pytest.raises(CodecNotAccepted) as info:
            await messenger.ask("test/picky", 1)
        assert (info.value.target, info.value.codec) == ("test/picky", "cbor")
        assert (info.value.accepted, info.value.preferred) == (("json",), "json")
        assert await messenger.ask("test/picky", 1, codec="json") is None


async def test_sending_waits_for_what_the_target_needs(tmp_path: Path) -> None:
    """Nothing for a mailbox in memory, and the disk for a durable one; both errors are raised."""
    async with open_store(tmp_path / "store") as store, ActorSystem() as system:
        delivery = DurableDelivery(store, system)
        delivery.open()
        delivery.declare("test/durable", Delivery())
        system.spawn(Probe(), name="test/full", mailbox=MailboxSpec(1), is_paused=True)
        messenger = Messenger(system.broker)
        await messenger.send("test/full", 1)
        with pytest.raises(MailboxFull):
            await messenger.send("test/full", 2)
        await messenger.send("test/durable", 1)
        assert delivery.counters.durable_accepted == 1
        delivery.close()


@pytest.mark.parametrize("is_durable", [False, True])
@pytest.mark.parametrize("retain", [False, True])
async def test_publishing_and_waiting(tmp_path: Path, *, is_durable: bool, retain: bool) -> None:
    """For the messages of durable subscribers and the stored value; one refusal takes it back."""
    async with open_store(tmp_path / "store") as store, ActorSystem() as system:
        kept = DurableSettings(topics=("t",))
        delivery = DurableDelivery(store, system, kept if is_durable else None)
        retained = DurableRetained(
            store, RetainedValues(), kept if is_durable else DurableSettings(), system.events
        )
        delivery.open()
        retained.open()
        system.broker.subscribe("t", "test/late")
        system.spawn(Probe(), name="test/late", is_paused=True)
        messenger = Messenger(system.broker, codec="none", retained=retained)
        with anyio.fail_after(30):
            assert await messenger.publish_and_wait("t", b"1", retain=retain) == 1
        assert delivery.counters.durable_accepted == is_durable
        with pytest.raises(InvalidTopic):
            await messenger.publish_and_wait("t..", b"2", retain=retain)
        store.backend.sync = refuse  # type: ignore[method-assign]
        with anyio.fail_after(30):
            if is_durable:
                with pytest.raises(MessageNotWritten):
                    await messenger.publish_and_wait("t", b"3", retain=retain)
            else:
                assert await messenger.publish_and_wait("t", b"3", retain=retain) == 1
        values = [each.payload for each in retained.matching("t")]
        assert values == ([b"1" if is_durable else b"3"] if retain else [])
        delivery.close()


async def test_nothing_is_retained_without_a_place_for_it() -> None:
    async with ActorSystem() as system:
        with pytest.raises(ValueError, match="retained"):
            Messenger(system.broker).publish("t", 1, retain=True)


async def test_what_follows_is_worthless_no_later_than_what_it_follows_from() -> None:
    """A handler may shorten the time that its message was given, and not lengthen it."""
    async with ActorSystem() as system:
        probe = Probe()
        system.spawn(probe, name="test/probe")

        def pass_on(message: Message, context: Context) -> None:
            messenger = Messenger.of(context)
            for seconds in (1.0, 10.0**6):
                messenger.tell("test/probe", None, expires_after=seconds)

        ref = system.spawn(pass_on)
        now = system.broker.wall_time()
        ref.tell(None, envelope=Envelope(deadline=now + 100.0))
        await probe.wait_for(2)
        deadlines = [each.envelope and each.envelope.deadline for each in probe.messages]
        assert deadlines[1] == now + 100.0
        assert deadlines[0] is not None
        assert deadlines[0] < now + 99.0
        with pytest.raises(InvalidEnvelope):
            Messenger(system.broker).tell("test/probe", None, expires_after=float("nan"))


def refuse(*_: object) -> None:
    raise StorageUnavailable(Path("disk"), "no space left")
