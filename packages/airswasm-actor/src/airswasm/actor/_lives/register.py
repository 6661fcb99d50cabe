"""All actors of a system, and how an incarnation moves into one.

Nothing here waits, so it can be compiled. The steps of an incarnation's life that wait are in
`life_cycle`.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, cast, final

from .._foreign import attribute_of, type_name
from .._messages.events import EventKind, LifecycleEvent
from .._running.cell import Cell
from .._running.reference import ActorRef, cell_of
from ..errors import NameTaken

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._messages.bounds import MailboxSpec
    from .._messages.events import EventStream
    from .._messages.message import Message
    from .._routing.broker import MessageBroker
    from .._routing.routes import Routes
    from .._running.cell import Exchange, Guest

__all__ = ("Register", "Traits", "bind_actor")


@final
class Traits:
    """The features of a class of actors; found once, since asking costs more than a spawn may.

    Attributes:
        is_async: `receive` is a coroutine function.
        is_guest: It is driven by `begin` and `complete`.
        has_start: It has a `start`.
        has_bind: It has a `bind`.
        is_plain: It has a plain `receive`, and nothing that a new actor waits for or is told.
    """

    __slots__ = ("has_bind", "has_start", "is_async", "is_guest", "is_plain")

    def __init__(self, *, is_async: bool, is_guest: bool, has_start: bool, has_bind: bool) -> None:
        self.is_async = is_async
        self.is_guest = is_guest
        self.has_start = has_start
        self.has_bind = has_bind
        self.is_plain = not (is_async or is_guest or has_start or has_bind)


class Register:
    """All actors of a system that have not ended.

    Attributes:
        routes: The names; an actor has its place by its own name.
        start_in_background: Calls the `start` of a spawned actor; the life cycle's.
    """

    __slots__ = (
        "_broker",
        "_carried",
        "_component_mailbox",
        "_default_mailbox",
        "_displaced",
        "_events",
        "_exchange",
        "_spawned",
        "_table",
        "_traits",
        "routes",
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
        self.routes = routes
        self._table: dict[str, ActorRef] = routes.table
        self._displaced: dict[str, ActorRef] = routes.displaced
        self._carried: set[str] = routes.carried
        self.start_in_background: Callable[[Cell], None]
        self._exchange = exchange
        self._broker = broker
        self._default_mailbox = default_mailbox
        self._component_mailbox = component_mailbox
        self._events: EventStream = exchange.events
        self._traits: dict[type, Traits] = {}
        self._spawned = 0

    def spawn(
        self,
        actor: object,
        name: str | None,
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
        if name is None:
            self._spawned += 1
            name = f"actor-{self._spawned}"
        if mailbox is None or traits.is_guest:
            mailbox = self.mailbox_for(actor, mailbox) if traits.is_guest else self._default_mailbox
        is_quick = traits.is_plain and not self._events.has_listeners
        cell = Cell(self._exchange, name, mailbox, actor if is_quick else None)
        if shutdown != 5.0:  # seconds, the common case
            cell.own_rare().shutdown = shutdown
        if is_paused:
            cell.pause()
        ref = ActorRef(cell)
        # `routes.add_actor`, without the call, which would be a twentieth of a spawn.
        if name in self._displaced or self._table.setdefault(name, ref) is not ref:
            raise NameTaken(name)
        if self._carried and name in self._carried:
            self.routes.divert(name)
        if is_quick:
            if self._exchange.receipts.has_readers:
                cell.measure()
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

    def remove(self, cell: Cell) -> None:
        """Take an actor's place away: its routes and subscriptions end."""
        ref = self.ref_of(cell)
        if ref is not None:
            self._broker.forget(ref)

    def ref_of(self, cell: Cell) -> ActorRef | None:
        """Return the reference to a cell; None when its actor has no place here."""
        ref = self.routes.find_actor(cell.name)
        return ref if ref is not None and cell_of(ref) is cell else None

    def mailbox_for(self, actor: object, given: MailboxSpec | None) -> MailboxSpec:
        """Return the mailbox of an actor: the given one or a default, within what it can take."""
        if not self.traits_of(actor).is_guest:
            return given or self._default_mailbox
        mailbox = given or self._component_mailbox
        most = attribute_of(actor, "message_bytes")
        if mailbox.message_bytes is not None or not isinstance(most, int):
            return mailbox
        return replace(mailbox, message_bytes=most)

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
        cell.measure()
        if traits.is_guest or traits.has_bind:
            cell.context = context = self._exchange.make_context(cell, cell.incarnation)
            if traits.has_bind and not is_bound:
                bind_actor(actor, context)
        if self._events.has_listeners:
            again = EventKind.UPDATED if is_bound else EventKind.RESTARTED
            self.emit(EventKind.STARTED if cell.incarnation == 1 else again, cell)

    def emit(
        self,
        kind: EventKind,
        cell: Cell,
        reason: str = "",
        cause: BaseException | None = None,
        message: Message | None = None,
    ) -> None:
        """Tell the listeners of an event, and of the message that it happened over."""
        now, tracing = self._exchange.clock(), self._exchange.tracing
        trace = None if message is None else tracing.context_of(message, cell.name)
        self._events.emit(
            LifecycleEvent(kind, cell.name, now, cell.incarnation, reason, cause, trace)
        )


def bind_actor(actor: object, context: object) -> None:
    """Tell an actor which one it is going to be."""
    bind = cast("Callable[[object], None]", getattr(actor, "bind"))  # noqa: B009
    bind(context)


def _traits_of(actor: object) -> Traits:
    if isinstance(actor, type):
        raise TypeError(
            f"{actor.__name__} is a class and no actor: spawn an instance of it, or give the class "
            "to a ChildSpec, which makes one for each incarnation"
        )
    receive = getattr(actor, "receive", actor)
    if not callable(receive):
        raise TypeError(f"{type_name(actor)} is no actor: it has no 'receive' method")
    is_async = inspect.iscoroutinefunction(receive)
    is_guest = hasattr(actor, "begin") and hasattr(actor, "complete")
    has_start, has_bind = hasattr(actor, "start"), hasattr(actor, "bind")
    return Traits(
        is_async=is_async,
        is_guest=is_guest,
        has_start=has_start,
        has_bind=has_bind,
    )
