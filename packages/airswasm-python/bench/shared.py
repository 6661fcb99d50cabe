"""What a shared Python component costs: to build, to install, to change, to start, and to keep.

Each figure is a multiple of one of this run, beside its milliseconds, which depend on the machine.
The first line is paid once for each home.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from airswasm.lifecycle import Package, System
from airswasm.runtime import Caller, Engine, Limits, WasiConfig
from airswasm.sdk import build_project
from airswasm.security import PrivateKey

MANIFEST = """[component]
name = "local/bench{number}"
version = "{version}"
[build]
language = "python"
mode = "shared"
artifact = "build/it.json"
[limits]
memory = "64 MiB"
"""
APP = """
import asyncio, dataclasses, enum, json, re
class Kind(enum.Enum):
    NEW, OLD = "new", "old"
@dataclasses.dataclass(slots=True)
class Order:
    number: int
    kind: Kind = Kind.NEW
    lines: list[str] = dataclasses.field(default_factory=list)
@dataclasses.dataclass(frozen=True)
class Price:
    cents: int
    currency: str = "EUR"
WORD = re.compile(r"[a-z]+")
PRICES = {name: Price(number) for number, name in enumerate(("tea", "coffee", "milk"))}
class Handler:
    version = VERSION
    def __init__(self):
        self.orders = []
    def handle_message(self, sender, topic, payload):
        order = Order(len(self.orders), lines=WORD.findall(payload.decode()))
        self.orders.append(order)
        return json.dumps(dataclasses.asdict(order) | {"kind": order.kind.value}).encode()
"""
COUNT = 50


def package(folder: Path, number: int, version: str, key: PrivateKey) -> tuple[Package, float]:
    """Return a signed package, and the seconds of its build."""
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(APP.replace("VERSION", repr(version) + f" + '{number}'"))
    (folder / "Component.toml").write_text(MANIFEST.format(number=number, version=version))
    started = time.perf_counter()
    build_project(folder)
    built = time.perf_counter() - started
    return Package.read(folder, signature="ignored").sign(key), built


@asynccontextmanager
async def timed(found: dict[str, float], name: str) -> AsyncIterator[None]:
    """Add the seconds of a block to what was found."""
    started = time.perf_counter()
    yield
    found[name] = time.perf_counter() - started


def private_kib() -> int:
    """Return the memory of this process that it shares with no file and no other process."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))


async def main() -> None:
    """Measure, and print."""
    found: dict[str, float] = {}
    key = PrivateKey.from_seed(bytes(32))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        async with System(folder / "home") as system:
            first, found["build"] = package(folder / "one", 1, "0.1.0", key)
            async with timed(found, "first install of a home"):
                await system.install(first, approve=lambda _plan: True)
            second, _ = package(folder / "two", 2, "0.1.0", key)
            async with timed(found, "install"):
                await system.install(second, approve=lambda _plan: True)
            async with timed(found, "edit to reply"):
                changed, _ = package(folder / "one", 1, "0.2.0", key)
                await system.update(changed, approve=lambda _plan: True)
                await system.send("local/bench1", b"tea")
            linked = await system._loader.load(changed.wasm_digest, "local/bench1")
            engine = system.services.get(Engine)
            before = private_kib()
            instances = []
            async with timed(found, f"start of {COUNT}"):
                for _ in range(COUNT):
                    instance = await linked.instantiate(
                        caller=Caller("local/bench1"), limits=Limits(memory_bytes=64 * 2**20),
                        wasi=WasiConfig(),
                    )  # fmt: skip
                    await instance.call("airswasm:component/lifecycle@0.1.0#init", "{}")
                    instances.append(instance)
            for instance in instances:
                await instance.call(
                    "airswasm:component/handler@0.1.0#handle-message", "host", None, b"tea milk"
                )
            each_kib = (private_kib() - before) / COUNT
            found["start of one"] = found.pop(f"start of {COUNT}") / COUNT
            for instance in instances:
                instance.close()
            del engine
    base = found["start of one"]
    for name, seconds in found.items():
        print(f"{name:<24} {seconds / base:8.1f} starts {1e3 * seconds:9.1f} ms")
    print(f"private memory of each of {COUNT}: {each_kib / 1024:.1f} MiB of 30 MiB")


if __name__ == "__main__":
    anyio.run(main)
