"""A host that is killed: senders that wait for the disk, and a durable actor. See its test.

    python kill_child.py FOLDER RUN SENDERS

It prints `sent SENDER NUMBER` when the disk has a message, and `got SENDER NUMBER ID ATTEMPT` when
the actor has one in hand. `RUN` is above 0; 0 sends nothing, and ends when nothing waits.
"""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import anyio.lowlevel
from airswasm.actor import ActorSystem, Context, Message
from airswasm.messaging import Delivery, DurableDelivery, Messenger
from airswasm.storage import open_store

NAME = "shop/orders"


def say(*words: object) -> None:
    """Print a line in one write, so that a kill tears none."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Orders:
    """Handles in several steps, so that a kill may come between them."""

    async def receive(self, message: Message, context: Context) -> None:
        del context
        assert isinstance(message.payload, bytes)
        assert message.envelope is not None
        say("got", message.payload.decode(), message.envelope.id, message.envelope.attempt)
        await anyio.lowlevel.checkpoint()


async def main(folder: Path, run: int, senders: int) -> None:
    """Host until the process is killed, or until nothing waits."""
    async with open_store(folder) as store, ActorSystem() as actors:
        delivery = DurableDelivery(store, actors)
        delivery.open()
        delivery.declare(NAME, Delivery(messages=1_000_000))
        actors.spawn(Orders(), name=NAME)
        messenger = Messenger(actors.broker, codec="none")
        say("ready")

        async def send(sender: int) -> None:
            number = run * 1_000_000
            while True:
                await messenger.send(NAME, b"%d %d" % (sender, number))
                say("sent", sender, number)
                number += 1

        if run:
            async with anyio.create_task_group() as group:
                for sender in range(senders):
                    group.start_soon(send, sender)
        while (status := delivery.status(NAME)) and status.messages:  # noqa: ASYNC110
            await anyio.sleep(0.01)
        delivery.close()


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
