"""The books of durable delivery balance exactly, whatever happens to actors and host.

A generated history of senders, crashes, refusals, stops, full logs, purges and ends of the host. At
each of its ends every message that was accepted is answered, handled, expired, dead, forgotten or
waiting; each sender's messages were handled in their order; and a message that came twice said so.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Literal, TypeAlias

import anyio
import pytest
from airswasm.actor import (
    ActorRef,
    ActorSystem,
    ChildSpec,
    Context,
    DeadLetter,
    DeathReason,
    Envelope,
    Message,
    Request,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.messaging import Delivery, DurableDelivery, DurableMailboxFull
from airswasm.storage import Store, open_store
from hypothesis import given, settings
from hypothesis import strategies as st

NAMES = ("shop/a", "shop/b")
Kind: TypeAlias = Literal["good", "bad", "late"]
TERMS = Delivery(attempts=2, messages=6)

SEND = st.tuples(st.just("send"), st.sampled_from(NAMES), st.integers(0, 2), st.sampled_from(
    ("good", "good", "good", "bad", "late")
))  # fmt: skip
ASK = st.tuples(st.just("ask"), st.sampled_from(NAMES), st.integers(0, 2), st.just("good"))
PUBLISH = st.tuples(st.just("publish"), st.just(""), st.integers(0, 2), st.just("good"))
ACT = st.tuples(
    st.sampled_from(("start", "stop", "pause", "resume", "purge", "settle")),
    st.sampled_from(NAMES),
)
END = st.tuples(st.sampled_from(("restart", "kill")), st.just(""))
HISTORY = st.lists(SEND | SEND | ASK | PUBLISH | ACT | ACT | END, max_size=30)


class Books:
    """What was accepted, and what became of it, over all starts of the host."""

    def __init__(self) -> None:
        self.accepted: Counter[str] = Counter()
        self.handled: Counter[str] = Counter()
        self.dead: Counter[str] = Counter()
        self.expired = 0
        self.forgotten = 0
        self.order: dict[tuple[str, int], list[int]] = {}
        self.sent: Counter[tuple[str, int]] = Counter()
        self.seen: set[tuple[str, str]] = set()
        self.unmarked: list[str] = []

    def payload(self, name: str, sender: int, kind: Kind) -> bytes:
        """Return the next payload of a sender to a name."""
        self.sent[name, sender] += 1
        return b"%s %d %d %s" % (
            name.encode(), sender, self.sent[name, sender], kind.encode(),
        )  # fmt: skip

    def handle(self, name: str, message: Message) -> None:
        """Note a delivery; fail as the message says."""
        assert isinstance(message.payload, bytes)
        assert message.envelope is not None
        _, sender, number, kind = message.payload.decode().split()
        key = (name, message.envelope.id)
        if key in self.seen and message.envelope.attempt == 1:
            self.unmarked.append(message.envelope.id)
        self.seen.add(key)
        order = self.order.setdefault((name, int(sender)), [])
        if not order or order[-1] != int(number):
            order.append(int(number))
        if kind == "bad":
            raise RuntimeError("bad")
        self.handled[f"{name} {message.envelope.id}"] += 1


class Handler:
    def __init__(self, name: str, books: Books) -> None:
        self.name, self.books = name, books

    def receive(self, message: Message, context: Context) -> object:
        del context
        self.books.handle(self.name, message)
        return b"answer"


class Host:
    """One start of the host."""

    def __init__(self, store: Store, actors: ActorSystem, books: Books) -> None:
        self.store, self.actors, self.books = store, actors, books
        self.delivery = DurableDelivery(store, actors)
        self.delivery.open()
        self.before = {name: self.waiting(name) for name in NAMES}
        self.nodes: dict[str, SupervisorNode] = {}
        self.answers: list[tuple[Request, str]] = []
        for name in NAMES:
            self.delivery.declare(name, TERMS)
            actors.broker.subscribe("news", name)
        actors.dead_letters.listen(self._note)

    def _note(self, letter: DeadLetter) -> None:
        assert letter.reason is DeathReason.EXHAUSTED
        envelope = letter.message.envelope
        assert envelope is not None
        self.books.dead[f"{letter.target} {envelope.id}"] += 1

    def waiting(self, name: str) -> int:
        status = self.delivery.status(name)
        return 0 if status is None else status.messages

    def ref(self, name: str) -> ActorRef | None:
        return self.actors.broker.handling(name)

    async def send(self, name: str, sender: int, kind: Kind) -> None:
        done = anyio.Event()
        broker = self.actors.broker
        deadline = broker.wall_time() - 1 if kind == "late" else None
        message_id = broker.new_id()
        try:
            broker.submit(
                name, self.books.payload(name, sender, kind), lambda _: done.set(),
                sender=f"test/{sender}", envelope=Envelope(message_id, deadline=deadline),
            )  # fmt: skip
        except DurableMailboxFull:
            return
        await done.wait()
        self.books.accepted[f"{name} {message_id}"] += 1

    async def ask(self, name: str, sender: int) -> None:
        broker = self.actors.broker
        message_id = broker.new_id()
        try:
            request = broker.request(
                name, self.books.payload(name, sender, "good"), lambda _: None, timeout=3600,
                sender=f"test/{sender}", envelope=Envelope(message_id),
            )  # fmt: skip
        except DurableMailboxFull:
            return
        await self.synced()
        self.books.accepted[f"{name} {message_id}"] += 1
        self.answers.append((request, f"{name} {message_id}"))

    async def publish(self, sender: int) -> None:
        broker = self.actors.broker
        rooms = [name for name in NAMES if self.waiting(name) < TERMS.messages]
        message_id = broker.new_id()
        number = max(self.books.sent[name, sender] for name in NAMES) + 1
        for name in NAMES:
            self.books.sent[name, sender] = number
        count = broker.publish(
            "news", b"news %d %d good" % (sender, number), sender=f"test/{sender}",
            envelope=Envelope(message_id),
        )  # fmt: skip
        assert count == len(rooms)
        await self.synced()
        for name in rooms:
            self.books.accepted[f"{name} {message_id}"] += 1

    async def synced(self) -> None:
        """Wait until the disk has all that was written so far."""
        await self.store.namespace("test").set("k", b"")

    async def act(self, what: str, name: str) -> None:
        ref, node = self.ref(name), self.nodes.get(name)
        if what == "start" and node is None:
            child = ChildSpec(id=name, start=lambda: Handler(name, self.books))
            spec = SupervisorSpec(intensity=1_000, children=(child,))
            node = self.nodes[name] = SupervisorNode(self.actors, spec, name=f"of {name}")
            await node.start()
        elif what == "stop" and node is not None:
            del self.nodes[name]
            await node.stop()
        elif what == "pause" and ref is not None:
            ref.pause()
        elif what == "resume" and ref is not None:
            ref.resume()
        elif what == "purge":
            self.books.forgotten += await self.delivery.forget(name)
            self.delivery.declare(name, TERMS)
            self.actors.broker.subscribe("news", name)
        elif what == "settle" and node is not None and ref is not None:
            ref.resume()
            await self.settle(name)

    async def settle(self, name: str) -> None:
        with anyio.fail_after(30):
            while self.waiting(name):  # noqa: ASYNC110 - the test has no part in what it waits for
                await anyio.sleep(0.001)

    def balance(self) -> None:
        """Compare the books with what waits."""
        books = self.books
        books.expired += self.delivery.counters.durable_expired
        self.delivery.counters.durable_expired = 0
        ended = len(books.handled) + len(books.dead) + books.expired + books.forgotten
        waiting = sum(map(self.waiting, NAMES))
        assert sum(books.accepted.values()) == len(books.accepted)
        assert len(books.accepted) == ended + waiting
        assert set(books.handled) | set(books.dead) <= set(books.accepted)
        assert not set(books.handled) & set(books.dead)
        assert books.unmarked == []
        for order in books.order.values():
            assert order == sorted(set(order))
        for request, name in self.answers:
            if request.is_done and request.error is None:
                assert books.handled[name]


@given(history=HISTORY)
@settings(deadline=None, max_examples=40)
def test_the_books_balance(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, ...]]
) -> None:
    """Whatever happens, and in whatever order."""
    folder = tmp_path_factory.mktemp("books")
    try:
        anyio.run(_live, folder, history)
    finally:
        shutil.rmtree(folder)


async def _live(folder: Path, history: list[tuple[str, ...]]) -> None:
    books, steps = Books(), [*history, ("last", "")]
    while steps:
        async with open_store(folder / "store") as store:
            how = await _one_start(store, books, steps)
            assert how in ("restart", "kill", "last")


async def _one_start(store: Store, books: Books, steps: list[tuple[str, ...]]) -> str:
    how = "last"
    async with ActorSystem() as actors:
        host = Host(store, actors, books)
        host.balance()
        while steps:
            what, name, *more = steps.pop(0)
            if what == "send":
                await host.send(name, int(more[0]), more[1])  # type: ignore[arg-type]
            elif what == "ask":
                await host.ask(name, int(more[0]))
            elif what == "publish":
                await host.publish(int(more[0]))
            elif what in ("restart", "kill", "last"):
                how = what
                break
            else:
                await host.act(what, name)
        if how == "kill":  # what ends from now on, nothing hears of, as if the process were gone
            host.delivery.close()
            books.expired += host.delivery.counters.durable_expired
        else:
            host.balance()
            if how == "last":
                for name in NAMES:
                    await host.act("start", name)
                    await host.act("settle", name)
                host.balance()
                assert all(not host.waiting(name) for name in NAMES)
                assert all(request.is_done for request, _ in host.answers)
    host.delivery.close()
    return how
