"""Operations on traces, by a `System` of this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from .._control.document import Document
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System
    from airswasm.monitoring import Traces

__all__ = ("LocalTraces", "TraceHost")


class TraceHost(Protocol):
    """The traces that a host keeps."""

    async def traces(self, name: str = "", recent: int = 100) -> Sequence[Document]:
        """Return the traces in one line each, oldest first."""
        ...

    async def trace(self, trace: str) -> Document:
        """Return a trace with its spans."""
        ...


class LocalTraces:
    """The traces of a `System`, in documents.

    Args:
        system: The open system.
    """

    def __init__(self, system: System) -> None:
        self._of = system

    async def traces(self, name: str = "", recent: int = 100) -> Sequence[Document]:
        """See `TraceHost`."""
        from .._control.trace_answers import trace_summary

        kept = _traces(self._of)
        found = list(kept.all(name)) if kept is not None else []
        return [to_document(trace_summary(each)) for each in found[-recent:]]

    async def trace(self, trace: str) -> Document:
        """See `TraceHost`."""
        from airswasm.monitoring import TraceNotKept

        from .._control.trace_answers import trace_document

        kept = _traces(self._of)
        if kept is None:
            raise TraceNotKept(trace, is_tracing=False)
        return to_document(trace_document(kept.get(trace)))


def _traces(system: System) -> Traces | None:
    from airswasm.monitoring import Monitor

    monitors = (each for each in system.observers.values() if isinstance(each, Monitor))
    return next((each.traces for each in monitors), None)
