"""Python actors against Pykka, Thespian and xoscar, and against a bare dictionary and deque.

Run it where the peers are installed (`uv pip install pykka thespian xoscar`); a peer that is
missing is left out, with a word. All in one process and one run; each figure is the median of
several rounds, and what counts are the ratios.
"""

from __future__ import annotations

import gc
import importlib.util
import statistics
import sys
import time
import tracemalloc
from collections import deque
from collections.abc import Awaitable, Callable

import anyio
from airswasm.actor import ActorSystem, Context, MailboxSpec, Message

ROUNDS = 31  # short ones: each fits into a slice of the operating system's scheduler
BIG = MailboxSpec(capacity=10**9)


class Echo:
    __slots__ = ()

    def receive(self, message: Message, context: Context) -> object:  # noqa: ARG002
        return message.payload


def median(run: Callable[[int], None], count: int, rounds: int = ROUNDS) -> float:
    """Seconds for one of `count`, the median of the rounds."""
    times = []
    for _ in range(rounds):
        gc.collect()
        start = time.perf_counter()
        run(count)
        times.append((time.perf_counter() - start) / count)
    return statistics.median(times)


async def median_async(
    run: Callable[[int], Awaitable[None]], count: int, rounds: int = ROUNDS
) -> float:
    times = []
    for _ in range(rounds):
        gc.collect()
        start = time.perf_counter()
        await run(count)
        times.append((time.perf_counter() - start) / count)
    return statistics.median(times)


async def measure_ours() -> dict[str, float]:
    figures: dict[str, float] = {}
    async with ActorSystem(mailbox=BIG) as system:
        ref = system.spawn(Echo(), name="echo")

        def tell(count: int) -> None:
            for _ in range(count):
                ref.tell(1)

        figures["tell"] = await drained(ref, tell, 2_000)

        def route(count: int) -> None:
            send = system.broker.tell
            for _ in range(count):
                send("echo", 1)

        figures["tell by name"] = await drained(ref, route, 2_000)

        message = Message(1)
        idle = system.spawn(Echo(), name="idle", is_paused=True)
        deliver = system.broker.deliver

        def look_up_and_append(count: int) -> None:
            for _ in range(count):
                deliver("idle", message)
            assert idle.queue is not None
            idle.queue.clear()

        look_up_and_append(10)
        figures["route"] = median(look_up_and_append, 3_000)
        figures["bare"] = median(bare_route(message), 3_000)

        async def ask(count: int) -> None:
            for _ in range(count):
                await ref.ask(1)

        figures["ask"] = await median_async(ask, 300)

        def spawn(count: int) -> None:
            for _ in range(count):
                system.spawn(Echo())

        figures["spawn"] = median(spawn, 300)
        figures["throughput"] = await throughput(system)
    return figures


def bare_route(message: Message) -> Callable[[int], None]:
    """What routing must cost at least: a method that looks up and appends."""

    class Bare:
        def __init__(self) -> None:
            self.routes = {"idle": deque[Message]()}

        def deliver(self, target: str, message: Message) -> None:
            queue = self.routes.get(target)
            if queue is None:
                raise KeyError(target)
            queue.append(message)

    bare = Bare()

    def run(count: int) -> None:
        deliver = bare.deliver
        for _ in range(count):
            deliver("idle", message)
        bare.routes["idle"].clear()

    return run


async def drained(ref: object, run: Callable[[int], None], count: int) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run(count)
        times.append((time.perf_counter() - start) / count)
        await ref.drain(60)  # type: ignore[attr-defined]
    return statistics.median(times)


