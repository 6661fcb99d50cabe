"""Faults at random, by seed, for simulated minutes; at the end the books balance exactly."""

from __future__ import annotations

import os
import random

import anyio
import pytest
from airswasm.actor import (
    ActorError,
    ActorRef,
    ActorSystem,
    Backoff,
    ChildSpec,
    Context,
    DeliveryError,
    MailboxSpec,
    Message,
    Request,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.actor.testing import Faults
from trio.testing import MockClock

SEEDS = int(os.environ.get("AIRSWASM_SEEDS", "200"))
NAMES = tuple("abcdef")


class Worker:
    """Plain or waiting; sometimes fails, sometimes asks another, sometimes leaves."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def receive(self, message: Message, context: Context) -> object:
        chance = self.rng.random()
        if chance < 0.02:
            raise RuntimeError("by chance")
        if chance < 0.03:
            context.stop()
        if chance < 0.3:
            return self.wait(message, context)
        return message.payload

    async def wait(self, message: Message, context: Context) -> object:
        await anyio.sleep(self.rng.random() * 0.1)
        if self.rng.random() < 0.3:
            await context.ask(self.rng.choice(NAMES), message.payload, timeout=1.0)
        return message.payload


class Soak:
    """One run. Counts what it asked and what came of it."""

    def __init__(self, system: ActorSystem, seed: int) -> None:
        self.system = system
        self.rng = random.Random(seed)
        self.faults = Faults(system, seed)
        self.asked = self.refused = 0
        self.outcomes: list[Request] = []
        self.versions = 0
        self.spare: list[ActorRef] = []

    def supervisor(self) -> SupervisorNode:
        policies = ("reject", "drop-oldest", "wait")
        children = tuple(
            ChildSpec(
                name,
                lambda: Worker(self.rng),
                mailbox=MailboxSpec(8, policies[position % 3], wait=0.5),  # type: ignore[arg-type]
                shutdown=0.05,
            )
            for position, name in enumerate(NAMES)
        )
        strategy = self.rng.choice(("one_for_one", "one_for_all", "rest_for_one"))
        backoff = Backoff("linear", initial=0.01, cap=0.1)
        spec = SupervisorSpec(strategy, 10**6, 1.0, backoff, children)  # type: ignore[arg-type]
        return SupervisorNode(self.system, spec)

    async def run(self, steps: int) -> None:
        node = self.supervisor()
        await node.start()
        for name in NAMES:
            self.system.broker.subscribe("news.*", name)
        self.system.spawn(Worker(self.rng), name="svc")
        for _ in range(steps):
            await self.step(node)
        await anyio.sleep(60)
        await node.stop()

    async def step(self, node: SupervisorNode) -> None:
        verb = self.rng.choice(
            ("tell",) * 6
            + ("ask",) * 6
            + ("publish", "kill", "flood", "delay", "drop", "sleep", "replace", "update", "restart")
        )
        name = self.rng.choice((*NAMES, "svc"))
        try:
            await self.take(verb, name, node)
        except ActorError:
            self.refused += 1

    async def take(self, verb: str, name: str, node: SupervisorNode) -> None:
        broker, rng = self.system.broker, self.rng
        if verb == "tell":
            broker.tell(name, rng.random())
        elif verb == "ask":
            broker.request(name, rng.random(), self.outcomes.append, timeout=rng.random() * 3)
            self.asked += 1
        elif verb == "publish":
            broker.publish("news.today", rng.random())
        elif verb == "kill":
            self.faults.kill(broker.resolve(name))
        elif verb == "flood":
            self.faults.flood(broker.resolve(name), 20)
        elif verb == "delay":
            self.faults.delay(broker.resolve(name), rng.random())
        elif verb == "drop":
            self.faults.drop(broker.resolve(name), 2)
        elif verb == "sleep":
            await anyio.sleep(rng.random() * 0.5)
        elif verb == "replace":
            self.versions += 1
            new = self.system.spawn(Worker(rng), name=f"svc@{self.versions}")
            if "svc" not in broker.routes:
                broker.route("svc", new)
            else:
                await broker.replace("svc", new, drain=rng.random() * 0.2, shutdown=0.05)
        elif name != "svc" and verb == "update":
            await node.update_child(ChildSpec(name, lambda: Worker(rng)), finish=0.05)
        elif name != "svc":
            await node.stop_child(name)
            await node.restart_child(name)


async def soak(seed: int, steps: int) -> None:
    async with ActorSystem(rng=random.Random(seed)) as system:
        run = Soak(system, seed)
        await run.run(steps)
        assert len(run.outcomes) == run.asked, f"seed {seed}: an ask without an outcome"
    books = system.books()
    assert books.is_balanced, f"seed {seed}: {books}"
    assert (books.waiting, books.in_hand) == (0, 0), f"seed {seed}: {books}"
    assert books.dead == sum(system.dead_letters.by_reason.values())


@pytest.mark.parametrize("block", range(4))
def test_the_books_balance_whatever_happens(block: int) -> None:
    """Every message is handled, rejected or a dead letter; every ask has exactly one outcome."""
    for seed in range(block, SEEDS, 4):
        clock = MockClock(autojump_threshold=0)
        anyio.run(soak, seed, 150, backend="trio", backend_options={"clock": clock})


def test_a_flood_costs_no_memory() -> None:
    """Sends to a stopped actor and to a full one are refused, and nothing grows."""

    async def run() -> None:
        async with ActorSystem() as system:
            full = system.spawn(lambda _, __: None, mailbox=MailboxSpec(10), is_paused=True)
            stopped = system.spawn(lambda _, __: None)
            await system.stop(stopped)
            refused = 0
            for _ in range(20_000):
                for ref in (full, stopped):
                    try:
                        ref.tell(b"x")
                    except DeliveryError:
                        refused += 1
            assert full.mailbox.size == 10
            assert refused == system.books().rejected == 40_000 - 10

    anyio.run(run, backend="trio")
