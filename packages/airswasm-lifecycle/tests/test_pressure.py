"""Near the host's budget the component that takes most gives first, and loses no message."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.actor import ActorFailed
from airswasm.lifecycle import (
    Configuration,
    EndedForMemory,
    InstallPlan,
    LimitPolicy,
    System,
    TriedEndedForMemory,
    UpdateFailed,
)
from airswasm.lifecycle._hosting.beside import Beside
from airswasm.lifecycle._hosting.pressure import Load, Pressure, resident_bytes
from airswasm.runtime import HostMemory, HostSettings
from hypothesis import given
from hypothesis import strategies as st

MIB = 2**20
Yes = Callable[[InstallPlan], bool]
Workshop = Any  # tests/conftest.py, which nothing can import


class Tenants:
    """Takes what it is told to, and keeps what happens to it."""

    def __init__(self, **taken: int) -> None:
        self.taken, self.eased, self.ended = taken, list[str](), list[str]()
        self.weights: dict[str, float] = {}

    def loads(self) -> list[Load]:
        weights = self.weights
        return [Load(name, size, weights.get(name, 1.0)) for name, size in self.taken.items()]

    def ease(self, load: Load) -> None:
        self.eased.append(load.name)

    def end(self, load: Load, error: EndedForMemory) -> None:
        assert error.name == load.name
        self.ended.append(load.name)
        self.taken[load.name] = 0


def budget(most_bytes: int = 1_000) -> HostMemory:
    return HostMemory(HostSettings(memory_bytes=most_bytes))


def test_the_largest_drops_its_caches_and_then_ends() -> None:
    """One look later, and only if too much is taken still; the others are left alone."""
    tenants = Tenants(small=300, large=700)
    pressure = Pressure(budget(), tenants, resident=lambda: None)
    pressure.look()
    assert (tenants.eased, tenants.ended) == (["large"], [])
    pressure.look()
    assert (tenants.eased, tenants.ended) == (["large"], ["large"])
    pressure.look()
    assert (tenants.eased, tenants.ended, pressure.ended) == (["large"], ["large"], 1)


def test_who_gave_enough_goes_on() -> None:
    """Scarce is not full: between the two a component gets no more, and keeps what it has."""
    tenants = Tenants(large=900)
    pressure = Pressure(budget(), tenants, resident=lambda: None)
    for _ in range(5):
        pressure.look()
    assert (tenants.eased, tenants.ended) == (["large"], [])
    tenants.taken["large"] = 100
    pressure.look()
    tenants.taken["large"] = 990
    pressure.look()
    assert (tenants.eased, tenants.ended) == (["large", "large"], [])


def test_memory_that_no_guest_touched_takes_nothing() -> None:
    """A memory of 4 MiB may be a few pages: what counts is that the process has grown."""
    resident = [5_000]
    tenants = Tenants(**{f"each{number}": 400 for number in range(100)})
    memory = budget()
    pressure = Pressure(memory, tenants, resident=lambda: resident[0])
    resident[0] += 500
    for _ in range(3):
        pressure.look()
    assert (tenants.eased, memory.guest_bytes) == ([], 500)


def test_growth_that_is_no_components_ends_none() -> None:
    """An allocator that keeps freed memory must not cost a component its life."""
    resident = [5_000]
    tenants = Tenants(one=10, two=20)
    pressure = Pressure(budget(), tenants, resident=lambda: resident[0])
    resident[0] += 10_000
    for _ in range(5):
        pressure.look()
    assert not tenants.eased
    assert not tenants.ended


def test_most_is_meant_by_weight() -> None:
    """A component that counts twice as much may take twice as much before it gives."""
    tenants = Tenants(small=400, large=700)
    tenants.weights["large"] = 2.0
    pressure = Pressure(budget(), tenants, resident=lambda: None)
    for _ in range(2):
        pressure.look()
    assert (tenants.eased, tenants.ended) == (["small"], ["small"])


@given(
    st.dictionaries(st.sampled_from("abcde"), st.integers(0, 900), min_size=1),
    st.integers(0, 3_000),
    st.dictionaries(st.sampled_from("abcde"), st.sampled_from((0.01, 0.5, 1.0, 3.0, 1_000.0))),
)
def test_it_ends_no_more_than_it_takes(
    taken: dict[str, int], grown: int, weights: dict[str, float]
) -> None:
    """Whatever is taken: in the end there is room, or none is left that took any."""
    resident = [10_000]
    tenants = Tenants(**taken)
    tenants.weights = weights
    memory = budget()
    pressure = Pressure(memory, tenants, resident=lambda: resident[0])
    before = sum(taken.values())
    for _ in range(2 * len(taken) + 2):
        resident[0] = 10_000 + min(grown, sum(tenants.taken.values()))
        pressure.look()
    assert memory.taken_bytes <= memory.most_bytes
    if min(before, grown) <= memory.most_bytes * 7 / 8:
        assert not tenants.eased
    sizes = [taken[name] / weights.get(name, 1.0) for name in tenants.ended]
    assert all(size > 0 for size in sizes)
    assert sizes == sorted(sizes, reverse=True)


def test_guests_memory_counts_into_the_total() -> None:
    """Where memories take the room, the largest account is refused what is beyond its share."""
    memory = budget()
    memory.guest_bytes = 900
    assert memory.is_scarce
    assert memory.taken_bytes == 900


def test_the_process_can_be_measured() -> None:
    """On Linux it is more than nothing; elsewhere what components are known to take counts."""
    measured = resident_bytes()
    assert measured is None or measured > MIB


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "linux", reason="memories are packed on Linux alone")
async def test_a_hoard_within_one_call_ends(tmp_path: Path, workshop: Workshop, yes: Yes) -> None:
    """A small component's memory is known while it is in a call, so that it gives in time."""
    settings = Configuration.of(
        HostSettings(memory_bytes=40 * MIB), LimitPolicy(memory=64 * MIB, fuel=10**15)
    )
    async with System(tmp_path / "home", configuration=settings) as system:
        package = workshop.package(
            name="local/hoard",
            wasm=workshop.attacker(),
            limits='memory = "64 MiB"',
            fuel=10**15,
            timeout="300 s",
        )
        await system.install(package, approve=yes)
        pressure = system._pressure
        pressure._resident = lambda: None  # the guest claims memory, and touches none of it
        told: list[ActorFailed] = []

        async def take_all() -> None:
            with pytest.raises(ActorFailed) as caught:
                await system.send("local/hoard", b"m", timeout=300)
            told.append(caught.value)

        with anyio.fail_after(120):
            async with anyio.create_task_group() as group:
                group.start_soon(take_all)
                while not told:
                    pressure.look()
                    await anyio.sleep(0.001)
        assert isinstance(told[0].cause, EndedForMemory)
        assert told[0].cause.size_bytes > 40 * MIB


