"""Operations on grants, by a `System` of this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from .._control.document import Document
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System
    from airswasm.security import Use

__all__ = ("GrantChange", "GrantHost", "LocalGrants")

GrantChange: TypeAlias = Literal["add", "narrow", "deny", "remove", "lift"]


class GrantHost(Protocol):
    """The grants of a home."""

    async def grants(self) -> Sequence[Document]:
        """Return the grants of all components."""
        ...

    async def grants_of(self, name: str) -> Document:
        """Return what a component asks for, and what was decided about it."""
        ...

    async def learn(self, name: str) -> AsyncIterator[Document]:
        """Return what a component uses, as it does, and let it use what only its grants lack."""
        ...

    async def access(self, name: str, capability: str, resource: str) -> Document:
        """Return why a component may do something, or may not."""
        ...

    async def change_grants(
        self, name: str, change: GrantChange, capability: str, patterns: str = "",
        until: float = 0.0, reason: str = "",
    ) -> Document:  # fmt: skip
        """Change the grants of a component; patterns are lines."""
        ...


class LocalGrants:
    """The grants of a `System`, in documents."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def grants(self) -> Sequence[Document]:
        """See `GrantHost`."""
        return [to_document(each) for each in self._system.grant_reports()]

    async def grants_of(self, name: str) -> Document:
        """See `GrantHost`."""
        return to_document(self._system.grant_report(name))

    async def learn(self, name: str) -> AsyncIterator[Document]:
        """See `GrantHost`."""
        return _documents(self._system.learn(name))

    async def access(self, name: str, capability: str, resource: str) -> Document:
        """See `GrantHost`."""
        return to_document(self._system.access(name, capability, resource))

    async def change_grants(
        self, name: str, change: GrantChange, capability: str, patterns: str = "",
        until: float = 0.0, reason: str = "",
    ) -> Document:  # fmt: skip
        """See `GrantHost`."""
        grants, lines = self._system.grants, tuple(filter(None, patterns.split("\n")))
        end = until or None
        match change:
            case "add":
                done = grants.add(name, capability, lines, until=end, reason=reason)
            case "narrow":
                done = grants.narrow(name, capability, lines, until=end, reason=reason)
            case "deny":
                done = grants.deny(name, capability, lines, until=end, reason=reason)
            case "remove" | "lift":
                is_denial = change == "lift"
                done = grants.remove(name, capability, lines, denials=is_denial, reason=reason)
        return to_document(await done)


async def _documents(uses: AsyncGenerator[Use]) -> AsyncIterator[Document]:
    async with aclosing(uses):
        async for use in uses:
            yield to_document(use)
