"""Requests that are answered by a callback: who waits for which answer.

A request belongs to the component's name, not to one incarnation: when it is
restarted or updated meanwhile, its successor gets the answer. Ids never repeat
within a host's life, and start at the time of day, so that an id that a component
stored before the host restarted does not match a later request by accident.

The outcome goes to the requester as a system message: before other messages, and
never refused for a full mailbox, because it was promised. Its bytes count like those
of any message: an answer that the mailbox has no room for becomes the error
`mailbox-full`.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable

from airswasm.actor import ActorRef, Callback, DeliveryError, MessageBroker, NoRoute, Request
from airswasm.runtime import Case, Err, Ok

from .errors import RateExceeded

__all__ = ("OpenRequests",)


class OpenRequests:
    """Every request of a host's components that waits for its callback.

    Args:
        broker: Where requests go and callbacks come from.
        outcome_of: What an ended request is to a component.
        most: The most open requests of one component.
    """

    def __init__(
        self,
        broker: MessageBroker,
        outcome_of: Callable[[Request], Ok[bytes | None] | Err[Case]],
        most: int,
    ) -> None:
        self._broker = broker
        self._outcome_of = outcome_of
        self._most = most
        self._ids = itertools.count(int(time.time() * 1000) << 20)
        self._open: dict[str, dict[int, Request]] = {}

    def count_of(self, component: str) -> int:
        """How many requests of this component wait."""
        return len(self._open.get(component, ()))

    def start(
        self, component: str, target: str, payload: bytes, timeout: float, held: object = None
    ) -> int:
        """Send a request; returns its id.

        Args:
            component: Who asks.
            target: Whom.
            payload: What.
            timeout: Seconds until the answer is given up.
            held: Kept until the request has ended: what counts it, if anything does.

        Raises:
            RateExceeded: Too many of this component's requests wait already.
            DeliveryError: It was not accepted; there will be no callback.
        """
        mine = self._open.setdefault(component, {})
        if len(mine) >= self._most:
            raise RateExceeded(component, f"{self._most} requests wait for their answers")
        number = next(self._ids)
        try:
            mine[number] = self._broker.request(
                target,
                payload,
                lambda request, _held=held: self._end(component, number, request),  # type: ignore[misc]
                timeout=timeout,
                sender=component,
            )
        except BaseException:
            self._forget(component, number)
            raise
        return number

    def cancel(self, component: str, number: int) -> bool:
        """Give up on a request of this component's own; its callback will not come."""
        request = self._open.get(component, {}).get(number)
        self._forget(component, number)
        return request is not None and request.cancel()

    def _end(self, component: str, number: int, request: Request) -> None:
        self._forget(component, number)
        with contextlib.suppress(NoRoute, DeliveryError):  # uninstalled meanwhile
            requester = self._broker.handling(component)
            if requester is not None:
                outcome = self._fitting(requester, request)
                requester.signal(Callback(number, outcome), sender=request.name)

    def _fitting(self, requester: ActorRef, request: Request) -> Ok[bytes | None] | Err[Case]:
        """The outcome; an answer that the mailbox has no room for is told without its bytes."""
        outcome = self._outcome_of(request)
        room = requester.room_bytes
        if isinstance(outcome, Ok) and room is not None and len(outcome.value or b"") > room:
            return Err(Case("mailbox-full", f"the answer of {request.name} found no room"))
        return outcome

    def _forget(self, component: str, number: int) -> None:
        mine = self._open.get(component)
        if mine is not None:
            mine.pop(number, None)
            if not mine:
                del self._open[component]
