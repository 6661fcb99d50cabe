"""The cases of OTP's own supervisor_SUITE (OTP 25 to 28) that apply here, under their names.

What each case claims was read there and is said here anew, for our supervisor. Generated scripts
run on OTP itself in test_oracle.py; here are the cases that need an eye on more than a trace.

These do not apply, and why:

- sup_start_ignore_init, sup_start_error_return, get_callback_module: a supervisor is made from
  data; there is no `init` callback that could decline, return nonsense, or be asked for.
- sup_start_ignore_child, sup_start_ignore_temporary_child, .._start_child, .._start_child_simple,
  sup_start_ignore_permanent_child_start_child_simple, simple_one_for_one_restart_ignore: a start
  that has nothing to run is refused. In Python None is what a function returns that forgot to
  return, so it must not mean "leave me out". `test_sup_start_ignore_child` holds that.
- simple_one_for_one, .._shutdown, .._extra, .._escalation, .._corruption, child_adm_simple,
  sup_start_map_simple, sup_start_child_returns_error_simple, hanging_restart_loop_simple,
  which_children_simple_one_for_one, significant_simple: there is no simple_one_for_one. Children
  that are all alike are dynamic children of a one_for_one supervisor, each with an id. What these
  cases say beyond the strategy is tried with such children, under the names of the cases with
  `dynamic` or `many` in them.
- extra_return: a start returns the actor and nothing else.
- code_change, code_change_map, code_change_simple, code_change_simple_map,
  significant_upgrade_never_any and the other five of its kind: the flags of a running supervisor
  do not change. A child's specification does, with `update_child`: significant_upgrade_child.
- external_start_no_progress_log, format_log_1, format_log_2: there are life cycle events instead of
  log reports; see test_events.py.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable

import anyio
import pytest
from airswasm.actor import (
    ActorRef,
    ActorStopped,
    ActorSystem,
    ChildExists,
    ChildRunning,
    ChildSpec,
    ChildStartFailed,
    Context,
    InvalidChildSpec,
    Message,
    NameTaken,
    NoSuchChild,
    SupervisorGaveUp,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.actor._supervising.rules import Restart, Strategy
from airswasm.actor.testing import Faults

pytestmark = pytest.mark.anyio

STRATEGIES: tuple[Strategy, ...] = ("one_for_one", "one_for_all", "rest_for_one")


class Bench:
    """Makes workers that do what they are told, and notes what becomes of them.

    Attributes:
        log: `start a`, `fail a`, `stop a`, in order.
        failing: Whose start fails, and how often still.
    """

    def __init__(self, system: ActorSystem) -> None:
        self.system = system
        self.log: list[str] = []
        self.failing: dict[str, int] = {}

    def child(self, id_: str, restart: Restart = "permanent", **more: object) -> ChildSpec:
        return ChildSpec(id_, lambda: Worker(id_, self), restart, **more)  # type: ignore[arg-type]

    def children(self, ids: str) -> tuple[ChildSpec, ...]:
        return tuple(self.child(id_) for id_ in ids.split())

    async def run(
        self, *children: ChildSpec, strategy: Strategy = "one_for_one", intensity: int = 2,
        period: float = 3600.0, auto_shutdown: str = "never", name: str = "sup_test",
    ) -> SupervisorNode:  # fmt: skip
        node = self.node(
            *children, strategy=strategy, intensity=intensity, period=period,
            auto_shutdown=auto_shutdown, name=name,
        )  # fmt: skip
        await node.start()
        return node

    def node(self, *children: ChildSpec, name: str = "sup", **flags: object) -> SupervisorNode:
        spec = SupervisorSpec(children=children, **flags)  # type: ignore[arg-type]
        return SupervisorNode(self.system, spec, name=name)

    async def terminate(self, node: SupervisorNode, id_: str, how: str = "abnormal") -> None:
        """Ends a child as the suite's `terminate` does, and lets the supervisor do its work."""
        if how == "supervisor":
            await node.stop_child(id_)
        elif how == "kill":
            assert Faults(self.system).kill(ref_of(node, id_))
        else:
            ref_of(node, id_).tell(how)
        await anyio.wait_all_tasks_blocked()

    def take(self) -> list[str]:
        log, self.log = self.log, []
        return log


class Worker:
    """Is told how to end."""

    def __init__(self, id_: str, bench: Bench) -> None:
        self.id, self.bench = id_, bench

    async def start(self) -> None:
        if self.bench.failing.get(self.id, 0) > 0:
            self.bench.failing[self.id] -= 1
            self.bench.log.append(f"fail {self.id}")
            raise RuntimeError(f"{self.id} cannot")
        self.bench.log.append(f"start {self.id}")

    async def receive(self, message: Message, context: Context) -> None:
        if message.payload == "abnormal":
            raise RuntimeError("abnormal")
        if message.payload in ("normal", "shutdown"):
            context.stop(str(message.payload))
        elif message.payload == "sleep":
            await anyio.sleep(200)

    async def stop(self) -> None:
        self.bench.log.append(f"stop {self.id}")


