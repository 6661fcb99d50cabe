"""Open the host for a verb: the running one, or else the home on disk.

A verb states its need: `read` works beside any host, `change` takes the home's lock if no host
runs, `running` needs components. The lock file says where the host listens, and the socket whether
it lives: a process that answers is alive.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio

from ._control_api import OPERATIONS
from ._endpoint import Endpoint, State, endpoint_of, probe
from ._host import Host
from ._operation import Table
from ._session import Session
from .errors import HostNotRunning, NameMalformed

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
    """Open the host of this home.

    Args:
        session: The verb's session.
        verb: The verb's name, for messages.
        need: Whether the verb needs running components, changes the home, or only reads it.
        operations: The operations that the verb uses; `all_operations()` includes other blocks'.

    Raises:
        HostNotRunning: The verb needs running components.
        SocketForeign: Another user's process listens at the host's socket.
        LifecycleError: The home cannot be opened.
    """
    deadline = anyio.current_time() + _PATIENCE_SECONDS
    while True:
        endpoint = endpoint_of(session.home)
        state = probe(endpoint)
        if state != "alive" and need != "read":
            endpoint, state = await _wait_for_host(session, deadline)
        if state == "alive":
            from ._control_client import connect

            yield connect(endpoint.path, operations=operations)
            return
        if state == "dead":
            session.terminal.detail(f"{endpoint.path} remains from a host that ended")
        if need == "running":
            raise HostNotRunning(verb, str(session.home), was_killed=state == "dead")
        system = await _open_home(session.home, need, deadline)
        if system is not None:
            break
    from ._host import LocalHost

    async with closing_system(system):
        yield LocalHost(system, operations)


@asynccontextmanager
async def closing_system(system: System) -> AsyncGenerator[None]:
    """Close an entered system in order, and pass on the body's error unchanged."""
    try:
        yield
    except BaseException as error:
        await system.__aexit__(type(error), error, error.__traceback__)
        raise
    await system.__aexit__(None, None, None)


async def _open_home(home: Path, need: Need, deadline: float) -> System | None:
    """Open a system in this process; None if another process was first and waiting may help."""
    from airswasm.lifecycle import HostIsRunning, System

    system = System(home, mode="readonly" if need == "read" else "offline")
    try:
        await system.__aenter__()
    except HostIsRunning:
        if anyio.current_time() >= deadline:
            raise
        return None
    return system


async def _wait_for_host(session: Session, deadline: float) -> tuple[Endpoint, State]:
    """Wait while another process holds the home: a host that starts, or a change that ends.

    So `airswasm send` may follow `airswasm run &` at once, and two simultaneous changes run one
    after the other.
    """
    endpoint, state, is_taken = _look(session.home)
    if state == "alive" or not is_taken:
        return endpoint, state
    with session.terminal.progress("waiting for the process that holds the home"):
        while True:
            await anyio.sleep(_POLL_SECONDS)  # another process, which cannot notify this one
            endpoint, state, is_taken = _look(session.home)
            if state == "alive" or not is_taken or anyio.current_time() >= deadline:
                return endpoint, state


def _look(home: Path) -> tuple[Endpoint, State, bool]:
    """Return the socket, whether a host answers, and whether a process holds the home."""
    is_taken = _is_taken(home)  # before the look at the socket: a change may end in between
    endpoint = endpoint_of(home)
    return endpoint, probe(endpoint), is_taken


def _is_taken(home: Path) -> bool:
    """Return whether another process holds the home's lock.

    Raises:
        HomeUnusable: The home's file system cannot lock.
    """
    from airswasm.lifecycle import Home

    holder = Home(home).holder()
    return holder is not None and holder.pid != os.getpid()


def full_name(text: str) -> str:
    """Return a component's full name; `hello` means `local/hello`.

    Raises:
        NameMalformed: The text is not a component's name.
    """
    name = text if "/" in text else f"local/{text}"
    if name.count("/") != 1 or not all(name.split("/")):
        raise NameMalformed(text)
    return name
