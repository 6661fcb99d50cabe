"""What a host says about its components: values for people, commands and monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ("ComponentStatus", "SystemStatus")


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """How one component does. Counters are of the incarnation, restarts of the host's run."""

    name: str
    version: str
    state: str
    uptime: float | None = None
    """Seconds since this incarnation started; None when it does not run."""
    restarts: int = 0
    last_error: str | None = None
    mailbox: int = 0
    """Messages that wait."""
    mailbox_bytes: int = 0
    """Bytes of their payloads."""
    oldest_message_age: float | None = None
    """Seconds that the first waiting message has waited."""
    messages: int = 0
    """Messages handled by this incarnation."""
    fuel_used: int = 0
    """Fuel used by this incarnation."""
    memory_bytes: int = 0
    """Its linear memory at its largest; 0 before its first message, and where it shows none."""
    health: str | None = None
    """`healthy`, the component's own words when it is not, or None when it is not asked."""


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """How the host does."""

    home: str
    is_online: bool
    pid: int | None
    """The hosting process; None without one."""
    uptime: float | None
    installed: int
    running: int
    components: tuple[ComponentStatus, ...] = ()
    dead_letters: int = 0
    blocks: Mapping[str, str] = field(default_factory=dict[str, str])
    """Interface to the distribution that offers it."""
    lost_writes: int = 0
    """Acknowledged writes that the disk had lost when the home was opened."""
    lost_log_lines: int = 0
    """Lines of logs that the disk refused since the host has run."""
