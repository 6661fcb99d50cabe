"""The audit log of a home, to look at: `System.audit` and `HomeReader.audit`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airswasm.security import (
    AuditHead,
    AuditLog,
    AuditQuery,
    AuditRecord,
    AuditReport,
    AuditUnavailable,
    audit_head,
    follow_audit,
    query_audit,
    verify_audit,
)

from ..errors import HostOffline

__all__ = ("AuditTrail",)


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """The audit log of one home.

    Attributes:
        path: The current file.
        kept: The head that the host's store has; None if it has none yet.
        log: The open log of a home that this process holds; else None.
    """

    path: Path
    kept: AuditHead | None = None
    log: AuditLog | None = None

    @property
    def head(self) -> AuditHead:
        """The newest line. Keep it where no intruder can write, and pass it to `verify` later.

        Raises:
            AuditBroken: The last line is none of a log.
        """
        return self.log.head if self.log is not None else audit_head(self.path)

    def verify(self, *heads: AuditHead) -> AuditReport:
        """Verify the log against the heads that the host kept and those given.

        It reads the whole log: call it in a thread where an event loop runs.

        Raises:
            AuditBroken: It was altered or cut.
            AuditUnavailable: A file cannot be read.
        """
        expected = {f"given-{number}": each for number, each in enumerate(heads, 1)}
        kept: Mapping[str, AuditHead] = {} if self.kept is None else {"store": self.kept}
        if self.log is None:
            return verify_audit(self.path, heads={**kept, **expected})
        newest = self.log.head
        return verify_audit(self.path, heads={"host": newest, **kept, **expected}, until=newest)

    def query(
        self, query: AuditQuery | None = None, *, last: int | None = None
    ) -> Iterator[AuditRecord]:
        """Yield lines that match, oldest first; see `airswasm.security.query_audit`."""
        if self.log is not None:
            with suppress(AuditUnavailable):  # what is written can be read all the same
                self.log.write_waiting()
        return query_audit(self.path, query, last=last)

    def follow(
        self, query: AuditQuery | None = None, *, last: int = 0
    ) -> AsyncGenerator[AuditRecord, None]:
        """Yield lines as they are written; see `airswasm.security.follow_audit`."""
        return follow_audit(self.path, query, last=last)

    def accept_cuts(self, reason: str) -> None:
        """Record that you know of the cuts that the log reports: `verify` then passes over them.

        Raises:
            HostOffline: The home was opened read-only.
            AuditUnavailable: The log cannot be written.
        """
        if self.log is None:
            raise HostOffline("accepting cuts of the audit log")
        self.log.accept_cuts(reason)
