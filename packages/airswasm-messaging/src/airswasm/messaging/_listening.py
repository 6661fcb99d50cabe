"""Topics for Python code that is no actor: what is published, as an async iterator.

To have a function called with each publication, spawn it: a function of message and context is an
actor, and `MessageBroker.subscribe` takes its reference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import anyio
from airswasm.actor import ActorSystem, Context, MailboxSpec, Message

from ._retained import RetainedTopics

__all__ = ("listen",)


class _Inbox:
    """An actor that keeps publications for a reader, the newest ones; and the reader's iterator.

    It is no generator: one that is left in the middle would have to be closed.
    """

    def __init__(self, capacity: int) -> None:
        self._waiting: deque[Message] = deque(maxlen=capacity)
        self._news = anyio.Event()

    def receive(self, message: Message, context: Context) -> None:
        del context
        self._waiting.append(message)
        self._news.set()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while not self._waiting:
            self._news = anyio.Event()
            await self._news.wait()
        return self._waiting.popleft()


@asynccontextmanager
async def listen(
    system: ActorSystem,
    pattern: str,
    *,
    retained: RetainedTopics | None = None,
    capacity: int = 1000,
) -> AsyncGenerator[AsyncIterator[Message]]:
    """Iterate over what is published, for as long as the block is entered.

        async with listen(system, "orders.**") as publications:
            async for message in publications:
                print(message.topic, message.payload)

    Args:
        system: The actor system.
        pattern: Segments joined by dots; `*` is one segment, `**` any number.
        retained: Where the values of topics are; those that match come first.
        capacity: How many publications may wait; a slower reader loses the oldest ones.

    Raises:
        InvalidTopic: The pattern is malformed.
    """
    inbox = _Inbox(capacity)
    ref = system.spawn(inbox, mailbox=MailboxSpec(capacity, "drop-oldest"))
    try:
        subscription = system.broker.subscribe(pattern, ref)
        try:
            for value in retained.matching(pattern) if retained is not None else ():
                ref.tell(
                    value.payload, sender=value.sender, topic=value.topic, envelope=value.envelope
                )
            yield inbox
        finally:
            subscription.cancel()
    finally:
        await system.stop(ref)
