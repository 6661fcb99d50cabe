"""Show how far a long operation of a host is, while the verb waits for its answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..._hosts.host import Host
    from ..._session.terminal import Progress

__all__ = ("watched",)

_SECONDS = 0.5


@asynccontextmanager
async def watched(
    host: Host, line: Progress, doing: str, name: str, act: str
) -> AsyncGenerator[None]:
    """Update a line with the progress of an operation, beside the body that waits for it.

    Args:
        host: The host that does it.
        line: The line; nothing is asked where it is not shown.
        doing: The text of the line.
        name: The component; empty for the store as a whole.
        act: The operation, as `StorageWork.act` has it.
    """
    if not line.is_shown:
        yield
        return
    import anyio
    from airswasm.wit import AirswasmError

    from .._times import amount

    async def watch() -> None:
        with suppress(AirswasmError):  # what waits for the answer reports it
            while True:
                await anyio.sleep(_SECONDS)
                for each in await host.storage_work():
                    if (each["name"], each["act"]) == (name, act):
                        line.update(f"{doing}: {amount(each['done'])} keys")

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        yield
        group.cancel_scope.cancel()
