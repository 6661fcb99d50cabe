from __future__ import annotations

from contextlib import aclosing

import anyio
import pytest
from airswasm.actor import ActorSystem, DeathReason, EventKind, EventStream, LifecycleEvent, Message
from airswasm.actor._messages.dead_letters import DeadLetters
from airswasm.actor.testing import Faults, Hold, Leave, Probe, Scripted

pytestmark = pytest.mark.anyio


def event(number: int) -> LifecycleEvent:
    return LifecycleEvent(EventKind.READY, f"a{number}", float(number))


async def test_a_reader_gets_events_in_order(anyio_backend: str) -> None:
    """From the first step of its iteration on."""
    stream = EventStream()
    names: list[str] = []

    async def read() -> None:
        async with aclosing(stream.read()) as events:
            async for each in events:
                names.append(each.name)
                if len(names) == 3:
                    return

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        for number in range(3):
            stream.emit(event(number))
    assert names == ["a0", "a1", "a2"]


async def test_a_slow_reader_loses_the_oldest(anyio_backend: str) -> None:
    """Its backlog is bounded; no other reader notices."""
    stream = EventStream()
    reader = stream.read(capacity=2)
    first: list[LifecycleEvent] = []

    async def step() -> None:
        first.append(await anext(reader))

    async with anyio.create_task_group() as group:
        group.start_soon(step)
        await anyio.wait_all_tasks_blocked()
        for number in range(5):
            stream.emit(event(number))
    assert first[0].name == "a3"
    await reader.aclose()
    assert not stream.has_listeners


def test_a_listener_that_raises_harms_no_other() -> None:
    """It is counted; the next listener hears the event."""
    stream, heard = EventStream(), []

    def bad(_: LifecycleEvent) -> None:
        raise ValueError("observer bug")

    stream.listen(bad)
    subscription = stream.listen(heard.append)
    stream.emit(event(1))
    subscription.cancel()
    subscription.cancel()
    stream.emit(event(2))
    assert [each.name for each in heard] == ["a1"]
    assert stream.listener_errors == 2
    assert isinstance(stream.last_error, ValueError)


def test_dead_letters_are_bounded_but_counted() -> None:
    """The ring forgets the oldest; the totals forget nothing."""
    letters, heard = DeadLetters(capacity=3), []
    letters.listen(heard.append)
    for number in range(5):
        letters.add(Message(number, id=number), "t", DeathReason.DROPPED, 0.0)
    assert [letter.message.payload for letter in letters] == [2, 3, 4]
    assert (letters.total, len(heard), letters.by_reason[DeathReason.DROPPED]) == (5, 5, 5)
    taken = letters.take(3)
    assert taken is not None
    assert taken.message.payload == 3
    assert letters.take(3) is None


async def test_a_dead_letter_can_be_replayed(system: ActorSystem) -> None:
    """On another version: take it, send its payload."""
    ref = system.spawn(Probe(), name="v1", is_paused=True)
    ref.tell("precious")
    await system.stop(ref)
    (letter,) = system.dead_letters
    taken = system.dead_letters.take(letter.message.id)
    assert taken is not None
    probe = Probe()
    system.spawn(probe).tell(taken.message.payload)
    assert await probe.wait_for(1) == ["precious"]


async def test_faults_do_what_they_say(system: ActorSystem) -> None:
    """Kill, drop, flood, delay and starve, on a real system."""
    faults = Faults(system, seed=7)
    gate = anyio.Event()
    held = system.spawn(Scripted(Hold(gate)))
    held.tell("in hand")
    await anyio.wait_all_tasks_blocked()
    assert faults.kill_any() is held
    assert not faults.kill(held)
    probe = Probe()
    ref = system.spawn(probe)
    with faults.starve(ref):
        assert faults.flood(ref, 2000, "x") == 1000
        assert faults.drop(ref, 998) == 998
    assert await probe.wait_for(2) == ["x", "x"]
    faults.delay(ref, 0.01)
    ref.tell("late")
    assert ref.mailbox.size == 1
    assert (await probe.wait_for(3))[2] == "late"
    leaver = system.spawn(Scripted(Leave("shutdown")))
    leaver.tell(1)
    await leaver.wait_stopped()
