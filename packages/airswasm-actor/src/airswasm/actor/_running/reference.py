"""The reference to an actor: all that senders and observers hold of it.

It is stable: a restart changes what is behind it and nothing else, the mailbox included. After the
name was handed over to another actor (the end of an update) the old reference leads to the new one.

References belong to the thread of the system's event loop. From another thread, use
`anyio.from_thread.run_sync(ref.tell, payload)`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, final

from .._messages.bounds import MailboxInfo
from .._messages.events import Subscription
from .._messages.message import HOST, to_message
from .._messages.request import Request
from .asking import ask, drain, finish, send, wait_stopped
from .mailbox import count_bytes, make_room, put_signal, start_queue
from .phase import Down, Phase
from .posting import entrust, post

if TYPE_CHECKING:
    from .._messages.envelope import Envelope
    from .._messages.message import Message
    from .cell import Cell

__all__ = ("ActorRef", "Watch", "cell_of")

Watch = Subscription
"""Ends a watch with `cancel`."""

_STOPPED = Phase.STOPPED  # an enum's attribute is a slow look-up


@final
class ActorRef:
    """Sends to one actor. `ActorSystem.spawn` and supervisors make them."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def __repr__(self) -> str:
        return f"<ActorRef {self._cell.name} {self._cell.phase}>"

    # -- sending -----------------------------------------------------------------------------

    def tell(
        self,
        payload: object,
        *,
        sender: str = HOST,
        topic: str | None = None,
        envelope: Envelope | None = None,
    ) -> None:
        """Put a message into the mailbox and return. Do not wait; an answer is dropped.

        Args:
            payload: The object to send; a component takes `bytes`.
            sender: The sender's name, for the receiver to see.
            topic: Set by `publish`.
            envelope: What travels with it.

        Raises:
            MailboxFull: The mailbox is full, and its policy is not `drop-oldest`.
            MessageTooLarge: The payload alone is more than the mailbox may hold.
            ActorStopped: The actor has stopped for good.
        """
        cell = self._cell
        exchange = cell.exchange
        exchange.sent = number = exchange.sent + 1
        queue = cell.queue
        if queue is None:
            queue = start_queue(cell, payload)
        elif len(queue) >= cell.full_at:
            queue = make_room(cell, payload)
        queue.append((payload, sender, topic, number, exchange.now, None, envelope))

    def send(
        self,
        payload: object,
        *,
        sender: str = HOST,
        topic: str | None = None,
        envelope: Envelope | None = None,
    ) -> Coroutine[object, object, None]:
        """Send as `tell` does; with the policy `wait`, wait for room, first come, first served.

        A cancel while it waits leaves nothing behind: the message was not accepted.

        Args:
            payload: The object to send; a component takes `bytes`.
            sender: The sender's name, for the receiver to see.
            topic: A topic for the receiver to see.
            envelope: What travels with it.

        Raises:
            MailboxFull: There is no room, or none in time.
            MessageTooLarge: There will never be room.
            ActorStopped: The actor has stopped for good.
        """
        return send(self._cell, payload, sender, topic, envelope)

    def ask(
        self,
        payload: object,
        *,
        timeout: float = 5.0,
        sender: str = HOST,
        topic: str | None = None,
        envelope: Envelope | None = None,
    ) -> Coroutine[object, object, object]:
        """Send a message, wait for the answer, and return it: what `receive` returns.

        An idle actor that is plain, or a guest, handles the message here and now, without a
        detour over the event loop; the loop gets its turn at least every millisecond of that.
        A cancel gives up waiting; the message itself stays where it is.

        Args:
            payload: The object to send; a component takes `bytes`.
            timeout: Seconds until `AskTimeout`.
            sender: The sender's name, for the receiver to see.
            topic: A topic for the receiver to see.
            envelope: What travels with it.

        Raises:
            AskTimeout: No answer came within `timeout` seconds.
            AskCycle: The actor waits for the asker already. Nothing was sent.
            ActorFailed: The actor failed while handling it (`cause`).
            ActorStopped: The actor has stopped, or stopped before it came to it.
            MailboxFull: There is no room for the question.
            MessageTooLarge: There will never be room.
            MessageDropped: The question was dropped unread for a newer message.
            GuestRefused: A component answered with an error.
        """
        return ask(self._cell, payload, timeout, sender, topic, envelope)

    def request(
        self,
        payload: object,
        on_done: Callable[[Request], None],
        *,
        timeout: float,
        sender: str = HOST,
        topic: str | None = None,
        asker: ActorRef | None = None,
        wants_receipt: bool = False,
        envelope: Envelope | None = None,
    ) -> Request:
        """Ask with a callback instead of a task: `on_done` is called once, with the outcome.

        It is never called before this returns, and not at all after `Request.cancel`. With the
        policy `wait`, a full mailbox makes the message wait for room within `timeout`.

        Args:
            payload: The object to send.
            on_done: Called on the loop's thread; `Request.result()` gives or raises the outcome.
                An error that it raises is counted in the system's events, and goes no further.
            timeout: Seconds until `AskTimeout`.
            sender: The sender's name.
            topic: A topic for the receiver to see.
            envelope: What travels with it.
            asker: The actor that handles nothing until the answer is there, so that rings are
                found. Leave it out when none stands still.
            wants_receipt: Whether `Request.receipt` is to be made.
            envelope: What travels with it.

        Returns:
            The request.

        Raises:
            AskCycle: The actor waits for `asker` already. Nothing was sent.
            MailboxFull, MessageTooLarge, ActorStopped: As for `tell`.
        """
        cell = self._cell
        request = Request(cell.name, cell, on_done)
        waiting = None if asker is None else asker._cell
        request.wants_receipt = wants_receipt
        post(cell, payload, request, timeout, sender, topic, waiting, envelope)
        return request

    def entrust(
        self,
        message: Message,
        on_done: Callable[[Request], None],
        *,
        wants_receipt: bool = False,
    ) -> Request:
        """Deliver a message that the caller keeps until its handling has ended.

        It keeps the sender, the id and the time that it has. Whatever becomes of it, it is no dead
        letter: the caller delivers it again, or gives it up.

        Args:
            message: The message.
            on_done: Called once, when the handler has returned, or with the error: `ActorFailed`
                when it has failed, `ActorStopped` when the actor ended before it began.
            wants_receipt: Whether `Request.receipt` is to be made.

        Returns:
            The request, which expires never.

        Raises:
            MailboxFull, MessageTooLarge, ActorStopped: As for `tell`.
        """
        return entrust(self._cell, message, on_done, wants_receipt)

    def signal(
        self, payload: object, *, sender: str = HOST, envelope: Envelope | None = None
    ) -> None:
        """Send a system message: it goes before all others and is never refused for room.

        Args:
            payload: The object to send.
            sender: The sender's name.
            envelope: What travels with it.

        Raises:
            ActorStopped: The actor has stopped for good.
        """
        exchange = self._cell.exchange
        exchange.read_clock()
        put_signal(self._cell, exchange.message(payload, sender, None, None, envelope))

    # -- observing ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The actor's own name."""
        return self._cell.name

    @property
    def phase(self) -> Phase:
        """The phase of the actor's life."""
        return self._cell.phase

    @property
    def is_alive(self) -> bool:
        """Whether it accepts messages."""
        return self._cell.phase is not _STOPPED

    @property
    def incarnation(self) -> int:
        """The number of incarnations, the present one included."""
        return self._cell.incarnation

    @property
    def handled(self) -> int:
        """The number of messages handled without a crash, over all incarnations."""
        return self._cell.handled

    @property
    def processor_seconds(self) -> float:
        """The processor time that a guest was charged for, starts included; 0 for others."""
        return self._cell.rare.used + self._cell.spent

    @property
    def holds_loop(self) -> bool:
        """Whether a guest has held the event loop for too long: it works on threads since."""
        return self._cell.rare.holds_loop

    @property
    def actor(self) -> object:
        """The object of the present incarnation; None while there is none."""
        return self._cell.actor

    @property
    def mailbox(self) -> MailboxInfo:
        """Size and age of what waits, now."""
        cell = self._cell
        waiting = cell.signals or cell.queue
        first = to_message(waiting[0]) if waiting else None
        return MailboxInfo(
            size=len(cell.queue) if cell.queue else 0,
            capacity=cell.spec.capacity,
            size_bytes=cell.signal_bytes
            + (count_bytes(cell) if cell.queued_bytes is None else cell.queued_bytes),
            capacity_bytes=cell.spec.capacity_bytes,
            message_bytes=cell.spec.message_bytes,
            signals=len(cell.signals) if cell.signals else 0,
            senders_waiting=len(cell.rare.waiting_room or ()),
            oldest_age=max(0.0, cell.exchange.clock() - first.sent_at) if first else 0.0,
        )

    def watch(self, listener: Callable[[Down], None]) -> Watch:
        """Call `listener` once when the actor ends for good; at once when it has already.

        Args:
            listener: Called on the loop's thread. An error that it raises later on is counted in
                the system's events, and goes no further.

        Returns:
            The watch, to end it earlier.
        """
        cell = self._cell
        if cell.phase is _STOPPED:
            listener(Down(cell.name, cell.rare.exit_requested or "stopped", cell.rare.failure))
            return Subscription(lambda: None)

        def forward(down: Down) -> None:  # a `listener` need not be equal to itself
            listener(down)

        return Subscription(cell.add_watcher(forward))

    def wait_stopped(self) -> Coroutine[object, object, None]:
        """Wait until the actor has ended for good."""
        return wait_stopped(self._cell)

    # -- steering ----------------------------------------------------------------------------

    def pause(self) -> None:
        """Deliver nothing from now on; the mailbox collects. The message in hand is finished."""
        self._cell.pause()

    def resume(self) -> None:
        """Deliver again."""
        self._cell.resume()

    def drain(self, timeout: float) -> Coroutine[object, object, bool]:
        """Wait until nothing waits and nothing is in hand.

        Args:
            timeout: Seconds.

        Returns:
            False when that was not so in time; nothing has changed then.
        """
        return drain(self._cell, timeout)

    def finish(self, timeout: float) -> Coroutine[object, object, bool]:
        """Wait until nothing is in hand.

        Args:
            timeout: Seconds.

        Returns:
            False when that was not so in time.
        """
        return finish(self._cell, timeout)


def cell_of(ref: ActorRef) -> Cell:
    """Return the cell behind a reference, for the modules of this block that look behind it."""
    return ref._cell
