"""Our supervisor against Erlang's: the same scripts, the same traces."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from airswasm.actor import (
    ActorRef,
    ActorSystem,
    ChildExists,
    ChildRunning,
    ChildSpec,
    ChildStartFailed,
    Context,
    Message,
    NoSuchChild,
    SupervisorNode,
    SupervisorSpec,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .conftest import SEEDS

SOURCE = Path(__file__).parent / "data" / "oracle.erl"


@dataclass(frozen=True)
class Script:
    strategy: str
    intensity: int
    auto_shutdown: str
    children: tuple[tuple[str, str, bool, int], ...]
    ops: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        """The same as an Erlang term."""
        children = ",".join(
            f"{{{id_},{restart},{str(significant).lower()},{failures}}}"
            for id_, restart, significant, failures in self.children
        )
        ops = ",".join("{" + ",".join(op) + "}" for op in self.ops)
        return f"{{{self.strategy},{self.intensity},{self.auto_shutdown},[{children}],[{ops}]}}."


class Worker:
    """Records its start and its orderly stop; leaves or fails when it is told to."""

    def __init__(self, id_: str, run: Run) -> None:
        self.id = id_
        self.run = run
        self.is_leaving = False

    async def start(self) -> None:
        if self.run.failures.get(self.id, 0) > 0:
            self.run.failures[self.id] -= 1
            self.run.events.append(f"fail:{self.id}")
            raise RuntimeError("cannot")
        self.run.events.append(f"start:{self.id}")

    def receive(self, message: Message, context: Context) -> None:
        if message.payload == "crash":
            raise RuntimeError("crash on cue")
        self.is_leaving = True
        context.stop(str(message.payload))

    async def stop(self) -> None:
        if not self.is_leaving:
            self.run.events.append(f"stop:{self.id}")


@dataclass
class Run:
    """One script on our supervisor."""

    script: Script
    failures: dict[str, int] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    names: int = 0

    async def trace(self, system: ActorSystem) -> str:
        script = self.script
        self.failures = {id_: failures for id_, _, _, failures in script.children}
        children = tuple(
            self.spec(id_, restart, significant) for id_, restart, significant, _ in script.children
        )
        spec = SupervisorSpec(
            script.strategy,  # type: ignore[arg-type]
            intensity=script.intensity,
            period=3600.0,
            children=children,
            auto_shutdown=script.auto_shutdown,  # type: ignore[arg-type]
        )
        node = SupervisorNode(system, spec)
        try:
            await node.start()
        except ChildStartFailed:
            return self.take() + " failed"
        steps = [await self.step(node)]
        for op in script.ops:
            if steps[-1].endswith("ended"):
                break
            note = await self.act(node, op)
            steps.append(note + await self.step(node))
        await node.stop()
        return "; ".join([*steps, self.take()])

    def spec(self, id_: str, restart: str, significant: bool = False) -> ChildSpec:
        return ChildSpec(
            id_,
            lambda: Worker(id_, self),
            restart=restart,  # type: ignore[arg-type]
            significant=significant,
        )

    async def act(self, node: SupervisorNode, op: tuple[str, ...]) -> str:
        if op[0] == "failures":
            self.failures[op[1]] = int(op[2])
            return ""
        try:
            await self.do(node, op)
        except NoSuchChild:
            return "absent " if op[0] == "exit" else "missing "
        except ChildRunning:
            return "running "
        except ChildExists:
            return "exists "
        except ChildStartFailed:
            return "refused "
        return ""

    async def do(self, node: SupervisorNode, op: tuple[str, ...]) -> None:
        if op[0] == "exit":
            if not any(one.id == op[1] and one.state == "running" for one in node.status()):
                raise NoSuchChild(node.name, op[1])
            ref = node.child(op[1])
            assert isinstance(ref, ActorRef)
            incarnation = ref.incarnation
            ref.tell(op[2])
            while ref.incarnation == incarnation and ref.phase == "running":
                await anyio.lowlevel.checkpoint()
        elif op[0] == "stop":
            await node.stop_child(op[1])
        elif op[0] == "restart":
            await node.restart_child(op[1])
        elif op[0] == "delete":
            await node.delete_child(op[1])
        else:
            await node.start_child(self.spec(op[1], op[2]))

    async def step(self, node: SupervisorNode) -> str:
        await settle(node)
        events = self.take()
        if not node.is_open:
            return f"{events} ended"
        states = sorted(
            f"{child.id}{'+' if child.state == 'running' else '-'}" for child in node.status()
        )
        return f"{events} {','.join(states)}"

    def take(self) -> str:
        events, self.events = self.events, []
        return " ".join(events)


async def settle(node: SupervisorNode) -> None:
    """Until the supervisor has nothing left to do. Enough turns for a child that is leaving."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()
    while node.is_open and any(child.state == "restarting" for child in node.status()):
        await anyio.lowlevel.checkpoint()
    while not node.is_idle:
        await anyio.lowlevel.checkpoint()