@pytest.fixture
def bench(system: ActorSystem) -> Bench:
    return Bench(system)


def ref_of(node: SupervisorNode, id_: str) -> ActorRef:
    child = node.child(id_)
    assert isinstance(child, ActorRef)
    return child


def node_of(node: SupervisorNode, id_: str) -> SupervisorNode:
    child = node.child(id_)
    assert isinstance(child, SupervisorNode)
    return child


def which_children(node: SupervisorNode) -> dict[str, str]:
    return {child.id: child.state for child in node.status()}


def count_children(node: SupervisorNode) -> tuple[int, int, int, int]:
    """Specifications, running ones, supervisors, workers."""
    children = node.status()
    return (
        len(children),
        sum(child.state == "running" for child in children),
        sum(child.type == "supervisor" for child in children),
        sum(child.type == "worker" for child in children),
    )


async def gave_up(node: SupervisorNode) -> bool:
    with anyio.fail_after(5), pytest.raises(SupervisorGaveUp):
        await node.wait_stopped()
    return not node.is_open


class TestStart:
    """Groups sup_start and sup_start_map."""

    async def test_sup_start_normal(self, system: ActorSystem, bench: Bench) -> None:
        """Without children it starts, and stops when it is told to."""
        node = await bench.run()
        assert node.is_open
        await node.stop()
        await node.wait_stopped()
        assert not system.supervisors

    async def test_sup_start_ignore_child(self, bench: Bench) -> None:
        """Unlike OTP's `ignore`: a start that returns nothing is no start."""
        node = await bench.run()
        for restart in ("permanent", "temporary"):
            with pytest.raises(ChildStartFailed) as caught:
                await node.start_child(ChildSpec("a", lambda: None, restart))
            assert isinstance(caught.value.cause, TypeError)
        assert count_children(node) == (0, 0, 0, 0)

    async def test_sup_start_fail(self, system: ActorSystem, bench: Bench) -> None:
        """Nothing is left of a supervisor that cannot start; who waits for its end is not left."""
        bench.failing["b"] = 1
        node = bench.node(*bench.children("a b c"))
        with pytest.raises(ChildStartFailed, match="RuntimeError: b cannot"):
            await node.start()
        assert bench.log == ["start a", "fail b", "stop a"]
        assert not system.actors
        await node.wait_stopped()
        with pytest.raises(RuntimeError, match="make a new SupervisorNode"):
            await node.start()

    async def test_sup_start_child_returns_error(self, bench: Bench) -> None:
        """The error is the cause; the child is not added."""
        node = await bench.run()
        bench.failing["a"] = 1
        with pytest.raises(ChildStartFailed) as caught:
            await node.start_child(bench.child("a"))
        assert isinstance(caught.value.cause, RuntimeError)
        assert node.status() == ()

    async def test_sup_start_restart_child_returns_error(self, bench: Bench) -> None:
        """The specification stays, and the child stays stopped."""
        node = await bench.run(bench.child("a"))
        await node.stop_child("a")
        bench.failing["a"] = 1
        with pytest.raises(ChildStartFailed):
            await node.restart_child("a")
        assert which_children(node) == {"a": "stopped"}
        await node.restart_child("a")
        assert which_children(node) == {"a": "running"}

    def test_sup_start_map(self) -> None:
        """A key that is left out has OTP's default."""
        worker = ChildSpec("a", object)
        assert (worker.restart, worker.type, worker.significant) == ("permanent", "worker", False)
        assert worker.shutdown_seconds == 5.0
        assert ChildSpec("b", object, shutdown="brutal_kill").shutdown_seconds == 0.0
        assert ChildSpec("c", object, type="supervisor").shutdown_seconds is None
        flags = SupervisorSpec()
        assert (flags.strategy, flags.intensity, flags.period) == ("one_for_one", 1, 5.0)

    def test_sup_start_map_faulty_specs(self) -> None:
        """A missing key is named. Unlike OTP, an unknown key is refused."""
        with pytest.raises(TypeError, match="'start'"):
            ChildSpec("a")  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="silly_flag"):
            ChildSpec("a", object, silly_flag=True)  # type: ignore[call-arg]
        with pytest.raises(InvalidChildSpec, match="the id is empty"):
            ChildSpec("", object)

    @pytest.mark.parametrize(
        ("wrong", "problem"),
        [
            ({"restart": "prmanent"}, "restart is 'prmanent'"),
            ({"shutdown": -10}, "shutdown is -10"),
            ({"shutdown": "soon"}, "shutdown is 'soon'"),
            ({"type": "wrker"}, "type is 'wrker'"),
            ({"significant": True}, "a permanent child cannot be significant"),
        ],
    )
    def test_child_specs(self, wrong: dict[str, object], problem: str) -> None:
        """Each mistake is named with its value (also child_specs_map)."""
        with pytest.raises(InvalidChildSpec, match=problem):
            ChildSpec("a", object, **wrong)  # type: ignore[arg-type]

    async def test_child_specs_of_a_supervisor(self, bench: Bench) -> None:
        """Two of one id, and what does not fit the flags, are refused at the start and later."""
        with pytest.raises(InvalidChildSpec, match="two children have this id"):
            SupervisorSpec(children=(ChildSpec("a", object), ChildSpec("a", object)))
        significant = bench.child("a", "transient", significant=True)
        with pytest.raises(InvalidChildSpec, match="auto_shutdown"):
            SupervisorSpec(children=(significant,))
        node = await bench.run()
        with pytest.raises(InvalidChildSpec, match="auto_shutdown"):
            await node.start_child(significant)

    @pytest.mark.parametrize(
        ("wrong", "problem"),
        [
            ({"strategy": "none_for_one"}, "strategy is 'none_for_one'"),
            ({"intensity": -1}, "intensity is -1"),
            ({"period": 0}, "period is 0"),
            ({"auto_shutdown": "often"}, "auto_shutdown is 'often'"),
        ],
    )
    def test_sup_flags(self, wrong: dict[str, object], problem: str) -> None:
        """Each mistake is named with its value."""
        with pytest.raises(InvalidChildSpec, match=problem):
            SupervisorSpec(**wrong)  # type: ignore[arg-type]

    async def test_already_started_outside_supervisor(
        self, system: ActorSystem, bench: Bench
    ) -> None:
        """A name that is taken is a failed start, and its owner keeps it."""
        other = system.spawn(lambda message, _: message.payload, name="registered")
        node = await bench.run()
        with pytest.raises(ChildStartFailed) as caught:
            await node.start_child(bench.child("a", name="registered"))
        assert isinstance(caught.value.cause, NameTaken)
        assert node.status() == ()
        assert system.broker.resolve("registered") is other
        assert await other.ask(1) == 1

    async def test_faulty_application_shutdown(self, system: ActorSystem, bench: Bench) -> None:
        """The error of a child deep below is what the start at the top fails with."""
        bench.failing["leaf"] = 1

        def branch() -> SupervisorNode:
            return bench.node(*bench.children("first leaf"), name="branch")

        with pytest.raises(ChildStartFailed) as caught:
            await bench.run(bench.child("other"), ChildSpec("branch", branch, type="supervisor"))
        inner = caught.value.cause
        assert isinstance(inner, ChildStartFailed)
        assert (inner.supervisor, inner.child) == ("branch", "leaf")
        assert isinstance(inner.cause, RuntimeError)
        assert bench.log[-3:] == ["fail leaf", "stop first", "stop other"]
        assert not system.actors
        assert not system.supervisors


