"""Open the host for a verb: the running one, or else the home on disk.

A verb states its need: `read` works beside any host, `change` takes the home's lock if no host
runs, `running` needs components. The lock file says where the host listens, and the socket whether
it lives: a process that answers is alive.
"""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from .._control.endpoint import Endpoint, State, endpoint_of, probe
from .._session.session import Session
from .._session.settings import read_settings
from ..errors import HostNotRunning, NameMalformed
from .first_run import choose_mode
from .stored_host import HostReader, StoredHost

if TYPE_CHECKING:  # `ask` needs none of them while no host runs
    from airswasm.lifecycle import System

    from .._control.operation import Table
    from .host import Host

__all__ = ("Need", "ask", "closing_system", "connect", "full_name", "open_host")

T = TypeVar("T")

_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.05

Need = Literal["read", "change", "running"]


def ask(
    session: Session,
    question: Callable[[HostReader], Coroutine[object, object, T]],
    *,
    running_for: str | None = None,
) -> T:
    """Ask the host that runs or, while none does, read the home on the disk.

    A home on the disk has nothing to wait for, so no event loop is started for it: to import one
    takes longer than to answer.

    Args:
        session: The verb's.
        question: What to ask.
        running_for: The verb, for messages, when only a running host can answer; else None.

    Raises:
        HostNotRunning: No host runs, and one has to.
        SocketForeign: Another user's process listens where the host would.
        LifecycleError, StorageError: The home cannot be read.
    """
    endpoint = endpoint_of(session.home)
    state = probe(endpoint)
    if state == "alive" or running_for is not None:
        return _ask_host(session, question, running_for)
    _note_state(session, endpoint, state)
    from airswasm.lifecycle import HomeReader

    with HomeReader(session.home) as reader:
        return _finish(question(StoredHost(reader)))


def _ask_host(
    session: Session,
    question: Callable[[HostReader], Coroutine[object, object, T]],
    running_for: str | None,
) -> T:
    import anyio

    async def work() -> T:
        need: Need = "read" if running_for is None else "running"
        async with open_host(session, running_for or "", need) as host:
            return await question(host)

    return anyio.run(work)


def _finish(question: Coroutine[object, object, T]) -> T:
    """Run a coroutine that never waits, without an event loop."""
    try:
        question.send(None)
    except StopIteration as ended:
        answer: T = ended.value
        return answer
    question.close()
    raise RuntimeError("a home on the disk made its reader wait")


@asynccontextmanager
async def open_host(
    session: Session, verb: str, need: Need, *, operations: Table | None = None
) -> AsyncGenerator[Host]:
    """Open the host of this home.

    Args:
        session: The verb's.
        verb: Its name, for messages.
        need: Whether components must run, or the home be changed, or only be read.
        operations: What will be asked; `all_operations()` for those of other blocks too, None
            for the host's own.

    Raises:
        HostNotRunning: The verb needs running components.
        SocketForeign: Another user's process listens at the host's socket.
        LifecycleError: The home cannot be opened.
    """
    import anyio

    from .._control.api import OPERATIONS

    operations = operations or OPERATIONS
    deadline = anyio.current_time() + _PATIENCE_SECONDS
    while True:
        endpoint = endpoint_of(session.home)
        state = probe(endpoint)
        if state != "alive" and need != "read":
            endpoint, state = await _wait_for_host(session, deadline)
        if state == "alive":
            from .remote_host import host_behind

            yield host_behind(endpoint.path, operations=operations)
            return
        _note_state(session, endpoint, state)
        if need == "running":
            raise HostNotRunning(verb, str(session.home), was_killed=state == "dead")
        if need != "read":
            choose_mode(session)
        system = await _open_home(session.home, need, deadline)
        if system is not None:
            break
    from airswasm.lifecycle import ChangeOrigin, acting, user_text

    from .host import LocalHost

    way = "terminal" if session.terminal.is_interactive else "command"
    async with closing_system(system):
        with acting(ChangeOrigin(user_text(None), way)):
            yield LocalHost(system, operations)


def connect(home: Path | None = None) -> Host:
    """Return the running host of a home, for a program that is not a verb.

    Every request opens a new connection, so the host may restart in between.

    Args:
        home: The home's folder; None for the one that the command would use.

    Raises:
        HostNotRunning: None runs there.
        SocketForeign: Another user's process listens at the host's socket.
    """
    from .remote_host import host_behind

    folder = home or read_settings(os.environ).home
    endpoint = endpoint_of(folder)
    state = probe(endpoint)
    if state != "alive":
        raise HostNotRunning("connect", str(folder), was_killed=state == "dead")
    return host_behind(endpoint.path)


def _note_state(session: Session, endpoint: Endpoint, state: State) -> None:
    """Say what the reader of a home on the disk should know about it."""
    mode = session.home.stat().st_mode if os.name == "posix" and session.home.is_dir() else 0
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        session.terminal.warn(
            f"other users can write to {session.home}: what it says may not be what was decided"
        )
    if state == "dead":
        session.terminal.detail(f"{endpoint.path} is left from a host that is gone")


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
    """Open a system of this process; None when another was quicker, and waiting may help."""
    import anyio
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
    import anyio

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
