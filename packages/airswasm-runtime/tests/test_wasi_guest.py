"""WASI as a guest meets it: a small guest that waits, prints, exits and breaks its rules."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest
from airswasm.runtime import (
    Caller,
    Component,
    Engine,
    GuestExited,
    Instance,
    InstanceClosed,
    LineLimits,
    Trapped,
    WasiConfig,
)

GUESTS = Path(__file__).parent / "guests"

pytestmark = pytest.mark.anyio


class Lines:
    """A sink that keeps what it was given."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str, str]] = []

    def line(self, caller: Caller, stream: str, text: str) -> None:
        self.all.append((caller.name, stream, text))


@pytest.fixture(scope="session")
def wasi_wasm(build) -> bytes:  # type: ignore[no-untyped-def]
    wit, core = (GUESTS / f"wasi.{kind}" for kind in ("wit", "wat"))
    return build(wit.read_text(encoding="utf-8"), core.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@pytest.fixture
async def guest(engine: Engine, wasi_wasm: bytes) -> Component:
    return await engine.load(wasi_wasm, name="wasi")


async def instance(guest: Component, name: str = "local/a", **config: object):  # type: ignore[no-untyped-def]
    return await guest.link(()).instantiate(caller=Caller(name), wasi=WasiConfig(**config))  # type: ignore[arg-type]


async def test_sleeping_guests_overlap(guest: Component) -> None:
    """Twenty guests sleep at once, on one thread: all begin before the first wakes."""
    sleepers = [await instance(guest, f"local/s{number}") for number in range(20)]
    order: list[str] = []

    async def nap(sleeper: Instance) -> None:
        order.append("begins")
        await sleeper.call("#nap", 500)
        order.append("ends")

    started = time.monotonic()
    async with anyio.create_task_group() as tasks:
        for sleeper in sleepers:
            tasks.start_soon(nap, sleeper)
    assert time.monotonic() - started >= 0.5
    assert order == ["begins"] * 20 + ["ends"] * 20


async def test_poll_wakes_with_the_first(guest: Component) -> None:
    """Of two timers the short one ends the wait, and not the one of an hour."""
    sleeper = await instance(guest)
    assert await sleeper.call("#nap-first", 3_600_000, 20) == 1


async def test_a_sleeping_guest_can_be_cancelled(guest: Component) -> None:
    """An hour of sleep ends when no task waits for it any more."""
    sleeper = await instance(guest)
    with anyio.move_on_after(0.05) as scope:
        await sleeper.call("#nap", 3_600_000)
    assert scope.cancelled_caught
    with pytest.raises(InstanceClosed):
        await sleeper.call("#nap", 1)


async def test_polling_nothing_traps(guest: Component) -> None:
    """WASI says so: it would wait for ever."""
    with pytest.raises(Trapped, match="empty list"):
        await (await instance(guest)).call("#poll-nothing")


async def test_printing(guest: Component) -> None:
    """Lines reach the sink of their instance, with its name, escaped; the rest at the end."""
    lines = Lines()
    first = await instance(guest, "local/a", stdout=lines)
    second = await instance(guest, "local/b", stdout=lines)
    assert await first.call("#say", "one\ntw")
    assert await second.call("#say", "other\n")
    assert await first.call("#say", "\x1b[2Jo\n")
    assert lines.all == [
        ("local/a", "stdout", "one"),
        ("local/a", "stdout", "tw"),
        ("local/b", "stdout", "other"),
        ("local/a", "stdout", r"\x1b[2Jo"),
    ]


async def test_printing_without_end(guest: Component) -> None:
    """The rate is that of the instance; another one is not affected."""
    lines = Lines()
    limits = LineLimits(lines_per_second=1, burst_lines=3)
    loud = await instance(guest, "local/a", stdout=lines, line_limits=limits)
    quiet = await instance(guest, "local/b", stdout=lines, line_limits=limits)
    assert await loud.call("#say", "x\n" * 500)
    assert await quiet.call("#say", "here\n")
    assert lines.all.count(("local/a", "stdout", "x")) == 3
    assert any("lines dropped" in text for name, _, text in lines.all if name == "local/a")
    assert ("local/b", "stdout", "here") in lines.all


async def test_writing_more_than_permitted_traps(guest: Component) -> None:
    """WASI says so of a `write` beyond what `check-write` permits."""
    with pytest.raises(Trapped, match="permits 65,536"):
        await (await instance(guest)).call("#shout", 70_000)


@pytest.mark.parametrize("status", [0, 1])
async def test_exit_ends_the_instance(guest: Component, status: int) -> None:
    """It is an outcome of its own, with the status; what was printed is kept."""
    lines = Lines()
    leaving = await instance(guest, stdout=lines)
    await leaving.call("#say", "bye")
    with pytest.raises(GuestExited) as exited:
        await leaving.call("#leave", status)
    assert exited.value.status == status
    assert lines.all == [("local/a", "stdout", "bye")]
    with pytest.raises(InstanceClosed):
        await leaving.call("#nap", 1)


async def test_random_bytes(guest: Component) -> None:
    """As many as were asked for, from the configured source, within a bound."""
    asked: list[int] = []

    def dice(length: int) -> bytes:
        asked.append(length)
        return bytes(length)

    rolling = await instance(guest, random_bytes=dice)
    assert await rolling.call("#roll", 1000) == 1000
    assert asked == [1000]
    with pytest.raises(Trapped, match="more than"):
        await rolling.call("#roll", 2**60)
    assert asked == [1000]
