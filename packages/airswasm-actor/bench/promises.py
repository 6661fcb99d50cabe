"""The ratios that airswasm-actor promises.

Sending, asking and spawning against bare Python, and a component's message against the bare call
of its guest.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from airswasm.actor import ActorRef, ActorSystem, ComponentActor, Context, MailboxSpec, Message
from airswasm.runtime import Caller, Engine
from airswasm.wit.names import HANDLE_MESSAGE
from paired import Promise, Promises, Work
from wasmtime import wat2wasm

ECHO_WAT = Path(__file__).parent / "echo.wat"
PAYLOAD = bytes(100)
BATCH = 500


class Echo:
    """The least that an actor can be."""

    __slots__ = ()

    def receive(self, message: Message, context: Context) -> object:  # noqa: ARG002
        return message.payload


class Bare:
    """The least that a mailbox does: look a name up, make a message, append, take, call."""

    def __init__(self) -> None:
        self.queues = {"echo": deque[Message]()}
        self.echo = Echo()
        self.made: list[tuple[Echo, deque[Message], dict[str, object]]] = []

    def tell(self, target: str, payload: object) -> None:
        queue = self.queues.get(target)
        if queue is None:
            raise KeyError(target)
        queue.append(Message(payload))

    def handle(self, context: Context) -> object:
        return self.echo.receive(self.queues["echo"].popleft(), context)

    def spawn(self) -> None:
        made = Echo(), deque[Message](maxlen=1000), {"name": "x", "count": 0}
        self.made.append(made)
        self.queues[f"actor-{len(self.made)}"] = made[1]

    def send(self, count: int) -> None:
        for _ in range(count):
            self.tell("echo", 1)

    def turn(self, count: int) -> None:
        for _ in range(count):
            self.tell("echo", 1)
            self.handle(None)  # type: ignore[arg-type]

    def fill(self, count: int) -> None:
        for _ in range(count):
            self.spawn()

    def empty(self) -> None:
        self.queues["echo"].clear()
        for number in range(len(self.made)):
            del self.queues[f"actor-{number + 1}"]
        self.made.clear()


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:  # noqa: ARG001
    """Give the promises."""
    wasm = bytes(wat2wasm(ECHO_WAT.read_text()))
    async with Engine() as engine, ActorSystem(mailbox=MailboxSpec(10**6)) as system:
        linked = (await engine.load(wasm, name="echo")).link([])
        instance = await linked.instantiate(caller=Caller("bench/echo"))
        component = system.spawn(ComponentActor(linked, "bench/echo"))
        await system.started(component)
        yield {**_of_python(system), **_of_component(component, instance)}
        instance.close()


def _of_python(system: ActorSystem) -> Promises:
    ref = system.spawn(Echo(), name="echo")
    bare = Bare()
    spawned: list[ActorRef] = []

    def tell(count: int) -> None:
        for _ in range(count):
            ref.tell(1)

    async def drain() -> None:
        await ref.drain(60)

    async def turn(count: int) -> None:
        tell(count)
        await drain()

    async def ask(count: int) -> None:
        for _ in range(count):
            await ref.ask(1)

    def spawn(count: int) -> None:
        spawned.extend(system.spawn(Echo()) for _ in range(count))

    async def stop() -> None:
        for each in spawned:
            await system.stop(each)
        spawned.clear()

    sending = Work(bare.send, time.thread_time, after=bare.empty)
    turning = Work(bare.turn, time.thread_time)
    filling = Work(bare.fill, time.thread_time, after=bare.empty)
    return {
        "tell": Promise(Work(tell, time.thread_time, after=drain), sending),
        "tell-and-handle": Promise(Work(turn, time.thread_time), turning),
        "ask": Promise(Work(ask, time.thread_time), turning),
        "spawn": Promise(Work(spawn, time.thread_time, after=stop), filling),
    }


def _of_component(component: ActorRef, instance: object) -> Promises:
    function = instance.function(HANDLE_MESSAGE)  # type: ignore[attr-defined]

    async def call(count: int) -> None:
        for _ in range(count):
            await instance.call(function, "host", None, PAYLOAD)  # type: ignore[attr-defined]

    async def deliver(count: int) -> None:
        for _ in range(0, count, BATCH):
            for _ in range(BATCH):
                component.tell(PAYLOAD)
            await component.drain(60)

    return {
        "component-message": Promise(
            Work(deliver, time.thread_time, count=BATCH), Work(call, time.thread_time, count=BATCH)
        )
    }
