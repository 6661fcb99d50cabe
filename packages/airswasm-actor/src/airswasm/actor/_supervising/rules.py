"""The rules by which a supervisor restarts children: OTP's, as data and one pure function.

The rules are those of Erlang's `supervisor` (OTP 25), and generated scripts are run on both to
prove it. `decide` maps specification, children, history and time to a list of actions;
`SupervisorNode` carries them out and decides nothing. So each rule is tested without a clock and
without a task, and the whole of it fits on one page. The one addition to OTP is a back-off before a
restart (see `Backoff`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .._messages.bounds import MailboxSpec
from ..errors import InvalidChildSpec
from .backoff import Backoff

__all__ = (
    "Action",
    "ChildSpec",
    "Decision",
    "Member",
    "SupervisorSpec",
    "decide",
)

Restart = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
ExitKind = Literal["normal", "shutdown", "crash", "retry"]


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """The specification of one child: how it is started, restarted and stopped.

    Attributes:
        id: Unique in its supervisor.
        start: Makes a new incarnation: an actor, or a `SupervisorNode`. May be `async`.
        restart: `permanent` is always restarted, `transient` only after a crash, `temporary`
            never.
        shutdown: Seconds for an orderly stop, then it is killed; `brutal_kill` kills at once,
            `infinity` waits. Left out: 5.0 for a worker, `infinity` for a supervisor.
        type: `worker` or `supervisor`.
        significant: Its own end may end the supervisor, see `SupervisorSpec.auto_shutdown`.
        name: The actor's name; its id when left out.
        mailbox: The actor's mailbox; the system's default when left out.
        weight: The weight of a guest's share of processor time, beside others that use much.
    """

    id: str
    start: Callable[[], object]
    restart: Restart = "permanent"
    shutdown: float | Literal["brutal_kill", "infinity"] | None = None
    type: Literal["worker", "supervisor"] = "worker"
    significant: bool = False
    name: str | None = None
    mailbox: MailboxSpec | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.id:
            raise InvalidChildSpec(self.id, "the id is empty")
        if self.restart not in ("permanent", "transient", "temporary"):
            problem = f"restart is {self.restart!r}; use permanent, transient or temporary"
            raise InvalidChildSpec(self.id, problem)
        if self.type not in ("worker", "supervisor"):
            raise InvalidChildSpec(self.id, f"type is {self.type!r}; use worker or supervisor")
        if isinstance(self.shutdown, str):
            if self.shutdown not in ("brutal_kill", "infinity"):
                problem = f"shutdown is {self.shutdown!r}; use seconds, brutal_kill or infinity"
                raise InvalidChildSpec(self.id, problem)
        elif self.shutdown is not None and self.shutdown < 0:
            problem = f"shutdown is {self.shutdown}; seconds are not negative"
            raise InvalidChildSpec(self.id, problem)
        if not 0 < self.weight < math.inf:
            raise InvalidChildSpec(self.id, f"weight is {self.weight}; it is more than 0")
        if self.significant and self.restart == "permanent":
            problem = "a permanent child cannot be significant; make it transient or temporary"
            raise InvalidChildSpec(self.id, problem)

    @property
    def shutdown_seconds(self) -> float | None:
        """The shutdown time in seconds: 0.0 kills at once, None waits."""
        if self.shutdown is None:
            return 5.0 if self.type == "worker" else None
        if self.shutdown == "brutal_kill":
            return 0.0
        if self.shutdown == "infinity":
            return None
        return float(self.shutdown)


@dataclass(frozen=True, slots=True)
class SupervisorSpec:
    """A supervisor, as data.

    Attributes:
        strategy: The children that are restarted with one: none, all, or those started after it.
        intensity: Restarts that are allowed within `period`; with one more it gives up.
        period: Seconds, compared in whole seconds and including both ends, as OTP does.
        backoff: The delay before a restart.
        children: Started in this order, stopped in the reverse.
        auto_shutdown: Whether the end of a significant child ends the supervisor.
    """

    strategy: Strategy = "one_for_one"
    intensity: int = 1
    period: float = 5.0
    backoff: Backoff = field(default_factory=Backoff)
    children: tuple[ChildSpec, ...] = ()
    auto_shutdown: Literal["never", "any_significant", "all_significant"] = "never"

    def __post_init__(self) -> None:
        if self.strategy not in ("one_for_one", "one_for_all", "rest_for_one"):
            problem = f"strategy is {self.strategy!r}; use one_for_one, one_for_all or rest_for_one"
            raise InvalidChildSpec("supervisor", problem)
        if self.auto_shutdown not in ("never", "any_significant", "all_significant"):
            known = "never, any_significant or all_significant"
            problem = f"auto_shutdown is {self.auto_shutdown!r}; use {known}"
            raise InvalidChildSpec("supervisor", problem)
        if self.intensity < 0:
            problem = f"intensity is {self.intensity}; 0 allows no restart"
            raise InvalidChildSpec("supervisor", problem)
        if self.period <= 0:
            problem = f"period is {self.period}; it is more than 0 seconds"
            raise InvalidChildSpec("supervisor", problem)
        ids = set[str]()
        for child in self.children:
            if child.id in ids:
                raise InvalidChildSpec(child.id, "two children have this id; rename one")
            ids.add(child.id)
            self.check(child)

    def check(self, child: ChildSpec) -> None:
        """Raise `InvalidChildSpec` for a child that cannot be this supervisor's."""
        if child.significant and self.auto_shutdown == "never":
            problem = "significant needs a supervisor with an auto_shutdown other than never"
            raise InvalidChildSpec(child.id, problem)


