"""A supervisor at work: carries out what `supervision.decide` says.

It takes one thing after the other from its inbox: a child has ended, a back-off is over, somebody
wants a child started or stopped. So nothing it does overlaps, which is what makes OTP's order of
things possible. It has a task only while there is something in its inbox, so that ten thousand
supervisors of one child each, of which nothing is heard for days, cost no more than their data.
Rejected: a task that waits for the inbox (40 us and several kB for each supervisor).

Children tell it of their end by a callback that appends to the inbox, with the child's turn: a
number that goes up whenever the supervisor itself has done something to the child. What a report
says about an earlier turn is old news, and dropped.

A mailbox outlives the incarnations: a restart begins with the message after the one that failed.
When the supervisor gives up, or a child is stopped for good, what waits goes to the dead letters.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, cast

import anyio

from ._cell import Exit
from .actor import Phase
from .errors import (
    ActorStopped,
    ChildExists,
    ChildNotRunning,
    ChildRunning,
    ChildStartFailed,
    InvalidChildSpec,
    NoSuchChild,
    SupervisorGaveUp,
)
from .events import EventKind, LifecycleEvent
from .reference import ActorRef
from .supervision import Action, ChildSpec, ExitKind, Member, SupervisorSpec, decide

if TYPE_CHECKING:
    from airswasm.runtime import Timer

    from .mailbox import MailboxSpec
    from .system import ActorSystem

__all__ = ("ChildStatus", "RestartRecord", "SupervisorNode")

T = TypeVar("T")
ChildState = Literal["running", "restarting", "stopped"]

_HISTORY = 100
_GIVEN_UP = EventKind.GIVEN_UP  # an enum's attribute is a slow look-up


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """One child, as `SupervisorNode.status` shows it.

    Attributes:
        id: Its id.
        state: `running`, `restarting` (a back-off runs or a start failed), or `stopped`.
        restart: Its kind of restart.
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
    """One counted restart: which child, when (the system's clock), why, and the delay before it."""

    id: str
    time: float
    reason: str
    cause: BaseException | None
    delay: float


class _Child:
    """What the supervisor knows of one child; only its own task touches it."""

    __slots__ = ("failures", "node", "ref", "spec", "started_at", "starts", "state", "turn")

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.state: ChildState = "stopped"
        self.ref: ActorRef | None = None
        self.node: SupervisorNode | None = None
        self.turn = 0
        self.starts = 0
        self.failures = 0
        self.started_at = 0.0

    @property
    def incarnation(self) -> int:
        return self.starts if self.ref is None else self.ref.incarnation

    def member(self) -> Member:
        return Member(
            self.spec.id, self.spec.restart, self.state == "running", self.spec.significant
        )


class _Command(Generic[T]):
    """Something somebody wants done, and waits for."""

    __slots__ = ("_done", "_error", "_run", "_value")

    def __init__(self, run: Callable[[], Awaitable[T]]) -> None:
        self._run = run
        self._done = anyio.Event()
        self._value: T | None = None
        self._error: BaseException | None = None

    async def run(self) -> None:
        try:
            self._value = await self._run()
        except Exception as error:
            self._error = error
        finally:
            self._done.set()

    def refuse(self, error: BaseException) -> None:
        self._error = error
        self._done.set()

    async def outcome(self) -> T:
        await self._done.wait()
        if self._error is not None:
            raise self._error
        return cast("T", self._value)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A child's incarnation has ended of itself."""

    id: str
    turn: int
    exit: Exit


class _Teller:
    """Tells a supervisor how an incarnation of one of its children ended.

    An object and no closure: there is one for each actor, and a closure is five objects.
    """

    __slots__ = ("_id", "_supervisor", "_turn")

    def __init__(self, supervisor: SupervisorNode, child: _Child) -> None:
        self._supervisor = supervisor
        self._id, self._turn = child.spec.id, child.turn

    def __call__(self, exit_: Exit) -> None:
        self._supervisor._put(_Ended(self._id, self._turn, exit_))


