"""Components start after what they need and stop before it; a circle is refused."""

from collections.abc import AsyncIterator, Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.actor import EventKind
from airswasm.lifecycle import InstallPlan, ManifestInvalid, NeedsInCycle, System
from airswasm.lifecycle._hosting.ordering import find_cycle, in_order, waited_for
from airswasm.runtime import Health, HealthSources
from hypothesis import given
from hypothesis import strategies as st

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAMES = [f"a/n{number}" for number in range(9)]


def graphs() -> st.SearchStrategy[dict[str, tuple[str, ...]]]:
    """Graphs of nine names, with circles and with names that are not there."""
    needs = st.lists(st.sampled_from([*NAMES, "a/absent"]), unique=True, max_size=4).map(tuple)
    return st.dictionaries(st.sampled_from(NAMES), needs)


def reachable(name: str, needs: Mapping[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    waiting = list(needs.get(name, ()))
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += needs.get(each, ())
    return found


@given(graphs())
def test_a_circle_is_found_and_shown(needs: dict[str, tuple[str, ...]]) -> None:
    """Exactly where a name reaches itself; and each step of the way is a need."""
    for name in NAMES:
        cycle = find_cycle(name, lambda each: needs.get(each, ()))
        assert bool(cycle) == (name in reachable(name, needs))
        if cycle:
            assert cycle[0] == cycle[-1] == name
            for here, there in pairwise(cycle):
                assert there in needs[here]


@given(graphs(), st.permutations(NAMES))
def test_the_order_keeps_every_edge(needs: dict[str, tuple[str, ...]], names: list[str]) -> None:
    """What is in no circle stands behind what it needs, and what needs nothing first."""

    def needs_of(name: str) -> tuple[str, ...]:
        return needs.get(name, ())

    order = in_order(names, needs_of)
    assert sorted(order) == sorted(names)
    place = {name: number for number, name in enumerate(order)}
    on_circles = {name for name in names if name in reachable(name, needs)}
    circular = {name for name in names if {name, *reachable(name, needs)} & on_circles}
    for name in set(names) - circular:
        assert all(place[need] < place[name] for need in needs_of(name) if need in place)
    free = [name for name in names if not set(needs_of(name)) & set(names)]
    assert order[: len(free)] == free, "in their own order, before those that wait"
    for name, before in waited_for(order, needs_of).items():
        assert all(place[need] < place[name] for need in before)


pytest_async = pytest.mark.anyio


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def system(home: Path) -> AsyncIterator[System]:
    async with System(home) as system:
        yield system


class Shop:
    """Packages of components that need others."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def package(self, name: str, *needs: str, version: str = "0.1.0", **more: Any) -> Any:
        return self._workshop.package(version, name=name, needs=needs, **more)


@pytest.fixture
def shop(workshop: Workshop) -> Shop:
    return Shop(workshop)


def state(system: System, name: str) -> str:
    return system.component_status(name).state


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await anyio.sleep(0.001)


@pytest_async
class TestNeeds:
    """With real components."""

    async def test_the_manifest_is_checked(self, shop: Shop) -> None:
        """A text that is no name, and a name twice, are errors with their place."""
        for needs in (("orders",), ("a/b", "a/b")):
            with pytest.raises(ManifestInvalid, match=r"component\.needs"):
                shop.package("a/web", *needs)

    async def test_what_is_absent_is_waited_for(
        self, system: System, shop: Shop, yes: Approve
    ) -> None:
        """The plan says so, the status too; and it starts when the other one is installed."""
        web = shop.package("a/web", "a/orders")
        assert (await system.plan(web)).absent_needs == ("a/orders",)
        info = await system.install(web, approve=yes)
        assert (info.state, info.needs) == ("waiting", {"a/orders": "not installed"})
        assert system.component_status("a/web").waits_for == ("a/orders (not installed)",)
        found = list(system.services.get(HealthSources).findings())
        assert [(each.subject, each.health) for each in found] == [("a/web", Health.DEGRADED)]
        await system.install(shop.package("a/orders"), approve=yes)
        await until(lambda: state(system, "a/web") == "running")
        assert await system.send("a/web", b"echo") == b"echo"
        assert system.info("a/web").needs == {"a/orders": "running"}

    async def test_a_need_is_ready_once_it_is_well(
        self, system: System, shop: Shop, workshop: Workshop, yes: Approve
    ) -> None:
        """Its first health check counts; a version that is well lets it start."""
        ill = shop.package("a/orders", wasm=workshop.guest(health=1))
        await system.install(ill, approve=yes)
        await system.install(shop.package("a/web", "a/orders"), approve=yes)
        assert system.component_status("a/web").waits_for == ("a/orders (not well yet)",)
        well = shop.package("a/orders", version="0.2.0", wasm=workshop.guest("0.2.0"))
        await system.update(well, approve=yes)
        await until(lambda: state(system, "a/web") == "running")

    async def test_a_circle_is_refused(self, system: System, shop: Shop, yes: Approve) -> None:
        """At an install and at an update, with the way; nothing changes."""
        with pytest.raises(NeedsInCycle, match="a/web -> a/web"):
            await system.install(shop.package("a/web", "a/web"), approve=yes)
        await system.install(shop.package("a/web", "a/orders"), approve=yes)
        with pytest.raises(NeedsInCycle, match="a/orders -> a/web -> a/orders"):
            await system.install(shop.package("a/orders", "a/web"), approve=yes)
        await system.install(shop.package("a/orders"), approve=yes)
        with pytest.raises(NeedsInCycle) as caught:
            await system.update(shop.package("a/orders", "a/web", version="0.2.0"), approve=yes)
        assert caught.value.cycle == ("a/orders", "a/web", "a/orders")
        assert system.info("a/orders").version == "0.1.0"

    async def test_a_host_keeps_the_order(self, home: Path, shop: Shop, yes: Approve) -> None:
        """At its start and, the other way, at its end; a stopped need holds back what needs it."""
        chain = {"a/z": (), "a/m": ("a/z",), "a/c": ("a/m", "a/z"), "a/alone": ()}
        async with System(home) as system:
            for name, needs in chain.items():
                await system.install(shop.package(name, *needs), approve=yes)
        told: list[tuple[EventKind, str]] = []
        async with System(home, starts=False) as system:
            system.events.listen(lambda event: told.append((event.kind, event.name)))
            await system.start_all()
            assert {state(system, name) for name in chain} == {"running"}
        ready = [name for kind, name in told if kind is EventKind.READY]
        assert ready.index("a/z") < ready.index("a/m") < ready.index("a/c")
        stopped = [name for kind, name in told if kind is EventKind.STOPPED]
        assert stopped.index("a/c") < stopped.index("a/m") < stopped.index("a/z")
        async with System(home) as system:
            await system.stop("a/z")
            assert state(system, "a/m") == "running", "it goes on"
            found = [each.text for each in system.services.get(HealthSources).findings()]
            assert "needs a/z, which is stopped" in found
        async with System(home) as system:
            assert [state(system, name) for name in ("a/z", "a/m", "a/c")] == [
                "stopped", "waiting", "waiting",
            ]  # fmt: skip
            await system.stop("a/c")
            await system.start("a/z")
            await until(lambda: state(system, "a/m") == "running")
            assert state(system, "a/c") == "stopped", "an operator's word counts"
            await system.start("a/c")
            assert state(system, "a/c") == "running"
