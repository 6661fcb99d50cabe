"""Requests that a callback answers, by the component that waits.

A request belongs to the component's name, not to one incarnation: after a restart or update, the
successor gets the answer. Ids never repeat within a host's life, and start at the time of day, so
that an id that a component stored before the host restarted does not match a later request by
accident.

The outcome goes to the requester as a system message: before other messages, and never refused for
a full mailbox, because the host promised it. Its bytes count like those of any message: an answer
that the mailbox has no room for becomes the error `mailbox-full`.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections.abc import Callable

from airswasm.actor import (
    ActorRef,
    Callback,
    DeliveryError,
    Envelope,
    MessageBroker,
    NoRoute,
    Request,
)
from airswasm.runtime import Case, Err, Ok

from ._envelopes import answering
from .errors import RateExceeded

__all__ = ("OpenRequests",)


class OpenRequests:
    """Every request of a host's components that waits for its callback.

    Args:
        broker: Delivers requests and callbacks.
        outcome_of: Turns an ended request into its outcome for a component that takes so many
            bytes at once.
        most: Returns the maximum of open requests of one component.
    """

    def __init__(
        self,
        broker: MessageBroker,
        outcome_of: Callable[[Request, int], Ok[bytes | None] | Err[Case]],
        most: Callable[[], int],
    ) -> None:
        self._broker = broker
        self._outcome_of = outcome_of
        self._most = most
        self._ids = itertools.count(int(time.time() * 1000) << 20)
        self._open: dict[str, dict[int, Request]] = {}

    def count_of(self, component: str) -> int:
        """Return the number of this component's waiting requests."""
        return len(self._open.get(component, ()))

    def start(
        self,
        component: str,
        target: str,
        payload: bytes,
        timeout: float,
        held: object = None,
        envelope: Envelope | None = None,
    ) -> int:
        """Send a request; return its id.

        Args:
            component: Who asks.
            target: Whom.
            payload: What.
            timeout: Seconds until the answer is given up.
            envelope: What travels with it, and goes on with the callback.
            held: Kept until the request has ended: what counts it, if anything does.

        Raises:
            RateExceeded: Too many of this component's requests wait already.
            DeliveryError: The broker did not accept the request; no callback will follow.
        """
        mine = self._open.setdefault(component, {})
        most = self._most()
        if len(mine) >= most:
            raise RateExceeded(component, f"{most} requests wait for their answers")
        number = next(self._ids)
        try:
            mine[number] = self._broker.request(
                target,
                payload,
                lambda request, _held=held: self._end(component, number, request, envelope),  # type: ignore[misc]
                timeout=timeout,
                sender=component,
                envelope=envelope,
            )
        except BaseException:
            self._forget(component, number)
            raise
        return number

    def find(self, component: str, number: int) -> Request | None:
        """Return a request that still waits, or None."""
        return self._open.get(component, {}).get(number)

    def cancel(self, component: str, number: int) -> bool:
        """Cancel a request of this component's own; its callback will not come."""
        request = self._open.get(component, {}).get(number)
        self._forget(component, number)
        return request is not None and request.cancel()

    def _end(
        self, component: str, number: int, request: Request, question: Envelope | None
    ) -> None:
        self._forget(component, number)
        with contextlib.suppress(NoRoute, DeliveryError):  # uninstalled meanwhile
            requester = self._broker.handling(component)
            if requester is not None:
                outcome = self._fitting(requester, request)
                callback = Callback(number, outcome)
                requester.signal(callback, sender=request.name, envelope=answering(question))

    def _fitting(self, requester: ActorRef, request: Request) -> Ok[bytes | None] | Err[Case]:
        """Return the outcome; an answer without room in the mailbox is an error in its place."""
        mailbox = requester.mailbox
        outcome = self._outcome_of(request, mailbox.message_bytes or sys.maxsize)
        room = mailbox.room_bytes
        if isinstance(outcome, Ok) and room is not None and len(outcome.value or b"") > room:
            return Err(Case("mailbox-full", f"the answer of {request.name} found no room"))
        return outcome

    def _forget(self, component: str, number: int) -> None:
        mine = self._open.get(component)
        if mine is not None:
            mine.pop(number, None)
            if not mine:
                del self._open[component]
