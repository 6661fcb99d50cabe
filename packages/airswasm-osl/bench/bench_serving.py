"""What a request costs the host's HTTP server against uvicorn with h11 serving the same bytes.

The ratio is of the processor time of the thread of both servers; the client is another process.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from airswasm.lifecycle import Configuration, Package, System
from airswasm.osl import HttpRoute, ServingPolicy
from airswasm.runtime.wasi import wit_files
from airswasm.security import generate_key
from peers import client_of, plain_server
from wasmtime import wat2wasm

GUESTS = Path(__file__).parents[1] / "tests" / "guests"
HANDLER = """
interface incoming-handler {
  use types.{incoming-request, response-outparam};
  handle: func(request: incoming-request, response-out: response-outparam);
}
"""
KEY = generate_key()
ROUNDS = 9
REQUESTS = 300


def in_c() -> bytes:
    """Compile the service in C by wasi:http."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        wit = folder / "wit"
        for file in wit_files():
            package = wit / "deps" / file.stem
            package.mkdir(parents=True)
            text = file.read_text() + (HANDLER if file.stem == "http" else "")
            (package / file.name).write_text(text)
        (wit / "world.wit").write_text(
            "package bench:web; world web { export wasi:http/incoming-handler@0.2.12; }"
        )
        core, embedded, whole = (folder / name for name in ("core", "embedded", "whole"))
        zig = (sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-freestanding", "-Os")
        options = ("-nostdlib", "-s", "-Wl,--no-entry", "-o", core)
        subprocess.run([*zig, *options, GUESTS / "web" / "service.c"], check=True)
        tools = Path(sys.executable).with_name("wasm-tools")
        subprocess.run(
            [tools, "component", "embed", wit, "-w", "web", core, "-o", embedded], check=True
        )
        subprocess.run([tools, "component", "new", embedded, "-o", whole], check=True)
        return whole.read_bytes()


def package(name: str) -> Package:
    """Return a component of the tests that serves everything."""
    manifest = (
        f'[component]\nname = "local/{name}"\nversion = "0.1.0"\n'
        '[limits]\nmemory = "8 MiB"\nfuel = 10000000000\ntimeout = "30 s"\n'
        '[capabilities]\n"http.serve" = ["everything"]\n'
    )
    wasm = in_c() if name == "service" else bytes(wat2wasm((GUESTS / f"{name}.wat").read_text()))
    files = {"Component.toml": manifest.encode(), "component.wasm": wasm}
    return Package.from_files(files).sign(KEY, sequence=1)


@asynccontextmanager
async def our_server(folder: Path, *names: str) -> AsyncIterator[str]:
    """Give the address of a host with components of the tests, each at `/name`."""
    routes = tuple(HttpRoute(f"/{name}", f"local/{name}") for name in names)
    policy = ServingPolicy(listen="127.0.0.1:0", routes=routes)
    async with System(folder / "home", configuration=Configuration.of(policy)) as system:
        for name in names:
            await system.install(package(name), approve=lambda _plan: True)
        yield system.observers["osl"].address  # type: ignore[attr-defined]


async def measure(folder: Path) -> None:
    """Compare a small request and answer."""
    async with plain_server() as base, our_server(folder, "hello", "service") as ours:
        ways = {
            "uvicorn, h11": (base, "/"),
            "a handler": (ours, "/hello"),
            "wasi:http": (ours, "/service"),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, (address, path) in ways.items():
                async with client_of(address, path) as ask:
                    await ask(20)
                    start = time.thread_time()
                    await ask(REQUESTS)
                    taken[name].append((time.thread_time() - start) / REQUESTS * 1e6)
        whole = statistics.median(taken["uvicorn, h11"])
        for name, times in taken.items():
            work = statistics.median(times)
            print(f"{name:14} {work:8.1f} µs of processor time, {whole / work:5.2f} of uvicorn")


def main() -> None:
    """Run it."""
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(measure, Path(folder))


if __name__ == "__main__":
    main()
