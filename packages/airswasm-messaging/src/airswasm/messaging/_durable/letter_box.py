"""Give up a durable message, and acknowledge it no earlier than its dead letter is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airswasm.actor import ActorSystem, DeathReason, Message

__all__ = ("LetterBox",)

_PAUSE = 1.0
"""Seconds until a store of dead letters that refused is asked again."""


class LetterBox:
    """The way of durable messages to the dead letters.

    Args:
        actors: Has the dead letters.
        settle: Waits until all dead letters so far are kept; None where memory keeps them.
    """

    def __init__(self, actors: ActorSystem, settle: Callable[[], Awaitable[object]] | None) -> None:
        self._actors = actors
        self._settle = settle

    def bury(
        self,
        message: Message,
        target: str,
        reason: DeathReason,
        cause: BaseException | None,
        on_kept: Callable[[], None],
        incarnation: int = 0,
    ) -> None:
        """Make a dead letter; call `on_kept` when it may be acknowledged, perhaps at once."""
        self._actors.broker.give_up(target, message, reason, cause, incarnation)
        if self._settle is None:
            on_kept()
        else:
            self._actors.group.start_soon(self._wait, self._settle, on_kept)

    async def _wait(
        self, settle: Callable[[], Awaitable[object]], on_kept: Callable[[], None]
    ) -> None:
        try:
            await settle()
        except Exception as error:  # of whatever keeps them: the message waits in its log
            self._actors.events.note_error(error)
            self._actors.timers.after(
                _PAUSE, lambda: self._actors.group.start_soon(self._wait, settle, on_kept)
            )
        else:
            on_kept()
