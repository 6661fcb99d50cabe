"""Operations on the audit log, of a home on the disk and of a `System` of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from .._control.document import Document, mapping, to_json
from ..errors import HeadMalformed

if TYPE_CHECKING:
    from airswasm.lifecycle import AuditTrail, System
    from airswasm.security import AuditHead, AuditQuery

__all__ = ("AuditHost", "LocalAudit", "StoredAudit")

_FEW_LINES = 100


class AuditHost(Protocol):
    """A home's audit log, to look at."""

    async def audit_head(self, log: str = "audit") -> Document:
        """Return the newest line's number and hash."""
        ...

    async def audit_verify(self, head: str | None = None, log: str = "audit") -> Document:
        """Verify the chain, against the heads that the host kept and the given one."""
        ...

    async def audit_lines(
        self,
        kind: str = "",
        component: str = "",
        capability: str = "",
        outcome: str = "",
        text: str = "",
        since: float | None = None,
        until: float | None = None,
        recent: int = _FEW_LINES,
        follow: bool = False,
        line: int | None = None,
        log: str = "audit",
    ) -> AsyncIterator[Document]:
        """Return lines that match, oldest first; with `follow` without an end."""
        ...


class _Source(Protocol):
    @property
    def audit(self) -> AuditTrail: ...
    @property
    def audited_messages(self) -> AuditTrail: ...


class StoredAudit:
    """The audit log of a home, in documents.

    Args:
        source: Where it is read.
    """

    def __init__(self, source: _Source) -> None:
        self._audited = source

    async def audit_head(self, log: str = "audit") -> Document:
        """See `AuditHost`."""
        trail = self._trail(log)
        return _head_document(trail.head, trail.kept)

    async def audit_verify(self, head: str | None = None, log: str = "audit") -> Document:
        """See `AuditHost`."""
        return _verified(self._trail(log), head)

    async def audit_lines(
        self,
        kind: str = "",
        component: str = "",
        capability: str = "",
        outcome: str = "",
        text: str = "",
        since: float | None = None,
        until: float | None = None,
        recent: int = _FEW_LINES,
        follow: bool = False,
        line: int | None = None,
        log: str = "audit",
    ) -> AsyncIterator[Document]:
        """See `AuditHost`."""
        from airswasm.security import AuditQuery

        query = AuditQuery(kind, component, capability, outcome, text, since, until, line)
        trail = self._trail(log)
        return _follow(trail, query, recent) if follow else self._found(trail, query, recent)

    def _trail(self, log: str) -> AuditTrail:
        return self._audited.audited_messages if log == "messages" else self._audited.audit

    async def _found(
        self, trail: AuditTrail, query: AuditQuery, recent: int
    ) -> AsyncIterator[Document]:
        for record in trail.query(query, last=recent):
            yield mapping(to_json(record))


class LocalAudit(StoredAudit):
    """The audit log of a `System`, whose loop must not wait for the disk.

    Args:
        system: The open system.
    """

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self._auditing = system

    async def audit_verify(self, head: str | None = None, log: str = "audit") -> Document:
        """See `AuditHost`."""
        import anyio.to_thread

        trail = self._trail(log)
        return await anyio.to_thread.run_sync(_verified, trail, head)

    async def audit_accept(self, reason: str) -> Document:
        """Record that the operator knows of the cuts so far."""
        trail = self._auditing.audit
        trail.accept_cuts(reason)
        return _head_document(trail.head, trail.kept)

    async def set_setting(self, setting: str, value: str) -> None:
        """Set one setting in config.toml."""
        await self._auditing.configure(setting, value)

    async def unset_setting(self, setting: str) -> None:
        """Remove one setting from config.toml."""
        await self._auditing.configure(setting, None)

    async def reload(self, dry_run: bool = False) -> Document:
        """Take config.toml over, and return the report."""
        return mapping(to_json(await self._auditing.reload(dry_run=dry_run)))

    async def _found(
        self, trail: AuditTrail, query: AuditQuery, recent: int
    ) -> AsyncIterator[Document]:
        import anyio.to_thread

        found = await anyio.to_thread.run_sync(lambda: list(trail.query(query, last=recent)))
        for record in found:
            yield mapping(to_json(record))


async def _follow(trail: AuditTrail, query: AuditQuery, recent: int) -> AsyncIterator[Document]:
    async with aclosing(trail.follow(query, last=recent)) as records:
        async for record in records:
            yield mapping(to_json(record))


def _verified(trail: AuditTrail, head: str | None) -> Document:
    from airswasm.security import AuditHead

    from .._control.answers import AuditVerified

    try:
        given = [AuditHead.parse(head)] if head else []
    except ValueError as error:
        raise HeadMalformed(head or "") from error
    report = trail.verify(*given)
    verified = AuditVerified(
        lines=report.lines,
        first_line=report.first_line,
        head=str(report.head),
        files=len(report.files),
        torn_bytes=report.torn_bytes,
        compared={place: each.line for place, each in report.compared.items()},
    )
    return mapping(to_json(verified))


def _head_document(head: AuditHead, kept: AuditHead | None) -> Document:
    from .._control.answers import AuditNewest

    newest = AuditNewest(head.line, head.sha256, kept.line if kept is not None else 0)
    return mapping(to_json(newest))
