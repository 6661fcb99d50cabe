"""Live frames of a `System` of this process, and links to its page."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast

from .._control.document import Document
from ..errors import HostNotRunning, PageNotServed, TooManyWatchers, WatchMalformed
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System
    from airswasm.monitoring import Frame, Monitor, Part

    from .._control.page_door import PageDoor

__all__ = ("LocalWatch", "PageScope", "WatchHost", "monitor_of")

PageScope: TypeAlias = Literal["monitoring", "read", "all"]
_MOST_READERS = 16


class WatchHost(Protocol):
    """A home's host, to watch."""

    async def watch(
        self, parts: str = "components", name: str = "", interval: float = 2.0
    ) -> AsyncIterator[Document]:
        """Return what changes, without an end."""
        ...

    async def watch_figures(self, interval: float = 2.0) -> AsyncIterator[Document]:
        """Return the figures of the host and its components, without an end."""
        ...

    async def page_link(self, scope: PageScope = "all") -> Document:
        """Make a link that opens the page once."""
        ...


class LocalWatch:
    """The live tables of a `System`, in documents.

    Attributes:
        door: The door of the page, where the host serves it.

    Args:
        system: The open system.
    """

    door: PageDoor | None = None

    def __init__(self, system: System) -> None:
        self._watched = system

    async def watch(
        self, parts: str = "components", name: str = "", interval: float = 2.0
    ) -> AsyncIterator[Document]:
        """See `WatchHost`."""
        return self._frames(_parts_of(parts, name), name, interval)

    async def watch_figures(self, interval: float = 2.0) -> AsyncIterator[Document]:
        """See `WatchHost`."""
        return _without_texts(self._frames(("components",), "", interval))

    async def page_link(self, scope: PageScope = "all") -> Document:
        """See `WatchHost`."""
        from .._control.page_sessions import LINK_SECONDS, PageLink

        monitor = monitor_of(self._watched)
        is_off = monitor is not None and not monitor.has_page
        url = self.door.link(scope) if self.door is not None and not is_off else None
        if url is None:
            raise PageNotServed(is_off=is_off)
        return to_document(PageLink(url, scope, time.time() + LINK_SECONDS))

    def _frames(self, parts: Iterable[Part], name: str, interval: float) -> AsyncIterator[Document]:
        monitor = monitor_of(self._watched)
        if monitor is None or self._watched.mode == "readonly":
            raise HostNotRunning("watch", str(self._watched.home.folder))
        if monitor.watching.readers >= _MOST_READERS:
            raise TooManyWatchers(_MOST_READERS)
        return _read(monitor, parts, name, interval)


def monitor_of(system: System) -> Monitor | None:
    """Return the monitor of a host, if the block is there."""
    from airswasm.monitoring import Monitor

    monitors = (each for each in system.observers.values() if isinstance(each, Monitor))
    return next(monitors, None)


def _parts_of(text: str, name: str) -> tuple[Part, ...]:
    from airswasm.monitoring import PARTS

    asked = set(filter(None, text.split(",")))
    unknown = asked.difference(PARTS)
    if unknown:
        raise WatchMalformed(f"there is no part {min(unknown)!a}; they are {', '.join(PARTS)}")
    if "receipts" in asked and not name:
        raise WatchMalformed("receipts are those of one component: give its name")
    return tuple(each for each in PARTS if each in asked)


async def _read(
    monitor: Monitor, parts: Iterable[Part], name: str, interval: float
) -> AsyncIterator[Document]:
    async with aclosing(monitor.watching.read(parts, name=name, interval=interval)) as frames:
        async for frame in frames:
            yield _document(frame)


def _document(frame: Frame) -> Document:
    """Return a frame as it is: its rows hold what JSON can, and there may be thousands."""
    return {
        "part": frame.part,
        "at": frame.at,
        "columns": frame.columns,
        "rows": frame.rows,
        "gone": frame.gone,
        "lines": frame.lines,
        "lost": frame.lost,
        "figures": frame.figures,
    }


async def _without_texts(frames: AsyncIterator[Document]) -> AsyncIterator[Document]:
    """Leave out what guests and errors say: the scope of figures does not reach it."""
    at: int | None = None
    async for frame in frames:
        columns = cast("Sequence[str]", frame["columns"])
        if columns:
            at = columns.index("last_error")
        if frame["part"] == "host":
            figures = cast("Mapping[str, object]", frame["figures"])
            yield {**frame, "figures": {k: v for k, v in figures.items() if k != "findings"}}
        elif at is not None:
            rows = cast("Mapping[str, Sequence[object]]", frame["rows"])
            bare = {key: (*row[:at], "", *row[at + 1 :]) for key, row in rows.items()}
            yield {**frame, "rows": bare}
