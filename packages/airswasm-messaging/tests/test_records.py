"""The stored form of a message: all that it says comes back, and nothing else is read."""

from __future__ import annotations

import pickle

import cbor2
import pytest
from airswasm.actor import Envelope, Message
from airswasm.messaging import (
    MessageNotStorable,
    RecordUnreadable,
    pack_message,
    unpack_message,
)
from hypothesis import given
from hypothesis import strategies as st

texts = st.text(max_size=20)
envelopes = st.builds(
    Envelope,
    id=texts,
    correlation=texts,
    deadline=st.none() | st.floats(0, 1e10),
    hops=st.integers(0, 100),
    traceparent=texts,
    codec=texts,
    attempt=st.integers(1, 100),
    replay_of=texts,
    is_retained=st.booleans(),
)


@given(
    payload=st.binary(max_size=200),
    sender=texts,
    topic=st.none() | texts,
    number=st.integers(0, 2**62),
    envelope=st.none() | envelopes,
    target=texts,
)
def test_a_message_comes_back_as_it_was(
    payload: bytes,
    sender: str,
    topic: str | None,
    number: int,
    envelope: Envelope | None,
    target: str,
) -> None:
    message = Message(payload, sender, topic, number, envelope=envelope)
    assert unpack_message(pack_message(message, target)) == (message, target)


@given(
    own=st.text(max_size=70),
    size=st.sampled_from((0, 1, 23, 24, 255, 256, 65_535, 65_536, 2**17)),
    names=st.tuples(texts, texts, st.none() | texts),
)
def test_the_usual_record_is_what_cbor2_makes_of_it(
    own: str, size: int, names: tuple[str, str, str | None]
) -> None:
    """It is put together without it, for the time."""
    target, sender, topic = names
    message = Message(bytes(size), sender, topic, envelope=Envelope(own))
    record = [1, target, sender, topic, 0, bytes(size), {"id": own}]
    assert pack_message(message, target) == cbor2.dumps(record)


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_no_record(stored: bytes) -> None:
    with pytest.raises(RecordUnreadable):
        unpack_message(stored)


@given(st.data())
def test_a_damaged_record_is_read_or_refused(data: st.DataObject) -> None:
    record = bytearray(pack_message(Message(b"payload", envelope=Envelope(id="a")), "shop/a"))
    at = data.draw(st.integers(0, len(record) - 1))
    record[at] = data.draw(st.integers(0, 255))
    try:
        message, target = unpack_message(bytes(record))
    except RecordUnreadable:
        return
    assert isinstance(message.payload, bytes)
    assert isinstance(target, str)


def test_a_record_of_a_newer_version_says_so() -> None:
    with pytest.raises(RecordUnreadable, match="version 2"):
        unpack_message(cbor2.dumps([2, "shop/a"]))


def test_further_fields_are_left_out() -> None:
    record = cbor2.loads(pack_message(Message(b"x", envelope=Envelope(id="a")), "shop/a"))
    record[-1]["color"] = "red"
    message, _ = unpack_message(cbor2.dumps([*record, "more"]))
    assert message.envelope == Envelope(id="a")


@pytest.mark.parametrize("payload", ["text", None, {"a": 1}, bytearray(b"x")])
def test_only_bytes_are_stored(payload: object) -> None:
    with pytest.raises(MessageNotStorable) as raised:
        pack_message(Message(payload), "shop/a")
    again = pickle.loads(pickle.dumps(raised.value))
    assert (again.target, again.kind) == ("shop/a", type(payload).__name__)
