"""Operations on the tokens for TCP, by a `System` of this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from .._control.document import Document
from .._control.operation import Scope
from .._control.tokens import TokenFile
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System

__all__ = ("TokenHost", "LocalTokens")


class TokenHost(Protocol):
    """The tokens of a host."""

    async def tokens(self) -> Sequence[Document]:
        """Return the tokens for TCP, without their secrets."""
        ...

    async def create_token(self, token: str, scope: Scope, components: str = "") -> Document:
        """Make a token, and return it with its secret."""
        ...

    async def revoke_token(self, token: str) -> None:
        """Refuse a token from now on."""
        ...


class LocalTokens:
    """The tokens of the host of a `System`, in documents."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._tokens = TokenFile(system.home.folder)

    async def tokens(self) -> Sequence[Document]:
        """See `TokenHost`."""
        return [to_document(each.about()) for each in self._tokens.tokens()]

    async def create_token(self, token: str, scope: Scope, components: str = "") -> Document:
        """See `TokenHost`."""
        names = tuple(filter(None, components.split(",")))
        self._note_token(token, f"made, of the scope {scope}", ",".join(names))
        return to_document(self._tokens.create(token, scope, names))

    async def revoke_token(self, token: str) -> None:
        """See `TokenHost`."""
        self._note_token(token, "revoked")
        self._tokens.revoke(token)

    def _note_token(self, token: str, act: str, components: str = "") -> None:
        """Record an act before its effect."""
        from airswasm.security import AuditEvent, AuditSink

        audit = self._system.services.get(AuditSink)  # type: ignore[type-abstract]  # a key
        detail = {"components": components} if components else {}
        audit.record(AuditEvent("token", outcome="done", resource=token, reason=act, detail=detail))