@pytest.mark.anyio
async def test_a_hoard_ends_and_its_messages_do_not(
    tmp_path: Path, workshop: Workshop, yes: Yes
) -> None:
    """It is a crash: the supervisor starts it again, log, status and audit say why, mail waits."""
    settings = Configuration.of(HostSettings(memory_bytes=40 * MIB), LimitPolicy(memory=64 * MIB))
    async with System(tmp_path / "home", configuration=settings) as system:
        for name in ("local/hoard", "local/good"):
            package = workshop.package(name=name, limits='memory = "64 MiB"')
            await system.install(package, approve=yes)
        pressure = system._pressure
        pressure._resident = lambda: None  # the guest claims memory, and touches none of it
        await system.send("local/good", b"c")
        for _ in range(5):
            await system.send("local/hoard", b"g")
        with anyio.fail_after(30):
            while system.component_status("local/hoard").memory_bytes < 40 * MIB:
                await system.send("local/hoard", b"e")
        pressure.look()
        assert system.component_status("local/hoard").restarts == 0
        answers: list[object] = []

        async def ask(payload: bytes) -> None:
            try:
                answers.append(await system.send("local/hoard", payload))
            except ActorFailed as failure:
                answers.append(type(failure.cause))

        async with anyio.create_task_group() as group:
            group.start_soon(ask, b"c")
            group.start_soon(ask, b"e1")
            group.start_soon(ask, b"e2")
            pressure.look()
            assert system.status().ended_for_memory == 1
        assert {b"e1", b"e2"} <= set(answers)
        assert len(answers) == 3
        after = system.component_status("local/hoard")
        assert (after.state, after.restarts) == ("running", 1)
        assert after.last_error is not None
        assert "by its weight more than any other" in after.last_error
        assert system.component_status("local/good").restarts == 0
        assert await system.send("local/good", b"c") == b"\x02"
        said = "\n".join(line.message for line in system.logs.recent("local/hoard"))
        assert "takes most of it" in said
        assert "failed: local/hoard took" in said
    lines = map(json.loads, (tmp_path / "home/audit/audit.jsonl").read_text().splitlines())
    assert [each["component"] for each in lines if each["kind"] == "memory"] == ["local/hoard"] * 2


