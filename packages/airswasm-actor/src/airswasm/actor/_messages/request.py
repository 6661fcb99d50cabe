"""A question that waits for its answer.

A request is not a task and holds none. It is an object with a callback, which the dispatcher
completes when the handling of the message ends. `ActorRef.ask` waits on it; host functions, which
answer a guest later through a callback of their own, use it as it is.

An asker that handles nothing until the answer is there says so with `hold`. The edge "asker waits
for target" then stands in the asker until the request ends, and an edge that would close a ring is
refused before it is made. A request with a callback makes no actor wait, so it is part of no ring.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Protocol, final

from ..errors import AskCycle, AskTimeout
from .answering import wait_answered

if TYPE_CHECKING:
    import anyio
    from airswasm.runtime import Timer, Timers

    from .receipt import Receipt

__all__ = ("Party", "Request")


class Party(Protocol):
    """One end of a question: the actor that is asked, or the one that waits."""

    name: str

    def begin_wait(self, request: Request) -> None:
        """Note a question that this actor cannot go on without."""
        ...

    def end_wait(self, request: Request) -> None:
        """Note that the question has ended."""
        ...

    def waits_for(self) -> Sequence[Party]:
        """Return the actors that this one cannot go on without."""
        ...

    def note_error(self, error: BaseException) -> None:
        """Count an error that has no caller to go to."""
        ...

    def note_late(self) -> None:
        """Count an answer that came after the asker had given up."""
        ...


@final
class Request:
    """One question: `is_done`, then either `value` or `error`.

    Attributes:
        name: The name of the actor that was asked.
        target: The actor that was asked, the new one after its mailbox was moved; None when it
            lives elsewhere.
        asker: The actor that handles nothing until the answer is there, if one does so.
        is_done: Whether the outcome is known.
        answered: Set while a task waits for the outcome.
        value: The answer.
        error: Why there is no answer.
        is_kept: Whether the sender keeps the message and sends it again: it is no dead letter.
        wants_receipt: Whether the receipt of the message is asked for.
        receipt: That receipt, once the message was handled; it comes with errors, too.
        seconds: The time that the asker waits; None without a bound.
    """

    __slots__ = (
        "_at_end",
        "_on_done",
        "_timer",
        "answered",
        "asker",
        "error",
        "is_done",
        "is_kept",
        "name",
        "receipt",
        "seconds",
        "target",
        "value",
        "wants_receipt",
    )

    def __init__(
        self,
        name: str,
        target: Party | None,
        on_done: Callable[[Request], None] | None = None,
    ) -> None:
        self.name = name
        self.target = target
        self.asker: Party | None = None
        self.is_done = False
        self.is_kept = False
        self.value: object = None
        self.error: BaseException | None = None
        self.wants_receipt = False
        self.receipt: Receipt | None = None
        self.seconds: float | None = None
        self._on_done = on_done
        self._timer: Timer | None = None
        self.answered: anyio.Event | None = None
        self._at_end: Callable[[], None] | None = None

    def result(self) -> object:
        """Return the answer.

        Raises:
            AskError: The request ended without one.
        """
        if self.error is not None:
            raise self.error
        return self.value

    def cancel(self) -> bool:
        """Give up waiting: the callback will not be called.

        The message itself stays where it is, and its answer will be dropped. Only a message that
        still waits for room is taken back: it was not accepted.

        Returns:
            False when the request was done already.
        """
        if self.is_done:
            return False
        self._on_done = None
        self._end()
        return True

    def resolve(self, value: object) -> None:
        """Answer the request. When it is done, the answer comes too late, and is dropped."""
        if not self.is_done:
            self.value = value
            self._end()
        elif self.target is not None:
            self.target.note_late()

    def fail(self, error: BaseException) -> None:
        """End the request without an answer. Has no effect when it is done."""
        if not self.is_done:
            self.error = error
            self._end()

    def expire_after(self, seconds: float, timers: Timers, *, is_inherited: bool = False) -> None:
        """Fail with `AskTimeout` unless the request is done within `seconds`."""
        if not self.is_done:
            self._timer = timers.after(
                seconds,
                lambda: self.fail(AskTimeout(self.name, seconds, is_inherited=is_inherited)),
            )

    def due(self, now: float) -> float | None:
        """Return when the asker gives up, by the event loop's clock; None when it does not."""
        if self._timer is not None:
            return self._timer.deadline
        return None if self.seconds is None else now + self.seconds

    def at_end(self, release: Callable[[], None]) -> None:
        """Call `release` when the request ends, however it does; at once when it has."""
        if self.is_done:
            release()
        elif self._at_end is None:
            self._at_end = release
        else:
            self._at_end = _both(self._at_end, release)

    def hold(self, asker: Party) -> None:
        """Note that `asker` handles nothing until this request ends.

        Raises:
            AskCycle: The target waits for the asker already, directly or through others.
        """
        if self.target is None:
            return
        path = waiting_path(self.target, asker)
        if path is not None:
            raise AskCycle((asker.name, *path))
        self.asker = asker
        asker.begin_wait(self)

    def wait(self) -> Coroutine[object, object, object]:
        """Wait for the outcome and return it, or raise it. A cancel gives the request up."""
        return wait_answered(self)

    def _end(self) -> None:
        self.is_done = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        asker, self.asker = self.asker, None
        if asker is not None:
            asker.end_wait(self)
        if self._at_end is not None:
            self._at_end()
        if self.answered is not None:
            self.answered.set()
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            self._call_back(on_done)

    def _call_back(self, on_done: Callable[[Request], None]) -> None:
        try:
            on_done(self)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if self.target is None:
                raise
            self.target.note_error(error)


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        first()
        second()

    return call


def waiting_path(start: Party, goal: Party) -> tuple[str, ...] | None:
    """Return the names on the way from `start` to `goal` along "waits for", or None.

    Depth first with a set of visited actors, so that it ends whatever the graph looks like.
    """
    stack: list[tuple[Party, tuple[str, ...]]] = [(start, (start.name,))]
    seen = {start}
    while stack:
        party, path = stack.pop()
        if party is goal:
            return path
        for following in party.waits_for():
            if following not in seen:
                seen.add(following)
                stack.append((following, (*path, following.name)))
    return None
