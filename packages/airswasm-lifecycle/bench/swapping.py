"""Where the time of a swapped development build goes, beside one that only changes the data.

    python bench/swapping.py

Each build is new to the compile cache. Prints the median of each step, of wall-clock and of this
process's time, and the ratio of a whole swap to its compilation.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
from airswasm.lifecycle import Package, System

sys.path.insert(0, str(Path(__file__).parent))
from _guests import GUEST_WORLD, GUESTS, make

ROUNDS = 15
NAME = "bench/swapped"
MANIFEST = f'[component]\nname = "{NAME}"\nversion = "0.1.0"\n'.encode()


def build(folder: Path, number: int) -> Package:
    """Return a build of the tests' counter that no other round has."""
    text = (GUESTS / "guest.wat").read_text()
    for word, value in (("VERSION", f"0.1.{number}"), ("PAGES", "1")):
        text = text.replace(f"@{word}@", value)
    for word in ("INIT", "MIGRATE", "HEALTH", "EAGER"):
        text = text.replace(f"@{word}@", "0")
    files = {"Component.toml": MANIFEST, "component.wasm": make(text, GUEST_WORLD, folder)}
    return Package.from_files(files)


def timed(times: dict[str, list[float]], step: str, work: Callable[..., Awaitable[Any]]) -> Any:
    """Return the function, which notes how long it takes."""

    async def run(*positional: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return await work(*positional, **named)
        finally:
            times[step].append(time.perf_counter() - began)

    return run


async def main() -> None:
    times = defaultdict[str, list[float]](list)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        (home / "config.toml").write_text('[host]\nmode = "development"\n')
        (Path(folder) / "made").mkdir()
        builds = [build(Path(folder) / "made", number) for number in range(ROUNDS + 1)]
        async with System(home) as system:
            await system.swap(builds[0])
            loader, switching = system._loader, system._updating.switching
            loader.check = timed(times, "check and compile", loader.check)  # type: ignore[method-assign]
            system._engine.load = timed(times, "  of that, compile", system._engine.load)  # type: ignore[method-assign]
            loader.try_start = timed(times, "try the start", loader.try_start)  # type: ignore[method-assign]
            carry_out = type(switching).carry_out

            async def switch(self: Any, given: Any) -> None:
                await timed(times, "switch", lambda: carry_out(self, given))()

            type(switching).carry_out = switch  # type: ignore[method-assign]
            for each in builds[1:]:
                await timed(times, "swap", system.swap)(each)
                await timed(times, "swap of the same bytes", system.swap)(each)
            for each in builds[1:]:
                await timed(times, "reset", lambda each=each: system.swap(each, state="reset"))()
    for step, seconds in times.items():
        median, most = (each * 1000 for each in (statistics.median(seconds), max(seconds)))
        print(f"{step:<24} {median:8.1f} ms, most {most:.1f}")
    whole = statistics.median(times["swap"])
    compile_ = statistics.median(times["  of that, compile"])
    print(f"swap / compile           {whole / compile_:8.2f}")


anyio.run(main)