class TestAdministration:
    """child_adm and what counts children."""

    async def test_child_adm(self, system: ActorSystem, bench: Bench) -> None:
        """Start, stop, restart and delete, each with its errors."""
        node = await bench.run(bench.child("a"))
        ref = ref_of(node, "a")
        assert count_children(node) == (1, 1, 0, 1)
        with pytest.raises(ChildExists, match="which is running"):
            await node.start_child(bench.child("a"))
        with pytest.raises(NoSuchChild):
            await node.stop_child("hej")
        await node.stop_child("a")
        assert not ref.is_alive
        assert which_children(node) == {"a": "stopped"}
        assert count_children(node) == (1, 0, 0, 1)
        await node.stop_child("a")  # once more does no harm
        with pytest.raises(ChildExists, match="which is stopped"):
            await node.start_child(bench.child("a"))
        await node.restart_child("a")
        assert count_children(node) == (1, 1, 0, 1)
        with pytest.raises(ChildRunning):
            await node.restart_child("a")
        with pytest.raises(NoSuchChild):
            await node.restart_child("b")
        with pytest.raises(ChildRunning):
            await node.delete_child("a")
        with pytest.raises(NoSuchChild):
            await node.delete_child("hej")
        await node.stop_child("a")
        await node.delete_child("a")
        with pytest.raises(NoSuchChild):
            await node.restart_child("a")
        assert count_children(node) == (0, 0, 0, 0)
        await node.start_child(bench.child("a"))
        await bench.terminate(node, "a")  # and it is restarted like any other
        assert count_children(node) == (1, 1, 0, 1)
        await node.stop()
        for call in (node.stop_child, node.delete_child, node.restart_child):
            with pytest.raises(ActorStopped):
                await call("a")
        with pytest.raises(ActorStopped):
            await node.start_child(bench.child("b"))

    async def test_which_children(self, bench: Bench) -> None:
        """In the order of starting, each with its state; a stopped one stays until its deletion."""
        node = await bench.run()
        assert which_children(node) == {}
        with pytest.raises(NoSuchChild):
            node.child("a")
        for id_ in ("a", "b"):
            child = await node.start_child(bench.child(id_))
            assert node.child(id_) is child
        await node.stop_child("a")
        assert list(which_children(node).items()) == [("a", "stopped"), ("b", "running")]
        await node.delete_child("a")
        assert which_children(node) == {"b": "running"}

    @pytest.mark.parametrize("type_", ["worker", "supervisor"])
    async def test_count_children(self, bench: Bench, type_: str) -> None:
        """A thousand dynamic temporary ones; none is left (also count_children_supervisor)."""
        node = await bench.run()

        def make(id_: str) -> object:
            return bench.node(name=id_) if type_ == "supervisor" else Worker(id_, bench)

        def spec(id_: str) -> ChildSpec:
            return ChildSpec(id_, lambda: make(id_), "temporary", type=type_)  # type: ignore[arg-type]

        kinds = (0, 1000) if type_ == "worker" else (1000, 0)
        for number in range(1000):
            await node.start_child(spec(f"c{number}"))
        assert count_children(node) == (1000, 1000, *kinds)
        for number in range(1000):
            child = node.child(f"c{number}")
            if isinstance(child, SupervisorNode):
                await child.stop(timeout=0)
            else:
                Faults(bench.system).kill(child)
        await anyio.wait_all_tasks_blocked()
        assert count_children(node) == (0, 0, 0, 0)

    async def test_do_not_save_start_parameters_for_temporary_children(self, bench: Bench) -> None:
        """The start parameters of a temporary child are let go at its end, by whatever strategy."""

        class Large:
            """Something large that a start may hold on to."""

        for strategy in STRATEGIES:
            node = await bench.run(bench.child("a"), strategy=strategy, name=strategy)
            large = Large()
            trace = weakref.ref(large)

            def start(large: Large = large) -> object:
                worker = Worker("t", bench)
                worker.large = large  # type: ignore[attr-defined]
                return worker

            await node.start_child(ChildSpec("t", start, "temporary"))
            del start, large
            await bench.terminate(node, "t")
            bench.system.dead_letters.take(next(iter(bench.system.dead_letters)).message.id)
            gc.collect()
            assert trace() is None, strategy
            await node.stop()

    @pytest.mark.parametrize("how", ["kill", "normal", "abnormal", "supervisor"])
    @pytest.mark.parametrize("strategy", STRATEGIES)
    async def test_do_not_save_child_specs_for_temporary_children(
        self, bench: Bench, strategy: Strategy, how: str
    ) -> None:
        """Permanent and transient ones are saved, however they end."""
        node = await bench.run(strategy=strategy, intensity=9)
        for restart in ("permanent", "transient", "temporary"):
            await node.start_child(bench.child(restart, restart))
        for restart in ("permanent", "transient"):
            await bench.terminate(node, restart, how)
            with pytest.raises(ChildExists):
                await node.start_child(bench.child(restart, restart))
            if which_children(node)[restart] == "stopped":
                await node.restart_child(restart)
        if "temporary" in which_children(node):  # not killed with a sibling
            await bench.terminate(node, "temporary", how)
        await node.start_child(bench.child("temporary", "temporary"))

    @pytest.mark.parametrize("restart", ["permanent", "temporary"])
    async def test_scale_start_stop_many_children(self, bench: Bench, restart: Restart) -> None:
        """Ten times the children cost ten times the steps, not a hundred times.

        Also simple_one_for_one_scale_many_temporary_children. Steps are calls of functions, so
        that a busy machine does not fail it.
        """

        async def steps(count: int) -> int:
            calls = 0

            def count_call(_frame: object, event: str, _argument: object) -> None:
                nonlocal calls
                calls += event == "call"

            children = [bench.child(f"c{number}", restart) for number in range(count)]
            sys.setprofile(count_call)
            try:
                node = await bench.run(intensity=count)
                for child in children:
                    await node.start_child(child)
                for child in children:
                    ref_of(node, child.id).tell("abnormal")
                await anyio.wait_all_tasks_blocked()
                if restart == "permanent":
                    for child in children:
                        await node.stop_child(child.id)
            finally:
                sys.setprofile(None)
            assert count_children(node)[1] == 0
            await node.stop()
            return calls

        few, many = await steps(50), await steps(500)
        assert many < 15 * few


