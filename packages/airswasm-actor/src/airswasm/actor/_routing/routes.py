"""The table of names: which actor a name leads to.

A switch of a route is one assignment on the loop's thread, so that each message goes to the old
actor or to the new one: none to both, none to neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._running.mailbox import give_back
from .._running.phase import Phase
from .._running.reference import cell_of
from ..errors import NameTaken, NoRoute

if TYPE_CHECKING:
    import anyio

    from .._running.reference import ActorRef

__all__ = ("Routes",)


class Routes:
    """Names, the aliases of each actor, and the hand-overs in progress.

    Nearly all names are their actors' own, so the table is the list of actors as well; a second
    dictionary of them costs a spawn a tenth of its time.

    Attributes:
        table: All names and where they lead.
        displaced: Actors whose own name leads elsewhere, or nowhere, by that name.
        hand_overs: A lock for each name that is being handed over.
        carried: Names whose messages a carrier takes; their actors are among the displaced.
    """

    __slots__ = (
        "_aliases",
        "_predecessors",
        "carried",
        "displaced",
        "hand_overs",
        "table",
    )

    def __init__(self) -> None:
        self.table: dict[str, ActorRef] = {}
        self.displaced: dict[str, ActorRef] = {}
        self.hand_overs: dict[str, anyio.Lock] = {}
        self.carried: set[str] = set()
        self._aliases: dict[ActorRef, set[str]] = {}
        self._predecessors: dict[ActorRef, ActorRef] = {}

    def add(self, name: str, ref: ActorRef) -> None:
        """Make a name lead to an actor.

        Raises:
            NameTaken: It leads to another one.
        """
        known = self.table.get(name)
        if known is not None and known is not ref:
            raise NameTaken(name)
        self._set(name, ref)

    def add_actor(self, ref: ActorRef, name: str) -> None:
        """Make the own name of a new actor lead to it.

        Raises:
            NameTaken: It leads to another one, or is another one's own.
        """
        if name in self.displaced or self.table.setdefault(name, ref) is not ref:
            raise NameTaken(name)
        if name in self.carried:
            self.divert(name)

    def carry(self, name: str) -> None:
        """Let a carrier take the messages of a name, with its present actor or a later one."""
        self.carried.add(name)
        ref = self.table.get(name)
        if ref is not None and ref.name == name:
            self.divert(name)

    def carry_no_longer(self, name: str) -> None:
        """Let a carried name lead to its actor again."""
        self.carried.discard(name)
        ref = self.displaced.get(name)
        if ref is not None and name not in self.table:
            self._set(name, ref)

    def divert(self, name: str) -> None:
        """Take the actor of a carried name out of the way of its messages."""
        self.displaced[name] = self.table.pop(name)

    def find_actor(self, name: str) -> ActorRef | None:
        """Return the actor whose own name this is, wherever the name leads."""
        ref = self.displaced.get(name)
        if ref is not None:
            return ref
        ref = self.table.get(name)
        return ref if ref is not None and ref.name == name else None

    def actors(self) -> dict[str, ActorRef]:
        """Return all actors by their own names."""
        own = {name: ref for name, ref in self.table.items() if ref.name == name}
        return own | self.displaced

    def remove(self, name: str) -> None:
        """Make a name lead nowhere."""
        ref = self.table.pop(name, None)
        if ref is not None:
            self._note_loss(name, ref)

    def remove_actor(self, ref: ActorRef) -> None:
        """End all routes to an actor that has ended."""
        table, name = self.table, ref.name
        if table.get(name) is ref:
            del table[name]
        elif self.displaced.get(name) is ref:
            del self.displaced[name]
        if ref in self._aliases:
            for alias in self._aliases.pop(ref):
                if table.get(alias) is ref:
                    del table[alias]

    def switch(self, name: str, ref: ActorRef) -> ActorRef:
        """Make a name lead to another actor. Return the one that it led to before.

        Raises:
            NoRoute: It led nowhere.
        """
        known = self.resolve(name)
        self._note_loss(name, known)
        self._set(name, ref)
        return known

    def resolve(self, name: str) -> ActorRef:
        """Return the actor that a name leads to.

        Raises:
            NoRoute: It leads nowhere.
        """
        ref = self.table.get(name)
        if ref is None:
            raise NoRoute(name)
        return ref

    def undo_switch(self, name: str, predecessor: ActorRef, successor: ActorRef) -> None:
        """Undo the beginning of a hand-over, unless the predecessor has ended meanwhile."""
        new, old = cell_of(successor), cell_of(predecessor)
        if old.phase is not Phase.STOPPED and self.table.get(name, successor) is successor:
            self._note_loss(name, successor)
            self._set(name, predecessor)
            give_back(new, old)
        self.let_begin(successor)

    def hold_back(self, successor: ActorRef, predecessor: ActorRef) -> None:
        """Let the successor handle nothing until `let_begin`."""
        self._predecessors[successor] = predecessor
        cell_of(successor).follow(cell_of(predecessor))

    def let_begin(self, successor: ActorRef) -> None:
        """Let the successor handle messages: its predecessor has ended, or goes on."""
        self._predecessors.pop(successor, None)
        cell_of(successor).follow(None)

    def handling(self, name: str) -> ActorRef | None:
        """Return the actor that handles messages under a name: in a hand-over, the old one."""
        ref = self.table.get(name)
        if ref is None and name in self.carried:
            ref = self.displaced.get(name)
        while ref in self._predecessors:
            ref = self._predecessors[ref]
        return ref

    def _set(self, name: str, ref: ActorRef) -> None:
        self.table[name] = ref
        if name != ref.name:
            self._aliases.setdefault(ref, set()).add(name)
        elif name in self.displaced:
            del self.displaced[name]

    def _note_loss(self, name: str, ref: ActorRef) -> None:
        """Note that an actor has lost a name: one of its aliases, or its own."""
        if name != ref.name:
            self._aliases.get(ref, set()).discard(name)
        elif ref.is_alive:
            self.displaced[name] = ref
