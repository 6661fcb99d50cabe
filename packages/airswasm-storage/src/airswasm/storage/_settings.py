"""The settings of the block: the section `[storage]` of `config.toml`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

__all__ = ("DEFAULT_QUOTA_BYTES", "Durability", "StorageSettings", "StoreLimits")

Durability: TypeAlias = Literal["sync", "os"]
"""The point at which a write is done: on the disk, or handed to the operating system.

Both survive a killed process; only `sync` survives a power loss.
"""

DEFAULT_QUOTA_BYTES = 64 * 1024 * 1024
_VALUE_BYTES = 1024 * 1024
_PAGE_ENTRIES = 256
_PAGE_BYTES = 256 * 1024
_BATCH_ENTRIES = 1_024
_BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """Bounds that no namespace and no log may exceed.

    Attributes:
        value_bytes: The largest value, and the largest payload of a log entry.
        page_entries: The most entries of one page of a scan.
        page_bytes: The most bytes of one page; a single larger entry comes alone.
        batch_entries: The most keys of one atomic write to a namespace.
        batch_bytes: The most bytes of keys and values of one atomic write to a namespace.

    Raises:
        ValueError: A limit is below 1.
    """

    value_bytes: int = _VALUE_BYTES
    page_entries: int = _PAGE_ENTRIES
    page_bytes: int = _PAGE_BYTES
    batch_entries: int = _BATCH_ENTRIES
    batch_bytes: int = _BATCH_BYTES

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"{field.name} must be at least 1")


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Settings that an operator chooses for the store of a host.

    Attributes:
        engine: The storage engine: `rocksdb`, `sqlite`, `memory`, or the name under which an
            installed package offers one. A folder that one engine wrote opens with no other.
        durability: When a write counts as done: `sync` when it is on the disk, `os` when the
            operating system has it, which a power loss can take back.
        value_bytes: The largest value, and the largest payload of a log entry.
        page_entries: The most entries of one page of a scan.
        page_bytes: The most bytes of one page; a single larger entry comes alone.
        batch_entries: The most keys of one atomic write.
        batch_bytes: The most bytes of keys and values of one atomic write.

    Raises:
        ValueError: A limit is out of its range, or the durability is neither of the two.
    """

    engine: str = "rocksdb"
    durability: Durability = "sync"
    value_bytes: int = _VALUE_BYTES
    page_entries: int = _PAGE_ENTRIES
    page_bytes: int = _PAGE_BYTES
    batch_entries: int = _BATCH_ENTRIES
    batch_bytes: int = _BATCH_BYTES

    def __post_init__(self) -> None:
        if self.durability not in ("sync", "os"):
            raise ValueError("durability must be 'sync' or 'os'")
        self.limits()  # refuses what no store could work with, while the section is read

    def limits(self) -> StoreLimits:
        """Return the bounds that `open_store` takes."""
        return StoreLimits(
            self.value_bytes, self.page_entries, self.page_bytes,
            self.batch_entries, self.batch_bytes,
        )  # fmt: skip