@dataclass(frozen=True, slots=True)
class _Due:
    """The back-off before these starts is over."""

    starts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Again:
    """A restart failed: try it again, and count that."""

    id: str
    turn: int
    cause: BaseException


_Item = _Command[object] | _Ended | _Due | _Again


class SupervisorNode:
    """Starts, watches, restarts and stops children.

    Attributes:
        name: For events, and for people.
        spec: What it was made from; dynamic children are not in it.
        failure: Why it gave up, if it has.

    Args:
        system: Where its children live.
        spec: What to supervise, and how.
        name: See above.
        is_quiet: Whether it keeps its own starts and stops to itself, because its one child's
            events say the same. That it gave up is always told.
    """

    def __init__(
        self,
        system: ActorSystem,
        spec: SupervisorSpec,
        *,
        name: str = "supervisor",
        is_quiet: bool = False,
    ) -> None:
        self.system = system
        self.spec = spec
        self.name = name
        self.failure: SupervisorGaveUp | None = None
        self._children: dict[str, _Child] = {}
        self._restarts: tuple[int, ...] = ()
        # What is seldom needed is made when it is: an empty deque alone is 760 bytes.
        self._history: deque[RestartRecord] | None = None
        self._inbox: deque[_Item] | None = None
        self._timers: set[Timer] | None = None
        self._scope: anyio.CancelScope | None = None
        self._ended: anyio.Event | None = None
        self._is_quiet = is_quiet
        self._was_started = False
        self._is_open = False
        self._is_busy = False
        self._has_ended = False
        self._parent: Callable[[Exit], None] | None = None
        self._exit = Exit("shutdown")

    def __repr__(self) -> str:
        return f"<SupervisorNode {self.name} {len(self._children)} children>"

    # -- for users ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Starts the children, left to right. Only once: make a new one to start again.

        A child that does not start ends it: those that have started are stopped, right to left.

        Raises:
            ChildStartFailed: That child and why; nothing runs then.
            RuntimeError: It was started before.
        """
        if self._was_started:
            raise RuntimeError(f"{self.name!r} was started before; make a new SupervisorNode")
        self._was_started = True
        for spec in self.spec.children:
            self._children[spec.id] = _Child(spec)
        self._emit(EventKind.STARTED)
        try:
            for child in list(self._children.values()):
                await self._start_first(child)
        except BaseException:
            self._parent = None  # it hears of that by the error
            with anyio.CancelScope(shield=True):
                await self._stop_all()
            self._close()
            raise
        self._is_open = True
        if self._parent is None:
            self.system.supervisors[self] = None
        self._emit(EventKind.READY)
        self._attend()

    async def stop(self, *, timeout: float | None = None) -> None:
        """Stops the children, right to left, each within its shutdown time, and ends.

        A cancel meanwhile kills what still runs. Below another supervisor, that one does with it
        what its specification says, as at any other end: `stop_child` stops it for good.

        Args:
            timeout: Seconds after which all that still runs is killed; None waits, since each
                child has its own time.
        """
        if not self._is_open:
            return
        if timeout == 0:
            await self._kill()
        elif timeout is None:
            await self._stop_in_order()
        else:
            with anyio.move_on_after(timeout) as scope:
                await self._stop_in_order()
            if scope.cancelled_caught:
                await self._kill()

    async def wait_stopped(self) -> None:
        """Waits until it has ended.

        Raises:
            SupervisorGaveUp: It ended because its children failed too often.
        """
        await self._wait_ended()
        if self.failure is not None:
            raise self.failure

    async def start_child(self, spec: ChildSpec) -> ActorRef | SupervisorNode:
        """Adds a child at the right end and starts it.

        Raises:
            ChildExists: There is one with this id.
            ChildStartFailed: It did not start, and was not added.
            InvalidChildSpec: It is not for this supervisor.
            ActorStopped: The supervisor has ended.
        """
        return await self._submit(lambda: self._add(spec)).outcome()

    async def stop_child(self, id: str) -> None:
        """Stops a child. Its specification stays, unless it is temporary.

        Raises:
            NoSuchChild: There is none with this id.
        """
        await self._submit(lambda: self._stop_by_id(id)).outcome()

    async def restart_child(self, id: str) -> ActorRef | SupervisorNode:
        """Starts a stopped child again; its reference is the one it had.

        Raises:
            NoSuchChild: There is none with this id.
            ChildRunning: It is not stopped.
            ChildStartFailed: It did not start; it stays as stopped.
        """
        return await self._submit(lambda: self._restart_by_id(id)).outcome()

    async def delete_child(self, id: str) -> None:
        """Removes the specification of a stopped child.

        Raises:
            NoSuchChild: There is none with this id.
            ChildRunning: It is not stopped.
        """
        await self._submit(lambda: self._delete_by_id(id)).outcome()

    async def update_child(
        self,
        spec: ChildSpec,
        *,
        prepare: Callable[[object], Awaitable[None]] | None = None,
        finish: float = 5.0,
    ) -> ActorRef:
        """Replaces a running actor by one made from a new specification, under its reference.

        The new one is made, started and prepared while the old one goes on. Then the old one
        finishes the message in hand within `finish` seconds and is stopped, and the new one goes
        on with the next message of the same mailbox. If making, `start` or `prepare` fails, the
        old one has not noticed anything.

        Args:
            spec: With the id of the child to replace.
            prepare: Called with the new actor after its `start`: migration, say.
            finish: Seconds for the message in hand; after that it is killed and its message is
                in the dead letters.

        Raises:
            NoSuchChild: There is none with this id.
            ChildNotRunning: It is not running.
            InvalidChildSpec: The specification is not for this supervisor, or for a supervisor.
            ChildStartFailed: The new one did not start or could not be prepared.
        """
        return await self._submit(lambda: self._update(spec, prepare, finish)).outcome()

    def child(self, id: str) -> ActorRef | SupervisorNode:
        """The actor or supervisor with this id.

        Raises:
            NoSuchChild: There is none.
            ChildNotRunning: It is a supervisor that has stopped, or has not started yet.
        """
        found = self._find(id)
        child = found.ref or found.node
        if child is None:
            raise ChildNotRunning(self.name, id, found.state)
        return child

    def status(self) -> tuple[ChildStatus, ...]:
        """All children, in the order of starting."""
        return tuple(
            ChildStatus(
                child.spec.id,
                child.state,
                child.spec.restart,
                child.spec.type,
                child.incarnation,
                child.failures,
                child.ref,
            )
            for child in self._children.values()
        )

    @property
    def is_open(self) -> bool:
        """Whether it supervises: from the end of `start` until it stops or gives up."""
        return self._is_open

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for it in its inbox, back-offs aside."""
        return not self._inbox and not self._is_busy

    @property
    def restart_history(self) -> tuple[RestartRecord, ...]:
        """The last hundred counted restarts, the oldest first."""
        return tuple(self._history or ())

    # -- the inbox ---------------------------------------------------------------------------

    def _put(self, item: _Item) -> None:
        if self._inbox is None:
            self._inbox = deque()
        self._inbox.append(item)
        self._attend()

    def _attend(self) -> None:
        """Sees to it that somebody works on what is in the inbox."""
        if self._inbox and self._is_open and not self._is_busy and self.system.is_open:
            self._is_busy = True
            self.system.group.start_soon(self._work, self._empty_inbox)

    async def _work(self, work: Callable[[], Awaitable[None]]) -> None:
        """The one thing that is done at a time; ends for good if that was the work."""
        self._is_busy = True
        try:
            with anyio.CancelScope() as self._scope:
                await work()
        finally:
            self._is_busy = False
            self._scope = None
        if not self._is_open:
            self._close()

    async def _empty_inbox(self) -> None:
        while self._inbox and self._is_open:
            await self._handle(self._inbox.popleft())
        if not self._inbox:
            self._inbox = None

    async def _stop_in_order(self) -> None:
        """Waits its turn when something is being done; does it here and now otherwise."""
        if self._is_busy:
            with suppress(ActorStopped):  # what is being done has ended it
                await self._submit(self._stop_now).outcome()
            await self._wait_ended()
            return
        try:
            await self._work(self._stop_now)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._kill()
            raise

    async def _stop_now(self) -> None:
        self._emit(EventKind.STOPPING)
        await self._stop_all()
        self._is_open = False

    async def _wait_ended(self) -> None:
        if not self._has_ended:
            if self._ended is None:
                self._ended = anyio.Event()
            await self._ended.wait()

    async def _handle(self, item: _Item) -> None:
        if isinstance(item, _Command):
            await item.run()
        elif isinstance(item, _Ended):
            child = self._children.get(item.id)
            if child is not None and child.turn == item.turn:
                kind = cast("ExitKind", item.exit.reason if not item.exit.is_abnormal else "crash")
                await self._decide(child, kind, item.exit)
        elif isinstance(item, _Again):
            child = self._children.get(item.id)
            if child is not None and child.turn == item.turn:
                await self._decide(child, "retry", Exit("crash", item.cause))
        else:
            await self._start_due(item)

    def _submit(self, run: Callable[[], Awaitable[T]]) -> _Command[T]:
        command = _Command(run)
        if self._is_open:
            self._put(cast("_Command[object]", command))
        else:
            command.refuse(ActorStopped(self.name))
        return command

    # -- deciding ----------------------------------------------------------------------------

    async def _decide(self, child: _Child, kind: ExitKind, exit_: Exit) -> None:
        now = self.system.clock()
        was_running = child.state == "running"
        child.state = "restarting"
        # Where the others do not matter, one end costs the same however many there are.
        is_alone = self.spec.strategy == "one_for_one" and not child.spec.significant
        affected = (child,) if is_alone else self._children.values()
        members = [each.member() for each in affected]
        decision = decide(self.spec, members, self._restarts, child.spec.id, kind, now)
        self._restarts = decision.restarts
        starts = [action.id for action in decision.actions if action.verb == "start"]
        if starts:
            if was_running and now - child.started_at > self.spec.backoff.reset_after:
                child.failures = 0
            child.failures += 1
            delay = self.spec.backoff.delay(child.failures, self.system.rng.random())
            self._remember(RestartRecord(child.spec.id, now, exit_.reason, exit_.cause, delay))
            await self._carry_out(decision.actions, exit_)
            await self._start_after(delay, starts)
        else:
            await self._carry_out(decision.actions, exit_)

    def _remember(self, restart: RestartRecord) -> None:
        if self._history is None:
            self._history = deque(maxlen=_HISTORY)
        self._history.append(restart)

    async def _carry_out(self, actions: tuple[Action, ...], exit_: Exit) -> None:
        for action in actions:
            if action.verb == "shut_down":
                await self._shut_down()
                return
            child = self._children[action.id]
            if action.verb == "stop":
                await self._end_child(child, is_final=False)
            elif action.verb == "forget":
                await self._forget(child, exit_)
            elif action.verb == "settle":
                self._settle(child, exit_)
            elif action.verb == "give_up":
                await self._give_up(child, exit_)

    async def _start_after(self, delay: float, ids: list[str]) -> None:
        starts: list[tuple[str, int]] = []
        for id_ in ids:
            child = self._children[id_]
            child.state = "restarting"
            child.turn += 1
            starts.append((id_, child.turn))
        due = _Due(tuple(starts))
        if delay <= 0:
            await self._start_due(due)
            return

        timers = self._timers = self._timers or set()

        def put() -> None:
            timers.discard(timer)
            self._put(due)

        timer = self.system.timers.after(delay, put)
        timers.add(timer)

    async def _start_due(self, due: _Due) -> None:
        """Starts those that nobody has dealt with meanwhile; a failure is tried again, counted.

        Those after the one that failed are stopped until it has been tried again.
        """
        has_failed = False
        for id_, turn in due.starts:
            child = self._children.get(id_)
            if child is None or child.turn != turn or child.state != "restarting":
                continue
            if has_failed:
                child.state = "stopped"
                continue
            try:
                await self._begin(child)
            except Exception as error:
                has_failed = True
                self._emit_child(EventKind.FAILED, child, error)
                self._put(_Again(id_, child.turn, error))

    async def _give_up(self, child: _Child, exit_: Exit) -> None:
        self.failure = SupervisorGaveUp(
            self.name, child.spec.id, self.spec.intensity, self.spec.period
        )
        self.failure.__cause__ = exit_.cause
        self._emit(EventKind.GIVEN_UP, self.failure)
        await self._stop_all()
        self._leave(Exit("shutdown", self.failure))

    async def _shut_down(self) -> None:
        await self._stop_all()
        self._leave(Exit("shutdown"))

    def _leave(self, exit_: Exit) -> None:
        self._is_open = False
        self._exit = exit_

    def _close(self) -> None:
        """Ends for good: nobody waits for an answer that will not come."""
        if self._has_ended:
            return
        self._has_ended = True
        self._is_open = False
        for timer in self._timers or ():
            timer.cancel()
        for item in self._inbox or ():
            if isinstance(item, _Command):
                item.refuse(ActorStopped(self.name))
        self._timers = self._inbox = None
        self.system.supervisors.pop(self, None)
        self._emit(EventKind.STOPPED, self.failure)
        if self._ended is not None:
            self._ended.set()
        if self._parent is not None:
            self._parent(self._exit)

    async def _kill(self) -> None:
        """Stops everything at once, without asking: what it does just now, and all below."""
        self._leave(Exit("killed"))
        if self._scope is not None:
            self._scope.cancel()
        for child in reversed(list(self._children.values())):
            if child.node is not None:
                await child.node._kill()
            elif child.ref is not None and child.ref.is_alive:
                await self.system.life.end(child.ref, shutdown=0, is_final=True)
        if self._is_busy:
            await self._wait_ended()
        else:
            self._close()

    # -- children ----------------------------------------------------------------------------

    def _find(self, id_: str) -> _Child:
        child = self._children.get(id_)
        if child is None:
            raise NoSuchChild(self.name, id_)
        return child

    async def _start_first(self, child: _Child) -> None:
        child.turn += 1
        try:
            await self._begin(child)
        except Exception as error:
            self._emit_child(EventKind.FAILED, child, error)
            if child.ref is not None:
                self.system.life.bury(child.ref, Exit("crash", error))
            raise ChildStartFailed(self.name, child.spec.id, error) from error

    async def _begin(self, child: _Child) -> None:
        child.starts += 1
        made = child.spec.start()
        if inspect.isawaitable(made):
            made = await made
        if isinstance(made, SupervisorNode):
            await self._begin_node(child, made)
        else:
            await self._begin_actor(child, made)
        child.state = "running"
        child.started_at = self.system.clock()

    async def _begin_node(self, child: _Child, node: SupervisorNode) -> None:
        node._parent = _Teller(self, child)
        child.node = node
        await node.start()

    async def _begin_actor(self, child: _Child, actor: object) -> None:
        ref = child.ref
        if ref is None or not ref.is_alive:
            child.ref = ref = self._enrol(child.spec, ref, self._mailbox_for(child.spec, actor))
        ref.on_exit = _Teller(self, child)
        await self.system.life.begin(ref, actor)

    def _mailbox_for(self, spec: ChildSpec, actor: object) -> MailboxSpec:
        if spec.mailbox is not None:
            return spec.mailbox
        is_guest = self.system.register.traits_of(actor).is_guest
        return self.system.component_mailbox if is_guest else self.system.default_mailbox

    def _enrol(self, spec: ChildSpec, known: ActorRef | None, mailbox: MailboxSpec) -> ActorRef:
        if known is None:
            known = ActorRef(self.system, spec.name or spec.id, mailbox)
        known.phase = Phase.STARTING
        known.shutdown = spec.shutdown_seconds
        return self.system.register.enrol(known)

    async def _end_child(self, child: _Child, *, is_final: bool) -> None:
        """Ends what runs; its mailbox too when `is_final`."""
        was_running = child.state == "running"
        child.state = "stopped"
        child.turn += 1
        shutdown = child.spec.shutdown_seconds
        if child.node is not None:
            node, child.node = child.node, None
            if was_running:
                await node.stop(timeout=shutdown)
        elif child.ref is not None:
            await self.system.life.end(child.ref, shutdown=shutdown, is_final=is_final)

    async def _stop_all(self) -> None:
        for child in reversed(list(self._children.values())):
            await self._end_child(child, is_final=True)
            if child.spec.restart == "temporary":
                del self._children[child.spec.id]

    async def _forget(self, child: _Child, exit_: Exit) -> None:
        """Removes a child: it has ended already, or is ended now."""
        del self._children[child.spec.id]
        if child.state == "restarting" and child.ref is not None:
            self.system.life.bury(child.ref, exit_)
        else:
            await self._end_child(child, is_final=True)

    def _settle(self, child: _Child, exit_: Exit) -> None:
        child.state = "stopped"
        child.node = None
        if child.ref is not None:
            self.system.life.bury(child.ref, exit_)

    async def _add(self, spec: ChildSpec) -> ActorRef | SupervisorNode:
        self.spec.check(spec)
        known = self._children.get(spec.id)
        if known is not None:
            raise ChildExists(self.name, spec.id, known.state)
        child = _Child(spec)
        await self._start_first(child)
        self._children[spec.id] = child
        return self.child(spec.id)

    async def _stop_by_id(self, id_: str) -> None:
        child = self._find(id_)
        was_awaited = child.state == "restarting"
        await self._end_child(child, is_final=True)
        if child.spec.restart == "temporary":
            del self._children[id_]
        if was_awaited:
            self._give_up_waiting()

    def _give_up_waiting(self) -> None:
        """Those that were to start after a child that will not start again stay stopped."""
        for child in self._children.values():
            if child.state == "stopped" and child.ref is not None:
                self.system.life.bury(child.ref, Exit("shutdown"))

    async def _restart_by_id(self, id_: str) -> ActorRef | SupervisorNode:
        child = self._find(id_)
        if child.state != "stopped":
            raise ChildRunning(self.name, id_, child.state)
        await self._start_first(child)
        return self.child(id_)

    async def _delete_by_id(self, id_: str) -> None:
        child = self._find(id_)
        if child.state != "stopped":
            raise ChildRunning(self.name, id_, child.state)
        if child.ref is not None:  # stopped only until one before it has started again
            self.system.life.bury(child.ref, Exit("shutdown"))
        del self._children[id_]

    async def _update(
        self,
        spec: ChildSpec,
        prepare: Callable[[object], Awaitable[None]] | None,
        finish: float,
    ) -> ActorRef:
        self.spec.check(spec)
        child = self._find(spec.id)
        if child.node is not None:
            problem = "a supervisor cannot be updated in place; stop it and start another"
            raise InvalidChildSpec(spec.id, problem)
        if child.state != "running" or child.ref is None:
            raise ChildNotRunning(self.name, spec.id, child.state)
        ref = child.ref
        try:
            made = spec.start()
            if inspect.isawaitable(made):
                made = await made
            life = self.system.life
            await life.prepare(ref, made, prepare)
        except Exception as error:
            raise ChildStartFailed(self.name, spec.id, error) from error
        child.turn += 1
        ref.on_exit = _Teller(self, child)
        await life.swap(ref, made, finish=finish, shutdown=child.spec.shutdown_seconds)
        ref.shutdown = spec.shutdown_seconds
        ref.bound(self._mailbox_for(spec, made))
        child.spec = spec
        child.failures = 0
        child.started_at = self.system.clock()
        return ref

    # -- events ------------------------------------------------------------------------------

    def _emit(self, kind: EventKind, cause: BaseException | None = None) -> None:
        events = self.system.events
        is_heard = events.has_listeners and not (self._is_quiet and kind is not _GIVEN_UP)
        if is_heard:
            events.emit(LifecycleEvent(kind, self.name, self.system.clock(), 0, "", cause))

    def _emit_child(self, kind: EventKind, child: _Child, cause: BaseException) -> None:
        events = self.system.events
        if events.has_listeners:
            name = child.spec.name or child.spec.id
            events.emit(
                LifecycleEvent(kind, name, self.system.clock(), child.incarnation, "crash", cause)
            )
