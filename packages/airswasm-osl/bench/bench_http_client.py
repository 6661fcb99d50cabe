"""What a GET through the guarded interface costs, against httpx and anyio with h11 by hand.

All keep their connection; the server is another process. Prints the processor time of the loop's
thread for one request, and ratios, all of one run.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import anyio
import h11
import httpx
from airswasm.osl import BLOCK, OslPolicy, folders_below, provide
from airswasm.runtime import Caller, Engine, EngineConfig, Limits, Ok, Services
from airswasm.security import Grants, Guard, Kinds
from airswasm.wit import contract

ROUNDS = 7
EMPTY = b"\0asm\x0d\0\x01\0"
SERVER = """
import socket
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
import threading
def serve(peer):
    held = b""
    while data := peer.recv(65536):
        held += data
        while b"\\r\\n\\r\\n" in held:
            head, _, held = held.partition(b"\\r\\n\\r\\n")
            size = int(head.split(b" ")[1][1:])
            peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: "
                         b"%d\\r\\n\\r\\n%b" % (size, b"x" * size))
while True:
    peer, _ = listening.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=serve, args=(peer,), daemon=True).start()
"""
Get = Callable[[int], Awaitable[int]]


class ByHand:
    """anyio and h11, on one connection."""

    def __init__(self, stream: anyio.abc.ByteStream) -> None:
        self.stream = stream
        self.protocol = h11.Connection(h11.CLIENT)

    async def get(self, size: int) -> int:
        """Return the length of the body."""
        request = h11.Request(method="GET", target=f"/{size}", headers=[("Host", "a")])
        sent = self.protocol.send(request) or b""
        await self.stream.send(sent + (self.protocol.send(h11.EndOfMessage()) or b""))
        body = bytearray()
        while True:
            event = self.protocol.next_event()
            if event is h11.NEED_DATA:
                self.protocol.receive_data(await self.stream.receive(65536))
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.protocol.start_next_cycle()
                return len(body)


async def microseconds(get: Get, size: int, times: int) -> float:
    """Return the median processor time of one request."""
    taken = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for _ in range(times):
            assert await get(size) == size
        taken.append((time.thread_time() - started) / times * 1e6)
    return statistics.median(taken)


async def measure(port: int, folder: Path) -> None:
    """Compare small and large bodies."""
    url = f"http://127.0.0.1:{port}"
    guard = Guard(Kinds(BLOCK.capabilities), {"local/a": Grants({"http:request": (f"{url}/**",)})})
    services = Services()
    services.add(Guard, guard)
    services.add(OslPolicy, OslPolicy(folders_below(folder)))
    offered = next(each for each in provide(services) if "component/http" in each.name)
    request = cast("Any", guard.guarded(offered, contract()).functions)["request"]
    caller = Caller("local/a")
    caller.message_bytes = 2**24
    async with (
        Engine(EngineConfig(cache_folder=folder)) as engine,
        httpx.AsyncClient() as client,
        await anyio.connect_tcp("127.0.0.1", port) as stream,
    ):
        linked = (await engine.load(EMPTY, name="empty")).link(())
        await linked.instantiate(caller=caller, limits=Limits(memory_bytes=2**26))

        async def ours(size: int) -> int:
            answer = await request(caller, "GET", f"{url}/{size}", [], b"", 5_000)
            assert isinstance(answer, Ok), answer
            return len(answer.value.body)

        async def by_httpx(size: int) -> int:
            return len((await client.get(f"{url}/{size}")).content)

        ways: dict[str, Get] = {
            "anyio, h11": ByHand(stream).get, "httpx": by_httpx, "http.request": ours,
        }  # fmt: skip
        for size, times in ((100, 200), (2**20, 10)):
            base = 0.0
            for name, get in ways.items():
                work = await microseconds(get, size, times)
                base = base or work
                print(f"{size:9,} B  {name:14} {work:9.1f} µs  {work / base:5.2f}x")


def main() -> None:
    """Run it."""
    server = subprocess.Popen((sys.executable, "-c", SERVER), stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        with tempfile.TemporaryDirectory() as folder:
            anyio.run(measure, int(server.stdout.readline()), Path(folder))
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
