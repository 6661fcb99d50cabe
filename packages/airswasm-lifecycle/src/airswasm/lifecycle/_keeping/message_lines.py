"""A line of an audit log for each message, for a host that is asked to keep them.

They have a log of their own: so many lines would push out what was decided. A message's line is
written after it was handled, has died unread, or was refused to its sender by the broker or the
mailbox; with the others of a fifth of a second, in one write. What the disk
refuses is lost and counted: a message is no decision, and its handling is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import anyio
from airswasm.actor import ActorSystem, DeadLetter, Delivery, Outcome, Receipt
from airswasm.security import AuditEvent, AuditLog, AuditSettings, AuditUnavailable

__all__ = ("MessageLines",)

_SECONDS = 0.2
_MOST = 1_024
_DONE = frozenset({Outcome.HANDLED, Outcome.REPLIED, Outcome.LATE})


class MessageLines:
    """Writes a line for each receipt, each dead letter that was never in hand, and each refusal.

    Attributes:
        log: The log.
        lost: The lines that the disk refused.

    Args:
        path: The file of the log.
        settings: Its bounds.
        clock: Returns the seconds since 1970.
    """

    def __init__(
        self, path: Path, settings: AuditSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.log = AuditLog(
            path, durability="os", max_bytes=settings.file_bytes, keep_files=settings.keep_files
        )
        self.lost = 0
        self._clock = clock
        self._waiting: list[tuple[float, Receipt | AuditEvent]] = []

    async def run(self, actors: ActorSystem) -> None:
        """Write lines until cancelled; then write the rest."""
        subscriptions = (
            actors.receipts.listen(self.note),
            actors.dead_letters.listen(self.note_letter),
            actors.broker.add_hook(self),
        )
        try:
            while True:
                await anyio.sleep(_SECONDS)
                self.write()
        finally:
            for each in subscriptions:
                each.cancel()
            self.write()

    def note(self, receipt: Receipt) -> None:
        """Take a receipt; its line comes with the next write."""
        self._note(receipt)

    def note_letter(self, letter: DeadLetter) -> None:
        """Take a dead letter; one that was in hand has a receipt."""
        if letter.incarnation == 0:
            message = letter.message
            self._note(
                _unread(
                    letter.target, message.sender, letter.reason.value, letter.cause,
                    topic=message.topic or "", number=message.id,
                )
            )  # fmt: skip

    def before(self, delivery: Delivery) -> None:
        """Let every message pass."""

    def after(self, delivery: Delivery, error: BaseException | None) -> None:
        """Take a message that its sender could not send."""
        if error is not None:
            self._note(_unread(delivery.target, delivery.sender, "rejected", error))

    def _note(self, line: Receipt | AuditEvent) -> None:
        self._waiting.append((self._clock(), line))
        if len(self._waiting) >= _MOST:
            self.write()

    def write(self) -> None:
        """Write the lines of the receipts that wait."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            self.log.record_all([(time, _event(line)) for time, line in waiting])
        except AuditUnavailable:
            self.lost += len(waiting)

    def close(self) -> None:
        """Close the log."""
        self.log.close()


def _unread(
    target: str,
    sender: str,
    outcome: str,
    error: BaseException | None,
    *,
    topic: str = "",
    number: int = 0,
) -> AuditEvent:
    detail = {"sender": sender, "outcome": outcome}
    if number:
        detail["id"] = str(number)
    reason = type(error).__name__ if error is not None else ""
    return AuditEvent("message", target, "failed", resource=topic, reason=reason, detail=detail)


def _event(receipt: Receipt | AuditEvent) -> AuditEvent:
    if isinstance(receipt, AuditEvent):
        return receipt
    return AuditEvent(
        "message",
        receipt.receiver,
        "done" if receipt.outcome in _DONE else "failed",
        resource=receipt.topic or "",
        reason=receipt.error,
        detail={
            "id": str(receipt.message_id),
            "sender": receipt.sender,
            "outcome": receipt.outcome.value,
            "bytes": f"{receipt.bytes_in} {receipt.bytes_out}",
            "seconds": f"{receipt.queue_seconds:.6f} {receipt.run_seconds:.6f}",
        },
    )
