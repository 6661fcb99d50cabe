"""Swapping a development build in, by a `System` of this process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from .._control.document import Document
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System

__all__ = ("LocalSwaps", "State", "SwapHost")

State: TypeAlias = Literal["keep", "reset"]


class SwapHost(Protocol):
    """A host whose author changes a component."""

    async def swap(
        self, name: str, build: bytes, state: State = "keep", source: str = ""
    ) -> Document:
        """Swap a development build in; return the component."""
        ...


class LocalSwaps:
    """The development builds of a `System`, in documents.

    Args:
        system: The open system.
    """

    def __init__(self, system: System) -> None:
        self._swapped = system

    async def swap(
        self, name: str, build: bytes, state: State = "keep", source: str = ""
    ) -> Document:
        """See `SwapHost`."""
        package = replace(await self._swapped.read_build(build, name=name), recorded_source=source)
        return to_document(await self._swapped.swap(package, name=name, state=state))
