"""Python code that sends values."""

import pytest
from airswasm.actor import ActorSystem, Context, InvalidTopic, Message, NoRoute
from airswasm.messaging import (
    InvalidAddress,
    InvalidCbor,
    Messenger,
    Unencodable,
    decode,
    encode_cbor,
)

pytestmark = pytest.mark.anyio


async def test_values_go_out_and_come_back() -> None:
    """CBOR by default; an answer is decoded by its mark, anything else is bytes."""
    async with ActorSystem() as system:
        messenger = Messenger(system.broker, sender="test/me")

        def double(message: Message, context: Context) -> object:
            assert message.sender == "test/me"
            assert isinstance(message.payload, bytes)
            value = decode(message.payload)
            assert isinstance(value, dict)
            return encode_cbor(value["n"] * 2)

        system.spawn(double, name="test/double")
        system.spawn(lambda message, context: message.payload, name="test/echo")
        system.spawn(lambda message, context: None, name="test/none")
        assert await messenger.ask("test/double", {"n": 21}) == 42
        assert await messenger.ask("test/echo", "é", codec="raw") == "é".encode()
        assert await messenger.ask("test/none", [1, 2]) is None


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
        system.spawn(lambda message, context: b"\xd9\xd9\xf7\xff", name="test/liar")
        messenger = Messenger(system.broker)
        with pytest.raises(NoRoute):
            await messenger.ask("test/absent", 1)
        with pytest.raises(InvalidAddress):
            messenger.tell("test/*", 1)
        with pytest.raises(Unencodable):
            messenger.tell("test/liar", object())
        with pytest.raises(InvalidTopic):
            messenger.publish("a..b", 1)
        with pytest.raises(InvalidCbor):
            await messenger.ask("test/liar", 1)
