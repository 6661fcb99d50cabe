"""Which host a verb talks to: the one that runs, else the home on the disk.

A verb says what it needs: `read` works beside anything, `change` takes the
home's lock when no host runs, `running` needs components. The socket decides,
not a pid file: who answers is alive.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from .endpoint import endpoint_of, probe
from .errors import HostNotRunning
from .host import Host
from .session import Session

__all__ = ("Need", "full_name", "open_host")

Need = Literal["read", "change", "running"]


@asynccontextmanager
async def open_host(session: Session, verb: str, need: Need) -> AsyncIterator[Host]:
    """Opens what answers for this home.

    Raises:
        HostNotRunning: The verb needs components that run.
        LifecycleError: The home cannot be opened.
    """
    endpoint = endpoint_of(session.home)
    state = probe(endpoint)
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


def full_name(text: str) -> str:
    """A component's full name; `hello` means `local/hello`."""
    return text if "/" in text else f"local/{text}"
