"""What a guest's socket costs against Python's own, and what a thousand idle connections cost.

The guest is an unmodified program in Rust (`std::net`), so it needs `rustc` with the target
`wasm32-wasip2`. Prints ratios, all of one run: absolute times are those of this machine.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from airswasm.osl import BLOCK, Doorman, Network, NetworkPolicy, OslPolicy, folders_below, provide
from airswasm.osl import Tcp as TcpInterface
from airswasm.runtime import (
    Caller,
    Engine,
    EngineConfig,
    Limits,
    LinkedComponent,
    Ok,
    Services,
    WasiConfig,
)
from airswasm.security import Grants, Guard, Kinds
from airswasm.wit import contract

KINDS = Kinds(BLOCK.capabilities)
ROOMY = Limits(memory_bytes=16 * 1024 * 1024, fuel=10**13, timeout=300.0)
EMPTY = b"\0asm\x0d\0\x01\0"
ON_THE_WAY = 256 * 1024
ROUNDS = 5
IDLE = 1_000
SERVER = """
import socket
listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
print(listening.getsockname()[1], flush=True)
while True:
    peer, _ = listening.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := peer.recv(262144):
        peer.sendall(data)
    peer.close()
"""
Echo = Callable[[int, int], Awaitable[None]]


async def by_streams(port: int, size: int, rounds: int) -> None:
    """Echo with asyncio's streams."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = b"x" * size
    for _ in range(rounds):
        for start in range(0, size, ON_THE_WAY):
            chunk = data[start : start + ON_THE_WAY]
            writer.write(chunk)
            await writer.drain()
            await reader.readexactly(len(chunk))
    writer.close()


async def by_anyio(port: int, size: int, rounds: int) -> None:
    """Echo with anyio's streams."""
    data = b"x" * size
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        for _ in range(rounds):
            for start in range(0, size, ON_THE_WAY):
                chunk = data[start : start + ON_THE_WAY]
                await stream.send(chunk)
                got = 0
                while got < len(chunk):
                    got += len(await stream.receive(ON_THE_WAY))


@asynccontextmanager
async def guest(folder: Path) -> AsyncIterator[LinkedComponent]:
    """Give the program, linked in an engine."""
    made = folder / "echo.wasm"
    source = Path(__file__).parent / "guests" / "echo.rs"
    options = ("--edition", "2021", "-O", "--target", "wasm32-wasip2", str(source), "-o", str(made))
    await anyio.run_process(("rustc", *options))
    guard = Guard(KINDS, {"local/a": Grants({"tcp:connect": ("127.0.0.1:*",)})})
    services = Services()
    services.add(Guard, guard)
    services.add(OslPolicy, OslPolicy(folders_below(folder)))
    offered = [
        each if each.name.startswith("wasi:") else guard.guarded(each, contract())
        for each in provide(services)
    ]
    async with Engine(EngineConfig.dense(folder)) as engine:
        yield (await engine.load(made, name="echo")).link(offered)


async def microseconds(echo: Echo, size: int, rounds: int) -> tuple[float, float]:
    """Return the median time of one exchange, and its processor time in this thread."""
    times, works = [], []
    for _ in range(ROUNDS):
        began, work = time.perf_counter(), time.thread_time()
        await echo(size, rounds)
        times.append((time.perf_counter() - began) / rounds * 1e6)
        works.append((time.thread_time() - work) / rounds * 1e6)
    return statistics.median(times), statistics.median(works)


async def echoes(port: int, folder: Path) -> None:
    """Compare exchanges of 4 KiB and 1 MiB."""
    async with guest(folder) as linked:

        async def by_guest(size: int, rounds: int) -> None:
            arguments = ("echo", f"127.0.0.1:{port}", str(size), str(rounds))
            instance = await linked.instantiate(
                limits=ROOMY, caller=Caller("local/a"), wasi=WasiConfig(arguments=arguments)
            )
            assert await instance.call("wasi:cli/run@0.2.0#run") == Ok(None)
            instance.close()

        for size, rounds in ((4 * 1024, 500), (1024 * 1024, 20)):
            ways: dict[str, Echo] = {
                "asyncio": lambda size, rounds: by_streams(port, size, rounds),
                "anyio": lambda size, rounds: by_anyio(port, size, rounds),
                "a guest's std::net": by_guest,
            }
            base: tuple[float, float] | None = None
            for name, way in ways.items():
                taken, work = await microseconds(way, size, rounds)
                base = base or (taken, work)
                print(
                    f"{size:9,} B  {name:20} {taken:9.1f} µs {taken / base[0]:6.2f}x   "
                    f"processor {work:9.1f} µs {work / base[1]:6.2f}x"
                )


async def idle(folder: Path) -> None:
    """Count what a thousand components that hold a connection make the host do."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        async with Engine(EngineConfig(cache_folder=folder)) as engine:
            component = (await engine.load(EMPTY, name="empty")).link(())
            grants = Grants({"tcp:connect": ("127.0.0.1:*",)})
            guard = Guard(KINDS, {f"local/c{each}": grants for each in range(IDLE)})
            tcp = TcpInterface(Network(Doorman(guard), NetworkPolicy())).interface()
            at, peers = f"127.0.0.1:{server.getsockname()[1]}", []
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            callers = []
            for each in range(IDLE):
                caller = Caller(f"local/c{each}")
                await component.instantiate(caller=caller)
                answer = await tcp.functions["connect"](caller, at, 5_000)  # type: ignore[misc]
                assert isinstance(answer, Ok)
                callers.append((caller, answer.value))
                peers.append(server.accept()[0])
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            await anyio.sleep(1)
            (mine, others), work = context_switches(), time.thread_time()
            await anyio.sleep(5)
            mine_after, others_after = context_switches()
            print(
                f"{IDLE:,} idle connections: {threading.active_count()} threads, {grown:,} KiB; "
                f"in 5 s, the loop's thread: {mine_after - mine} context switches, "
                f"{(time.thread_time() - work) * 1e3:.2f} ms of processor time; the engine's clock "
                f"and others: {others_after - others} context switches"
            )
            for peer in peers:
                peer.close()


def context_switches() -> tuple[int, int]:
    """Return how often this thread was switched to, and how often all others of the process."""
    counts = {}
    for task in Path("/proc/self/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        counts[int(task.name)] = sum(int(each.split()[1]) for each in lines if "ctxt_sw" in each)
    mine = counts.pop(threading.get_native_id())
    return mine, sum(counts.values())


def main() -> None:
    """Run both."""
    folder = Path(tempfile.mkdtemp())
    if shutil.which("rustc"):
        server = subprocess.Popen((sys.executable, "-c", SERVER), stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        try:
            anyio.run(echoes, int(server.stdout.readline()), folder)
        finally:
            server.kill()
            server.wait()
    else:
        print("no rustc: no guest to measure")
    anyio.run(idle, folder)


if __name__ == "__main__":
    main()
