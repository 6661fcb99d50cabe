"""The table of a supervisor's children: what it knows of each, in the order of starting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ..errors import NoSuchChild
from .rules import ChildSpec, Member

if TYPE_CHECKING:
    from .._running.cell import Cell
    from .._running.phase import Exit
    from .._running.reference import ActorRef

__all__ = ("Child", "ChildState", "ChildStatus", "ChildTable", "Node", "RestartRecord")

ChildState = Literal["running", "restarting", "stopped"]


class Node(Protocol):
    """A supervisor as the child of another one."""

    def attach(self, report: Callable[[Exit], None]) -> None:
        """Tell the parent of its end from now on."""
        ...

    async def start(self) -> None:
        """Start its children."""
        ...

    async def stop(self, *, timeout: float | None = None) -> None:
        """Stop its children and end."""
        ...

    async def kill(self) -> None:
        """End at once, with all below."""
        ...


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """One child, as `SupervisorNode.status` shows it.

    Attributes:
        id: The id in its specification.
        state: `running`, `restarting` (a back-off runs or a start failed), or `stopped`.
        restart: The kind of restart.
        type: `worker` or `supervisor`.
        incarnation: The actor's; of a supervisor, how often it has been started.
        failures: Failures in a row.
        ref: The actor; None for a supervisor, or before the first start.
    """

    id: str
    state: ChildState
    restart: str
    type: str
    incarnation: int
    failures: int
    ref: ActorRef | None


@dataclass(frozen=True, slots=True)
class RestartRecord:
    """One counted restart.

    Attributes:
        id: The child that failed.
        time: The system's clock.
        reason: `normal`, `shutdown`, `crash` or `killed`.
        cause: The error, after a crash.
        delay: Seconds of back-off before it.
    """

    id: str
    time: float
    reason: str
    cause: BaseException | None
    delay: float


class Child:
    """One child. Only the supervisor's own task changes it.

    Attributes:
        spec: Its specification.
        state: Whether it runs, or is going to.
        ref: The actor, if it is one.
        cell: The cell behind `ref`.
        node: The supervisor, if it is one and runs.
        turn: Goes up whenever the supervisor has done something to the child, so that a report
            about an earlier turn is known for old.
        starts: How often it has been started.
        failures: Failures in a row.
        started_at: The time of the last start.
    """

    __slots__ = (
        "cell",
        "failures",
        "node",
        "ref",
        "spec",
        "started_at",
        "starts",
        "state",
        "turn",
    )

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.state: ChildState = "stopped"
        self.ref: ActorRef | None = None
        self.cell: Cell | None = None
        self.node: Node | None = None
        self.turn = 0
        self.starts = 0
        self.failures = 0
        self.started_at = 0.0

    @property
    def incarnation(self) -> int:
        """The actor's incarnation; of a supervisor, the number of starts."""
        return self.starts if self.cell is None else self.cell.incarnation

    @property
    def name(self) -> str:
        """The name that events give it."""
        return self.spec.name or self.spec.id

    def member(self) -> Member:
        """Return the child as `decide` sees it."""
        return Member(
            self.spec.id, self.spec.restart, self.state == "running", self.spec.significant
        )

    def status(self) -> ChildStatus:
        """Return the child as users see it."""
        return ChildStatus(
            self.spec.id,
            self.state,
            self.spec.restart,
            self.spec.type,
            self.incarnation,
            self.failures,
            self.ref,
        )


class ChildTable:
    """The children of one supervisor, in the order of starting."""

    __slots__ = ("_children", "_supervisor")

    def __init__(self, supervisor: str) -> None:
        self._supervisor = supervisor
        self._children: dict[str, Child] = {}

    def __iter__(self) -> Iterator[Child]:
        """Iterate over the children there are now, whatever happens to the table meanwhile."""
        return iter(list(self._children.values()))

    def __len__(self) -> int:
        return len(self._children)

    def __reversed__(self) -> Iterator[Child]:
        return reversed(list(self._children.values()))

    def add(self, child: Child) -> None:
        """Add a child at the right end."""
        self._children[child.spec.id] = child

    def remove(self, child: Child) -> None:
        """Remove a child."""
        del self._children[child.spec.id]

    def get(self, id_: str) -> Child | None:
        """Return the child with an id; None when there is none."""
        return self._children.get(id_)

    def find(self, id_: str) -> Child:
        """Return the child with an id.

        Raises:
            NoSuchChild: There is none.
        """
        child = self._children.get(id_)
        if child is None:
            raise NoSuchChild(self._supervisor, id_)
        return child

    def expected(self, id_: str, turn: int) -> Child | None:
        """Return a child, unless something was done to it since that turn."""
        child = self._children.get(id_)
        return child if child is not None and child.turn == turn else None
