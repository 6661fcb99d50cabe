"""The section `[replay]` of config.toml: which messages are recorded, and how they are compared."""

from __future__ import annotations

from dataclasses import dataclass

from airswasm.security import InvalidPattern, Pattern

__all__ = ("ReplaySettings",)


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """Recordings of messages, which a new version of their component has to answer alike.

    Attributes:
        record: Patterns of the components whose messages are recorded, from their next start on:
            `["shop/*"]`.
        redact: Names of members, at any depth, such as "password" or "customer.email". A message
            with one of them is recorded without its content, and so is one that cannot be decoded.
        messages: The most messages of one component; the oldest are dropped.
        size: The most bytes of one component.
        age: Seconds after which a message is dropped.
        total: The most bytes of all components together, shared evenly.
        fuel: How many times the fuel of before a message may take before it counts as different.
        timeout: Seconds for one replay; what it does not reach is not compared. An update gives the
            gate `replay` the seconds of `updates.gate_timeout`, which must be more.

    Raises:
        ValueError: A pattern is malformed, or a bound is too low.
    """

    record: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    messages: int = 200
    size: int = 2**20
    age: float = 7 * 86_400.0
    total: int = 64 * 2**20
    fuel: float = 2.0
    timeout: float = 30.0

    def __post_init__(self) -> None:
        for pattern in self.record:
            try:
                Pattern(pattern, "/")
            except InvalidPattern as error:
                raise ValueError(f"record: {error}") from None
        for name in self.redact:
            if not name or "" in name.split("."):
                raise ValueError(f"redact: a name of a member, or several with dots: {name!r}")
        for key in ("messages", "size", "age", "total", "timeout"):
            if not getattr(self, key) > 0:
                raise ValueError(f"{key} must be above 0")
        if not self.fuel >= 1:
            raise ValueError("fuel must be at least 1")

    def covers(self, name: str) -> bool:
        """Return whether the messages of a component are recorded."""
        return any(Pattern(each, "/").matches(name) for each in self.record)
