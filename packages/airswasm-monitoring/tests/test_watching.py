"""Live tables: what a reader gets, what it holds, and what it costs when it leaves."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from airswasm.actor import (
    ActorSystem,
    Backoff,
    ChildSpec,
    ComponentActor,
    Context,
    GuestRefused,
    Message,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.monitoring import Frame, Monitor, Part, Watching
from airswasm.monitoring._watching.components import COMPONENT_COLUMNS, ComponentTable
from airswasm.monitoring._watching.streams import Receipts
from airswasm.monitoring._watching.tables import Changes
from airswasm.monitoring._watching.traffic import Traffic
from airswasm.runtime import Engine
from hypothesis import given
from hypothesis import strategies as st
from wasmtime import wat2wasm

ECHO = Path(__file__).parent / "echo.wat"
Rows = Mapping[str, tuple[object, ...]]


def watching(system: ActorSystem, monitor: Monitor) -> Watching:
    """Live tables whose clock goes on at each look, so that nothing is kept."""
    ticks = itertools.count(step=100.0)
    return Watching(
        system, monitor.history, monitor.look_at_health, clock=lambda: float(next(ticks))
    )


async def next_of(frames: AsyncGenerator[Frame], part: Part) -> Frame:
    async for frame in frames:
        if frame.part == part:
            return frame
    raise AssertionError("the frames ended")


def named(columns: Any, row: Any) -> dict[str, Any]:
    return dict(zip(columns, row, strict=True))


_TABLES = st.lists(
    st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.integers(0, 2)), max_size=6), max_size=8
)


@given(_TABLES)
def test_changes_make_a_table_what_it_is(tables: list[Rows]) -> None:
    """Whatever came, changed and went; and what did not is not said again."""
    changes, copy = Changes(), dict[str, tuple[object, ...]]()
    for now in tables:
        before = dict(copy)
        changed, gone = changes.since(now)
        assert all(before.get(key) != row for key, row in changed.items())
        copy.update(changed)
        for key in gone:
            del copy[key]
        assert copy == now


@pytest.mark.anyio
async def test_a_reader_gets_the_whole_table_and_then_what_changed() -> None:
    """A component that does nothing is not in a later frame."""
    async with Engine() as engine, ActorSystem() as system:
        monitor = Monitor(system)
        code = (await engine.load(bytes(wat2wasm(ECHO.read_text())), name="echo")).link([])
        busy = system.spawn(ComponentActor(code, "a/busy"), name="a/busy")
        system.spawn(ComponentActor(code, "a/idle"), name="a/idle")
        async with aclosing(watching(system, monitor).read(("components",), interval=0)) as frames:
            await busy.ask(b"one")
            first = await next_of(frames, "components")
            assert set(first.rows) == {"a/busy", "a/idle"}
            assert tuple(first.columns) == COMPONENT_COLUMNS
            await busy.ask(b"two")
            later = await next_of(frames, "components")
            while "a/busy" not in later.rows:
                later = await next_of(frames, "components")
            row = named(first.columns, later.rows["a/busy"])
            assert (row["state"], row["handled"], row["bytes_in"]) == ("running", 2, 6)
            assert sum(row["handling"]) == 2
            assert set(later.rows) == {"a/busy"}
            assert (later.columns, list(later.gone)) == ((), [])
            await system.stop(busy)
            assert list((await next_of(frames, "components")).gone) == ["a/busy"]
        monitor.close()


@pytest.mark.anyio
async def test_a_row_of_an_idle_component_is_not_made_again() -> None:
    """So that a thousand idle components cost a look each, and no comparison."""
    async with Engine() as engine, ActorSystem() as system:
        monitor = Monitor(system)
        code = (await engine.load(bytes(wat2wasm(ECHO.read_text())), name="echo")).link([])
        ref = system.spawn(ComponentActor(code, "a/b"), name="a/b")
        await ref.ask(b"")
        table = ComponentTable(system, monitor.history, 0.0)
        first = (await table.look())["a/b"]
        assert (await table.look())["a/b"] is first
        await ref.ask(b"")
        assert (await table.look())["a/b"] != first
        monitor.close()


@pytest.mark.anyio
async def test_host_comes_at_each_look_whatever_is_watched() -> None:
    """It is the sign that the host is there; the bounds of histograms come once."""
    async with ActorSystem() as system:
        monitor = Monitor(system)
        async with aclosing(watching(system, monitor).read((), interval=0)) as frames:
            found = [await next_of(frames, "host") for _ in range(3)]
        assert ["bounds" in each.figures for each in found] == [True, False, False]
        assert found[0].figures["health"] == "healthy"
        assert found[0].figures["readers"] == 1
        monitor.close()


class Fussy:
    """Refuses at the word, and crashes at another one."""

    def receive(self, message: Message, _context: Context) -> object:
        if message.payload == b"refuse":
            raise GuestRefused("a/b", "no")
        if message.payload == b"crash":
            raise RuntimeError("as it was told")
        return message.payload


@pytest.mark.anyio
async def test_traffic_is_counted_while_it_is_read_and_not_beside() -> None:
    """Without a reader no receipt is made; a reader that comes later begins at zero."""
    async with ActorSystem() as system:
        monitor = Monitor(system)
        live = watching(system, monitor)
        ref = system.spawn(Fussy(), name="a/b")
        await ref.ask(b"unseen")
        assert not system.receipts.is_listening
        async with aclosing(live.read(("traffic",), interval=0)) as frames:
            first = await next_of(frames, "traffic")
            assert (dict(first.rows), system.receipts.is_listening) == ({}, True)
            await ref.ask(b"seen")
            ((row),) = (await next_of(frames, "traffic")).rows.values()
            found = named(first.columns, row)
            assert (found["receiver"], found["messages"], found["bytes"]) == ("a/b", 1, 4)
        assert not system.receipts.is_listening
        async with aclosing(live.read(("traffic",), interval=0)) as frames:
            assert dict((await next_of(frames, "traffic")).rows) == {}
        monitor.close()


@pytest.mark.anyio
async def test_pairs_are_bounded_and_the_rest_is_counted() -> None:
    """Names of senders are many where a program makes actors without an end."""
    async with ActorSystem() as system:
        traffic = Traffic(system, most_pairs=2)
        traffic.join()
        for number in range(5):
            await system.spawn(Fussy(), name=f"a/n{number}").ask(b"x")
        assert (len(traffic.rows()), traffic.beyond) == (2, 3)
        traffic.leave()
        assert (traffic.rows(), traffic.beyond) == ({}, 0)


@pytest.mark.anyio
async def test_receipts_are_those_of_one_name_and_bounded() -> None:
    """A reader that is slow keeps the newest, and learns how many it missed."""
    async with ActorSystem() as system:
        ref, other = system.spawn(Fussy(), name="a/b"), system.spawn(Fussy(), name="a/c")
        receipts = Receipts(system, 0.0, "a/b")
        for number in range(310):
            await ref.ask(b"%d" % number)
        await other.ask(b"x")
        lines, lost = receipts.take()
        assert (len(lines), lost) == (300, 10)
        assert named(receipts.columns, lines[-1])["bytes_in"] == 3
        assert receipts.take() == ([], 0)
        receipts.close()
        await ref.ask(b"x")
        assert receipts.take() == ([], 0)


@pytest.mark.anyio
async def test_supervisors_are_a_tree_in_which_children_follow_their_parents() -> None:
    """Each row names its parent, which stands above it."""
    async with ActorSystem() as system:
        monitor = Monitor(system)
        inner = SupervisorSpec(children=(ChildSpec("leaf", Fussy, name="a/leaf"),))
        below = ChildSpec(
            "inner", lambda: SupervisorNode(system, inner, name="inner"), type="supervisor"
        )
        spec = SupervisorSpec(
            "rest_for_one", children=(ChildSpec("one", Fussy, name="a/one"), below),
            backoff=Backoff("immediate"),
        )  # fmt: skip
        root = SupervisorNode(system, spec, name="root")
        await root.start()
        async with aclosing(watching(system, monitor).read(("supervisors",), interval=0)) as frames:
            frame = await next_of(frames, "supervisors")
        rows = {key: named(frame.columns, row) for key, row in frame.rows.items()}
        assert [each["name"] for each in rows.values()] == ["root", "a/one", "inner", "a/leaf"]
        assert [each["kind"] for each in rows.values()] == [
            "supervisor", "worker", "supervisor", "worker",
        ]  # fmt: skip
        seen = [""]
        for key, each in rows.items():
            assert each["parent"] in seen
            seen.append(key)
        assert next(iter(rows.values()))["strategy"] == "rest_for_one"
        await root.stop()
        monitor.close()


@pytest.mark.anyio
async def test_events_say_what_failed_and_why() -> None:
    """From the reader's coming on; the cause is one line."""
    async with ActorSystem() as system:
        monitor = Monitor(system)
        spec = SupervisorSpec(
            children=(ChildSpec("one", Fussy, name="a/b"),), backoff=Backoff("immediate")
        )
        node = SupervisorNode(system, spec)
        await node.start()
        async with aclosing(watching(system, monitor).read(("events",), interval=0)) as frames:
            first = await next_of(frames, "events")
            assert list(first.lines) == []
            child: Any = node.child("one")
            child.tell(b"crash")
            found = list[dict[str, Any]]()
            while not any(each["kind"] == "failed" for each in found):
                frame = await next_of(frames, "events")
                found += [named(first.columns, line) for line in frame.lines]
        failed = next(each for each in found if each["kind"] == "failed")
        assert (failed["name"], failed["cause"]) == ("a/b", "RuntimeError: as it was told")
        await node.stop()
        monitor.close()


@pytest.mark.anyio
async def test_readers_end_when_they_are_closed() -> None:
    """However long their interval is."""
    async with ActorSystem() as system:
        monitor = Monitor(system)
        live = watching(system, monitor)
        async with aclosing(live.read((), interval=3_600.0)) as frames:
            await anext(frames)
            live.close()
            assert [frame async for frame in frames] == []
        assert [frame async for frame in live.read(())] == []
        monitor.close()


@pytest.mark.anyio
async def test_a_reader_that_left_holds_nothing() -> None:
    """The last one leaves no row and no listener behind."""
    async with ActorSystem() as system:
        monitor = Monitor(system)
        live = watching(system, monitor)
        system.spawn(Fussy(), name="a/b")
        parts: tuple[Part, ...] = ("components", "traffic", "events", "supervisors", "receipts")
        one, two = (live.read(parts, name="a/b", interval=0) for _ in range(2))
        async with aclosing(one), aclosing(two):
            await next_of(one, "components")
            await next_of(two, "components")
            assert live.readers == 2
        assert (live.readers, live._rows, live._table) == (0, {}, None)
        assert not system.receipts.is_listening
        monitor.close()
