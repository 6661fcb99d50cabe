"""Restarts: the decisions of `rules`, carried out.

It remembers the restarts that still count, the history for people, and the back-offs that run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from .._boundary import Boundary
from .._running.phase import Exit
from .children import Child, ChildTable, RestartRecord
from .effects import Effects
from .inbox import BackoffOver, Inbox, StartFailed
from .rules import Action, ExitKind, SupervisorSpec, decide

if TYPE_CHECKING:
    from airswasm.runtime import Timer

    from .._lives.life_cycle import LifeCycle

__all__ = ("Restarts",)

_HISTORY = 100


class Restarts:
    """Restarts children, or ends their supervisor.

    Attributes:
        spec: The rules; others hold from the next end of a child on.

    Args:
        life: Has the clock, the timers and the source of jitter.
        spec: See above.
        children: The table.
        effects: Start and stop children.
        inbox: Takes what is to be done later.
        end: Ends the supervisor, after all its children: because of the child that brought it over
            its intensity, or, with None, because a significant child has ended.
    """

    __slots__ = (
        "_children",
        "_counted",
        "_effects",
        "_end",
        "_history",
        "_inbox",
        "_life",
        "_timers",
        "spec",
    )

    def __init__(
        self,
        life: LifeCycle,
        spec: SupervisorSpec,
        children: ChildTable,
        effects: Effects,
        inbox: Inbox,
        end: Callable[[Child | None, Exit], Awaitable[None]],
    ) -> None:
        self._life = life
        self.spec = spec
        self._children = children
        self._effects = effects
        self._inbox = inbox
        self._end = end
        self._counted: tuple[int, ...] = ()
        # Made when they are needed, which is seldom: an empty deque alone is 760 bytes.
        self._history: deque[RestartRecord] | None = None
        self._timers: set[Timer] | None = None

    @property
    def history(self) -> tuple[RestartRecord, ...]:
        """The last hundred counted restarts, the oldest first."""
        return tuple(self._history or ())

    def cancel(self) -> None:
        """Let no back-off end any more."""
        for timer in self._timers or ():
            timer.cancel()
        self._timers = None

    async def decide(self, child: Child, kind: ExitKind, exit_: Exit) -> None:
        """Carry out what the rules say about a child that has ended, or did not start."""
        now = self._life.dispatcher.clock()
        was_running = child.state == "running"
        child.state = "restarting"
        # Where the others do not matter, one end costs the same however many there are.
        is_alone = self.spec.strategy == "one_for_one" and not child.spec.significant
        members = [each.member() for each in ((child,) if is_alone else self._children)]
        decision = decide(self.spec, members, self._counted, child.spec.id, kind, now)
        self._counted = decision.restarts
        starts = [action.id for action in decision.actions if action.verb == "start"]
        if not starts:
            await self._carry_out(decision.actions, exit_)
            return
        if was_running and now - child.started_at > self.spec.backoff.reset_after:
            child.failures = 0
        child.failures += 1
        delay = self.spec.backoff.delay(child.failures, self._life.rng.random())
        self._remember(RestartRecord(child.spec.id, now, exit_.reason, exit_.cause, delay))
        await self._carry_out(decision.actions, exit_)
        await self.start_after(delay, starts)

    def _remember(self, restart: RestartRecord) -> None:
        if self._history is None:
            self._history = deque(maxlen=_HISTORY)
        self._history.append(restart)

    async def _carry_out(self, actions: tuple[Action, ...], exit_: Exit) -> None:
        for action in actions:
            if action.verb == "shut_down":
                await self._end(None, Exit("shutdown"))
                return
            child = self._children.find(action.id)
            if action.verb == "stop":
                await self._effects.stop(child, is_final=False)
            elif action.verb == "forget":
                await self._effects.forget(child, exit_)
            elif action.verb == "settle":
                child.state, child.node = "stopped", None
                self._effects.settle(child, exit_)
            elif action.verb == "give_up":
                await self._end(child, exit_)

    async def start_after(self, delay: float, ids: list[str]) -> None:
        """Start children once ``delay`` seconds have passed, and count nothing."""
        starts: list[tuple[str, int]] = []
        for id_ in ids:
            child = self._children.find(id_)
            child.state = "restarting"
            child.turn += 1
            starts.append((id_, child.turn))
        due = BackoffOver(tuple(starts))
        if delay <= 0:
            await self.start_due(due)
            return

        timers = self._timers = self._timers or set()

        def put() -> None:
            timers.discard(timer)
            self._inbox.put(due)

        timer = self._life.dispatcher.timers.after(delay, put)
        timers.add(timer)

    async def start_due(self, due: BackoffOver) -> None:
        """Start the children that nothing was done to meanwhile; a failure is tried again, counted.

        Those after the one that failed are stopped until it has been tried again.
        """
        has_failed = False
        for id_, turn in due.starts:
            child = self._children.expected(id_, turn)
            if child is None or child.state != "restarting":
                continue
            if has_failed:
                child.state = "stopped"
                continue
            boundary = Boundary()
            try:
                await self._effects.wait_turn(child)
                await self._effects.start(child)
                await boundary.leave()
            except BaseException as error:
                await boundary.settle(error)
                has_failed = True
                self._effects.emit_failure(child, error)
                self._inbox.put(StartFailed(id_, child.turn, error))
