"""The history of each name: every change, with its author and its source.

The history is for people. It lies in the host's store, an entry for each change of a name, written
in the same atomic batch as the record that it tells of: so there is no change without its entry,
and no entry of a change that did not take place. It is bounded, and a purge removes what it has of
a name but that it was purged. The audit log is the proof: a chain that no operation shortens.

A key is the name, a space and the entry's number, so that the entries of a name are one range, in
order; a host-wide look merges by number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from heapq import nlargest
from typing import Any, Literal, cast

from airswasm.storage import KeyValueStore, Namespace, StorageError
from airswasm.wit import safe_text

from .._home.history_settings import HistorySettings
from ..errors import HostOffline
from .origins import current_origin

__all__ = ("HISTORY_NAMESPACE", "History", "HistoryEntry", "Outcome", "reason_without")

HISTORY_NAMESPACE = "airswasm-history"
"""Of the host's store. No slash: no component has this name."""
_NEXT = "!next"
"""The key of the number of the next entry; no name begins with an exclamation mark."""
_NO_QUOTA = 2**62
_DAY = 86_400.0
_MOST_TEXT = 500
_AT_ONCE = 1_000
_STORED = ("act", "outcome", "before", "after", "wanted", "source", "pin", "signer", "by", "via",
           "reason", "detail", "time")  # fmt: skip