@dataclass(frozen=True, slots=True)
class Member:
    """A child as `decide` sees it."""

    id: str
    restart: Restart
    is_running: bool = True
    significant: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """One step, to be taken in order.

    Attributes:
        verb: `stop` ends an incarnation; `start` begins one; `settle` keeps a child that has
            ended as stopped; `forget` removes it, stopping it first if it runs; `give_up` and
            `shut_down` end the supervisor, stopping all that run in reverse order.
        id: The child.
    """

    verb: Literal["stop", "start", "settle", "forget", "give_up", "shut_down"]
    id: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Actions to take, and the whole seconds of the restarts that still count, to remember."""

    actions: tuple[Action, ...]
    restarts: tuple[int, ...]


def decide(
    spec: SupervisorSpec,
    members: Sequence[Member],
    restarts: tuple[int, ...],
    failed: str,
    kind: ExitKind,
    now: float,
) -> Decision:
    """Decide about a child that has ended, or could not be restarted (`retry`).

    Args:
        spec: The supervisor's.
        members: The children in the order of starting, the failed one included.
        restarts: The restarts that the last decision said to remember.
        failed: The id of the child that ended.
        kind: How it ended.
        now: Seconds.
    """
    member = next(member for member in members if member.id == failed)
    if kind != "retry" and not _is_restarted(member, kind):
        verb: Literal["forget", "settle"] = "forget" if member.restart == "temporary" else "settle"
        ended = Action(verb, failed)
        if _ends_supervisor(spec, members, member):
            return Decision((ended, Action("shut_down", failed)), restarts)
        return Decision((ended,), restarts)
    remembered = count_restart(restarts, now, spec.period)
    if len(remembered) > spec.intensity:
        return Decision((Action("give_up", failed),), remembered)
    return Decision(_restart_actions(spec.strategy, members, failed), remembered)


def count_restart(restarts: tuple[int, ...], now: float, period: float) -> tuple[int, ...]:
    """Add a restart and drop those out of the period; whole seconds, ends included."""
    second = math.floor(now)
    return (*(at for at in restarts if at >= second - period), second)


def _is_restarted(member: Member, kind: ExitKind) -> bool:
    if member.restart == "permanent":
        return True
    return member.restart == "transient" and kind == "crash"


def _ends_supervisor(spec: SupervisorSpec, members: Sequence[Member], ended: Member) -> bool:
    if not ended.significant or spec.auto_shutdown == "never":
        return False
    if spec.auto_shutdown == "any_significant":
        return True
    return not any(
        other.significant and other.is_running for other in members if other.id != ended.id
    )


def _restart_actions(
    strategy: Strategy, members: Sequence[Member], failed: str
) -> tuple[Action, ...]:
    if strategy == "one_for_one":
        return (Action("start", failed),)
    ids = [member.id for member in members]
    affected = list(members if strategy == "one_for_all" else members[ids.index(failed) :])
    stops = tuple(
        Action("forget" if member.restart == "temporary" else "stop", member.id)
        for member in reversed(affected)
        if member.id != failed and (member.is_running or member.restart == "temporary")
    )
    starts = tuple(
        Action("start", member.id)
        for member in affected
        if member.restart != "temporary" or member.id == failed
    )
    return stops + starts
