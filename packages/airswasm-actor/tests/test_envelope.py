from __future__ import annotations

import pickle
from collections.abc import Callable, Coroutine

import anyio
import pytest
from airswasm.actor import (
    ActorRef,
    ActorSystem,
    DeliveryError,
    Envelope,
    MailboxSpec,
    Message,
    Request,
)
from airswasm.actor.testing import Faults, Probe
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio

ENVELOPE = Envelope("a-1", "a-0", 4e9, 3, "00-aa-bb-01", "cbor", 2, "a-9")

Way = Callable[[ActorSystem, ActorRef], Coroutine[object, object, object]]


async def _tell(system: ActorSystem, ref: ActorRef) -> None:
    ref.tell(b"x", envelope=ENVELOPE)


async def _send(system: ActorSystem, ref: ActorRef) -> None:
    await ref.send(b"x", envelope=ENVELOPE)


async def _ask(system: ActorSystem, ref: ActorRef) -> None:
    await ref.ask(b"x", envelope=ENVELOPE)


async def _request(system: ActorSystem, ref: ActorRef) -> None:
    await _answer(lambda done: ref.request(b"x", done, timeout=5, envelope=ENVELOPE))


async def _signal(system: ActorSystem, ref: ActorRef) -> None:
    ref.signal(b"x", envelope=ENVELOPE)


async def _tell_by_name(system: ActorSystem, ref: ActorRef) -> None:
    system.broker.tell(ref.name, b"x", envelope=ENVELOPE)


async def _ask_by_name(system: ActorSystem, ref: ActorRef) -> None:
    await system.broker.ask(ref.name, b"x", envelope=ENVELOPE)


async def _request_by_name(system: ActorSystem, ref: ActorRef) -> None:
    broker = system.broker
    await _answer(lambda done: broker.request(ref.name, b"x", done, timeout=5, envelope=ENVELOPE))


async def _publish(system: ActorSystem, ref: ActorRef) -> None:
    system.broker.subscribe("news.**", ref.name)
    assert system.broker.publish("news.eu", b"x", envelope=ENVELOPE) == 1


async def _deliver(system: ActorSystem, ref: ActorRef) -> None:
    system.broker.deliver(ref.name, Message(b"x", envelope=ENVELOPE))


async def _hooked(system: ActorSystem, ref: ActorRef) -> None:
    system.broker.add_hook(_Nod())
    await _tell_by_name(system, ref)


async def _wait_for_room(system: ActorSystem, ref: ActorRef) -> None:
    narrow = system.spawn(Probe(), mailbox=MailboxSpec(1, "wait"), is_paused=True)
    narrow.tell(b"y")
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: narrow.send(b"x", envelope=ENVELOPE))
        while not narrow.mailbox.senders_waiting:
            await anyio.lowlevel.checkpoint()
        system.broker.switch(ref.name, narrow)
        await system.broker.replace(ref.name, ref, drain=0)


class _Nod:
    def before(self, delivery: object) -> None:
        pass

    def after(self, delivery: object, error: object) -> None:
        pass


async def _answer(ask: Callable[[Callable[[Request], None]], Request]) -> None:
    answered = anyio.Event()
    ask(lambda _: answered.set())
    await answered.wait()


WAYS: tuple[Way, ...] = (
    _tell,
    _send,
    _ask,
    _request,
    _signal,
    _tell_by_name,
    _ask_by_name,
    _request_by_name,
    _publish,
    _deliver,
    _hooked,
    _wait_for_room,
)


@pytest.mark.parametrize("way", WAYS)
async def test_an_envelope_arrives_on_every_way(system: ActorSystem, way: Way) -> None:
    """The receiver sees the envelope that the sender has set."""
    probe = Probe()
    ref = system.spawn(probe, name="svc")
    await way(system, ref)
    await ref.drain(5)
    assert probe.messages[-1].envelope == ENVELOPE


async def test_a_message_without_an_envelope_has_an_id(system: ActorSystem) -> None:
    """The id is made of the start and the number; another start makes others."""
    probe = Probe()
    ref = system.spawn(probe)
    ref.tell(b"a")
    ref.tell(b"b")
    await ref.drain(5)
    ids = [system.broker.id_of(message) for message in probe.messages]
    async with ActorSystem() as other:
        ids += [other.broker.id_of(message) for message in probe.messages]
        ids += [other.broker.new_id(), system.broker.new_id(), system.broker.new_id()]
    assert len(set(ids)) == len(ids)
    assert [message.envelope for message in probe.messages] == [None, None]


async def test_an_envelopes_own_id_is_the_messages(system: ActorSystem) -> None:
    """A message that is delivered again keeps its id."""
    assert system.broker.id_of(Message(b"x", id=7, envelope=ENVELOPE)) == "a-1"


async def test_the_dead_letter_keeps_the_envelope(system: ActorSystem) -> None:
    """A message that no actor handles is kept as it was sent."""
    ref = system.spawn(Probe(), mailbox=MailboxSpec(1, "drop-oldest"), is_paused=True)
    ref.tell(b"x", envelope=ENVELOPE)
    assert Faults(system).drop(ref) == 1
    assert [letter.message.envelope for letter in system.dead_letters] == [ENVELOPE]


@given(
    st.builds(
        Envelope,
        st.text(),
        st.text(),
        st.none() | st.floats(allow_nan=False),
        st.integers(0),
        st.text(),
        st.text(),
        st.integers(1),
        st.text(),
        st.booleans(),
    )
)
def test_an_envelope_survives_pickle(envelope: Envelope) -> None:
    """Another process gets an equal one."""
    assert pickle.loads(pickle.dumps(envelope)) == envelope


async def test_a_refused_message_raises_whatever_its_envelope(system: ActorSystem) -> None:
    """An envelope opens no way past a full mailbox."""
    ref = system.spawn(Probe(), mailbox=MailboxSpec(1), is_paused=True)
    ref.tell(b"x", envelope=ENVELOPE)
    with pytest.raises(DeliveryError):
        ref.tell(b"x", envelope=ENVELOPE)
