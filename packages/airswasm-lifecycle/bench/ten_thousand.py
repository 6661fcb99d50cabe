"""Ten thousand names of one component: installed, started, and asked a question each.

    python bench/ten_thousand.py [COUNT]

Prints seconds of CPU (the machine may be busy), memory, and the ratio of starting to installing.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import anyio
from airswasm.lifecycle import Package, System
from airswasm.security import generate_key

TESTS = Path(__file__).parent.parent / "tests"


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if sys.platform == "linux" else 0
    return pages * resource.getpagesize() / 2**20


def package(folder: Path) -> Package:
    """The tests' guest."""
    namespace: dict[str, object] = {"__name__": "guests", "__file__": str(TESTS / "conftest.py")}
    exec(compile((TESTS / "conftest.py").read_text(), "conftest.py", "exec"), namespace)
    return namespace["Workshop"](folder, generate_key()).package()  # type: ignore[operator]


async def ask_all(system: System, names: list[str]) -> float:
    began = time.process_time()

    async def ask(some: list[str]) -> None:
        for name in some:
            assert await system.send(name, b"echo") == b"echo"

    async with anyio.create_task_group() as group:
        for part in range(100):
            group.start_soon(ask, names[part::100])
    return time.process_time() - began


async def main(count: int) -> None:
    names = [f"local/n{number}" for number in range(count)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        made = package(folder)
        home = folder / "home"
        before = resident_mib()
        began = time.process_time()
        async with System(home, mode="offline") as system:
            await system.install_many(made, names, approve=lambda _plan: True)
        installed = time.process_time() - began
        print(f"install {count} names, no host     {installed:7.2f} s")
        began = time.process_time()
        async with System(home) as system:
            started = time.process_time() - began
            print(f"start them                        {started:7.2f} s")
            first = await ask_all(system, names)
            print(f"a message each                    {first:7.2f} s")
            second = await ask_all(system, names)
            print(f"another message each              {second:7.2f} s")
            grown = resident_mib() - before
            print(
                f"memory                            {grown:7.0f} MiB, "
                f"{grown * 1024 / count:.1f} kB each"
            )
            began = time.process_time()
            running = system.status().running
            print(f"status of all                     {time.process_time() - began:7.2f} s")
            assert running == count
            began = time.process_time()
        print(f"stop them                         {time.process_time() - began:7.2f} s")
        print(f"ratio start : install             {started / installed:7.2f}")


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
