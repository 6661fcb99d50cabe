"""Faults at random, by seed: at the end the books balance exactly.

Most runs are simulated, minutes on trio's autojump clock with Python actors. One for each event
loop is real, with guests among the actors and several clients at once: two seconds in a plain test
run, `AIRSWASM_SOAK_SECONDS` of them when the variable asks for more. It prints its books.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

import anyio
import pytest
from airswasm.actor import (
    ActorError,
    ActorRef,
    ActorSystem,
    Backoff,
    ChildSpec,
    ComponentActor,
    Context,
    DeliveryError,
    MailboxSpec,
    Message,
    Request,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.actor._running.mailbox import resize
from airswasm.actor._running.reference import cell_of
from airswasm.actor.testing import Faults
from airswasm.runtime import (
    Caller,
    Engine,
    Err,
    HostInterface,
    Limits,
    LinkedComponent,
    Ok,
    Pending,
)
from trio.testing import MockClock

from .conftest import SEEDS

SECONDS = float(os.environ.get("AIRSWASM_SOAK_SECONDS", "2"))
NAMES = tuple("abcdef")
GUESTS = tuple(f"test/g{number}" for number in range(6))
VERBS = ("tell",) * 6 + ("ask",) * 6 + ("send",) * 3 + (
    "publish", "signal", "kill", "flood", "delay", "drop", "sleep", "replace", "abandon", "update",
    "restart", "bound",
)  # fmt: skip


class Worker:
    """Plain or waiting; sometimes fails, sometimes asks another, sometimes leaves."""

    def __init__(self, soak: Soak) -> None:
        self.soak, self.rng = soak, soak.rng

    def receive(self, message: Message, context: Context) -> object:
        chance = self.rng.random()
        if chance < 0.02:
            self.soak.ends["failed"] += 1
            raise RuntimeError("by chance")
        if chance < 0.03:
            context.stop()
        if chance < 0.3:
            return self.wait(message, context)
        self.soak.ends["handled"] += 1
        return message.payload

    async def wait(self, message: Message, context: Context) -> object:
        end = "failed"
        try:
            await anyio.sleep(self.rng.random() * 0.1)
            if self.rng.random() < 0.3:
                await context.ask(self.rng.choice(NAMES), message.payload, timeout=1.0)
            end = "handled"
        finally:
            self.soak.ends[end] += 1
        return message.payload


class Soak:
    """One run. Keeps books of its own: what it sent, and how handlers ended.

    Attributes:
        ends: Of the Python handlers: `handled`, or `failed` (crashed, cancelled or killed).
        asked: Questions that were accepted; `outcomes` are their ends.
    """

    def __init__(
        self, system: ActorSystem, seed: int, make_guest: Callable[[str], object] | None = None
    ) -> None:
        self.system = system
        self.rng = random.Random(seed)
        self.faults = Faults(system, seed)
        self.ends = Counter[str]()
        self.asked = self.steps = 0
        self.outcomes: list[Request] = []
        self.versions = 0
        self.make_guest = make_guest
        self.names = NAMES if make_guest is None else (*NAMES, *GUESTS)
        self.node = self.supervisor()

    def supervisor(self) -> SupervisorNode:
        children = tuple(self.child(name) for name in self.names)
        strategy = self.rng.choice(("one_for_one", "one_for_all", "rest_for_one"))
        backoff = Backoff("linear", initial=0.01, cap=0.1)
        spec = SupervisorSpec(strategy, 10**9, 1.0, backoff, children)  # type: ignore[arg-type]
        return SupervisorNode(self.system, spec)

    def child(self, name: str) -> ChildSpec:
        guest = self.make_guest
        if name in GUESTS and guest is not None:
            return ChildSpec(name, lambda: guest(name), mailbox=self.mailbox(), shutdown=0.05)
        return ChildSpec(name, lambda: Worker(self), mailbox=self.mailbox(), shutdown=0.05)

    def mailbox(self) -> MailboxSpec:
        policy = self.rng.choice(("reject", "drop-oldest", "wait"))
        return MailboxSpec(8, policy, 0.5, self.rng.choice((None, 1000, 3000)))  # type: ignore[arg-type]

    def payload(self) -> bytes:
        """A payload that guests take as an order, and others as it is."""
        return self.rng.choice((b"1", b"d", b"t", b"s", b"w", b"u", b"N")) + bytes(
            self.rng.choice((0, 10, 500, 1200))
        )

    # -- the run ---------------------------------------------------------------------------------

    async def open(self) -> None:
        await self.node.start()
        for name in self.names:
            self.system.broker.subscribe("news.*", name)
        self.system.spawn(Worker(self), name="svc", mailbox=self.mailbox())

    async def close(self) -> None:
        """Stop when nothing is under way any more."""
        for _ in range(600):
            if not self.restless():
                break
            await anyio.sleep(0.1)
        assert not self.restless()
        await self.node.stop()
        for name in [name for name in self.system.actors if name.startswith("svc")]:
            await self.system.stop(self.system.actors[name], timeout=0.05)

    def restless(self) -> list[str]:
        """The actors that still have something to do, and what that is."""
        restarting = [child.id for child in self.node.status() if child.state == "restarting"]
        busy = [ref for ref in self.system.actors.values() if not cell_of(ref).is_idle]
        return [*restarting, *(f"{ref!r} {ref.mailbox} {cell_of(ref).work}" for ref in busy)]

    async def step(self, group: anyio.abc.TaskGroup) -> None:
        self.steps += 1
        verb = self.rng.choice(VERBS)
        name = self.rng.choice((*self.names, "svc"))
        with suppress(ActorError):
            await self.take(verb, name, group)

    async def take(self, verb: str, name: str, group: anyio.abc.TaskGroup) -> None:
        broker, rng = self.system.broker, self.rng
        if verb == "tell":
            broker.tell(name, self.payload())
        elif verb == "ask":
            broker.request(name, self.payload(), self.outcomes.append, timeout=rng.random() * 3)
            self.asked += 1
        elif verb == "send":
            group.start_soon(self.send, broker.resolve(name), rng.random())
        elif verb == "publish":
            broker.publish("news.today", self.payload())
        elif verb == "signal":
            broker.resolve(name).signal(self.payload())
        elif verb == "kill":
            self.faults.kill(broker.resolve(name))
        elif verb == "flood":
            self.faults.flood(broker.resolve(name), 20, self.payload())
        elif verb == "delay":
            self.faults.delay(broker.resolve(name), rng.random())
        elif verb == "drop":
            self.faults.drop(broker.resolve(name), 2)
        elif verb == "sleep":
            await anyio.sleep(rng.random() * 0.5)
        elif verb == "bound":
            resize(cell_of(broker.resolve(name)), self.mailbox())
        elif verb in ("replace", "abandon"):
            await self.replace(is_abandoned=verb == "abandon")
        elif name != "svc" and verb == "update":
            await self.node.update_child(self.child(name), finish=0.05)
        elif name != "svc":
            await self.node.stop_child(name)
            await self.node.restart_child(name)

    async def send(self, ref: ActorRef, patience: float) -> None:
        """Waits for room, and not for long."""
        with suppress(DeliveryError), anyio.move_on_after(patience):
            await ref.send(self.payload())

    async def replace(self, *, is_abandoned: bool) -> None:
        self.versions += 1
        new = self.system.spawn(Worker(self), name=f"svc@{self.versions}", mailbox=self.mailbox())
        if "svc" not in self.system.broker.routes:
            self.system.broker.route("svc", new)
            return
        with anyio.move_on_after(self.rng.random() * 0.1 if is_abandoned else 60):
            drain = self.rng.random() * 0.2
            await self.system.broker.replace("svc", new, drain=drain, shutdown=0.05)

    # -- what must be true then ------------------------------------------------------------------

    def check(self, *, has_guests: bool) -> None:
        books, dead = self.system.books(), self.system.dead_letters.by_reason
        assert books.is_balanced, books
        assert (books.waiting, books.in_hand) == (0, 0), books
        assert books.dead == sum(dead.values())
        assert len(self.outcomes) == self.asked, "an ask without an outcome"
        if not has_guests:
            # A handler may end in the moment in which it is killed: then it is a dead letter.
            unheard = self.ends["handled"] - books.handled
            assert 0 <= unheard <= dead["killed"], (books, self.ends)
            # And what is killed before its task has begun, has not failed.
            assert self.ends["failed"] + unheard <= dead["crashed"] + dead["killed"]


async def simulate(seed: int, steps: int) -> None:
    async with ActorSystem(rng=random.Random(seed)) as system:
        soak = Soak(system, seed)
        await soak.open()
        async with anyio.create_task_group() as group:
            for _ in range(steps):
                await soak.step(group)
        await soak.close()
        await anyio.sleep(10)
        assert len(system.timers) == 0
    soak.check(has_guests=False)


@pytest.mark.parametrize("part", range(4))
def test_the_books_balance_whatever_happens(part: int) -> None:
    """Every message is handled, rejected or a dead letter; every ask has exactly one outcome."""
    for seed in range(part, SEEDS, 4):
        clock = MockClock(autojump_threshold=0)
        try:
            anyio.run(simulate, seed, 150, backend="trio", backend_options={"clock": clock})
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


class Gate:
    """The gate that guests wait for in the host: some milliseconds, or another actor."""

    def __init__(self, system: ActorSystem, rng: random.Random) -> None:
        self.system, self.rng = system, rng

    def interface(self) -> HostInterface:
        return HostInterface("airswasm:component/gate@0.1.0", {"wait": self.wait, "ask": self.ask})

    def wait(self, _caller: Caller) -> Pending:
        pending = Pending()
        self.system.timers.after(self.rng.random() * 0.05, pending.resolve)
        return pending

    def ask(self, caller: Caller, _target: str) -> Pending | Err[str]:
        pending = Pending()

        def done(request: Request) -> None:
            pending.resolve(Err(str(request.error)) if request.error else Ok(None))

        try:
            self.system.broker.request(
                self.rng.choice((*NAMES, *GUESTS)), b"1", done, timeout=1.0, sender=caller.name,
                is_waiting=True,
            )  # fmt: skip
        except ActorError as error:
            return Err(str(error))
        return pending


async def soak_for(seconds: float, seed: int, diary_wasm: bytes) -> Soak:
    async with Engine() as engine, ActorSystem(rng=random.Random(seed)) as system:
        rng = random.Random(seed)
        component = await engine.load(diary_wasm, name="diary")
        linked: LinkedComponent = component.link([Gate(system, rng).interface()])
        limits = Limits(fuel=2_000_000, timeout=5.0)
        soak = Soak(system, seed, lambda name: ComponentActor(linked, name, limits=limits))
        await soak.open()
        end = monotonic() + seconds

        async def client(group: anyio.abc.TaskGroup) -> None:
            while monotonic() < end:
                await soak.step(group)
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(client, group)
        await soak.close()
    return soak


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_soak(loop: str, diary_wasm: bytes) -> None:
    """In real time, with guests that trap, compute and wait among the others."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"\n{loop}, seed {seed}, {SECONDS:g} s")
    soak = anyio.run(soak_for, SECONDS, seed, diary_wasm, backend=loop)
    print(f"{soak.steps} steps, {soak.asked} asks, {soak.versions} versions of one name")
    print(soak.system.books(), dict(soak.system.dead_letters.by_reason))
    soak.check(has_guests=True)


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
