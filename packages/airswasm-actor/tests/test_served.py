"""Guests that the host works for: they share the event loop, and are not moved off it."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest
from airswasm.actor import ActorSystem, Context, DispatcherConfig, Message
from airswasm.runtime import CallState

pytestmark = pytest.mark.anyio


class Served:
    """A guest whose call the host serves so many times before it is done."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.fuel_used = 0
        self.ended_at = 0.0

    def receive(self, message: Message, context: Context) -> object:
        raise NotImplementedError

    def begin(
        self, _message: Message, _context: Context, _wake: Callable[[object], None]
    ) -> Served:
        return self

    def complete(self, _call: object) -> object:
        return b"done"

    def poll(self) -> CallState:
        self.times -= 1
        return CallState.DONE if self.times < 0 else CallState.SERVED

    async def poll_in_thread(self) -> CallState:
        raise AssertionError("a thread would not take host functions off the loop")

    def cancel(self) -> None: ...

    def result(self) -> object:
        return b"done"


async def test_the_loop_has_its_turn_after_each_slice_of_the_host(system: ActorSystem) -> None:
    """A guest that the host serves for ever keeps neither the loop nor other actors waiting."""
    guest = Served(times=1_000)
    ref = system.spawn(guest)
    seen: list[int] = []
    neighbour = system.spawn(lambda message, _context: seen.append(guest.times))
    async with anyio.create_task_group() as group:
        group.start_soon(ref.ask, b"go")
        for _ in range(100):
            neighbour.tell(b"")
            await anyio.lowlevel.checkpoint()
    assert len(seen) == 100
    assert len({left for left in seen if left > 0}) > 40


async def test_an_answer_that_is_there_does_not_wait_for_a_busy_guest() -> None:
    """The loop had its turn after each slice of the guest: who asks need not give it another."""
    config = DispatcherConfig(slice=3_600.0)  # of which each asker may use one in a row
    async with ActorSystem(dispatcher=config) as system:
        guest = Served(times=1_000)
        neighbour = system.spawn(lambda message, _context: message.payload)
        async with anyio.create_task_group() as group:
            group.start_soon(system.spawn(guest).ask, b"go")
            while guest.times > 900:
                await anyio.lowlevel.checkpoint()
            before = guest.times
            assert await neighbour.ask(b"hello") == b"hello"
            assert guest.times == before
            group.cancel_scope.cancel()


async def test_a_guest_that_was_served_answers(system: ActorSystem) -> None:
    """Its call goes on where it gave way, however often that was."""
    assert await system.spawn(Served(times=50)).ask(b"go") == b"done"