class TestTermination:
    """Groups normal_termination, shutdown_termination and abnormal_termination."""

    @pytest.mark.parametrize(
        ("restart", "how", "left"),
        [
            pytest.param(restart, how, left, id=f"{restart}_{how}")
            for restart, how, left in (
                ("permanent", "normal", "running"),
                ("permanent", "shutdown", "running"),
                ("permanent", "abnormal", "running"),
                ("permanent", "kill", "running"),
                ("transient", "normal", "stopped"),
                ("transient", "shutdown", "stopped"),
                ("transient", "abnormal", "running"),
                ("transient", "kill", "running"),
                ("temporary", "normal", None),
                ("temporary", "shutdown", None),
                ("temporary", "abnormal", None),
                ("temporary", "kill", None),
            )
        ],
    )
    async def test_restart_type(
        self, bench: Bench, restart: Restart, how: str, left: str | None
    ) -> None:
        """Permanent ones always start again, transient ones after a crash, temporary ones never."""
        node = await bench.run()
        await node.start_child(bench.child("a", restart))
        ref = ref_of(node, "a")
        await bench.terminate(node, "a", how)
        assert which_children(node) == ({} if left is None else {"a": left})
        assert ref.is_alive == (left == "running")
        assert ref.incarnation == (2 if left == "running" else 1)

    @pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
    async def test_temporary_bystander(self, bench: Bench, strategy: Strategy) -> None:
        """A temporary child that is killed with a sibling does not come back."""
        node = await bench.run(strategy=strategy)
        await node.start_child(bench.child("a"))
        await node.start_child(bench.child("t", "temporary"))
        await bench.terminate(node, "a", "normal")
        assert node.is_open
        assert which_children(node) == {"a": "running"}


