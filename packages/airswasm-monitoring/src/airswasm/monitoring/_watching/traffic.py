"""The table of who talks to whom: sums over receipts, from the first reader's coming on.

While it has no reader, it listens to nothing, and messages cost what they cost without it.
"""

from __future__ import annotations

from airswasm.actor import ActorSystem, Outcome, Receipt, Subscription

from .frames import Row

__all__ = ("TRAFFIC_COLUMNS", "Traffic")

TRAFFIC_COLUMNS = ("sender", "receiver", "messages", "unhandled", "seconds", "bytes")
"""Sums since the table had its first reader."""
_MOST_PAIRS = 2_000
_GOOD = (Outcome.HANDLED, Outcome.REPLIED)


class Traffic:
    """The messages of each pair of a sender and a receiver.

    Attributes:
        beyond: Messages of pairs for which there was no room.

    Args:
        system: The system whose messages are counted.
        most_pairs: The pairs that have a row.
    """

    def __init__(self, system: ActorSystem, most_pairs: int = _MOST_PAIRS) -> None:
        self._system, self._most = system, most_pairs
        self._pairs: dict[tuple[str, str], list[float]] = {}
        self._readers = 0
        self._listening: Subscription | None = None
        self.beyond = 0

    def join(self) -> None:
        """Count messages from now on, if no reader did so before."""
        self._readers += 1
        if self._listening is None:
            self._listening = self._system.receipts.listen(self.note)

    def leave(self) -> None:
        """Count and remember nothing any more, once each reader has left."""
        self._readers -= 1
        if not self._readers and self._listening is not None:
            self._listening.cancel()
            self._listening = None
            self._pairs.clear()
            self.beyond = 0

    def note(self, receipt: Receipt) -> None:
        """Count one message."""
        pair = receipt.sender, receipt.receiver
        sums = self._pairs.get(pair)
        if sums is None:
            if len(self._pairs) >= self._most:
                self.beyond += 1
                return
            sums = self._pairs[pair] = [0, 0, 0.0, 0]
        sums[0] += 1
        sums[1] += receipt.outcome not in _GOOD
        sums[2] += receipt.run_seconds
        sums[3] += receipt.bytes_in

    def rows(self) -> dict[str, Row]:
        """Return the pairs with their sums; the key is the pair's."""
        return {
            f"{sender}\n{receiver}": (sender, receiver, *sums)
            for (sender, receiver), sums in self._pairs.items()
        }