def on_ours(script: Script) -> str:
    async def run() -> str:
        async with ActorSystem() as system:
            return await Run(script).trace(system)

    return anyio.run(run, backend="trio")


@pytest.fixture(scope="module")
def on_erlang(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Script], str]]:
    """Runs scripts in one Erlang node."""
    erl, erlc = shutil.which("erl"), shutil.which("erlc")
    if erl is None or erlc is None:
        pytest.skip("Erlang is not installed (Debian: erlang-base); it is the oracle")
    folder = tmp_path_factory.mktemp("oracle")
    subprocess.run([erlc, "-o", folder, SOURCE], check=True, timeout=60)
    node = subprocess.Popen(
        [erl, "-noshell", "-pa", folder, "-s", "oracle", "main"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert node.stdin is not None
    assert node.stdout is not None

    def run(script: Script) -> str:
        print(script, file=node.stdin, flush=True)
        return node.stdout.readline().rstrip("\n")  # type: ignore[union-attr]

    yield run
    node.stdin.close()
    node.stdout.close()
    node.wait(timeout=10)


IDS = ("a", "b", "c", "d")
ids = st.sampled_from(IDS)
restarts = st.sampled_from(("permanent", "transient", "temporary"))
ops = st.one_of(
    st.tuples(st.just("exit"), ids, st.sampled_from(("crash", "normal", "shutdown"))),
    st.tuples(st.just("exit"), ids, st.just("crash")),
    st.tuples(st.just("failures"), ids, st.sampled_from(("1", "2"))),
    st.tuples(st.sampled_from(("stop", "restart", "delete")), ids),
    st.tuples(st.just("start"), ids, restarts),
)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    auto = draw(st.sampled_from(("never", "never", "any_significant", "all_significant")))
    children = []
    for id_ in IDS[: draw(st.integers(0, 4))]:
        restart = draw(restarts)
        significant = auto != "never" and restart != "permanent" and draw(st.booleans())
        failures = draw(st.sampled_from((0, 0, 0, 0, 0, 0, 0, 1)))
        children.append((id_, restart, significant, failures))
    return Script(
        draw(st.sampled_from(("one_for_one", "one_for_all", "rest_for_one"))),
        draw(st.integers(0, 4)),
        auto,
        tuple(children),
        tuple(draw(st.lists(ops, max_size=8))),
    )


def three(strategy: str, *ops: tuple[str, ...], intensity: int = 5) -> Script:
    kinds = (("a", "permanent"), ("b", "transient"), ("c", "temporary"))
    children = tuple((id_, restart, False, 0) for id_, restart in kinds)
    return Script(strategy, intensity, "never", children, ops)


@settings(max_examples=SEEDS)
@given(script=scripts())
@example(script=three("one_for_all", ("exit", "b", "crash"), ("exit", "a", "crash")))
@example(script=three("rest_for_one", ("exit", "a", "crash"), ("exit", "b", "normal")))
@example(script=three("one_for_all", ("failures", "b", "2"), ("exit", "a", "crash")))
@example(script=three("rest_for_one", ("stop", "b"), ("exit", "a", "crash")))
@example(script=three("one_for_one", ("exit", "a", "crash"), ("exit", "a", "crash"), intensity=1))
@example(script=three("one_for_one", ("failures", "a", "9"), ("exit", "a", "crash"), intensity=3))
def test_a_script_leaves_the_same_trace_as_on_otp(
    script: Script, on_erlang: Callable[[Script], str]
) -> None:
    """Starts, stops, restarts and giving up happen as OTP's supervisor does them, in its order."""
    assert on_ours(script) == on_erlang(script)
