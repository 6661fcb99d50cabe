"""Reports of a host on its components: values for people, commands and monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ("ComponentStatus", "SystemStatus")


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """The status of one component. Counters are per incarnation, restarts per host run."""

    name: str
    version: str
    state: str
    uptime: float | None = None
    """Seconds since this incarnation started; None if it does not run."""
    restarts: int = 0
    last_error: str | None = None
    waits_for: tuple[str, ...] = ()
    """The needs that are not ready, each with its state, while it is `waiting`."""
    mailbox: int = 0
    """Messages that wait in the mailbox."""
    mailbox_bytes: int = 0
    """Bytes of their payloads."""
    oldest_message_age: float | None = None
    """Age of the first waiting message, in seconds."""
    is_durable: bool = False
    """Whether messages to it, or on topics that it has subscribed to, wait on the disk."""
    durable_messages: int = 0
    """Messages that wait on the disk, the one in hand included."""
    durable_bytes: int = 0
    """Bytes of their records."""
    oldest_durable_age: float | None = None
    """Seconds since the first of them was accepted."""
    messages: int = 0
    """Messages that this incarnation handled."""
    fuel_used: int = 0
    """Fuel that this incarnation used."""
    processor_seconds: float = 0.0
    """Processor time that it was charged for, over all incarnations, starts included."""
    memory_bytes: int = 0
    """Peak linear memory; 0 before the first message and where it is unknown."""
    host_memory_bytes: int = 0
    """Bytes that the host keeps on its behalf, beside its linear memory."""
    unwritten_denials: int = 0
    """Denials without a line of their own in the audit log, which has their number."""
    health: str | None = None
    """`healthy`, the component's own words if it is not, or None without health checks."""
    held: tuple[str, ...] = ()
    """The numbers of its manifest that the host's policy does not allow, with what holds."""
    revivals: int = 0
    """Starts after it was given up, since the host started."""
    is_development: bool = False
    """Whether it may use everything but the forbidden list, because the host is in that mode."""
    is_swapped: bool = False
    """Whether a development build was swapped in for it."""
    revives_in: float | None = None
    """Seconds until the host starts it again after it was given up; None if it does not."""


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """The status of the host."""

    home: str
    is_online: bool
    pid: int | None
    """The hosting process; None without one."""
    uptime: float | None
    installed: int
    running: int
    components: tuple[ComponentStatus, ...] = ()
    dead_letters: int = 0
    """Dead letters that are kept."""
    dead_letters_waiting: int = 0
    """Of these, letters that only memory has: the disk refuses them, or will have them soon."""
    lost_dead_letters: int = 0
    """Dead letters that were not kept since the host started, because the disk refused them."""
    blocks: Mapping[str, str] = field(default_factory=dict[str, str])
    """Interface to the distribution that offers it."""
    lost_writes: int = 0
    """Acknowledged writes that the disk had lost when the host opened the home."""
    host_memory_bytes: int = 0
    """Bytes that the host keeps on behalf of all components, beside their linear memories."""
    host_memory_most_bytes: int = 0
    """The most that this, and the components' own memories, may be; 0 where nothing runs."""
    guest_memory_bytes: int = 0
    """Bytes that the components take beside that, as of the last look."""
    descriptors: int = 0
    """Files and sockets that are open for components."""
    most_descriptors: int = 0
    """The most that may be; 0 where nothing runs."""
    mode: str = "production"
    """`development` or `production`; see `[host] mode`."""
    ended_for_memory: int = 0
    """Incarnations that the host ended because its memory was scarce."""
    lost_log_lines: int = 0
    """Lines of logs that the disk refused since the host started."""
