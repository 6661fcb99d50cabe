"""Which host a verb talks to: the one that runs, else the home on the disk.

A verb says what it needs: `read` works beside anything, `change` takes the
home's lock when no host runs, `running` needs components. The socket decides,
not a pid file: who answers is alive.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import anyio

from .endpoint import Endpoint, State, endpoint_of, probe
from .errors import HostNotRunning
from .host import Host
from .session import Session

__all__ = ("Need", "full_name", "open_host")

_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.05

Need = Literal["read", "change", "running"]


@asynccontextmanager
async def open_host(session: Session, verb: str, need: Need) -> AsyncGenerator[Host]:
    """Opens what answers for this home.

    Raises:
        HostNotRunning: The verb needs components that run.
        LifecycleError: The home cannot be opened.
    """
    endpoint = endpoint_of(session.home)
    state = probe(endpoint)
    if state != "alive" and need != "read" and _owner_of(session.home) is not None:
        state = await _wait_for_host(session, endpoint)
    if state == "alive":
        from .control_client import connect

        yield connect(endpoint.path)
        return
    if state == "dead":
        session.terminal.detail(f"{endpoint.path} is left from a host that is gone")
    if need == "running":
        raise HostNotRunning(verb, str(session.home), was_killed=state == "dead")
    from airswasm.lifecycle import System

    from .host import LocalHost

    async with System(session.home, mode="readonly" if need == "read" else "offline") as system:
        yield LocalHost(system)


async def _wait_for_host(session: Session, endpoint: Endpoint) -> State:
    """Waits while another process has the home: a host that starts, or a change that ends.

    So `airswasm run &` may be followed by `airswasm send` at once.
    """
    with session.terminal.progress("waiting for the process that has the home"):
        with anyio.move_on_after(_PATIENCE_SECONDS):
            # Another process: there is nothing here to be told by.
            while probe(endpoint) != "alive" and _owner_of(session.home) is not None:  # noqa: ASYNC110
                await anyio.sleep(_POLL_SECONDS)
    return probe(endpoint)


def _owner_of(home: Path) -> int | None:
    """The process that holds the home's lock, as far as its file says; None when it is gone.

    Only read: trying the lock would get in the way of a host that is about to take it.
    """
    if sys.platform == "win32":
        return None  # os.kill would send Ctrl-C there
    try:
        pid = int((home / "host.lock").read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid if pid != os.getpid() else None


def full_name(text: str) -> str:
    """A component's full name; `hello` means `local/hello`."""
    return text if "/" in text else f"local/{text}"
