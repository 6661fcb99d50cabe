"""Python code that sends values."""

import anyio
import anyio.lowlevel
import pytest
from airswasm.actor import (
    ActorSystem,
    Context,
    InvalidTopic,
    MailboxSpec,
    Message,
    NoRoute,
)
from airswasm.messaging import (
    Acceptance,
    CodecNotAccepted,
    InvalidAddress,
    InvalidPayload,
    Messenger,
    Unencodable,
    UnknownCodec,
    decode,
    encode,
)

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
