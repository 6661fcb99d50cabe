"""Who is there: the places of all actors, and how an incarnation is put into one.

Nothing here waits, so it can be compiled; what waits for an incarnation to begin or to end is in
`_life`.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ._cell import Cell
from .actor import Phase
from .context import Context
from .errors import NameTaken
from .events import EventKind, LifecycleEvent
from .reference import ActorRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from .mailbox import MailboxSpec
    from .system import ActorSystem

__all__ = ("Register", "bind_actor")

_STARTING, _RUNNING = Phase.STARTING, Phase.RUNNING  # an enum's attribute is a slow look-up


@dataclass(frozen=True, slots=True)
class Traits:
    """What a class of actors has; found out once, since asking costs more than a spawn may.

    `is_bare`: a plain `receive`, and nothing that a new actor would have to wait for or be told.
    """

    is_async: bool
    is_guest: bool
    has_start: bool
    has_bind: bool
    is_bare: bool


class Register:
    """All actors of a system that have not ended.

    Attributes:
        actors: Them, by their own names.
        begin_in_background: Calls the `start` of a spawned actor; the life cycle's.
    """

    __slots__ = ("_broker", "_events", "_system", "_traits", "actors", "begin_in_background")

    def __init__(self, system: ActorSystem) -> None:
        self.actors: dict[str, ActorRef] = {}
        self.begin_in_background: Callable[[ActorRef], None]
        self._system = system
        self._broker = system.broker
        self._events = system.events
        self._traits: dict[type, Traits] = {}

    def spawn(
        self,
        actor: object,
        name: str,
        mailbox: MailboxSpec | None,
        shutdown: float | None,
        is_paused: bool,
    ) -> ActorRef:
        """Begins the first incarnation of an actor that no supervisor owns."""
        traits = self._traits.get(type(actor)) or self.traits_of(actor)
        system = self._system
        if mailbox is None:
            mailbox = system.component_mailbox if traits.is_guest else system.default_mailbox
        ref = self.enrol(ActorRef(system, name, mailbox))
        ref.shutdown = shutdown
        ref.is_paused = is_paused
        if traits.is_bare and not self._events.has_listeners:  # what `wire` would change
            ref.actor = actor
            ref.incarnation = 1
            ref.phase = _RUNNING
            ref.is_ready = not is_paused
            return ref
        try:
            self.wire(ref, actor, traits)
        except BaseException:
            self.strike_off(ref)
            raise
        if traits.has_start:
            self.begin_in_background(ref)
        else:  # nobody knows it yet: nothing waits for it
            ref.phase = _RUNNING
            ref.is_ready = not is_paused
            if self._events.has_listeners:
                self.emit(EventKind.READY, ref)
        return ref

    def enrol(self, ref: ActorRef) -> ActorRef:
        """Gives an actor its place: its name leads to it from now on.

        Raises:
            NameTaken: Another actor has this name, or the name leads to another.
        """
        if self.actors.setdefault(ref.name, ref) is not ref:
            raise NameTaken(ref.name)
        try:
            self._broker.register(ref)
        except NameTaken:
            del self.actors[ref.name]
            raise
        return ref

    def strike_off(self, ref: ActorRef) -> None:
        """Takes an actor's place away: routes and subscriptions end."""
        if self.actors.get(ref.name) is ref:
            del self.actors[ref.name]
        self._broker.forget(ref)

    def traits_of(self, actor: object) -> Traits:
        """What an object has as an actor.

        Raises:
            TypeError: It is none.
        """
        kind = type(actor)
        traits = self._traits.get(kind)
        if traits is None:
            traits = _traits_of(actor)
            if hasattr(kind, "receive"):  # a function tells nothing about other functions
                self._traits[kind] = traits
        return traits

    def wire(self, cell: Cell, actor: object, traits: Traits, *, is_bound: bool = False) -> None:
        """Puts a new incarnation into a cell; it is not ready yet."""
        cell.actor = actor
        cell.receive = cell.context = None
        cell.is_async = traits.is_async
        cell.guest = actor if traits.is_guest else None  # type: ignore[assignment]
        cell.exit_requested = None
        cell.phase = _STARTING
        cell.incarnation = incarnation = cell.incarnation + 1
        if traits.is_guest or traits.has_bind:
            cell.context = context = Context(cast("ActorRef", cell), incarnation)
            if traits.has_bind and not is_bound:
                bind_actor(actor, context)
        if self._events.has_listeners:
            self.emit(EventKind.STARTED if incarnation == 1 else EventKind.RESTARTED, cell)

    def emit(
        self, kind: EventKind, cell: Cell, reason: str = "", cause: BaseException | None = None
    ) -> None:
        """Tells everybody who listens."""
        now = self._system.clock()
        self._events.emit(LifecycleEvent(kind, cell.name, now, cell.incarnation, reason, cause))


def bind_actor(actor: object, context: Context) -> None:
    """Tells an actor which one it is going to be."""
    bind = cast("Callable[[Context], None]", getattr(actor, "bind"))  # noqa: B009
    bind(context)


def _traits_of(actor: object) -> Traits:
    receive = getattr(actor, "receive", actor)
    if not callable(receive):
        raise TypeError(f"{type(actor).__name__} is no actor: it has no 'receive' method")
    is_async = inspect.iscoroutinefunction(receive)
    is_guest = hasattr(actor, "begin") and hasattr(actor, "complete")
    has_start, has_bind = hasattr(actor, "start"), hasattr(actor, "bind")
    return Traits(
        is_async=is_async,
        is_guest=is_guest,
        has_start=has_start,
        has_bind=has_bind,
        is_bare=not (is_async or is_guest or has_start or has_bind),
    )
