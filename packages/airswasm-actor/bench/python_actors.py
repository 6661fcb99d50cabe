"""Python actors against Pykka, Thespian and xoscar, and against a bare dictionary and deque.

Run it where the peers are installed (`uv pip install pykka thespian xoscar`); a peer that is
missing is left out, with a word. Ours and theirs take turns, round by round, in one process, and
what counts is the median of the rounds' ratios.

Time is the processor's: of the sending thread for `tell`, of the whole process for the rest. On a
busy machine, waiting for a turn is not counted. That Pykka's callers also wait until a thread
has started, or has answered, is not counted, so on an idle machine the ratios are higher.

`--quick` takes less of memory and leaves fairness out. `--figures` prints our own times as JSON.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import statistics
import sys
import time
import tracemalloc
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import anyio
from airswasm.actor import ActorRef, ActorSystem, Context, MailboxSpec, Message, is_compiled
from airswasm.actor._running.reference import cell_of

ROUNDS = 41  # short ones: each fits into a slice of the operating system's scheduler
BIG = MailboxSpec(capacity=10**9)


async def nothing() -> None:
    """Nothing has to be prepared or put back."""


async def collect() -> None:
    """For what leaves objects behind: no round pays for the garbage of the one before."""
    gc.collect()


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to measure: `run` does it `count` times; `before` and `after` are not timed."""

    run: Callable[[int], Awaitable[None]]
    count: int
    clock: Callable[[], float] = time.process_time
    before: Callable[[], Awaitable[None]] = nothing
    after: Callable[[], Awaitable[None]] = nothing


Steps = Mapping[str, Step]


