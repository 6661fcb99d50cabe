"""`airswasm:component/tracing`: what a component says about its own span.

Notes are kept for a message that is traced, until its handling ends, and count as bytes that the
host keeps for the component. They are few and short, so that a span has a bound whatever a
component says. A note that does not fit is dropped and counted; the component goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from airswasm.actor import ActorSystem, Message, SpanNotes, Tracing
from airswasm.runtime import AccountExceeded, Caller, Effect, HostInterface, Services

__all__ = ("TRACING_INTERFACE", "GuestTracing", "provide")

TRACING_INTERFACE = "airswasm:component/tracing@0.1.0"
_MOST_ATTRIBUTES = 32
_MOST_EVENTS = 32
_MOST_EVENT_ATTRIBUTES = 16
_MOST_KEY = 128
_MOST_VALUE = 1024
_MOST_BYTES = 8 * 1024
"""Of all notes on one message."""
_RESERVED = ("airswasm.", "messaging.", "error.")


class _Attribute(Protocol):
    key: str
    value: str


class GuestTracing:
    """The tracing of one system, as components see it.

    Args:
        system: The actors.
    """

    def __init__(self, system: ActorSystem) -> None:
        self._tracing: Tracing = system.tracing
        self._wall_time = system.broker.wall_time

    def interface(self) -> HostInterface:
        """Return the interface for components."""
        return HostInterface(
            TRACING_INTERFACE,
            {
                "current": self._current,
                "set-attribute": self._set_attribute,
                "add-event": self._add_event,
            },
            effects={
                "current": Effect.READS,
                "set-attribute": Effect.LOGS,
                "add-event": Effect.LOGS,
            },
        )

    def _current(self, caller: Caller) -> str | None:
        message = caller.message
        if not isinstance(message, Message):
            return None
        context = self._tracing.context_of(message, caller.name)
        if context is not None and self._tracing.is_on:
            return context.traceparent
        return (message.envelope.traceparent or None) if message.envelope else None

    def _set_attribute(self, caller: Caller, key: str, value: str) -> None:
        notes = self._notes(caller)
        if notes is None:
            return
        value = _cut(value)
        is_new = key not in notes.attributes
        if _is_usable(key) and (not is_new or len(notes.attributes) < _MOST_ATTRIBUTES):
            earlier = 0 if is_new else _size(key, notes.attributes[key])
            if self._takes(caller, notes, _size(key, value) - earlier):
                notes.attributes[key] = value
                return
        notes.dropped += 1

    def _add_event(self, caller: Caller, name: str, attributes: Sequence[_Attribute]) -> None:
        notes = self._notes(caller)
        if notes is None:
            return
        name = name[:_MOST_KEY]
        kept = tuple(
            (each.key, _cut(each.value))
            for each in attributes[:_MOST_EVENT_ATTRIBUTES]
            if _is_usable(each.key)
        )
        notes.dropped += len(attributes) - len(kept)
        size_bytes = _size(name, "") + sum(_size(*each) for each in kept)
        if len(notes.events) < _MOST_EVENTS and self._takes(caller, notes, size_bytes):
            notes.events.append((self._wall_time(), name, kept))
        else:
            notes.dropped += 1

    def _notes(self, caller: Caller) -> SpanNotes | None:
        """Return the notes on the message in hand; None for one that is not traced."""
        tracing, message = self._tracing, caller.message
        if not (tracing.is_on and isinstance(message, Message) and tracing.is_sampled(message)):
            return None
        context = tracing.context_of(message, caller.name)
        return None if context is None else tracing.notes(context)

    def _takes(self, caller: Caller, notes: SpanNotes, size_bytes: int) -> bool:
        """Return whether there is room for so many bytes more, and take them."""
        if notes.size_bytes + size_bytes > _MOST_BYTES:
            return False
        try:
            if notes.holding is None:
                notes.holding = caller.account.hold(_MOST_BYTES)
        except AccountExceeded:
            return False
        notes.size_bytes += size_bytes
        return True


def provide(services: Services) -> Iterable[HostInterface]:
    """Return the interface that this block offers, `airswasm:component/tracing`."""
    return (GuestTracing(services.get(ActorSystem)).interface(),)


def _is_usable(key: str) -> bool:
    return bool(key) and len(key.encode()) <= _MOST_KEY and not key.startswith(_RESERVED)


def _cut(value: str) -> str:
    """Return a text of at most as many bytes as a value may have, marked if it was longer."""
    content = value.encode()
    if len(content) <= _MOST_VALUE:
        return value
    return content[: _MOST_VALUE - 3].decode(errors="ignore") + "…"


def _size(key: str, value: str) -> int:
    return len(key.encode()) + len(value.encode()) + 64