class TestStrategies:
    """Groups restart_one_for_one, restart_one_for_all and restart_rest_for_one."""

    @pytest.mark.parametrize(
        ("strategy", "untouched"),
        [("one_for_one", "a c"), ("one_for_all", ""), ("rest_for_one", "a")],
    )
    async def test_strategy(self, bench: Bench, strategy: Strategy, untouched: str) -> None:
        """The strategy says which children restart; one crash too many ends all.

        The cases one_for_one, one_for_all and rest_for_one.
        """
        node = await bench.run(*bench.children("a b c"), strategy=strategy, intensity=2)
        await bench.terminate(node, "b")
        assert count_children(node) == (3, 3, 0, 3)
        kept = [id_ for id_ in ("a", "b", "c") if ref_of(node, id_).incarnation == 1]
        assert kept == untouched.split()
        await bench.terminate(node, "c")
        assert node.is_open
        await bench.terminate(node, "b")
        assert await gave_up(node)
        assert not bench.system.actors

    @pytest.mark.parametrize("strategy", STRATEGIES)
    async def test_escalation(self, bench: Bench, strategy: Strategy) -> None:
        """A start that goes on failing uses up the intensity; the sibling is stopped.

        The cases one_for_one_escalation, one_for_all_escalation and rest_for_one_escalation.
        """
        node = await bench.run(*bench.children("a b"), strategy=strategy, intensity=4)
        bench.take()
        bench.failing["a" if strategy == "one_for_one" else "b"] = 99
        await bench.terminate(node, "a")
        assert await gave_up(node)
        assert (
            bench.log
            == {
                "one_for_one": ["fail a"] * 4 + ["stop b"],
                "one_for_all": ["stop b"] + ["start a", "fail b", "stop a"] * 4,
                "rest_for_one": ["stop b", "start a"] + ["fail b"] * 4 + ["stop a"],
            }[strategy]
        )
        assert not bench.system.actors

    async def test_one_for_all_other_child_fails_restart(self, bench: Bench) -> None:
        """The one that was restarted is stopped again before both are tried once more."""
        node = await bench.run(*bench.children("a b"), strategy="one_for_all", intensity=3)
        bench.take()
        bench.failing["b"] = 1
        await bench.terminate(node, "a")
        assert bench.log == ["stop b", "start a", "fail b", "stop a", "start a", "start b"]
        assert count_children(node) == (2, 2, 0, 2)

    async def test_rest_for_one_other_child_fails_restart(self, bench: Bench) -> None:
        """The one before it was restarted well, and is left alone."""
        node = await bench.run(*bench.children("a b"), strategy="rest_for_one", intensity=3)
        bench.take()
        bench.failing["b"] = 1
        await bench.terminate(node, "a")
        assert bench.log == ["stop b", "start a", "fail b", "start b"]
        assert count_children(node) == (2, 2, 0, 2)

    async def test_order_of_children(self, bench: Bench) -> None:
        """Started as given, whatever their names; stopped in reverse, at a restart too."""
        node = await bench.run(*bench.children("ch7 ch3 ch10 ch2 ch5"), strategy="rest_for_one")
        assert bench.take() == ["start ch7", "start ch3", "start ch10", "start ch2", "start ch5"]
        await bench.terminate(node, "ch10")
        assert bench.take() == [
            "stop ch5", "stop ch2", "start ch10", "start ch2", "start ch5",
        ]  # fmt: skip
        await node.stop()
        assert bench.take() == ["stop ch5", "stop ch2", "stop ch10", "stop ch3", "stop ch7"]


