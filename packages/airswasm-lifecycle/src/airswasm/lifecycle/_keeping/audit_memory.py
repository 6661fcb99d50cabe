"""Keep outside the audit log what shows that the log was cut, and what the host was set to.

The newest head goes into the host's store every so many lines or seconds, and when the host ends.
The lines are on the disk before it, so that after a power loss the log has every head that the
store has. A host compares the two when it opens.

The settings of the last start are kept beside it: a host whose config.toml or environment differs
says in a line which keys changed.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic

import anyio
from airswasm.security import AuditHead, AuditLog, AuditSettings, AuditUnavailable
from airswasm.storage import KeyValueStore, StorageError

from .._home.configuration import Setting
from .._home.settings_lines import compared, settings_event

__all__ = ("AUDIT_NAMESPACE", "AuditMemory", "head_in", "head_key")

AUDIT_NAMESPACE = "airswasm-audit"
"""Of the host's store. No slash: no component has this name."""
_SETTINGS = "settings"
_NO_QUOTA = 2**62
_LOOK_SECONDS = 1.0


class AuditMemory:
    """The host's memory of its audit log.

    Args:
        log: The open log.
        store: The host's open store.
        settings: How often the head is kept.
    """

    def __init__(self, log: AuditLog, store: KeyValueStore, settings: AuditSettings) -> None:
        self._log = log
        self._key = head_key(log.path)
        self._kept_at = monotonic()
        self._kept = AuditHead()
        self.hold_to(settings)
        self._table = store.namespace(
            AUDIT_NAMESPACE, quota_bytes=_NO_QUOTA, durability="sync", has_batch_bounds=False
        )

    def hold_to(self, settings: AuditSettings) -> None:
        """Keep the head so often from now on."""
        self._lines, self._seconds = settings.head_lines, settings.head_seconds

    @property
    def kept(self) -> AuditHead | None:
        """The head that the store has; None if it has none yet."""
        return self._kept if self._kept.line else None

    async def compare(self) -> str | None:
        """Compare the log with the head that the store has; record and return what it misses."""
        kept = head_in(await self._table.get(self._key))
        if kept is None:
            return None
        self._kept = kept
        missing = self._log.missing or self._log.compare(kept, "in the host's store")
        if missing is not None:  # a line tells of it, and the store gets the next head
            await self.keep_now()
        return missing

    async def note_settings(
        self, settings: Iterable[Setting], *, since: str = "the last start"
    ) -> None:
        """Record which settings differ from those of the last start or reload, and keep these."""
        now = {each.name: each for each in settings}
        known = await self._table.get(_SETTINGS)
        before: Mapping[str, str] = json.loads(known)["values"] if known else {}
        salt = json.loads(known)["salt"] if known else secrets.token_hex(16)
        marks = {name: compared(each, salt) for name, each in now.items()}
        if known is None:
            changed = [name for name, each in now.items() if each.origin != "default"]
        else:
            changed = [
                name for name in sorted({*before, *marks}) if before.get(name) != marks.get(name)
            ]
        if changed:
            than = "the defaults" if known is None else since
            self._log.record(settings_event(changed, before, now, than=than))
            self._log.sync()
        if marks != before:
            await self._table.set(_SETTINGS, json.dumps({"salt": salt, "values": marks}).encode())

    async def keep(self) -> None:
        """Put the newest head into the store whenever it is due, until cancelled.

        A store or a log that refuses is tried again; each says so by itself.
        """
        while True:
            await anyio.sleep(_LOOK_SECONDS)
            new_lines = self._log.head.line - self._kept.line
            is_late = monotonic() - self._kept_at >= self._seconds
            if new_lines >= self._lines or (new_lines and is_late):
                await self.keep_now()

    async def close(self) -> None:
        """Put the last head into the store, also while this is cancelled."""
        with anyio.CancelScope(shield=True):
            await self.keep_now()

    async def keep_now(self) -> None:
        """Put the newest head into the store."""
        with suppress(AuditUnavailable, StorageError):
            head = await self._log.sync_in_thread()
            if head != self._kept and not self._log.is_closed:
                await self._table.set(self._key, str(head).encode())
                self._kept, self._kept_at = head, monotonic()


def head_key(log: Path) -> str:
    """Return the key of a log's head in the store."""
    return f"head:{log.name}"


def head_in(value: bytes | None) -> AuditHead | None:
    """Read a head from the store; None where there is none."""
    return AuditHead.parse(value.decode()) if value else None
