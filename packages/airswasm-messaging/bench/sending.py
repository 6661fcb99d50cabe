"""What this block adds to a message, against the broker alone; one run, ratios."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import anyio
from airswasm.actor import ActorSystem, MailboxSpec
from airswasm.messaging import (
    Rate,
    SamePolicy,
    decode,
    encode,
    messaging_interface,
)
from airswasm.runtime import Caller

MESSAGES = 50_000
VALUE = {"order": 4711, "lines": [{"sku": f"a-{n}", "count": n, "price": 1.5} for n in range(20)]}


def microseconds(call: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls * 1e6


async def main() -> None:
    async with ActorSystem() as system:
        mailbox = MailboxSpec(capacity=2 * MESSAGES + 1)
        ref = system.spawn(lambda *_: None, name="test/sink", mailbox=mailbox)
        await system.started(ref)
        policy = SamePolicy(rate=Rate(1e9, 10**9))
        send = messaging_interface(system.broker, policy).functions["send"]
        caller = Caller("local/hello")
        broker = microseconds(lambda: system.broker.tell("test/sink", b"x"), MESSAGES)
        guest = microseconds(lambda: send(caller, "test/sink", b"x"), MESSAGES)
        await ref.drain(60)
    told = f"broker.tell {broker:.2f} us   messaging.send {guest:.2f} us"
    print(f"{told}   {guest / broker:.1f} times")
    plain = microseconds(lambda: json.loads(json.dumps(VALUE)), 500)
    for codec in ("cbor", "json", "msgpack"):
        payload = encode(VALUE, codec)
        writing = microseconds(lambda: encode(VALUE, codec), 500)  # noqa: B023  # called here
        reading = microseconds(lambda: decode(payload), 500)  # noqa: B023
        there_and_back = (writing + reading) / plain
        print(
            f"{codec}, {len(payload)} bytes: encode {writing:.0f} us, decode {reading:.0f} us; "
            f"{there_and_back:.1f} times json, which checks nothing"
        )


if __name__ == "__main__":
    anyio.run(main)
