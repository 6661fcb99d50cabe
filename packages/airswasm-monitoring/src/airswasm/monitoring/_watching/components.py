"""The table of components: cheap to look at, for those that do nothing most of all.

A look takes a few figures that any activity changes. Where they are as before, the row is the same
object, and neither the histograms are read nor is anything compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import anyio.lowlevel
from airswasm.actor import ActorRef, ActorSystem, Outcome, Tally

from .._history import ComponentHistory, History, state_of
from .frames import Row

__all__ = ("COMPONENT_COLUMNS", "ComponentTable")

COMPONENT_COLUMNS = (
    "state", "since", "incarnation", "restarts", "updates", "failures", "last_error",
    "waiting", "capacity", "oldest", "handled", "unhandled", "fuel", "cpu", "memory_bytes",
    "host_memory_bytes", "bytes_in", "bytes_out", "queueing", "handling",
)  # fmt: skip
"""`oldest` is the age of the first message that waits; `unhandled` counts those with another
outcome than handled or replied; `queueing` and `handling` are counts by `bounds`."""
_PORTION = 100
_ERROR = 300
"""A guest says what an error is; each page keeps it for each component."""
_GOOD = (Outcome.HANDLED, Outcome.REPLIED)


class ComponentTable:
    """The rows of all components and actors of a system.

    Args:
        system: The system.
        history: The histories of its components.
        wall: What to add to the system's clock for seconds since 1970.
    """

    def __init__(self, system: ActorSystem, history: History, wall: float) -> None:
        self._system, self._history, self._wall = system, history, wall
        self._signs: dict[str, Row] = {}
        self._rows: dict[str, Row] = {}

    async def look(self) -> dict[str, Row]:
        """Return all rows, while other tasks go on."""
        signs: dict[str, Row] = {}
        rows: dict[str, Row] = {}
        for count, (name, ref, known) in enumerate(list(self._named()), 1):
            tally = self._system.receipts.of(known.name)
            sign = signs[name] = _sign(ref, known, tally)
            is_same = sign == self._signs.get(name)
            rows[name] = self._rows[name] if is_same else self._row(sign, known, tally)
            if not count % _PORTION:
                await anyio.lowlevel.checkpoint()
        self._signs, self._rows = signs, rows
        return rows

    def _named(self) -> Iterator[tuple[str, ActorRef | None, ComponentHistory]]:
        routes = {**self._system.actors, **self._system.broker.routes}
        for name, ref in routes.items():
            yield name, ref, self._history.of(ref.name) or ComponentHistory(ref.name)
        for known in self._history.all():
            if known.state == "given_up" and known.name not in routes:
                yield known.name, None, known

    def _row(self, sign: Row, known: ComponentHistory, tally: Tally | None) -> Row:
        state, incarnation, handled, waiting, capacity, oldest, memory, host_memory = sign[:8]
        unhandled = bytes_in = bytes_out = fuel = 0
        cpu = 0.0
        queueing: tuple[int, ...] = ()
        handling: tuple[int, ...] = ()
        if tally is not None:
            unhandled = sum(n for outcome, n in tally.outcomes.items() if outcome not in _GOOD)
            bytes_in, bytes_out = tally.bytes_in, tally.bytes_out
            fuel, cpu = tally.usage.fuel, tally.usage.busy_seconds
            queueing, handling = tally.queueing.counts, tally.handling.counts
        return (
            state, round(known.since + self._wall, 1), incarnation, known.restarts, known.updates,
            known.failures, known.last_error[:_ERROR], waiting, capacity, oldest, handled,
            unhandled, fuel, cpu, memory, host_memory, bytes_in, bytes_out, queueing, handling,
        )  # fmt: skip


def _sign(ref: ActorRef | None, known: ComponentHistory, tally: Tally | None) -> Row:
    """Return figures of which at least one changes with whatever an actor does."""
    used = (tally.usage.fuel, tally.usage.busy_seconds, tally.bytes_in) if tally else ()
    if ref is None:
        return known.state, known.incarnation, 0, 0, 0, 0.0, 0, 0, known, *used
    mailbox, actor = ref.mailbox, ref.actor
    return (
        state_of(ref, known), ref.incarnation, ref.handled, mailbox.size, mailbox.capacity,
        round(mailbox.oldest_age, 1), getattr(actor, "memory_bytes", 0),
        getattr(actor, "host_memory_bytes", 0), known, *used,
    )  # fmt: skip