_TEXTS = ("act", "before", "after", "wanted", "source", "pin", "signer", "by", "via", "reason")
Outcome = Literal["done", "failed", "refused"]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of a name, or one that was refused or failed.

    Attributes:
        name: The component, or the package that a change of trust is about; empty for the host.
        act: `install`, `update`, `rollback`, `uninstall`, `purge`, `start`, `stop`, `restore`,
            `grant`, `owner`, `pin`, `unpin`, `clean-up`, `trust`, ...
        outcome: Whether it was done.
        before: The version that was active before; empty if there was none.
        after: The version that is active from then on; empty if there is none.
        wanted: The version that should have become the active one, of a change that was refused or
            failed; empty for one that was done.
        source: Where the version after, or the wanted one, came from, in canonical form.
        pin: The source's name for exactly that content.
        signer: The fingerprint of the key that signed it; empty if unsigned.
        by: Who made the change; see `ChangeOrigin`.
        via: By which way.
        reason: Why it failed or was refused, or the operator's reason.
        detail: Further facts, by name.
        time: Seconds since 1970.
        number: Rises with each entry of the host, and is about the time in microseconds.
    """

    name: str
    act: str
    outcome: Outcome = "done"
    before: str = ""
    after: str = ""
    source: str = ""
    pin: str = ""
    signer: str = ""
    by: str = ""
    via: str = ""
    reason: str = ""
    wanted: str = ""
    detail: Mapping[str, str] = field(default_factory=dict[str, str])
    time: float = 0.0
    number: int = 0

    def to_json(self) -> bytes:
        """Return the entry in its stored form: only what is set, without name and number."""
        document = {key: value for key in _STORED if (value := getattr(self, key))}
        return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def from_row(cls, key: str, content: bytes) -> HistoryEntry:
        """Parse a row. One that is damaged shows as such: it must not hide the others."""
        name, _, number = key.rpartition(" ")
        try:
            document = cast("dict[str, Any]", json.loads(content))
            detail = cast("dict[str, object]", document.get("detail", {}))
            texts = {each: str(document[each]) for each in _TEXTS if each in document}
            return cls(
                name,
                outcome=cast("Outcome", str(document["outcome"])),
                detail={each: str(value) for each, value in detail.items()},
                time=float(document["time"]),
                number=int(number, 16),
                **texts,
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls(name, "damaged", "failed", number=_number(key))


class History:
    """The history of one home; `System.history`. Make one with `open`."""

    def __init__(
        self,
        space: Namespace | None,
        settings: HistorySettings,
        clock: Callable[[], float],
        following: int,
    ) -> None:
        self.settings = settings
        self._space, self._clock, self._next = space, clock, following

    @classmethod
    async def open(
        cls, store: KeyValueStore | None, settings: HistorySettings, clock: Callable[[], float]
    ) -> History:
        """Open the history of a store; without one, nothing has happened.

        Raises:
            StorageError: The store cannot be read.
        """
        if store is None:
            return cls(None, settings, clock, 1)
        space = store.namespace(HISTORY_NAMESPACE, quota_bytes=_NO_QUOTA, has_batch_bounds=False)
        following = await space.get(_NEXT)
        return cls(space, settings, clock, int(following) if following else 1)

    def rows(self, entries: Iterable[HistoryEntry]) -> dict[str, bytes | None]:
        """Return the rows that add entries, with their numbers, the time and the origin."""
        now, origin = self._clock(), current_origin()
        self._next = max(self._next, int(now * 1e6))
        rows: dict[str, bytes | None] = {}
        for entry in entries:
            made = replace(
                entry,
                by=entry.by or origin.by,
                via=entry.via or origin.via,
                time=now,
                reason=_bounded(entry.reason),
                detail={key: _bounded(value) for key, value in entry.detail.items()},
            )
            rows[_key(entry.name, self._next)] = made.to_json()
            self._next += 1
        if rows:
            rows[_NEXT] = str(self._next).encode()
        return rows

    async def add(self, *entries: HistoryEntry) -> None:
        """Add entries that no record goes with.

        Raises:
            StorageError: The store refuses.
        """
        await self._write(self.rows(entries))
        for name in dict.fromkeys(each.name for each in entries):
            await self.trim(name)

    async def read(
        self, name: str | None = None, *, since: float | None = None, last: int = 0
    ) -> tuple[HistoryEntry, ...]:
        """Return what happened, the newest last.

        Args:
            name: A component; None for all of the host.
            since: Not before; seconds since 1970.
            last: Only the newest so many; 0 for all.

        Raises:
            StorageError: The store cannot be read.
        """
        prefix = "" if name is None else f"{name} "
        rows = await self._rows(prefix, last if name is not None else 0)
        if name is None and last:  # most are not looked at, and parsing takes the longest
            rows = nlargest(last, rows, key=lambda row: _number(row[0]))
        entries = sorted((HistoryEntry.from_row(*row) for row in rows), key=lambda e: e.number)
        return tuple(each for each in entries if since is None or each.time >= since)

    async def trim(self, name: str) -> None:
        """Remove the oldest entries of a name beyond its bound; a later change does otherwise."""
        with suppress(StorageError):
            keys = [key for key, _ in await self._rows(f"{name} ")]
            await self._remove(keys[: -self.settings.entries])

    async def clean(self) -> int:
        """Remove what is too old, and the oldest beyond the bound of all; return how many.

        Raises:
            StorageError: The store refuses.
        """
        oldest = int((self._clock() - self.settings.days * _DAY) * 1e6)
        keys = sorted((key for key, _ in await self._rows()), key=_number)
        beyond = max(len(keys) - self.settings.total, 0)
        gone = [key for at, key in enumerate(keys) if at < beyond or _number(key) < oldest]
        await self._remove(gone)
        return len(gone)

    async def forget(self, name: str) -> None:
        """Remove what is kept of a name, but that it was purged, when, and by whom.

        Raises:
            StorageError: The store refuses.
        """
        found = await self.read(name)
        if found and found[-1].act == "purge" and len(found) == 1:
            return  # this was done, and the purge goes on after a restart
        gone: dict[str, bytes | None] = {_key(name, each.number): None for each in found}
        await self._write({**gone, **self.rows([HistoryEntry(name, "purge")])})

    async def _rows(self, prefix: str = "", newest: int = 0) -> list[tuple[str, bytes]]:
        """Return the rows whose key starts with `prefix`, only the newest so many unless 0."""
        found: list[tuple[str, bytes]] = []
        after: str | None = None
        while self._space is not None:
            page = await self._space.scan(prefix, after, newest, reverse=newest > 0)
            found += [(each.key, each.value) for each in page.entries if each.key != _NEXT]
            after = page.next
            if after is None or 0 < newest <= len(found):
                break
        return found[:newest] if newest else found

    async def _remove(self, keys: Sequence[str]) -> None:
        for at in range(0, len(keys), _AT_ONCE):
            await self._write(dict.fromkeys(keys[at : at + _AT_ONCE]))

    async def _write(self, rows: Mapping[str, bytes | None]) -> None:
        if self._space is None:
            raise HostOffline("a change")
        await self._space.batch(rows)


def reason_without(text: str, name: str) -> str:
    """Return what an error says, without the name that stands beside it in a line."""
    for lead in (f"{name}: ", f"{name} "):
        if text.startswith(lead):
            return text[len(lead) :]
    return text


def _key(name: str, number: int) -> str:
    return f"{name} {number:016x}"


def _number(key: str) -> int:
    return int(key.rpartition(" ")[2], 16)


def _bounded(text: str) -> str:
    shown = safe_text(text)
    return shown if len(shown) <= _MOST_TEXT else f"{shown[: _MOST_TEXT - 1]}…"
