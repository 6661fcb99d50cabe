"""All actors of a system, and how an incarnation moves into one.

Nothing here waits, so it can be compiled. The steps of an incarnation's life that wait are in
`life_cycle`.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from .._messages.events import EventKind, LifecycleEvent
from .._running.cell import Cell
from .._running.reference import ActorRef, cell_of
from ..errors import NameTaken

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._messages.bounds import MailboxSpec
    from .._messages.events import EventStream
    from .._routing.broker import MessageBroker
    from .._routing.routes import Routes
    from .._running.cell import Exchange, Guest

__all__ = ("Register", "Traits", "bind_actor")


@dataclass(frozen=True, slots=True)
class Traits:
    """The features of a class of actors; found once, since asking costs more than a spawn may.

    Attributes:
        is_async: `receive` is a coroutine function.
        is_guest: It is driven by `begin` and `complete`.
        has_start: It has a `start`.
        has_bind: It has a `bind`.
        is_plain: It has a plain `receive`, and nothing that a new actor waits for or is told.
    """

    is_async: bool
    is_guest: bool
    has_start: bool
    has_bind: bool
    is_plain: bool


class Register:
    """All actors of a system that have not ended.

    Attributes:
        actors: The actors, by their own names.
        start_in_background: Calls the `start` of a spawned actor; the life cycle's.
    """

    __slots__ = (
        "_broker",
        "_component_mailbox",
        "_default_mailbox",
        "_events",
        "_exchange",
        "_routes",
        "_traits",
        "actors",
        "start_in_background",
    )

    def __init__(
        self,
        exchange: Exchange,
        routes: Routes,
        broker: MessageBroker,
        default_mailbox: MailboxSpec,
        component_mailbox: MailboxSpec,
    ) -> None:
        self.actors: dict[str, ActorRef] = {}
        self.start_in_background: Callable[[Cell], None]
        self._exchange = exchange
        self._routes = routes
        self._broker = broker
        self._default_mailbox = default_mailbox
        self._component_mailbox = component_mailbox
        self._events: EventStream = exchange.events
        self._traits: dict[type, Traits] = {}

    def spawn(
        self,
        actor: object,
        name: str,
        mailbox: MailboxSpec | None,
        shutdown: float | None,
        is_paused: bool,
    ) -> ActorRef:
        """Begin the first incarnation of an actor that no supervisor owns.

        Raises:
            NameTaken: Another actor has this name, or the name leads to another.
            TypeError: The object is no actor.
        """
        traits = self._traits.get(type(actor)) or self.traits_of(actor)
        if mailbox is None:
            mailbox = self._component_mailbox if traits.is_guest else self._default_mailbox
        cell = Cell(self._exchange, name, mailbox, shutdown, is_paused)
        ref = ActorRef(cell)
        self.add(ref, name)
        if traits.is_plain and not self._events.has_listeners:
            cell.enter_plain(actor)
            return ref
        try:
            self.install(cell, actor, traits)
        except BaseException:
            self.remove(cell)
            raise
        if traits.has_start:
            self.start_in_background(cell)
        else:
            cell.run_first()
            if self._events.has_listeners:
                self.emit(EventKind.READY, cell)
        return ref

    def add(self, ref: ActorRef, name: str) -> None:
        """Give an actor its place: its own name leads to it from now on.

        Raises:
            NameTaken: Another actor has this name, or the name leads to another.
        """
        if self.actors.setdefault(name, ref) is not ref:
            raise NameTaken(name)
        try:
            self._routes.add_own_name(ref, name)
        except NameTaken:
            del self.actors[name]
            raise

    def remove(self, cell: Cell) -> None:
        """Take an actor's place away: its routes and subscriptions end."""
        ref = self.ref_of(cell)
        if ref is not None:
            del self.actors[cell.name]
            self._broker.forget(ref)

    def ref_of(self, cell: Cell) -> ActorRef | None:
        """Return the reference to a cell; None when its actor has no place here."""
        ref = self.actors.get(cell.name)
        return ref if ref is not None and cell_of(ref) is cell else None

    def mailbox_for(self, actor: object) -> MailboxSpec:
        """Return the mailbox of an actor that is given none."""
        is_guest = self.traits_of(actor).is_guest
        return self._component_mailbox if is_guest else self._default_mailbox

    def traits_of(self, actor: object) -> Traits:
        """Return the features of an object as an actor.

        Raises:
            TypeError: It is no actor.
        """
        kind = type(actor)
        traits = self._traits.get(kind)
        if traits is None:
            traits = _traits_of(actor)
            if hasattr(kind, "receive"):  # one function says nothing about other functions
                self._traits[kind] = traits
        return traits

    def install(self, cell: Cell, actor: object, traits: Traits, *, is_bound: bool = False) -> None:
        """Move a new incarnation into a cell; it is not ready yet."""
        guest = cast("Guest", actor) if traits.is_guest else None
        cell.enter(actor, guest, is_async=traits.is_async)
        if traits.is_guest or traits.has_bind:
            cell.context = context = self._exchange.make_context(cell, cell.incarnation)
            if traits.has_bind and not is_bound:
                bind_actor(actor, context)
        if self._events.has_listeners:
            is_first = cell.incarnation == 1
            self.emit(EventKind.STARTED if is_first else EventKind.RESTARTED, cell)

    def emit(
        self, kind: EventKind, cell: Cell, reason: str = "", cause: BaseException | None = None
    ) -> None:
        """Tell the listeners of an event."""
        now = self._exchange.clock()
        self._events.emit(LifecycleEvent(kind, cell.name, now, cell.incarnation, reason, cause))


def bind_actor(actor: object, context: object) -> None:
    """Tell an actor which one it is going to be."""
    bind = cast("Callable[[object], None]", getattr(actor, "bind"))  # noqa: B009
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
        is_plain=not (is_async or is_guest or has_start or has_bind),
    )
