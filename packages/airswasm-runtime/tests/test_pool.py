"""Pools: how many instances there are, who gets one, and which are used again."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest
from airswasm.runtime import (
    Caller,
    HostInterface,
    InstanceClosed,
    InstancePool,
    Limits,
    MemoryLimitExceeded,
    Pending,
    QueueExpired,
    QueueFull,
    Trapped,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

pytestmark = pytest.mark.anyio


async def settle() -> None:
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


class Host:
    """A host whose function `wait` is answered by the test."""

    def __init__(self) -> None:
        self.pending: list[Pending] = []
        functions = {
            "wait": self.wait,
            "reflect": lambda _caller, data: data,
            "note": lambda _caller, _text: None,
        }
        self.interface = HostInterface("test:probe/host", functions)

    def wait(self, _caller: Caller, _ms: int) -> Pending:
        self.pending.append(Pending())
        return self.pending[-1]

    def answer(self, number: int) -> None:
        self.pending[number].resolve(number)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
async def linked(engine, probe_wasm, host):  # type: ignore[no-untyped-def]
    return (await engine.load(probe_wasm, name="local/x")).link([host.interface])


async def test_callers_share_instances_and_wait_for_one(linked, host):
    """As many at once as there may be; who has waited longest is next."""
    results: list[tuple[str, object]] = []

    async def nap(name: str) -> None:
        results.append((name, await pool.call("#nap", 1)))

    async with InstancePool(linked, size=2) as pool:
        async with anyio.create_task_group() as tasks:
            for name in "abcd":
                tasks.start_soon(nap, name)
                await settle()
            now = pool.statistics
            assert (now.made, now.busy, now.waiting) == (2, 2, 2)
            for number in (1, 0, 2, 3):
                host.answer(number)
                await settle()
        assert [name for name, _ in results] == ["b", "a", "c", "d"]
        end = pool.statistics
        assert (end.made, end.idle, end.busy, end.uses) == (2, 2, 0, 4)
        assert end.fuel_used > 0
        assert end.waited_seconds > 0


async def test_an_instance_is_made_when_it_is_needed(linked):
    """The one that was used last serves the next call; a warm pool has some at once."""
    async with InstancePool(linked, size=3) as pool:
        for _ in range(5):
            assert await pool.exports.add(1, 2) == 3
        assert pool.statistics.made == 1
    async with InstancePool(linked, size=3, warm=2) as pool:
        assert (pool.statistics.made, pool.statistics.idle) == (2, 2)
        await pool.warm_up(9)
        assert pool.statistics.idle == 3


async def test_a_fault_costs_one_instance(linked):
    """It is the caller's; the next call gets a fresh instance."""
    async with InstancePool(linked, size=1) as pool:
        for _ in range(3):
            with pytest.raises(Trapped):
                await pool.call("#trap")
            assert await pool.call("#add", 1, 2) == 3
        now = pool.statistics
        assert (now.made, now.faults, now.discarded, now.idle) == (4, 3, 0, 1)


async def test_a_cancel_costs_one_instance(linked, host):
    """One that waits loses its place in line, one that runs its instance."""
    async with InstancePool(linked, size=1) as pool:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.call, "#nap", 1)
            await settle()
            tasks.start_soon(pool.call, "#nap", 1)
            await settle()
            tasks.cancel_scope.cancel()
        now = pool.statistics
        assert (now.discarded, now.waiting, now.busy, now.idle) == (1, 0, 0, 0)
        assert await pool.call("#add", 1, 2) == 3


@pytest.mark.parametrize("calls", [1, 3])
async def test_an_instance_serves_so_many_calls(linked, calls):
    """With one, nothing that a guest remembers reaches the next caller."""
    async with InstancePool(linked, size=1, calls_per_instance=calls) as pool:
        for number in range(6):
            assert await pool.call("#add", 1, 2) == 3
            assert pool.statistics.made == number // calls + 1


async def test_the_line_is_bounded(linked, host):
    """In number and in time; both are counted."""
    async with InstancePool(linked, size=1, waiting=1, seconds=0) as pool:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.call, "#nap", 1)
            await settle()
            with pytest.raises(QueueExpired):
                await pool.call("#add", 1, 2)
            pool._line._most = 0
            with pytest.raises(QueueFull):
                await pool.call("#add", 1, 2)
            host.answer(0)
        assert (pool.statistics.expired, pool.statistics.refused) == (1, 1)


class TestOnAClockOfItsOwn:
    """Time passes when the test says so."""

    @pytest.fixture
    def clock(self) -> MockClock:
        return MockClock()

    @pytest.fixture
    def anyio_backend(self, clock: MockClock) -> object:
        return ("trio", {"clock": clock})

    async def test_a_caller_waits_as_long_as_it_may(self, linked, host, clock):
        """One second less is no error; who waits after it has its own time."""
        outcomes: list[object] = []

        async def call() -> None:
            try:
                outcomes.append(await pool.call("#add", 1, 2))
            except QueueExpired as problem:
                outcomes.append(problem.seconds)

        limits = Limits(timeout=3600)
        async with InstancePool(linked, size=1, seconds=30, limits=limits) as pool:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pool.call, "#nap", 1)
                await settle()
                tasks.start_soon(call)
                await settle()
                clock.jump(20)
                tasks.start_soon(call)
                await settle()
                clock.jump(9)
                await settle()
                assert (outcomes, pool.statistics.waiting) == ([], 2)
                clock.jump(1)
                await settle()
                assert (outcomes, pool.statistics.waiting) == ([30], 1)
                host.answer(0)
            assert outcomes == [30, 3]
            assert (pool.statistics.expired, pool.statistics.made) == (1, 1)
            assert (pool.statistics.idle, pool.statistics.busy) == (1, 0)