async def throughput(system: ActorSystem) -> float:
    """Seconds for a message to be sent and handled, over a thousand actors."""
    refs = [system.spawn(Echo()) for _ in range(1000)]

    async def run(count: int) -> None:
        for _ in range(count // 1000):
            for ref in refs:
                ref.tell(1)
        for ref in refs:
            await ref.drain(60)

    return await median_async(run, 30_000, 7)


async def measure_memory(count: int = 100_000) -> float:
    """Bytes for an idle actor, the Python object in it included."""
    async with ActorSystem() as system:
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        refs = [system.spawn(Echo()) for _ in range(count)]
        for ref in refs:
            ref.tell(1)
        for ref in refs:
            await ref.drain(60)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    return (after - before) / count


async def measure_fairness(count: int = 10_000) -> tuple[float, float]:
    """The spread of how far busy actors have come when the first is done: least over most."""
    handled = [0] * count

    class Busy:
        __slots__ = ("number",)

        def __init__(self, number: int) -> None:
            self.number = number

        def receive(self, message: Message, context: Context) -> None:  # noqa: ARG002
            handled[self.number] += 1
            context.ref.tell(1)

    async with ActorSystem() as system:
        for number in range(count):
            system.spawn(Busy(number)).tell(1)
        await anyio.sleep(6)
        least, most = min(handled), max(handled)
    return least, most


def measure_pykka() -> dict[str, float]:
    import pykka

    class PykkaEcho(pykka.ThreadingActor):
        def on_receive(self, message: object) -> object:
            return message

    figures: dict[str, float] = {}
    ref = PykkaEcho.start()

    def tell(count: int) -> None:
        for _ in range(count):
            ref.tell(1)

    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        tell(1_000)
        times.append((time.perf_counter() - start) / 1_000)
        ref.ask(1)
    figures["tell"] = statistics.median(times)

    def ask(count: int) -> None:
        for _ in range(count):
            ref.ask(1)

    figures["ask"] = median(ask, 50)

    def spawn(count: int) -> None:
        for _ in range(count):
            PykkaEcho.start()

    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        spawn(20)
        times.append((time.perf_counter() - start) / 20)
        pykka.ActorRegistry.stop_all()
    figures["spawn"] = statistics.median(times)

    refs = [PykkaEcho.start() for _ in range(1000)]

    def run(count: int) -> None:
        for _ in range(count // 1000):
            for each in refs:
                each.tell(1)
        for each in refs:
            each.ask(1)

    figures["throughput"] = median(run, 3_000, 5)
    pykka.ActorRegistry.stop_all()
    return figures


def measure_thespian() -> dict[str, float]:
    from thespian.actors import Actor, ActorSystem

    class ThespianEcho(Actor):  # type: ignore[misc]
        def receiveMessage(self, message: object, sender: object) -> None:  # noqa: N802
            if isinstance(message, int):
                self.send(sender, message)

    system = ActorSystem("simpleSystemBase")
    echo = system.createActor(ThespianEcho)

    def ask(count: int) -> None:
        for _ in range(count):
            system.ask(echo, 1)

    figures = {"ask": median(ask, 50)}
    system.shutdown()
    return figures


async def measure_xoscar() -> dict[str, float]:
    import xoscar

    pool = await xoscar.create_actor_pool("127.0.0.1:13527", n_process=0)
    async with pool:
        address = pool.external_address
        ref = await xoscar.create_actor(XoscarEcho, address=address, uid="echo")

        async def ask(count: int) -> None:
            for _ in range(count):
                await ref.echo(1)

        async def spawn(count: int) -> None:
            for _ in range(count):
                await xoscar.create_actor(XoscarEcho, address=address)

        return {"ask": await median_async(ask, 30), "spawn": await median_async(spawn, 20)}


if importlib.util.find_spec("xoscar") is not None:
    import xoscar

    class XoscarEcho(xoscar.Actor):  # type: ignore[misc]
        def echo(self, value: object) -> object:
            return value


TARGETS = (
    ("tell", "pykka", 8),
    ("ask", "pykka", 4),
    ("ask", "thespian", 4),
    ("ask", "xoscar", 12),
    ("spawn", "pykka", 80),
    ("spawn", "xoscar", 40),
    ("throughput", "pykka", 5),
)


def main() -> None:
    ours = anyio.run(measure_ours)
    print("airswasm-actor, medians:")
    for name, seconds in ours.items():
        print(f"  {name:14} {seconds * 1e9:10,.0f} ns")
    ratio = ours["route"] / ours["bare"]
    print(f"  routing is {ratio:.2f} times a bare look-up and append (at most 2)")
    quick = "--quick" in sys.argv
    memory = anyio.run(measure_memory, 10_000 if quick else 100_000)
    print(f"  an idle actor takes {memory:,.0f} bytes (at most 1,000)")
    if not quick:
        least, most = anyio.run(measure_fairness)
        print(f"  10,000 busy actors in 6 s: the least {least}, the most {most} messages")
    peers: dict[str, dict[str, float]] = {}
    if importlib.util.find_spec("pykka"):
        peers["pykka"] = measure_pykka()
    if importlib.util.find_spec("thespian"):
        peers["thespian"] = measure_thespian()
    if importlib.util.find_spec("xoscar"):
        peers["xoscar"] = anyio.run(measure_xoscar)
    for what, peer, wanted in TARGETS:
        if peer not in peers:
            print(f"  {what:10} {peer}: not installed, left out")
            continue
        theirs = peers[peer][what]
        times = theirs / ours[what]
        verdict = "ok" if times >= wanted else "MISSED"
        print(
            f"  {what:10} {peer:9} {theirs * 1e9:10,.0f} ns: {times:6.1f} times ours "
            f"(at least {wanted}) {verdict}"
        )


if __name__ == "__main__":
    main()
