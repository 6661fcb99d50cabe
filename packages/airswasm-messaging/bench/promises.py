"""The ratios that airswasm-messaging promises.

What it adds to a message of the broker's, and what the codecs cost.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from airswasm.actor import ActorSystem, ComponentActor, Context, MailboxSpec, Message
from airswasm.messaging import (
    Acceptance,
    Rate,
    SamePolicy,
    decode,
    encode,
    messaging_interface,
)
from airswasm.messaging._quota import SendingQuota
from airswasm.runtime import Caller, Engine, HostInterface, Ok
from airswasm.wit.names import HANDLE_MESSAGE
from paired import Promise, Promises, Work, times
from wasmtime import wat2wasm

VALUE = {"order": 4711, "lines": [{"sku": f"a-{n}", "count": n, "price": 1.5} for n in range(20)]}
TARGET, PICKY, BOUNDED = "test/sink", "test/picky", "test/bounded"
CODECS = ("cbor", "json", "msgpack")
RELAY = Path(__file__).parents[1] / "tests" / "guests" / "relay.wat"
BATCH = 100
"""Messages that wait at once."""


class Talker:
    """Sends as many messages as it is told, while it handles that: by its context, or bare."""

    async def receive(self, message: Message, context: Context) -> None:
        verb, count = message.payload  # type: ignore[misc]
        tell, ask, broker = context.tell, context.ask, context.broker
        if verb == "tell":
            for _ in range(count):
                tell(TARGET, b"x")
        elif verb == "ask":
            for _ in range(count):
                await ask(TARGET, b"x")
        elif verb == "bare tell":
            for _ in range(count):
                broker.tell(TARGET, b"x")
        else:
            for _ in range(count):
                await broker.ask(TARGET, b"x")


def _of_python(system: ActorSystem) -> Promises:
    """Between actors in Python: what follows from a message in hand, against the bare route."""
    talker = system.spawn(Talker(), name="test/talker")
    sink = system.broker.resolve(TARGET)

    def work(verb: str) -> Work:
        async def run(count: int) -> None:
            for _ in range(0, count, BATCH):
                await talker.ask((verb, BATCH), timeout=60)
                await sink.drain(60)

        return Work(run, time.thread_time, 20 * BATCH)

    return {
        "tell-on": Promise(work("tell"), work("bare tell")),
        "ask-on": Promise(work("ask"), work("bare ask")),
    }


async def _of_components(system: ActorSystem, engine: Engine) -> Promises:
    """One component tells another, which publishes, against both calls of the guest alone."""
    component = await engine.load(bytes(wat2wasm(RELAY.read_text())), name="relay")
    policy = SamePolicy(rate=Rate(1e9, 10**9))
    linked = component.link([messaging_interface(system.broker, policy)])
    refs = [
        system.spawn(ComponentActor(linked, name), name=name, mailbox=MailboxSpec(10**6))
        for name in ("local/a", "local/b")
    ]
    for ref in refs:
        await system.started(ref)
    bare = await component.link([_nowhere()]).instantiate(caller=Caller("bench/relay"))
    function = bare.function(HANDLE_MESSAGE)
    order, further = b"slocal/b", b"ping"

    async def told(count: int) -> None:
        for _ in range(0, count, BATCH):
            for _ in range(BATCH):
                refs[0].tell(order)
            for ref in refs:
                await ref.drain(60)

    async def called(count: int) -> None:
        for _ in range(count):
            await bare.call(function, "host", None, order)
            await bare.call(function, "local/a", None, further)

    return {
        "component-to-component": Promise(
            Work(told, time.thread_time, 20 * BATCH), Work(called, time.thread_time, 20 * BATCH)
        )
    }


def _nowhere() -> HostInterface:
    """Return the least that the host's side of messaging can be."""
    offered = messaging_interface(ActorSystem().broker)
    functions = dict.fromkeys(offered.functions, lambda *_: Ok(None))
    functions["publish"] = lambda *_: Ok(0)
    return HostInterface(offered.name, functions)


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:  # noqa: ARG001
    """Give the promises."""
    async with Engine() as engine, ActorSystem() as system:
        ref = system.spawn(lambda *_: None, name=TARGET, mailbox=MailboxSpec(capacity=10**6))
        await system.started(ref)
        bounds = MailboxSpec(capacity=10**6, capacity_bytes=10**9)
        picky = replace(bounds, refuse=Acceptance(PICKY, CODECS).refuse)
        others = [
            system.spawn(lambda *_: None, name=name, mailbox=mailbox)
            for name, mailbox in ((PICKY, picky), (BOUNDED, bounds))
        ]
        policy = SamePolicy(rate=Rate(1e9, 10**9))
        send = messaging_interface(system.broker, policy).functions["send"]
        caller = Caller("local/hello")
        quota = SendingQuota(policy, time.monotonic)
        payloads = {name: encode(VALUE, name) for name in CODECS}
        text = json.dumps(VALUE)

        async def drain() -> None:
            for each in (ref, *others):
                await each.drain(60)

        def told(call: object) -> Work:
            return Work(times(call), time.thread_time, after=drain)  # type: ignore[arg-type]

        def plain(call: object) -> Work:
            return Work(times(call), time.thread_time)  # type: ignore[arg-type]

        writing, reading = plain(lambda: json.dumps(VALUE)), plain(lambda: json.loads(text))
        found = {
            "send": Promise(
                told(lambda: send(caller, TARGET, b"x")),
                told(lambda: system.broker.tell(TARGET, b"x")),
            ),
            "quota": Promise(
                plain(lambda: quota.take("local/hello", 1)),
                told(lambda: system.broker.tell(TARGET, b"x")),
            ),
            "accept": Promise(
                told(lambda: system.broker.tell(PICKY, b"\x51\x01")),
                told(lambda: system.broker.tell(BOUNDED, b"\x51\x01")),
            ),
            **_of_python(system),
            **await _of_components(system, engine),
        }
        for name, payload in payloads.items():
            found[f"encode-{name}"] = Promise(plain(partial(encode, VALUE, name)), writing)
            found[f"decode-{name}"] = Promise(plain(partial(decode, payload)), reading)
        yield found
