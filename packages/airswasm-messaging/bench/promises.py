"""The ratios that airswasm-messaging promises.

What it adds to a message of the broker's, and what CBOR costs.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from airswasm.actor import ActorSystem, MailboxSpec
from airswasm.messaging import (
    Rate,
    SamePolicy,
    check_cbor,
    decode_cbor,
    encode_cbor,
    messaging_interface,
)
from airswasm.runtime import Caller
from paired import Promise, Promises, Work, times

VALUE = {"order": 4711, "lines": [{"sku": f"a-{n}", "count": n, "price": 1.5} for n in range(20)]}
TARGET = "test/sink"


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:  # noqa: ARG001
    """Give the promises."""
    async with ActorSystem() as system:
        ref = system.spawn(lambda *_: None, name=TARGET, mailbox=MailboxSpec(capacity=10**6))
        await system.started(ref)
        policy = SamePolicy(rate=Rate(1e9, 10**9))
        send = messaging_interface(system.broker, policy).functions["send"]
        caller = Caller("local/hello")
        payload = encode_cbor(VALUE)
        text = json.dumps(VALUE)

        async def drain() -> None:
            await ref.drain(60)

        def told(call: object) -> Work:
            return Work(times(call), time.thread_time, after=drain)  # type: ignore[arg-type]

        def plain(call: object) -> Work:
            return Work(times(call), time.thread_time)  # type: ignore[arg-type]

        writing, reading = plain(lambda: json.dumps(VALUE)), plain(lambda: json.loads(text))
        yield {
            "send": Promise(
                told(lambda: send(caller, TARGET, b"x")),
                told(lambda: system.broker.tell(TARGET, b"x")),
            ),
            "encode": Promise(plain(lambda: encode_cbor(VALUE)), writing),
            "check": Promise(plain(lambda: check_cbor(payload)), reading),
            "decode": Promise(plain(lambda: decode_cbor(payload)), reading),
        }