async def test_a_pool_that_ends_tells_all_callers(linked):
    """Those in a call and those in line; nothing is left of it."""
    outcomes: list[type[BaseException]] = []

    async def nap() -> None:
        try:
            await pool.call("#nap", 1)
        except Exception as problem:
            outcomes.append(type(problem))

    async with anyio.create_task_group() as tasks:
        async with InstancePool(linked, size=1) as pool:
            for _ in range(3):
                tasks.start_soon(nap)
                await settle()
    assert outcomes == [InstanceClosed] * 3
    assert (pool.statistics.idle, pool.statistics.busy) == (0, 0)
    with pytest.raises(InstanceClosed):
        await pool.call("#add", 1, 2)


async def test_several_calls_can_have_one_instance(linked):
    """Its caller says whom they are for; left in a call, it is not used again."""
    async with InstancePool(linked, size=1, caller=lambda: Caller("tenant/a")) as pool:
        async with pool.instance() as instance:
            instance.caller.message = "request 7"
            assert instance.component_name == "tenant/a"
            assert await instance.exports.add(1, 2) == 3
            instance.start(instance.function("#nap"), (1,), lambda _call: None)
        assert instance.is_closed
        assert await pool.call("#add", 1, 2) == 3


async def test_an_instance_that_does_not_start_is_its_callers_error(linked):
    """It frees its place: the next caller is told the same, and none waits for ever."""
    pool = InstancePool(linked, size=1, limits=Limits(memory_bytes=65536))
    for _ in range(2):
        with pytest.raises(MemoryLimitExceeded):
            await pool.call("#add", 1, 2)
    assert (pool.statistics.made, pool.statistics.busy) == (0, 0)


async def test_a_pool_that_does_not_warm_up_leaves_no_instance(linked):
    """It is not entered, so it would not be left either."""
    made: list[Caller] = []

    def caller() -> Caller:
        if len(made) == 2:
            raise LookupError("no third tenant")
        made.append(Caller("local/x"))
        return made[-1]

    pool = InstancePool(linked, size=3, warm=3, caller=caller)
    with pytest.raises(LookupError):
        await pool.__aenter__()
    assert [each.instance.is_closed for each in made] == [True, True]
    assert (pool.statistics.idle, pool.statistics.busy) == (0, 0)
    with pytest.raises(InstanceClosed):
        await pool.call("#add", 1, 2)


@pytest.mark.parametrize("arguments", [{"warm": 2, "size": 1}, {"calls_per_instance": 0}])
async def test_impossible_pools_are_refused(linked, arguments):
    """A mistake of the maker's is one at once."""
    with pytest.raises(ValueError, match="pool"):
        InstancePool(linked, **arguments)


STEP = st.sampled_from(["add", "trap", "nap", "answer", "cancel", "close one"])


@given(st.integers(1, 3), st.integers(0, 3), st.lists(STEP, max_size=25))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_the_books_balance(linked, host, size, waiting, steps):
    """Each instance is idle, busy, or gone for a reason; each caller gets its answer."""
    host.pending.clear()
    answered = 0
    started: list[anyio.CancelScope] = []
    outcomes: list[object] = []

    async def call(function: str, *arguments: object) -> None:
        with anyio.CancelScope() as scope:
            started.append(scope)
            try:
                outcomes.append(await pool.call(function, *arguments))
            except (Trapped, QueueFull, InstanceClosed) as problem:
                outcomes.append(problem)
        if scope.cancelled_caught:
            outcomes.append("cancelled")

    def check() -> None:
        now = pool.statistics
        assert now.made == now.idle + now.busy + now.faults + now.discarded
        assert now.idle + now.busy <= size
        assert now.waiting <= waiting

    async with InstancePool(linked, size=size, waiting=waiting) as pool:
        async with anyio.create_task_group() as tasks:
            for step in steps:
                if step == "answer" and answered < len(host.pending):
                    host.answer(answered)
                    answered += 1
                elif step == "cancel" and started:
                    started[len(started) // 2].cancel()
                elif step == "close one" and pool._idle:
                    pool._idle[-1].close()
                elif step in ("add", "trap", "nap"):
                    values = {"add": (1, 2), "trap": (), "nap": (1,)}[step]
                    tasks.start_soon(call, f"#{step}", *values)
                await settle()
                check()
            while pool.statistics.busy:
                for pending in host.pending:
                    pending.resolve(0)
                await settle()
        check()
        assert len(outcomes) == len(started)
        assert pool.statistics.busy == pool.statistics.waiting == 0
