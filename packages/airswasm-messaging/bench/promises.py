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

from airswasm.actor import ActorSystem, MailboxSpec
from airswasm.messaging import (
    Acceptance,
    Rate,
    SamePolicy,
    decode,
    encode,
    messaging_interface,
)
from airswasm.messaging._quota import SendingQuota
from airswasm.runtime import Caller
from paired import Promise, Promises, Work, times

VALUE = {"order": 4711, "lines": [{"sku": f"a-{n}", "count": n, "price": 1.5} for n in range(20)]}
TARGET, PICKY, BOUNDED = "test/sink", "test/picky", "test/bounded"
CODECS = ("cbor", "json", "msgpack")


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:  # noqa: ARG001
    """Give the promises."""
    async with ActorSystem() as system:
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
        }
        for name, payload in payloads.items():
            found[f"encode-{name}"] = Promise(plain(partial(encode, VALUE, name)), writing)
            found[f"decode-{name}"] = Promise(plain(partial(decode, payload)), reading)
        yield found