async def measure(steps: Steps, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds for one of each, round by round; the first round only warms up."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            await step.before()
            start = step.clock()
            await step.run(step.count)
            seconds = (step.clock() - start) / step.count
            await step.after()
            if number:
                times[name].append(seconds)
    return times


class Echo:
    __slots__ = ()

    def receive(self, message: Message, context: Context) -> object:  # noqa: ARG002
        return message.payload


def our_steps(system: ActorSystem) -> dict[str, Step]:
    ref = system.spawn(Echo(), name="echo")
    paused = system.spawn(Echo(), name="paused", is_paused=True)
    thousand = [system.spawn(Echo()) for _ in range(1000)]
    spawned: list[ActorRef] = []
    message = Message(1)

    async def tell(count: int) -> None:
        send = ref.tell
        for _ in range(count):
            send(1)

    async def route(count: int) -> None:
        send = system.broker.tell
        for _ in range(count):
            send("echo", 1)

    async def deliver(count: int) -> None:
        give = system.broker.deliver
        for _ in range(count):
            give("paused", message)

    async def forget() -> None:
        cell = cell_of(paused)
        assert cell.queue is not None
        cell.queue.clear()
        cell.update_ready()

    async def settle() -> None:
        await ref.drain(60)

    async def fill() -> None:
        ref.pause()
        await tell(2_000)

    async def handle(count: int) -> None:  # noqa: ARG001 - what `fill` has sent
        ref.resume()
        await ref.drain(60)

    async def ask(count: int) -> None:
        for _ in range(count):
            await ref.ask(1)

    async def spawn(count: int) -> None:
        for _ in range(count):
            spawned.append(system.spawn(Echo()))

    async def stop() -> None:
        for each in spawned:
            await system.stop(each)
        spawned.clear()

    async def spread(count: int) -> None:
        for _ in range(count // 1000):
            for each in thousand:
                each.tell(1)
        for each in thousand:
            await each.drain(60)

    return {
        "tell": Step(tell, 2_000, time.thread_time, after=settle),
        "tell by name": Step(route, 2_000, time.thread_time, after=settle),
        "route": Step(deliver, 3_000, time.thread_time, after=forget),
        "handle": Step(handle, 2_000, before=fill),
        "ask": Step(ask, 300),
        "spawn": Step(spawn, 300, before=collect, after=stop),
        "throughput": Step(spread, 10_000),
    }


def bare_route() -> Step:
    """The least that routing can cost: a method that looks up and appends."""

    class Bare:
        def __init__(self) -> None:
            self.routes = {"idle": deque[Message]()}

        def deliver(self, target: str, message: Message) -> None:
            queue = self.routes.get(target)
            if queue is None:
                raise KeyError(target)
            queue.append(message)

    bare = Bare()
    message = Message(1)

    async def run(count: int) -> None:
        deliver = bare.deliver
        for _ in range(count):
            deliver("idle", message)

    async def forget() -> None:
        bare.routes["idle"].clear()

    return Step(run, 3_000, time.thread_time, after=forget)


async def measure_memory(count: int) -> float:
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


@asynccontextmanager
async def pykka_steps() -> AsyncIterator[dict[str, Step]]:
    import pykka

    class PykkaEcho(pykka.ThreadingActor):
        def on_receive(self, message: object) -> object:
            return message

    ref = PykkaEcho.start()
    spawned: list[pykka.ActorRef[PykkaEcho]] = []
    crowd: list[pykka.ActorRef[PykkaEcho]] = []

    async def tell(count: int) -> None:
        for _ in range(count):
            ref.tell(1)

    async def ask(count: int) -> None:
        for _ in range(count):
            ref.ask(1)

    async def settle() -> None:
        await ask(1)

    async def spawn(count: int) -> None:
        for _ in range(count):
            spawned.append(PykkaEcho.start())

    async def stop() -> None:
        for each in spawned:
            each.stop()
        spawned.clear()

    async def gather() -> None:
        if not crowd:
            crowd.extend(PykkaEcho.start() for _ in range(1000))

    async def spread(count: int) -> None:
        for _ in range(count // 1000):
            for each in crowd:
                each.tell(1)
        for each in crowd:
            each.ask(1)

    try:
        yield {
            "tell": Step(tell, 1_000, time.thread_time, after=settle),
            "ask": Step(ask, 50),
            "spawn": Step(spawn, 20, before=collect, after=stop),
            "throughput": Step(spread, 3_000, before=gather),
        }
    finally:
        pykka.ActorRegistry.stop_all()


@asynccontextmanager
async def thespian_steps() -> AsyncIterator[dict[str, Step]]:
    from thespian.actors import Actor
    from thespian.actors import ActorSystem as Thespians

    class ThespianEcho(Actor):  # type: ignore[misc]
        def receiveMessage(self, message: object, sender: object) -> None:  # noqa: N802
            if isinstance(message, int):
                self.send(sender, message)

    system = Thespians("simpleSystemBase")
    echo = system.createActor(ThespianEcho)

    async def ask(count: int) -> None:
        for _ in range(count):
            system.ask(echo, 1)

    try:
        yield {"ask": Step(ask, 50)}
    finally:
        system.shutdown()


@asynccontextmanager
async def xoscar_steps() -> AsyncIterator[dict[str, Step]]:
    import xoscar

    pool = await xoscar.create_actor_pool("127.0.0.1:13527", n_process=0)
    async with pool:
        address = pool.external_address
        ref = await xoscar.create_actor(XoscarEcho, address=address, uid="echo")
        spawned: list[object] = []

        async def ask(count: int) -> None:
            for _ in range(count):
                await ref.echo(1)

        async def spawn(count: int) -> None:
            for _ in range(count):
                spawned.append(await xoscar.create_actor(XoscarEcho, address=address))

        async def stop() -> None:
            for each in spawned:
                await xoscar.destroy_actor(each)
            spawned.clear()

        yield {"ask": Step(ask, 30), "spawn": Step(spawn, 20, before=collect, after=stop)}


if importlib.util.find_spec("xoscar") is not None:
    import xoscar

    class XoscarEcho(xoscar.Actor):  # type: ignore[misc]
        def echo(self, value: object) -> object:
            return value


PEERS: dict[str, Callable[[], AbstractAsyncContextManager[dict[str, Step]]]] = {
    "pykka": pykka_steps,
    "thespian": thespian_steps,
    "xoscar": xoscar_steps,
}
TARGETS = {
    "pykka": {"tell": 8, "ask": 4, "spawn": 80, "throughput": 5},
    "thespian": {"ask": 4},
    "xoscar": {"ask": 12, "spawn": 40},
}


async def compare(ours: Steps, peer: str) -> None:
    if importlib.util.find_spec(peer) is None:
        print(f"  {peer}: not installed, left out")
        return
    async with PEERS[peer]() as theirs:
        for what, wanted in TARGETS[peer].items():
            rounds = ROUNDS if what != "throughput" else 7
            times = await measure({"ours": ours[what], "theirs": theirs[what]}, rounds)
            ratios = [b / a for a, b in zip(times["ours"], times["theirs"], strict=True)]
            low, ratio, high = statistics.quantiles(ratios, n=4)
            print(
                f"  {what:10} {peer:9} {statistics.median(times['theirs']) * 1e9:10,.0f} ns: "
                f"{ratio:6.1f} times ours, half of the rounds within {low:.1f} to {high:.1f} "
                f"(at least {wanted}) {'ok' if ratio >= wanted else 'MISSED'}"
            )


async def measure_times(arguments: list[str]) -> None:
    async with ActorSystem(mailbox=BIG) as system:
        ours = our_steps(system)
        times = await measure({**ours, "bare": bare_route()})
        medians = {name: statistics.median(each) for name, each in times.items()}
        if "--figures" in arguments:
            print(json.dumps({name: seconds * 1e9 for name, seconds in medians.items()}))
            return
        print(f"airswasm-actor, {'compiled' if is_compiled() else 'interpreted'}, medians:")
        for name, seconds in medians.items():
            print(f"  {name:14} {seconds * 1e9:10,.0f} ns")
        pairs = zip(times["route"], times["bare"], strict=True)
        ratio = statistics.median(route / bare for route, bare in pairs)
        print(f"  routing is {ratio:.2f} times a bare look-up and append (at most 2)")
        for peer in PEERS:
            await compare(ours, peer)


def main() -> None:
    arguments = sys.argv[1:]
    anyio.run(measure_times, arguments)
    if "--figures" in arguments:
        return
    quick = "--quick" in arguments
    memory = anyio.run(measure_memory, 10_000 if quick else 100_000)
    print(f"  an idle actor takes {memory:,.0f} bytes (at most 1,000)")
    if not quick:
        least, most = anyio.run(measure_fairness)
        print(f"  10,000 busy actors in 6 s: the least {least}, the most {most} messages")


if __name__ == "__main__":
    main()
