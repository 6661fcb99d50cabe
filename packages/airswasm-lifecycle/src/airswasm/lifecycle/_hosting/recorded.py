"""An incarnation whose messages are recorded.

It is a class of its own, linked to functions of its own, so that what is not recorded pays nothing
for it. Who records stands behind two protocols.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from weakref import WeakKeyDictionary

from airswasm.actor import Context, FunctionCall, GuestCall, Message
from airswasm.runtime import FunctionShape, LinkedComponent

from .incarnations import Build, HostedActor, Maker

__all__ = ("RecordedActor", "Recorder", "Tape", "recorded_if")


class Tape(Protocol):
    """Records one incarnation; it is the `Caller.data` of its instance."""

    def begin_start(self) -> None:
        """Begin with the start."""
        ...

    def end_start(self, fuel: int) -> None:
        """End the start."""
        ...

    def begin(self, message: Message) -> None:
        """Begin with a message."""
        ...

    def begin_call(self, message: Message, function: str, shape: FunctionShape | None) -> None:
        """Begin with a call of an exported function, of these types."""
        ...

    def end(self, reply: object, error: BaseException | None, fuel: int) -> None:
        """End the message in hand."""
        ...

    def close(self) -> None:
        """End with the incarnation."""
        ...


class Recorder(Protocol):
    """Says whose messages are recorded, and records them."""

    def tape(self, name: str, version: str) -> Tape | None:
        """Return the tape of an incarnation that starts now; None if it is not recorded."""
        ...

    def link(self, linked: LinkedComponent) -> LinkedComponent:
        """Return a component whose calls reach its tape."""
        ...


def recorded_if(recorder: Recorder) -> Build:
    """Return what makes incarnations: recorded ones of the components that are recorded."""
    links = WeakKeyDictionary[LinkedComponent, LinkedComponent]()

    def build(maker: Maker) -> HostedActor:
        recipe = maker.recipe
        tape = recorder.tape(maker.name, recipe.manifest.component.version)
        if tape is None:
            return HostedActor(maker)
        linked = links.get(recipe.linked)
        if linked is None:
            linked = links[recipe.linked] = recorder.link(recipe.linked)
        return RecordedActor(maker, linked, tape)

    return build


class RecordedActor(HostedActor):
    """A hosted component that tells a tape what it is told and what it does."""

    __slots__ = ("_tape",)

    def __init__(self, maker: Maker, linked: LinkedComponent, tape: Tape) -> None:
        super().__init__(maker, linked=linked, data=tape)
        self._tape = tape

    async def start(self) -> None:
        """Start, and record it; once."""
        if self.instance is not None:
            return
        self._tape.begin_start()
        await super().start()
        self._tape.end_start(self.fuel_used)

    def begin(
        self, message: Message, context: Context, wake: Callable[[GuestCall], None]
    ) -> GuestCall:
        """Begin the call that handles a message; see `ComponentActor.begin`."""
        payload = message.payload
        if isinstance(payload, FunctionCall):
            self._begin_call(message, payload)
        else:
            self._tape.begin(message)
        try:
            return super().begin(message, context, wake)
        except BaseException as error:
            self._tape.end(None, error, 0)
            raise

    def _begin_call(self, message: Message, payload: FunctionCall) -> None:
        function = payload.function
        found = self._function(function) if isinstance(function, str) else function
        path = "" if found is None else found.path
        interface, _, name = path.rpartition("#")
        exports = self._linked.component.exports
        shape = exports[interface].functions.get(name) if interface in exports else None
        self._tape.begin_call(message, path, shape)

    def complete(self, call: GuestCall) -> object:
        """Return the guest's reply; see `ComponentActor.complete`."""
        try:
            reply = super().complete(call)
        except BaseException as error:
            self._tape.end(None, error, call.fuel_used)
            raise
        self._tape.end(reply, None, call.fuel_used)
        return reply

    def discard(self) -> None:
        """Drop the store."""
        self._tape.close()
        super().discard()
