"""The host as a component sees it: flat functions, one for each of the contract.

Two classes implement them: one calls the imports of the world inside of WebAssembly, the other is
the double for tests. Which of them is meant is known for the time of a call (`using`): two
components of one test do not meet, and a class has no host before the first message.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from ._codec import Codec
from .errors import NoHost

__all__ = ("Envelope", "Host", "Message", "Running", "current", "using")


@dataclass(frozen=True)
class Envelope:
    """The companions of a message beside its payload; see `messaging.envelope` of the contract."""

    id: str
    correlation: str
    hops: int = 0
    remaining_ms: int | None = None
    traceparent: str | None = None
    codec: str | None = None
    attempt: int = 1
    replay_of: str | None = None
    retained: bool = False


@dataclass(frozen=True)
class Message:
    """The message in hand; a handler gets it through a parameter of this type.

    Attributes:
        sender: The sender's name, or `host`.
        topic: The topic of a published message; None for one that was sent.
        payload: Its bytes.
    """

    sender: str
    topic: str | None
    payload: bytes

    @property
    def envelope(self) -> Envelope | None:
        """Return the companions of the payload."""
        return current().host.envelope()


class Host(Protocol):
    """Every function raises the `HostError` of its case."""

    @property
    def name(self) -> str: ...
    def log(self, level: str, message: str) -> None: ...
    def get(self, key: str) -> bytes | None: ...
    def set(self, key: str, value: bytes, ttl_ms: int | None = None) -> None: ...
    def delete(self, key: str) -> bool: ...
    def scan(
        self, prefix: str, after: str | None, limit: int, *, reverse: bool
    ) -> tuple[Sequence[tuple[str, bytes]], str | None]: ...
    def envelope(self) -> Envelope | None: ...
    def send(self, target: str, payload: bytes) -> None: ...
    def call(self, target: str, payload: bytes, timeout_ms: int) -> bytes | None: ...
    def request(self, target: str, payload: bytes, timeout_ms: int) -> int: ...
    def cancel(self, request_id: int) -> bool: ...
    def publish(self, topic: str, payload: bytes, *, retained: bool) -> int: ...
    def subscribe(self, pattern: str) -> None: ...
    def unsubscribe(self, pattern: str) -> None: ...
    def send_later(self, target: str, payload: bytes, delay_ms: int, *, durable: bool) -> int: ...
    def send_every(
        self, target: str, payload: bytes, interval_ms: int, *, durable: bool
    ) -> int: ...
    def cancel_timer(self, timer_id: int) -> bool: ...


class Running(Protocol):
    """A component that runs: its host, its codec, its settings, and its open requests."""

    host: Host
    codec: Codec
    settings: dict[str, object]
    waiting: dict[int, str]


_CURRENT: ContextVar[Running] = ContextVar("airswasm.component")


def current() -> Running:
    """Return the component of this call.

    Raises:
        NoHost: There is none.
    """
    try:
        return _CURRENT.get()
    except LookupError:
        raise NoHost from None


def find_current() -> Running | None:
    """Return the component of this call, if there is one."""
    return _CURRENT.get(None)


@contextmanager
def using(running: Running) -> Generator[None]:
    """Make a component the one of this context."""
    token = _CURRENT.set(running)
    try:
        yield
    finally:
        _CURRENT.reset(token)
