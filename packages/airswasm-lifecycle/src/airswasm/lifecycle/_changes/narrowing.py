"""Tell the blocks that a component may do less, so that what it holds open ends.

The guard decides a call; a file, a socket or a subscription outlives the call that opened it. Each
block knows its own (`Block.narrowed`) and asks the guard again for what it keeps.

Rejected: a restart of the component. It would lose the messages in hand of one that still may do
most of what it did.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from airswasm.runtime import Services
from airswasm.wit import Blocks, load_part, safe_text

from .._home.logbook import LogBook

__all__ = ("Narrowing",)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Asks every block to end what a component holds and may hold no longer."""

    blocks: Blocks
    services: Services
    logs: LogBook

    async def tell(self, name: str) -> None:
        """Tell every block about one component; one that fails keeps no other from being told."""
        for each in self.blocks:
            if not each.block.narrowed:
                continue
            try:
                part = cast("Callable[[Services, str], object]", load_part(each.block.narrowed))
                done = part(self.services, name)
                if inspect.isawaitable(done):
                    await done
            except Exception as error:  # the code of any package
                text = f"{each.distribution} kept what it holds open: {safe_text(error)}"
                self.logs.write(name, "error", text, source="supervisor")
