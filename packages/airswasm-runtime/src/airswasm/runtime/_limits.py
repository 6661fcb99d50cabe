"""The limits of one instance.

All limits are always on. The embedder gives them when it makes an instance, which
is where `[limits]` of Component.toml ends up; the defaults are those of the
contract. `memory_bytes` is a limit for each linear memory because that is what
the engine enforces; the number of memories is limited beside it, and is one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

KIB = 1024
MIB = 1024 * KIB
_NAMES_BYTES = 4 * KIB  # the sender's name and the topic, at most 512 letters, travel along


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one instance; see `setting_of` for their names in Component.toml.

    Attributes:
        memory_bytes: the most that each linear memory may grow to.
        memories: linear memories, over all core modules of the component; compilers
            make one. The engine adds those of the bytes bridge itself.
        tables: function tables.
        table_elements: elements in each table.
        instances: core instances that the component is made of.
        fuel: fuel for each call; 10,000,000 is about 6 ms of work.
        timeout: wall-clock seconds for each call, waiting in the host included.
        host_call_bytes: bytes that one call may carry between guest and host,
            in each direction.
        resources: handles of host resources that the guest may hold at once.
        host_memory_bytes: what the host may keep on the guest's behalf: bodies, headers,
            handles, answers.
        message_bytes: the most bytes of one message to the guest, and of one answer of a
            host function; None derives them from the memory (`most_message_bytes`). Who
            hosts the guest keeps to it: `Caller.message_bytes` says how much it is.
        source: where they were set, for messages, such as `Component.toml`; empty for
            the program that made them.
    """

    memory_bytes: int = 4 * MIB
    memories: int = 1
    tables: int = 16
    table_elements: int = 100_000
    instances: int = 64
    fuel: int = 1_000_000_000
    timeout: float = 5.0
    host_call_bytes: int = 16 * MIB
    resources: int = 10_000
    host_memory_bytes: int = 4 * MIB
    message_bytes: int | None = None
    source: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str | None) and value <= 0:
                raise ValueError(f"limits.{field.name} must be more than 0")
        if self.fuel >= 2**63:
            raise ValueError("limits.fuel must be below 2**63")

    def most_message_bytes(self, memory_at_start_bytes: int = 0) -> int:
        """Return the most bytes of one message to a guest.

        Where the limits do not say, it is an eighth of the memory that is left when the
        guest has started: the engine copies the message in, a handler in C that joins
        texts makes four more copies, and CPython with its encoder takes six to seven
        times the size. A guest may also start with all its memory and allocate within
        that, so it is at least one part in 32 of the whole. One call carries no more than
        `host_call_bytes`, names included, whatever the limits say.
        """
        most = self.message_bytes
        if most is None:
            left = (self.memory_bytes - memory_at_start_bytes) // 8
            most = max(left, self.memory_bytes // 32)
        return max(1, min(most, self.host_call_bytes - _NAMES_BYTES))


def setting_of(limit: str) -> str:
    """Return the key of Component.toml that sets a limit, or the field where there is none."""
    if limit == "resources":
        return "Limits.resources"
    names = {
        "memory_bytes": "memory",
        "host_call_bytes": "host_call",
        "host_memory_bytes": "host_memory",
    }
    return f"limits.{names.get(limit, limit)}"
