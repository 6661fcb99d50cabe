"""The coroutine behind `MessageBroker.ask`. See `_running/serving.py` for why it stands alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .._messages.answering import wait_answered
from .._running.asking import answer_of, ask
from .._running.posting import put_question
from .._running.reference import cell_of
from .hook import Delivery

if TYPE_CHECKING:
    from .._messages.envelope import Envelope
    from .._messages.request import Request
    from .._running.reference import ActorRef

__all__ = ("NameService", "ask_by_name")


class NameService(Protocol):
    """The part of the broker that asking by name needs."""

    @property
    def has_hooks(self) -> bool:
        """Whether a hook wants to see what passes."""
        ...

    def find(self, name: str) -> ActorRef | None:
        """Return the actor that a name leads to."""
        ...

    def before(self, delivery: Delivery) -> None:
        """Show a delivery to all hooks."""
        ...

    def after(self, delivery: Delivery, error: BaseException | None) -> None:
        """Tell all hooks the outcome of a delivery."""
        ...

    def request_elsewhere(
        self,
        target: str,
        payload: object,
        on_done: None,
        timeout: float,
        sender: str,
        envelope: Envelope | None,
        waiting: str | None = None,
    ) -> Request:
        """Ask a name that is not routed here; `waiting` is the actor that waits, if one does."""
        ...


async def ask_by_name(
    names: NameService,
    target: str,
    payload: object,
    timeout: float,
    sender: str,
    envelope: Envelope | None,
) -> object:
    """`MessageBroker.ask`."""
    ref = names.find(target)
    if ref is not None and not names.has_hooks:
        return await ask(cell_of(ref), payload, timeout, sender, None, envelope)
    delivery = Delivery("ask", sender, target, payload, envelope)
    names.before(delivery)
    try:
        if ref is None:
            request = names.request_elsewhere(
                target, payload, None, timeout, sender, envelope, sender
            )
        else:
            request = put_question(cell_of(ref), payload, timeout, sender, None, envelope)
    except BaseException as error:
        names.after(delivery, error)
        raise
    names.after(delivery, None)
    return await (wait_answered(request) if ref is None else answer_of(cell_of(ref), request))
