"""The ratios that airswasm-actor promises.

Sending, asking and spawning against bare Python, and a component's message against the bare call
of its guest.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from airswasm.actor import ActorRef, ActorSystem, ComponentActor, Context, MailboxSpec, Message
from airswasm.runtime import Caller, Engine
from airswasm.wit.names import HANDLE_MESSAGE
from paired import Promise, Promises, Work
from wasmtime import wat2wasm

ECHO_WAT = Path(__file__).parent / "echo.wat"
PAYLOAD = bytes(100)
BATCH = 100
"""Messages that wait at once: few enough to stay in the cache, whatever else the machine does."""


class Echo:
    """The least that an actor can be."""

    __slots__ = ()

    def receive(self, message: Message, context: Context) -> object:  # noqa: ARG002
        return message.payload


class Bare:
    """The least there is: a name looked up, a message, a deque, and a task that takes and calls."""

    def __init__(self, handle: Callable[[Message], Awaitable[object]] | None = None) -> None:
        self.handle = handle
        self.queues = {"echo": deque[Message]()}
        self.echo = Echo()
        self.made: list[tuple[Echo, deque[Message], dict[str, object]]] = []
        self.woken = asyncio.Event()
        self.done = asyncio.Event()

    def tell(self, target: str, payload: object) -> None:
        queue = self.queues.get(target)
        if queue is None:
            raise KeyError(target)
        queue.append(Message(payload))

    def spawn(self) -> None:
        made = Echo(), deque[Message](maxlen=1000), {"name": "x", "count": 0}
        self.made.append(made)
        self.queues[f"actor-{len(self.made)}"] = made[1]

    def send(self, count: int) -> None:
        for _ in range(count):
            self.tell("echo", 1)

    async def serve(self) -> None:
        """Handle what is there whenever it is woken: the plain task that an actor replaces."""
        queue, receive, handle = self.queues["echo"], self.echo.receive, self.handle
        while True:
            await self.woken.wait()
            self.woken = asyncio.Event()
            while queue and handle is None:
                receive(queue.popleft(), None)  # type: ignore[arg-type]
            while queue and handle is not None:
                await handle(queue.popleft())
            self.done.set()

    async def turn(self, count: int, batch: int = BATCH) -> None:
        for _ in range(0, count, batch):
            self.done = asyncio.Event()
            self.send(batch)
            self.woken.set()
            await self.done.wait()

    async def answer(self, count: int) -> None:
        await self.turn(count, 1)

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
        function = instance.function(HANDLE_MESSAGE)

        def call(_message: Message) -> Awaitable[object]:
            return instance.call(function, "host", None, PAYLOAD)

        async with _served(Bare()) as plain, _served(Bare(call)) as calling:
            yield {**_of_python(system, plain), **_of_component(system, component, calling)}
        instance.close()


def _of_python(system: ActorSystem, bare: Bare) -> Promises:
    ref = system.spawn(Echo(), name="echo")
    spawned: list[ActorRef] = []

    def tell(count: int) -> None:
        for _ in range(count):
            ref.tell(1)

    async def drain() -> None:
        await ref.drain(60)

    async def turn(count: int) -> None:
        for _ in range(0, count, BATCH):
            tell(BATCH)
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
    filling = Work(bare.fill, time.thread_time, after=bare.empty)
    return {
        "tell": Promise(Work(tell, time.thread_time, after=drain), sending),
        "tell-and-handle": Promise(
            Work(turn, time.thread_time, count=20 * BATCH),
            Work(bare.turn, time.thread_time, count=40 * BATCH),
        ),
        "ask": Promise(Work(ask, time.thread_time), Work(bare.answer, time.thread_time)),
        "spawn": Promise(Work(spawn, time.thread_time, after=stop), filling),
    }


@asynccontextmanager
async def _served(bare: Bare) -> AsyncIterator[Bare]:
    serving = asyncio.create_task(bare.serve())
    yield bare
    serving.cancel()


def _of_component(system: ActorSystem, component: ActorRef, bare: Bare) -> Promises:
    async def deliver(count: int) -> None:
        for _ in range(0, count, BATCH):
            for _ in range(BATCH):
                component.tell(PAYLOAD)
            await component.drain(60)

    async def deliver_measured(count: int) -> None:
        reader = system.receipts.measure()
        await deliver(count)
        reader.cancel()

    return {
        "component-message": Promise(
            Work(deliver, time.thread_time, count=4 * BATCH),
            Work(bare.turn, time.thread_time, count=4 * BATCH),
        ),
        "measured": Promise(
            Work(deliver_measured, time.thread_time, count=20 * BATCH),
            Work(deliver, time.thread_time, count=20 * BATCH),
        ),
    }
