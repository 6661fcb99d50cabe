"""A question that waits for its answer.

A request is not a task and holds none: it is an object with a callback, completed by whoever ends
the handling of the message. `ActorRef.ask` waits on it; host functions, which answer a guest later
through a callback of their own, use it as it is.

Waiting is only noticed when somebody says that it is done (`waits`): then the edge "asker waits
for target" stands in the asker until the request ends, and a new edge that would close a ring is
refused before it is made. A callback-style request waits for nobody, so it can be part of no ring.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, final

from ._waiting import wait_answered
from .errors import AskCycle, AskTimeout

if TYPE_CHECKING:
    import anyio
    from airswasm.runtime import Timer, Timers

    from .reference import ActorRef

__all__ = ("Request",)


@final
class Request:
    """One question: `is_done`, then either `value` or `error`.

    Attributes:
        name: Whom it was for.
        target: The actor that was asked, the new one after its mailbox was moved; None when it
            lives elsewhere.
        is_done: Whether the outcome is known.
        answered: Set while somebody waits for the outcome.
        value: The answer.
        error: Why there is none.
        fuel_used: The receipt: what a guest has used to handle the message. None for Python.
    """

    __slots__ = (
        "_at_end",
        "_on_done",
        "_timer",
        "answered",
        "asker",
        "error",
        "fuel_used",
        "is_done",
        "name",
        "target",
        "value",
    )

    def __init__(
        self,
        name: str,
        target: ActorRef | None,
        on_done: Callable[[Request], None] | None = None,
    ) -> None:
        self.name = name
        self.target = target
        self.asker: ActorRef | None = None
        self.is_done = False
        self.value: object = None
        self.error: BaseException | None = None
        self.fuel_used: int | None = None
        self._on_done = on_done
        self._timer: Timer | None = None
        self.answered: anyio.Event | None = None
        self._at_end: Callable[[], None] | None = None

    def result(self) -> object:
        """The answer.

        Raises:
            AskError: Whatever the request ended with instead.
        """
        if self.error is not None:
            raise self.error
        return self.value

    def cancel(self) -> bool:
        """Gives up waiting: the callback will not be called. False when it was done already.

        The message itself stays where it is, and its answer will be dropped. Only one that still
        waits for room is taken back: it was not accepted.
        """
        if self.is_done:
            return False
        self._on_done = None
        self._end()
        return True

    def resolve(self, value: object) -> None:
        """Answers. Without effect when the request is done."""
        if not self.is_done:
            self.value = value
            self._end()

    def fail(self, error: BaseException) -> None:
        """Ends the request without an answer. Without effect when it is done."""
        if not self.is_done:
            self.error = error
            self._end()

    def expire_after(self, seconds: float, timers: Timers) -> None:
        """Fails with `AskTimeout` unless it is done within `seconds`."""
        if not self.is_done:
            self._timer = timers.after(seconds, lambda: self.fail(AskTimeout(self.name, seconds)))

    def at_end(self, release: Callable[[], None]) -> None:
        """Calls `release` when the request ends, however it does; at once when it has."""
        if self.is_done:
            release()
        else:
            self._at_end = release

    def hold(self, asker: ActorRef) -> None:
        """Notes that `asker` waits for this request.

        Raises:
            AskCycle: The target waits for the asker already, directly or through others.
        """
        if self.target is None:
            return
        path = waiting_path(self.target, asker)
        if path is not None:
            raise AskCycle((asker.name, *path))
        self.asker = asker
        if asker.awaited is None:
            asker.awaited = []
        asker.awaited.append(self)

    def wait(self) -> Coroutine[object, object, object]:
        """Waits for the outcome. A cancel gives the request up."""
        return wait_answered(self)

    def _end(self) -> None:
        self.is_done = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        asker, self.asker = self.asker, None
        if asker is not None and asker.awaited is not None:
            asker.awaited.remove(self)
        if self._at_end is not None:
            self._at_end()
        if self.answered is not None:
            self.answered.set()
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            try:
                on_done(self)
            except Exception as error:
                if self.target is None:
                    raise
                self.target.system.events.note_error(error)


def waiting_path(start: ActorRef, goal: ActorRef) -> tuple[str, ...] | None:
    """The names on the way from `start` to `goal` along "waits for", or None when there is none.

    Depth first with a set of visited actors, so that it ends whatever the graph looks like.
    """
    stack: list[tuple[ActorRef, tuple[str, ...]]] = [(start, (start.name,))]
    seen = {start}
    while stack:
        ref, path = stack.pop()
        if ref is goal:
            return path
        for following in ref.waits_for():
            if following not in seen:
                seen.add(following)
                stack.append((following, (*path, following.name)))
    return None