class TestTree:
    """Supervisors below supervisors."""

    async def test_tree(self, bench: Bench) -> None:
        """Specified children are restarted with their supervisor; dynamic ones are not."""

        def branch(name: str, ids: str) -> Callable[[], SupervisorNode]:
            return lambda: bench.node(*bench.children(ids), intensity=4, name=name)

        top = await bench.run(strategy="one_for_all", intensity=4)
        for name, ids, restart in (
            ("sup1", "child1 child2", "permanent"),
            ("sup2", "", "permanent"),
            ("sup3", "", "transient"),
        ):
            make = branch(name, ids)
            await top.start_child(ChildSpec(name, make, restart, type="supervisor"))  # type: ignore[arg-type]
        await top.stop_child("sup3")
        assert count_children(top) == (3, 2, 3, 0)
        sup1, sup2 = node_of(top, "sup1"), node_of(top, "sup2")
        assert count_children(sup1) == (2, 2, 0, 2)
        for id_ in ("child3", "child4"):
            await sup2.start_child(bench.child(id_))
        await bench.terminate(sup2, "child4")
        assert ref_of(sup2, "child4").incarnation == 2
        assert [child.incarnation for child in (*sup1.status(), sup2.status()[0])] == [1, 1, 1]
        bench.failing["child3"] = 99
        await bench.terminate(sup2, "child3")
        assert top.is_open
        assert count_children(top) == (3, 3, 3, 0)
        new1, new2, new3 = (node_of(top, id_) for id_ in ("sup1", "sup2", "sup3"))
        assert new1 is not sup1
        assert count_children(new1) == (2, 2, 0, 2)
        assert count_children(new2) == count_children(new3) == (0, 0, 0, 0)

    @pytest.mark.parametrize("how", ["kill_supervisor", "stop_supervisor"])
    async def test_simple_global_supervisor(self, bench: Bench, how: str) -> None:
        """A supervisor that is ended from outside is restarted by its own, with its child."""

        def middle() -> SupervisorNode:
            return bench.node(bench.child("server"), name="middle")

        top = await bench.run(
            ChildSpec("middle", middle, type="supervisor"), strategy="one_for_all", intensity=3
        )
        inner = node_of(top, "middle")
        for _ in range(2):
            await inner.stop(timeout=0 if how == "kill_supervisor" else None)
            await anyio.wait_all_tasks_blocked()
            assert node_of(top, "middle") is not inner
            inner = node_of(top, "middle")
            assert which_children(inner) == {"server": "running"}
        assert len(top.restart_history) == 2

    async def test_simple_global_supervisor_workers(self, bench: Bench) -> None:
        """kill_worker, exit_worker, restart_worker of that case: the name leads to it again."""
        node = await bench.run(bench.child("server"), intensity=3)
        for how in ("kill", "normal"):
            await bench.terminate(node, "server", how)
            assert await bench.system.broker.ask("server", "hello") is None
        await node.stop_child("server")
        await node.restart_child("server")
        assert await bench.system.broker.ask("server", "hello") is None


class TestSignificant:
    """Group significant."""

    @pytest.mark.parametrize("auto", ["never", "any_significant", "all_significant"])
    @pytest.mark.parametrize("restart", ["temporary", "transient"])
    async def test_nonsignificant(self, bench: Bench, restart: Restart, auto: str) -> None:
        """Its end, however it comes, ends no other child.

        The cases nonsignificant_temporary and nonsignificant_transient.
        """
        node = await bench.run(intensity=5, auto_shutdown=auto)
        for how in ("supervisor", "kill", "abnormal", "normal"):
            state = which_children(node).get("a")
            if state is None:
                await node.start_child(bench.child("a", restart))
            elif state == "stopped":
                await node.restart_child("a")
            await bench.terminate(node, "a", how)
            assert node.is_open

    @pytest.mark.parametrize("how", ["kill", "abnormal", "normal", "supervisor"])
    @pytest.mark.parametrize("restart", ["temporary", "transient"])
    async def test_significant_any(self, bench: Bench, restart: Restart, how: str) -> None:
        """Its own final end ends the supervisor; a restart, or being stopped by it, does not.

        The first halves of the cases significant_temporary and significant_transient.
        """
        node = await bench.run(
            bench.child("a", restart, significant=True),
            bench.child("b", restart, significant=True),
            bench.child("c", restart),
            intensity=5,
            auto_shutdown="any_significant",
        )
        is_restarted = restart == "transient" and how in ("kill", "abnormal")
        await bench.terminate(node, "a", how)
        assert node.is_open == (is_restarted or how == "supervisor")
        if node.is_open:
            assert ref_of(node, "b").incarnation == 1
        else:
            assert bench.log[-2:] == ["stop c", "stop b"]

    @pytest.mark.parametrize("restart", ["temporary", "transient"])
    async def test_significant_all(self, bench: Bench, restart: Restart) -> None:
        """The end of the last one ends the supervisor (the second halves)."""
        node = await bench.run(
            bench.child("a", restart, significant=True),
            bench.child("b", restart, significant=True),
            bench.child("c", restart),
            auto_shutdown="all_significant",
        )
        await bench.terminate(node, "a", "normal")
        assert node.is_open
        await bench.terminate(node, "b", "normal")
        assert not node.is_open
        assert not bench.system.actors

    @pytest.mark.parametrize("auto", ["any_significant", "all_significant"])
    @pytest.mark.parametrize("strategy", STRATEGIES)
    async def test_significant_bystander(self, bench: Bench, strategy: Strategy, auto: str) -> None:
        """That it ends because of a sibling does not count."""
        node = await bench.run(
            bench.child("a", "transient", significant=True),
            bench.child("b", "transient"),
            bench.child("c", "transient", significant=True),
            strategy=strategy,
            intensity=5,
            auto_shutdown=auto,
        )
        await bench.terminate(node, "b", "kill")
        assert node.is_open
        assert count_children(node) == (3, 3, 0, 3)

    @pytest.mark.parametrize("is_significant", [True, False])
    async def test_significant_escalation(self, bench: Bench, is_significant: bool) -> None:
        """A supervisor that ends because of a significant child may be a significant child."""

        def branch() -> SupervisorNode:
            child = bench.child("leaf", "transient", significant=True)
            return bench.node(child, auto_shutdown="any_significant")

        spec = ChildSpec("b", branch, "transient", type="supervisor", significant=is_significant)
        top = await bench.run(spec, auto_shutdown="any_significant")
        inner = node_of(top, "b")
        await bench.terminate(inner, "leaf", "normal")
        assert not inner.is_open
        assert top.is_open is not is_significant
        if top.is_open:
            assert which_children(top) == {"b": "stopped"}

    async def test_significant_upgrade_child(self, bench: Bench) -> None:
        """An update in place may make a child significant, or not any more."""
        plain, marked = (
            bench.child("a", "transient", significant=significant) for significant in (False, True)
        )
        never = await bench.run(plain, name="never")
        with pytest.raises(InvalidChildSpec, match="auto_shutdown"):
            await never.update_child(marked)
        assert count_children(never) == (1, 1, 0, 1)
        await never.stop()
        for before, after in ((plain, marked), (marked, plain)):
            node = await bench.run(before, auto_shutdown="any_significant")
            await node.update_child(after)
            await bench.terminate(node, "a", "normal")
            assert node.is_open is (after is plain)
            await node.stop()


