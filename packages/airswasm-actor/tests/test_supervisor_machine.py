"""A supervisor under faults, by seed: whatever comes at once, some things always hold.

Each run is a tree of two supervisors with children that start slowly or not at all, crash, leave,
take their time to stop or ignore it, while several tasks at once stop, restart, delete, add and
update them. On trio's autojump clock, so that minutes pass at once. Which of them is started and
stopped when is OTP's to say (test_oracle.py); here it is what must be true afterwards.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio
from airswasm.actor import (
    ActorError,
    ActorRef,
    ActorSystem,
    Backoff,
    ChildSpec,
    Context,
    Message,
    Phase,
    Request,
    RestartRecord,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.actor._running.reference import cell_of
from airswasm.actor.testing import Faults
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from .conftest import SEEDS

IDS = ("a", "b", "c", "d")
BRANCH, LEAF = "branch", "leaf"


@dataclass
class Temper:
    """The behaviour of the next incarnations of one child."""

    failing_starts: int = 0
    start_seconds: float = 0.0
    stop_seconds: float = 0.0  # inf: never


class Stage:
    """State that all players of one run share.

    Attributes:
        made, ended: Incarnations that were made, and let go.
        handling: Who handles a message now.
        log: Whose `stop` was called, in order.
    """

    def __init__(self) -> None:
        self.tempers = {id_: Temper() for id_ in (*IDS, LEAF)}
        self.made, self.ended = Counter[str](), Counter[str]()
        self.handling: set[str] = set()
        self.log: list[str] = []

    def maker(self, id_: str) -> Callable[[], Player]:
        return lambda: Player(id_, self)


class Player:
    """One incarnation."""

    def __init__(self, id_: str, stage: Stage) -> None:
        self.id, self.stage = id_, stage
        self.has_ended = False
        stage.made[id_] += 1

    async def start(self) -> None:
        temper = self.stage.tempers[self.id]
        await anyio.sleep(temper.start_seconds)
        if temper.failing_starts > 0:
            temper.failing_starts -= 1
            raise RuntimeError(f"{self.id} cannot")

    async def receive(self, message: Message, context: Context) -> object:
        assert not self.has_ended, f"{self.id} handles a message after its end"
        assert self.id not in self.stage.handling, f"two of {self.id} at once"
        self.stage.handling.add(self.id)
        try:
            return await self.act(message.payload, context)
        finally:
            self.stage.handling.discard(self.id)

    async def act(self, payload: object, context: Context) -> object:
        if isinstance(payload, float):
            await anyio.sleep(payload)
        elif payload == "crash":
            raise RuntimeError(f"{self.id} crashed")
        elif payload == "leave":
            context.stop()
        return payload

    async def stop(self) -> None:
        self.stage.log.append(self.id)
        await anyio.sleep(self.stage.tempers[self.id].stop_seconds)

    def discard(self) -> None:
        assert not self.has_ended, f"{self.id} was let go twice"
        self.has_ended = True
        self.stage.ended[self.id] += 1


ids = st.sampled_from(IDS)
restarts = st.sampled_from(("permanent", "permanent", "transient", "temporary"))
pauses = st.sampled_from((0.0, 0.0, 0.1, 0.7, 3.0))
ops = st.one_of(
    st.tuples(st.just("tell"), ids, st.sampled_from(("crash", "leave", "hello", 0.5, 30.0))),
    st.tuples(st.just("tell"), ids, st.just("crash")),
    st.tuples(st.sampled_from(("ask", "kill", "stop", "restart", "delete")), ids),
    st.tuples(st.sampled_from(("add", "update")), ids, restarts),
    st.tuples(
        st.just("temper"),
        ids,
        st.builds(
            Temper,
            st.integers(0, 3),
            st.sampled_from((0.0, 0.2)),
            st.sampled_from((0.0, 0.3, math.inf)),
        ),
    ),
    st.tuples(st.sampled_from(("crash leaf", "stop branch", "kill branch"))),
)
trees = st.builds(
    SupervisorSpec,
    st.sampled_from(("one_for_one", "one_for_all", "rest_for_one")),
    st.sampled_from((0, 1, 3, 9, 10**6, 10**6)),
    st.sampled_from((1.0, 5.0)),
    st.builds(
        Backoff,
        st.sampled_from(("immediate", "linear", "exponential")),
        st.just(0.4),
        st.just(2.0),
    ),
)


class Run:
    """One tree, and what is done to it."""

    def __init__(self, system: ActorSystem, spec: SupervisorSpec, kinds: tuple[str, ...]) -> None:
        self.system, self.stage = system, Stage()
        self.faults = Faults(system)
        self.asked, self.outcomes = 0, list[Request]()
        children = (*(self.child(id_, kind) for id_, kind in zip(IDS, kinds, strict=False)),)
        branch = ChildSpec(BRANCH, self.branch, type="supervisor")
        self.spec = SupervisorSpec(
            spec.strategy, spec.intensity, spec.period, spec.backoff, (*children, branch)
        )
        self.node = SupervisorNode(system, self.spec)

    def child(self, id_: str, restart: str) -> ChildSpec:
        return ChildSpec(id_, self.stage.maker(id_), restart, shutdown=1.0)  # type: ignore[arg-type]

    def branch(self) -> SupervisorNode:
        spec = SupervisorSpec(intensity=1, children=(self.child(LEAF, "permanent"),))
        return SupervisorNode(self.system, spec, name=BRANCH)

    async def take(self, op: tuple[object, ...]) -> None:
        verb, *arguments = op
        with suppress(ActorError):  # it is stopped, it is running, there is none, ...
            taken = getattr(self, "_" + str(verb).replace(" ", "_"))(*arguments)
            if isinstance(taken, Awaitable):
                await taken

    def _tell(self, id_: str, payload: object) -> None:
        self.system.broker.tell(id_, payload)

    def _ask(self, id_: str) -> None:
        self.system.broker.request(id_, "question", self.outcomes.append, timeout=20)
        self.asked += 1

    def _kill(self, id_: str) -> None:
        self.faults.kill(self.system.broker.resolve(id_))

    async def _stop(self, id_: str) -> None:
        await self.node.stop_child(id_)

    async def _restart(self, id_: str) -> None:
        await self.node.restart_child(id_)

    async def _delete(self, id_: str) -> None:
        await self.node.delete_child(id_)

    async def _add(self, id_: str, restart: str) -> None:
        await self.node.start_child(self.child(id_, restart))

    async def _update(self, id_: str, restart: str) -> None:
        await self.node.update_child(self.child(id_, restart), finish=0.5)

    def _temper(self, id_: str, temper: Temper) -> None:
        self.stage.tempers[id_] = Temper(
            temper.failing_starts, temper.start_seconds, temper.stop_seconds
        )

    def _crash_leaf(self) -> None:
        self.system.broker.tell(LEAF, "crash")

    async def _stop_branch(self) -> None:
        await self._end_branch(None)

    async def _kill_branch(self) -> None:
        await self._end_branch(0)

    async def _end_branch(self, timeout: float | None) -> None:
        branch = self.node.child(BRANCH)
        assert isinstance(branch, SupervisorNode)
        await branch.stop(timeout=timeout)

    # -- what always holds -----------------------------------------------------------------------

    def check_at_rest(self) -> None:
        """Nothing is under way: what the supervisor says of its children is so."""
        if not self.node.is_open:
            assert self.node.failure is not None
            return
        assert self.node.is_idle
        for child in self.node.status():
            assert child.state in ("running", "stopped"), child
            if child.type == "supervisor" and child.state == "running":
                branch = self.node.child(BRANCH)
                assert isinstance(branch, SupervisorNode)
                assert branch.is_open
            elif isinstance(child.ref, ActorRef):
                expected = Phase.RUNNING if child.state == "running" else Phase.STOPPED
                assert child.ref.phase is expected, child
                assert cell_of(child.ref).queue is None, child

    def check_intensity(self) -> None:
        """No more restarts within a period than were allowed."""
        history = self.node.restart_history
        for position, last in enumerate(history):
            counted = [one for one in history[: position + 1] if self.counts_with(one, last)]
            assert len(counted) <= self.spec.intensity

    def counts_with(self, one: RestartRecord, last: RestartRecord) -> bool:
        return math.floor(one.time) >= math.floor(last.time) - self.spec.period

    async def stop(self, timeout: float | None) -> None:
        """In the reverse order of starting, unless there is no time for that."""
        running = [child.id for child in self.node.status() if child.state == "running"]
        running = [LEAF if id_ == BRANCH else id_ for id_ in running]
        was_open = self.node.is_open
        self.stage.log.clear()
        await self.node.stop(timeout=timeout)
        if was_open and timeout is None:
            assert self.stage.log == running[::-1]

    def check_ended(self) -> None:
        """Nothing is left of it, and every message is where it belongs."""
        assert self.stage.ended == self.stage.made
        assert not self.stage.handling
        assert not self.system.actors
        assert not self.system.supervisors
        assert len(self.system.timers) == 0
        assert len(self.outcomes) == self.asked
        books = self.system.books()
        assert books.is_balanced
        assert (books.waiting, books.in_hand) == (0, 0)


@given(
    spec=trees,
    kinds=st.lists(restarts, max_size=4).map(tuple),
    ops=st.lists(st.tuples(pauses, ops), min_size=3, max_size=20),
    timeout=st.sampled_from((None, None, 0, 0.5)),
)
@settings(max_examples=SEEDS)
def test_a_supervisor_under_faults(
    spec: SupervisorSpec,
    kinds: tuple[str, ...],
    ops: list[tuple[float, tuple[object, ...]]],
    timeout: float | None,
) -> None:
    """It reports the truth, keeps to its intensity, and leaves no caller and nothing behind."""

    async def run() -> None:
        async with ActorSystem(dead_letters=10_000) as system:
            await anyio.wait_all_tasks_blocked()
            tasks = len(anyio.get_running_tasks())
            one = Run(system, spec, kinds)
            await one.node.start()
            with anyio.fail_after(10_000):
                async with anyio.create_task_group() as group:
                    for pause, op in ops:
                        await anyio.sleep(pause)
                        group.start_soon(one.take, op)
                await anyio.sleep(1000)
                one.check_at_rest()
                one.check_intensity()
                await one.stop(timeout)
            await anyio.wait_all_tasks_blocked()
            one.check_ended()
            assert len(anyio.get_running_tasks()) == tasks

    options = {"clock": MockClock(autojump_threshold=0)}
    anyio.run(run, backend="trio", backend_options=options)
