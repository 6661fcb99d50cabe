"""The users of a component: other components by its name, and Python code by its exports."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Generator, Iterable, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

from airswasm.security import Guard
from anyio.lowlevel import checkpoint

from .._registry.registry import ComponentRecord, Registry

__all__ = ("ExportUsers", "Use", "User", "Users")

Use: TypeAlias = Literal["needs it", "has sent to it", "may send to it", "calls its exports"]
_SENDING = ("messaging:send", "messaging:request")
_SUBSCRIBING = ("messaging:subscribe",)
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class User:
    """One that uses a component.

    Attributes:
        name: A component, or the words with which Python code has registered.
        use: In which way.
        interface: The export that is called; empty for messages.
    """

    name: str
    use: Use
    interface: str = ""

    @property
    def is_caller(self) -> bool:
        """Whether it calls exports, and does not send messages."""
        return self.use == "calls its exports"

    def __str__(self) -> str:
        return f"{self.name} ({self.use})"


class ExportUsers:
    """The Python code that calls typed exports of components; one of a host's services."""

    def __init__(self) -> None:
        self._users = Counter[tuple[str, str, str]]()

    @contextmanager
    def using(self, component: str, interface: str, user: str) -> Generator[None]:
        """Count as a user of an export inside the block.

        Args:
            component: The component.
            interface: The full name of the exported interface.
            user: Who it is, for people: the name of a module.
        """
        key = (component, interface, user)
        self._users[key] += 1
        try:
            yield
        finally:
            self._users[key] -= 1
            self._users += Counter()  # discards counters that are zero

    def of(self, component: str) -> Iterable[User]:
        """Iterate over the users of a component's exports."""
        for name, interface, user in sorted(self._users):
            if name == component:
                yield User(user, "calls its exports", interface)


@dataclass(frozen=True, slots=True)
class Users:
    """Finds the users of components in a host."""

    registry: Registry
    guard: Guard
    exports: ExportUsers

    async def of(self, name: str) -> tuple[User, ...]:
        """Return the users of a component, without the component itself.

        Who has sent to it is known as long as the guard remembers it. The search goes over all
        installed components and gives way now and then.
        """
        recent = {each for kind in _SENDING for each in self.guard.recent_users(kind, name)}
        senders = {each async for each in self._who_may(_SENDING, name)}
        found = list(self.exports.of(name))
        for record in self.registry:
            user, use = record.name, _use(record, name, recent, senders)
            if use is not None and user != name:
                found.append(User(user, use))
        return tuple(found)

    async def subscribers(self, topic: str) -> tuple[str, ...]:
        """Return the components that may subscribe to a topic, or to a pattern of topics."""
        return tuple([each async for each in self._who_may(_SUBSCRIBING, topic)])

    async def _who_may(self, capabilities: tuple[str, ...], resource: str) -> AsyncIterator[str]:
        for turn, record in enumerate(self.registry):
            if turn % _AT_ONCE == 0:
                await checkpoint()
            decide = self.guard.decide
            if any(decide(record.name, each, resource).is_allowed for each in capabilities):
                yield record.name


def _use(record: ComponentRecord, name: str, recent: Set[str], senders: Set[str]) -> Use | None:
    """Return the surest use that a component makes of a name."""
    if name in record.active_version.needs:
        return "needs it"
    if record.name in recent:
        return "has sent to it"
    return "may send to it" if record.name in senders else None
