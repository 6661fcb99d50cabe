"""The reference to an actor: all that anybody but its supervisor ever holds of it.

It is stable: a restart changes what is behind it and nothing else, the mailbox included. After a
mailbox was moved (`move_to`, the end of an update) the old reference leads to the new actor.

References belong to the thread of the system's event loop. From another thread, use
`anyio.from_thread.run_sync(ref.tell, payload)`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import final

from ._cell import Cell, Exit, Waiter
from ._waiting import ask, drain, finish, inquire, send, wait_stopped
from .actor import Phase
from .errors import ActorStopped, MailboxFull
from .events import Subscription
from .mailbox import MailboxInfo
from .message import HOST, Message, opened
from .request import Request

__all__ = ("ActorRef", "Down", "Watch")

Watch = Subscription
"""Ends a watch with `cancel`."""


@dataclass(frozen=True, slots=True)
class Down:
    """An actor has ended for good (not: restarted).

    Attributes:
        name: Which one.
        reason: `normal`, `shutdown`, `crash` or `killed`.
        cause: The error, after a crash.
    """

    name: str
    reason: str
    cause: BaseException | None = None


@final
class ActorRef(Cell):
    """Sends to one actor. `ActorSystem.spawn` and supervisors make them."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<ActorRef {self.name} {self.phase}>"

    # -- sending -----------------------------------------------------------------------------

    def tell(self, payload: object, *, sender: str = HOST, topic: str | None = None) -> None:
        """Puts a message into the mailbox and returns. Does not wait; an answer is dropped.

        Args:
            payload: What to send; a component takes `bytes`.
            sender: The sender's name, for the receiver to see.
            topic: Set by `publish`.

        Raises:
            MailboxFull: The mailbox is full, and its policy is not `drop-oldest`.
            MessageTooLarge: The payload alone is more than the mailbox may hold.
            ActorStopped: The actor has stopped for good.
        """
        dispatcher = self.dispatcher
        dispatcher.sent = number = dispatcher.sent + 1
        queue = self.queue
        if queue is None:
            queue = self.arouse(payload)
        elif len(queue) >= self.full_at:
            self.make_room(payload)
        queue.append((payload, sender, topic, number, dispatcher.now, None))

    def send(
        self, payload: object, *, sender: str = HOST, topic: str | None = None
    ) -> Coroutine[object, object, None]:
        """As `tell`; with the policy `wait` it waits for room, first come, first served.

        A cancel while it waits leaves nothing behind: the message was not accepted.

        Raises:
            MailboxFull: No room, or none in time.
            MessageTooLarge: There will never be room.
            ActorStopped: The actor has stopped for good.
        """
        return send(self, payload, sender, topic)

    def put_or_queue(
        self, payload: object, sender: str, topic: str | None
    ) -> tuple[Request, Waiter] | None:
        """The first half of `send`: None when the message is in, else what to wait for."""
        accepted = Request(self.name, self)

        def end(error: MailboxFull | ActorStopped | None) -> None:
            if error is None:
                accepted.resolve(None)
            else:
                accepted.fail(error)

        waiter = self.enqueue_or_wait(self.dispatcher.message(payload, sender, topic, None), end)
        return None if waiter is None else (accepted, waiter)

    def ask(
        self,
        payload: object,
        *,
        timeout: float = 5.0,
        sender: str = HOST,
        topic: str | None = None,
    ) -> Coroutine[object, object, object]:
        """Sends a message and waits for the answer: what `receive` returns.

        An idle actor that is plain, or a guest, handles the message here and now, without a
        detour over the event loop; the loop gets its turn at least every millisecond of that.
        A cancel gives up waiting; the message itself stays where it is.

        Raises:
            AskTimeout: No answer within `timeout` seconds.
            AskCycle: The actor waits for the asker already. Nothing was sent.
            ActorFailed: The actor failed while handling it (`cause`).
            ActorStopped: The actor has stopped, or stopped before it came to it.
            MailboxFull: No room for the question.
            MessageTooLarge: There will never be room.
            MessageDropped: It was dropped unread for a newer message.
            GuestRefused: A component answered with an error.
        """
        return ask(self, payload, timeout, sender, topic)

    def put_question(
        self, payload: object, timeout: float, sender: str, topic: str | None
    ) -> Request:
        """The first half of `ask`: posts the question, or has it handled here and now."""
        dispatcher = self.dispatcher
        request = Request(self.name, self)
        asker = dispatcher.current.get()
        if (
            self.queue is not None
            or not dispatcher.can_hand_over(self)
            or (self.queued_bytes is not None and self.is_too_large(payload))
        ):
            self.post(payload, request, timeout, sender=sender, topic=topic, asker=asker)
            return request
        if asker is not None:
            request.hold(asker)
        dispatcher.hand_over(self, dispatcher.message(payload, sender, topic, request))
        if not request.is_done:
            request.expire_after(timeout, self.system.timers)
        return request

    def request(
        self,
        payload: object,
        on_done: Callable[[Request], None],
        *,
        timeout: float,
        sender: str = HOST,
        topic: str | None = None,
        asker: ActorRef | None = None,
    ) -> Request:
        """Asks with a callback instead of a task: `on_done` is called once, with the outcome.

        It is never called before this returns, and not at all after `Request.cancel`. With the
        policy `wait`, a full mailbox makes the message wait for room within `timeout`.

        Args:
            payload: What to send.
            on_done: Called on the loop's thread; `Request.result()` gives or raises the outcome.
            timeout: Seconds until `AskTimeout`.
            sender: The sender's name.
            topic: A topic for the receiver to see.
            asker: Who handles nothing until the answer is there, so that rings are found. Leave
                it out when nobody stands still.

        Raises:
            AskCycle: The actor waits for `asker` already. Nothing was sent.
            MailboxFull, MessageTooLarge, ActorStopped: As for `tell`.
        """
        request = Request(self.name, self, on_done)
        self.post(payload, request, timeout, sender=sender, topic=topic, asker=asker)
        return request

    def post(
        self,
        payload: object,
        request: Request,
        timeout: float,
        *,
        sender: str,
        topic: str | None,
        asker: ActorRef | None,
    ) -> None:
        """Sends a message with a request attached, and watches over that."""
        target = self
        while target.successor is not None:
            target = target.successor
        request.target = target
        if asker is not None:
            request.hold(asker)
        try:
            waiter = self.enqueue_or_wait(
                self.dispatcher.message(payload, sender, topic, request),
                lambda error: None if error is None else request.fail(error),
            )
        except BaseException:
            request.cancel()
            raise
        if waiter is not None:
            self._send_for_as_long_as(request, waiter)
        request.expire_after(timeout, self.system.timers)

    def _send_for_as_long_as(self, request: Request, waiter: Waiter) -> None:
        """Whoever gives up while the message still waits for room has not sent it."""

        def leave() -> None:
            self.forget_waiter(waiter)

        request.at_end(leave)

    def signal(self, payload: object, *, sender: str = HOST) -> None:
        """Sends a system message: it goes before all others and is never refused for room.

        Raises:
            ActorStopped: The actor has stopped for good.
        """
        self._put_signal(self.dispatcher.message(payload, sender, None, None))

    def inquire(
        self, payload: object, *, timeout: float = 5.0, sender: str = HOST
    ) -> Coroutine[object, object, object]:
        """As `ask`, with a system message: it is handled before what waits.

        Raises:
            AskError: As for `ask`.
        """
        return inquire(self, payload, timeout, sender)

    def put_inquiry(self, payload: object, timeout: float, sender: str) -> Request:
        """The first half of `inquire`."""
        target = self
        while target.successor is not None:
            target = target.successor
        request = Request(target.name, target)
        asker = self.dispatcher.current.get()
        if asker is not None:
            request.hold(asker)
        try:
            target._put_signal(self.dispatcher.message(payload, sender, None, request))
        except BaseException:
            request.cancel()
            raise
        request.expire_after(timeout, self.system.timers)
        return request

    def _put_signal(self, message: Message) -> None:
        if self.successor is not None:
            self.successor._put_signal(message)
            return
        if self.phase is Phase.STOPPED:
            self.dispatcher.rejected += 1
            raise ActorStopped(self.name)
        if self.signals is None:
            self.signals = deque()
        self.signals.append(message)
        if self.is_ready and not self.is_scheduled:
            self.dispatcher.schedule(self)

    # -- observing ---------------------------------------------------------------------------

    @property
    def is_alive(self) -> bool:
        """Whether it accepts messages."""
        return self.phase is not Phase.STOPPED

    @property
    def mailbox(self) -> MailboxInfo:
        """Size and age of what waits, now."""
        waiting = self.signals or self.queue
        first = opened(waiting[0]) if waiting else None
        return MailboxInfo(
            size=len(self.queue) if self.queue else 0,
            capacity=self.spec.capacity,
            size_bytes=self.count_bytes() if self.queued_bytes is None else self.queued_bytes,
            capacity_bytes=self.spec.capacity_bytes,
            signals=len(self.signals) if self.signals else 0,
            senders_waiting=len(self.waiting_room) if self.waiting_room else 0,
            oldest_age=max(0.0, self.system.clock() - first.sent_at) if first else 0.0,
        )

    def watch(self, listener: Callable[[Down], None]) -> Watch:
        """Calls `listener` once when the actor ends for good; at once when it has already."""
        if self.phase is Phase.STOPPED:
            listener(Down(self.name, self.exit_requested or "stopped"))
            return Subscription(lambda: None)
        if self.watchers is None:
            self.watchers = []
        watchers = self.watchers
        watchers.append(listener)

        def cancel() -> None:
            if listener in watchers:
                watchers.remove(listener)

        return Subscription(cancel)

    def wait_stopped(self) -> Coroutine[object, object, None]:
        """Waits until the actor has ended for good."""
        return wait_stopped(self)

    # -- steering ----------------------------------------------------------------------------

    def pause(self) -> None:
        """Delivers nothing from now on; the mailbox collects. What is in hand is finished."""
        self.is_paused = True
        self.update_ready()

    def resume(self) -> None:
        """Delivers again."""
        self.is_paused = False
        self.update_ready()

    def drain(self, timeout: float) -> Coroutine[object, object, bool]:
        """Waits until nothing waits and nothing is in hand.

        Returns:
            False when that was not so within `timeout` seconds; nothing has changed then.
        """
        return drain(self, timeout)

    def finish(self, timeout: float) -> Coroutine[object, object, bool]:
        """Waits until nothing is in hand; False when that was not so in time."""
        return finish(self, timeout)

    def move_to(self, successor: ActorRef) -> int:
        """Gives what waits here to `successor`, before what waits there, in the same order.

        From now on this reference leads to `successor`. Messages that were accepted stay
        accepted: the successor's capacity does not refuse them. Whoever calls this sees to it
        that handlers do not overlap: the successor is paused until this actor has stopped.

        Returns:
            How many messages were moved.
        """
        signals, moved = self._take_all(successor)
        self.successor = successor
        successor.take_over(moved, in_front=True)
        successor.signals = deque((*signals, *(successor.signals or ()))) or None
        successor.update_ready()
        return len(moved)

    def follow(self, predecessor: ActorRef | None) -> None:
        """Delivers nothing from now on, paused or not, until there is no predecessor any more."""
        self.predecessor = predecessor
        self.update_ready()

    def give_back(self, predecessor: ActorRef) -> None:
        """Undoes a hand-over that did not happen: what waits here goes behind what waits there."""
        signals, moved = self._take_all(predecessor)
        predecessor.take_over(moved)
        predecessor.signals = deque((*(predecessor.signals or ()), *signals)) or None
        predecessor.update_ready()

    def leave(self, reason: str = "normal") -> None:
        """Ends the actor after the message in hand, as its own wish (`Context.stop`)."""
        if self.phase is Phase.RUNNING and self.exit_requested is None:
            self.exit_requested = reason
            self.update_ready()
            if self.work is None and not self.dispatcher.is_running(self):
                self.system.life.leave(self, Exit(reason))

    def stop(self, *, timeout: float | None = 5.0) -> Coroutine[object, object, None]:
        """As `ActorSystem.stop`."""
        return self.system.stop(self, timeout=timeout)

    def _take_all(self, new: ActorRef) -> tuple[list[Message], list[Message]]:
        """System messages, and the others with those of the senders that wait, now for `new`."""
        signals, self.signals = list(self.signals or ()), None
        moved = [opened(envelope) for envelope in self.queue or ()]
        if self.queue is not None:
            self.queue.clear()
        if self.queued_bytes is not None:
            self.queued_bytes = 0
        for waiter in self.waiting_room or ():
            moved.append(waiter.message)
            waiter.end(None)
        self.waiting_room = None
        for message in (*signals, *moved):
            if message.request is not None:
                message.request.target = new
        self.settle()
        return signals, moved
