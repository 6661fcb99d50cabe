"""Ten thousand names of one component: installed, started, and asked a question each.

    python bench/ten_thousand.py [COUNT] [ROUNDS]

The component is the one that `airswasm init --lang c` starts with: its `init` logs, and for each
message it reads and writes its storage, logs, publishes, and answers. Two names are updated beside
the others. Then the same home is hosted again and again, to see whether time or memory grow from
round to round. As in `airswasm run`, no garbage is collected during the start; and at the end all
rest, as a host lets idle ones.

Prints seconds of CPU (the machine may be busy) beside those of the clock, and resident memory.
Set TMPDIR to a file system in memory when you compare runs: ext4 takes 0.3 ms to make each log file
while the inodes of a run before have not been deleted for a minute.
"""

from __future__ import annotations

import gc
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from airswasm.lifecycle import Package, System
from airswasm.runtime import Engine
from airswasm.security import generate_key
from airswasm.wit import c_header_folder

TEMPLATE = "airswasm-sdk/src/airswasm/sdk/templates/c/counter"
COMPILE = (
    "-target", "wasm32-freestanding", "-std=c11", "-O2", "-g0", "-nostdlib", "-fno-builtin",
    "-Wl,--no-entry", "-Wl,--strip-debug", "-Wl,-z,stack-size=65536",
)  # fmt: skip
ASKING_AT_ONCE = 100


@dataclass
class Lap:
    """What one step took."""

    cpu: float = 0.0
    wall: float = 0.0


@dataclass
class Stopwatch:
    """Steps by name, in order."""

    laps: dict[str, Lap] = field(default_factory=dict)

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        lap = self.laps[name] = Lap()
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        lap.cpu, lap.wall = time.process_time() - cpu, time.perf_counter() - wall

    def show(self) -> str:
        return ", ".join(
            f"{name} {lap.cpu:.2f} s ({lap.wall:.1f})" for name, lap in self.laps.items()
        )


def resident_bytes() -> int:
    """What the process holds in memory; 0 where that is not known."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def build(source: Path, folder: Path) -> bytes:
    """The C template as a component: the clang in zig, then wasm-tools."""
    core, made = folder / "core.wasm", folder / "component.wasm"
    header = c_header_folder()
    c_file = folder / "counter.c"
    shutil.copy(source, c_file)
    binding = sorted(map(str, header.glob("*.c")))
    compiler = (sys.executable, "-m", "ziglang", "cc", *COMPILE, "-I", str(header))
    subprocess.run((*compiler, str(c_file), *binding, "-o", str(core)), check=True)
    name = "wasm-tools"
    tools = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    assert tools is not None, "wasm-tools comes with airswasm-wit"
    subprocess.run((tools, "component", "new", str(core), "-o", str(made)), check=True)
    return made.read_bytes()


def packages(folder: Path) -> tuple[Package, Package]:
    """Two versions of the C template's package, signed by one key."""
    template = Path(__file__).parents[2] / TEMPLATE
    wasm = build(template / "src" / "{{name}}.c.in", folder)
    manifest = (template / "Component.toml.in").read_text()
    manifest = manifest.replace("{{identity}}", "local/hello").replace("{{name}}", "hello")
    key, made = generate_key(), list[Package]()
    for sequence, version in enumerate(("0.1.0", "0.2.0"), 1):
        text = manifest.replace('version = "0.1.0"', f'version = "{version}"')
        files = {"Component.toml": text.encode(), "build/hello.wasm": wasm}
        made.append(Package.from_files(files).sign(key, sequence=sequence))
    return made[0], made[1]


async def ask_all(system: System, names: list[str], number: int) -> None:
    """One message for each name; each answers with how many it has had."""
    expected = f"Hello, world! You are number {number}.".encode()

    async def ask(some: list[str]) -> None:
        for name in some:
            assert await system.send(name, b"world") == expected

    async with anyio.create_task_group() as group:
        for part in range(ASKING_AT_ONCE):
            group.start_soon(ask, names[part::ASKING_AT_ONCE])


async def host(home: Path, names: list[str], number: int, before: int) -> None:
    """One round: all start, answer a message each, and stop."""
    watch = Stopwatch()
    system = System(home)
    gc.disable()
    with watch.lap("start"):
        await system.__aenter__()
    gc.enable()
    gc.freeze()
    gc.unfreeze()
    try:
        started = resident_bytes() - before
        with watch.lap("a message each"):
            await ask_all(system, names, number)
        asked = resident_bytes() - before
        with watch.lap("rest"):
            for _ in range(2):  # idle is who was not called since the last time
                await system.services.get(Engine).rest_idle()
        resting = resident_bytes() - before
        with watch.lap("status"):
            assert system.status().running == len(names)
    finally:
        with watch.lap("stop"):
            await system.__aexit__(None, None, None)
    del system
    gc.collect()
    left = resident_bytes() - before
    each = len(names) * 1024
    print(
        f"round {number:2}: {watch.show()}; kB each: started {started / each:.1f}, "
        f"asked {asked / each:.1f}, resting {resting / each:.1f}, left after {left / each:.1f}",
        flush=True,
    )


async def main(count: int, rounds: int) -> None:
    names = [f"local/n{number}" for number in range(count)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        made, newer = packages(folder)
        home = folder / "home"
        print(f"{count:,} names of one component of {len(made.wasm):,} bytes")
        print(
            "seconds of CPU (and of the clock), load", *(f"{each:.1f}" for each in os.getloadavg())
        )
        watch = Stopwatch()
        with watch.lap("install"):
            async with System(home, mode="offline") as system:
                await system.install_many(made, names, approve=lambda _plan: True)
        async with System(home, mode="offline") as system:
            with watch.lap("list"):
                assert len(system.list()) == count
            with watch.lap("update one"):
                await system.update(newer, name=names[0])
            with watch.lap("update another"):
                await system.update(newer, name=names[1])
        print(watch.show(), flush=True)
        gc.collect()
        before = resident_bytes()
        for number in range(1, rounds + 1):
            await host(home, names, number, before)


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:]]
    anyio.run(main, *(numbers + [10_000, 10][len(numbers) :]))