@pytest.mark.anyio
@pytest.mark.parametrize("migrates", [True, False], ids=["a trial", "a candidate"])
async def test_what_is_tried_gives_before_what_serves(
    tmp_path: Path, workshop: Workshop, yes: Yes, migrates: bool
) -> None:
    """The update ends and says why; the version that serves has not noticed."""
    name, limits = "local/hello", 'memory = "64 MiB"'
    settings = Configuration.of(
        HostSettings(memory_bytes=40 * MIB), LimitPolicy(memory=64 * MIB, fuel=10**15)
    )
    async with System(tmp_path / "home", configuration=settings) as system:
        await system.install(workshop.package(limits=limits), approve=yes)
        pressure = system._pressure
        pressure._resident = lambda: None  # the guest claims memory, and touches none of it
        wasm = workshop.guest("0.2.0", init=2, pages=700, migrates=migrates)
        endless = workshop.package("0.2.0", wasm=wasm, limits=limits, fuel=10**15, timeout="300 s")
        failures: list[UpdateFailed] = []

        async def update() -> None:
            with pytest.raises(UpdateFailed) as caught:
                await system.update(endless, approve=yes)
            failures.append(caught.value)

        with anyio.fail_after(120):
            async with anyio.create_task_group() as group:
                group.start_soon(update)
                while not failures:
                    pressure.look()
                    await anyio.sleep(0.001)
        (failure,) = failures
        assert isinstance(failure.__cause__, TriedEndedForMemory)
        assert (failure.__cause__.version, failure.step) == ("0.2.0", "start")
        assert failure.__cause__.size_bytes > 40 * MIB
        status = system.component_status(name)
        assert (status.version, status.state, status.restarts) == ("0.1.0", "running", 0)
        assert await system.send(name, b"v") == b"0.1.0"
        assert not system._hosting.beside.visits
        said = "\n".join(line.message for line in system.logs.recent(name))
        assert "0.2.0 took" in said
    lines = map(json.loads, (tmp_path / "home/audit/audit.jsonl").read_text().splitlines())
    assert {each["component"] for each in lines if each["kind"] == "memory"} == {name}


@pytest.mark.anyio
async def test_what_was_ended_is_called_no_more() -> None:
    """Also where it was ended between two calls; the others beside it go on."""
    beside = Beside()
    first = beside.enter("local/a", "0.2.0", lambda: 70)
    second = beside.enter("local/b", "0.3.0", lambda: 20)
    assert beside.taken_bytes() == {"local/a": 70, "local/b": 20}
    (error,) = beside.end("local/a", 80)
    assert (error.size_bytes, error.most_bytes) == (70, 80)
    with pytest.raises(TriedEndedForMemory, match=r"local/a 0\.2\.0 took 70 bytes"):
        with first.calling():
            raise AssertionError("it was called")
    with second.calling():
        pass
    first.leave()
    assert beside.taken_bytes() == {"local/b": 20}
