"""Which host a verb talks to: the one that runs, else the home on the disk.

A verb says what it needs: `read` works beside anything, `change` takes the
home's lock when no host runs, `running` needs components. The socket decides,
not a pid file: who answers is alive.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio

from .control_api import OPERATIONS
from .endpoint import Endpoint, State, endpoint_of, probe
from .errors import HostNotRunning, NameMalformed
from .host import Host
from .operation import Table
from .session import Session

if TYPE_CHECKING:
    from airswasm.lifecycle import System

__all__ = ("Need", "closing_system", "full_name", "open_host")

_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.05

Need = Literal["read", "change", "running"]


@asynccontextmanager
async def open_host(
    session: Session, verb: str, need: Need, *, operations: Table = OPERATIONS
) -> AsyncGenerator[Host]:
    """Open what answers for this home.

    Args:
        session: The verb's.
        verb: Its name, for messages.
        need: Whether components must run, or the home be changed, or only be read.
        operations: What will be asked; `all_operations()` for those of other blocks too.

    Raises:
        HostNotRunning: The verb needs components that run.
        LifecycleError: The home cannot be opened.
    """
    endpoint = endpoint_of(session.home)
    deadline = anyio.current_time() + _PATIENCE_SECONDS
    while True:
        state = probe(endpoint)
        if state != "alive" and need != "read":
            state = await _wait_for_host(session, endpoint, deadline)
        if state == "alive":
            from .control_client import connect

            yield connect(endpoint.path, operations=operations)
            return
        if state == "dead":
            session.terminal.detail(f"{endpoint.path} is left from a host that is gone")
        if need == "running":
            raise HostNotRunning(verb, str(session.home), was_killed=state == "dead")
        system = await _open_home(session.home, need, deadline)
        if system is not None:
            break
    from .host import LocalHost

    async with closing_system(system):
        yield LocalHost(system, operations)


@asynccontextmanager
async def closing_system(system: System) -> AsyncGenerator[None]:
    """Closes a system that was entered, in order, and lets out what the body raised."""
    try:
        yield
    except BaseException as error:
        await system.__aexit__(type(error), error, error.__traceback__)
        raise
    await system.__aexit__(None, None, None)


async def _open_home(home: Path, need: Need, deadline: float) -> System | None:
    """A system of this process; None when another process was quicker, and waiting may help."""
    from airswasm.lifecycle import HostIsRunning, System

    system = System(home, mode="readonly" if need == "read" else "offline")
    try:
        await system.__aenter__()
    except HostIsRunning:
        if anyio.current_time() >= deadline:
            raise
        return None
    return system


async def _wait_for_host(session: Session, endpoint: Endpoint, deadline: float) -> State:
    """Waits while another process has the home: a host that starts, or a change that ends.

    So `airswasm run &` may be followed by `airswasm send` at once, and two changes made at the
    same time are made one after the other.
    """
    if not _is_taken(session.home):
        return probe(endpoint)
    with session.terminal.progress("waiting for the process that has the home"):
        # Another process: there is nothing here to be told by.
        while (  # noqa: ASYNC110
            probe(endpoint) != "alive"
            and _is_taken(session.home)
            and anyio.current_time() < deadline
        ):
            await anyio.sleep(_POLL_SECONDS)
    return probe(endpoint)


def _is_taken(home: Path) -> bool:
    """Whether another process has the home's lock.

    The file's pid is looked at first, as it is quicker; after kill -9 it may be anybody's.
    """
    try:
        pid = int((home / "host.lock").read_bytes())
    except (OSError, ValueError):
        return False
    from airswasm.lifecycle import Home

    return pid != os.getpid() and Home(home).running_pid() is not None


def full_name(text: str) -> str:
    """A component's full name; `hello` means `local/hello`.

    Raises:
        NameMalformed: It cannot be one.
    """
    name = text if "/" in text else f"local/{text}"
    if name.count("/") != 1 or not all(name.split("/")):
        raise NameMalformed(text)
    return name