class TestOnAClockThatJumps:
    """Group sup_stop, and what else takes its time."""

    @pytest.fixture
    def anyio_backend(self, autojump: object) -> object:
        return autojump

    @pytest.mark.parametrize("type_", ["worker", "supervisor"])
    async def test_sup_stop_infinity(self, bench: Bench, type_: str) -> None:
        """Workers too may have all the time that they need."""
        slow = bench.child("a", type=type_, shutdown="infinity")
        node = await bench.run(slow, bench.child("b", shutdown="infinity"))
        ref_of(node, "b").tell("sleep")
        await anyio.sleep(1)
        before = anyio.current_time()
        await node.stop()
        assert anyio.current_time() - before == pytest.approx(199)
        assert bench.log[-2:] == ["stop b", "stop a"]

    @pytest.mark.parametrize("is_dynamic", [False, True])
    async def test_sup_stop_timeout(self, bench: Bench, is_dynamic: bool) -> None:
        """A child that does not end in time is killed, the others are not (also .._dynamic)."""
        specs = [bench.child(id_, "temporary", shutdown=1.0) for id_ in ("a", "b")]
        node = await bench.run(*(() if is_dynamic else specs))
        for spec in specs if is_dynamic else ():
            await node.start_child(spec)
        ref_of(node, "b").tell("sleep")
        await anyio.sleep(1)
        before = anyio.current_time()
        await node.stop()
        assert anyio.current_time() - before == pytest.approx(1)
        assert [line for line in bench.log if "stop" in line] == ["stop a"]
        assert [letter.reason for letter in bench.system.dead_letters] == ["killed"]

    @pytest.mark.parametrize("is_dynamic", [False, True])
    async def test_sup_stop_brutal_kill(self, bench: Bench, is_dynamic: bool) -> None:
        """Those are not asked, and it takes no time (also .._dynamic)."""
        specs = [bench.child("a", "temporary")]
        specs += [bench.child(f"b{n}", "temporary", shutdown="brutal_kill") for n in range(10)]
        node = await bench.run(*(() if is_dynamic else specs))
        for spec in specs if is_dynamic else ():
            await node.start_child(spec)
        before = anyio.current_time()
        await node.stop()
        assert anyio.current_time() == before
        assert [line for line in bench.log if "stop" in line] == ["stop a"]

    async def test_sup_stop_race(self, bench: Bench) -> None:
        """Children that end by themselves while it stops hold nothing up, whatever they are."""
        ends = ("normal", "shutdown", "abnormal")
        kinds: tuple[Restart, ...] = ("temporary", "transient", "permanent")
        node = await bench.run(bench.child("a", "temporary"))
        racing = [f"{restart}-{how}" for restart in kinds for how in ends]
        for id_ in racing:
            restart, _, _ = id_.partition("-")
            await node.start_child(bench.child(id_, restart))  # type: ignore[arg-type]
        last = Slow("z", bench, 1.0)
        await node.start_child(ChildSpec("z", lambda: last, "temporary", shutdown=2.0))
        bench.take()

        async def end_them() -> None:
            await anyio.sleep(0.2)
            for id_ in racing:
                bench.system.broker.tell(id_, id_.partition("-")[2])

        async with anyio.create_task_group() as group:
            group.start_soon(end_them)
            await node.stop()
        await node.wait_stopped()
        assert not bench.system.actors
        assert bench.log[0] == "stop z"
        assert bench.log[-1] == "stop a"
        assert not any(line.startswith("start") for line in bench.log)

    @pytest.mark.parametrize("restart", ["temporary", "transient", "permanent"])
    async def test_sup_stop_non_shutdown_exit_dynamic(self, bench: Bench, restart: Restart) -> None:
        """A child whose stop fails has stopped; the others are stopped all the same."""

        class Rude(Worker):
            async def stop(self) -> None:
                await super().stop()
                raise RuntimeError("not like this")

        node = await bench.run()
        for id_ in ("a", "b", "c"):
            await node.start_child(
                ChildSpec(id_, lambda id_=id_: Rude(id_, bench), restart)  # type: ignore[misc]
            )
        await node.stop()
        assert bench.log[-3:] == ["stop c", "stop b", "stop a"]
        assert not bench.system.actors

    async def test_multiple_restarts(self, bench: Bench) -> None:
        """Again and again, as long as it stays within the intensity."""
        node = await bench.run(bench.child("a", shutdown="brutal_kill"), intensity=1, period=1)
        for _ in range(4):
            await bench.terminate(node, "a")
            assert node.is_open
            await anyio.sleep(2.1)
        await node.stop_child("a")
        await node.delete_child("a")

    async def test_child_unlink(self, bench: Bench) -> None:
        """A child that ends while it is being told to end does not hang its supervisor."""
        node = await bench.run(bench.child("a", shutdown=1.0))
        ref_of(node, "a").tell("sleep")
        await anyio.sleep(1)
        async with anyio.create_task_group() as group:
            group.start_soon(node.stop_child, "a")
            await anyio.sleep(0.5)
            Faults(bench.system).kill(ref_of(node, "a"))
            with anyio.fail_after(5):
                await node.start_child(bench.child("b"))
        assert which_children(node) == {"a": "stopped", "b": "running"}

    async def test_count_restarting_children(self, bench: Bench) -> None:
        """A child that is being restarted is a child, and does not run."""
        gates = {id_: Gate() for id_ in ("a", "b", "c")}
        node = await bench.run(
            *(ChildSpec(id_, lambda gate=gate: gate.make(bench)) for id_, gate in gates.items()),  # type: ignore[misc]
            intensity=20,
            period=10,
        )
        for id_ in gates:
            await bench.terminate(node, id_)
        assert count_children(node) == (3, 3, 0, 3)
        gates["a"].is_failing = gates["b"].is_failing = True
        await bench.terminate(node, "a")
        await bench.terminate(node, "b")
        await anyio.sleep(4)
        assert count_children(node) == (3, 1, 0, 3)
        gates["a"].is_failing = gates["b"].is_failing = False
        await anyio.sleep(4)
        assert count_children(node) == (3, 3, 0, 3)
        await node.stop_child("c")
        assert count_children(node) == (3, 2, 0, 3)

    @pytest.mark.parametrize("strategy", STRATEGIES)
    async def test_hanging_restart_loop(self, bench: Bench, strategy: Strategy) -> None:
        """A child that cannot be restarted can be stopped, and so can its supervisor.

        The cases hanging_restart_loop and hanging_restart_loop_rest_for_one.
        """
        gate = Gate()
        spec = ChildSpec("b", lambda: gate.make(bench), shutdown="brutal_kill")
        node = await bench.run(
            bench.child("a"), spec, bench.child("c"), strategy=strategy, intensity=8, period=10
        )
        after = "running" if strategy == "one_for_one" else "stopped"
        for is_first in (True, False):
            gate.is_failing = True
            await bench.terminate(node, "b")
            await anyio.sleep(1)
            with pytest.raises(ChildExists, match="which is restarting"):
                await node.start_child(spec)
            for call in (node.restart_child, node.delete_child):
                with pytest.raises(ChildRunning, match="is restarting"):
                    await call("b")
            assert which_children(node)["b"] == "restarting"
            if is_first:
                await node.stop_child("b")
                assert which_children(node) == {"a": "running", "b": "stopped", "c": after}
                gate.is_failing = False
                await node.restart_child("b")
        with anyio.fail_after(10):
            await node.stop()
        assert not bench.system.actors


class Slow(Worker):
    """Takes its time to stop."""

    def __init__(self, id_: str, bench: Bench, seconds: float) -> None:
        super().__init__(id_, bench)
        self.seconds = seconds

    async def stop(self) -> None:
        await super().stop()
        await anyio.sleep(self.seconds)


class Gate:
    """A start that fails after two seconds, as long as it is told to."""

    def __init__(self) -> None:
        self.is_failing = False

    async def make(self, bench: Bench) -> Worker:
        if self.is_failing:
            await anyio.sleep(2)
            raise RuntimeError("deadlocked")
        return Worker("gated", bench)
