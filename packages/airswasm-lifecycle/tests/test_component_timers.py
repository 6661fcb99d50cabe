"""Timers as an operator sees them: listed and ended, beside a host and on a stopped home."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from airswasm.actor import Context, Message
from airswasm.lifecycle import HostOffline, System
from airswasm.messaging import Schedule, TimerUnknown
from airswasm.security import read_audit

pytestmark = pytest.mark.anyio


class Clock:
    """Sets a durable timer and another one as it starts."""

    def __init__(self) -> None:
        self.context: Context

    def bind(self, context: Context) -> None:
        self.context = context

    async def start(self) -> None:
        every = self.context.send_every("clock", b"tick", 60, is_durable=True)
        await every.written()
        self.context.send_later("clock", b"once", 3600)

    def receive(self, message: Message, context: Context) -> None:
        """Take no notice."""


async def _hosting(home: Path) -> None:
    async with System(home) as system:
        actors = system._actors
        await actors.started(actors.spawn(Clock(), name="clock"))
        shown = [(each.owner, each.target, each.is_durable) for each in system.timers.list()]
        assert shown == [("clock", "clock", True), ("clock", "clock", False)]


@pytest.mark.parametrize("mode", ["online", "offline"])
async def test_an_operator_ends_timers(tmp_path: Path, mode: str) -> None:
    """All of those that are named, or none; each has an audit line before it ends."""
    await _hosting(tmp_path / "home")
    async with System(tmp_path / "home", mode=mode) as system:  # type: ignore[arg-type]
        (timer,) = system.timers.list("clock")
        assert (timer.repeats, timer.seconds, timer.payload_bytes) == (True, 60, 4)
        assert system.timers.list("local/other") == ()
        with pytest.raises(TimerUnknown):
            await system.timers.cancel(timer.id, timer.id + 1)
        assert await system.timers.cancel(timer.id, timer.id) == (timer,)
        with pytest.raises(TimerUnknown):
            await system.timers.cancel(timer.id)
        assert await system.timers.cancel_all("clock") == ()
        lines = [each for each in read_audit(system.home.audit_log) if each["kind"] == "timer"]
        assert [(each["component"], each["resource"]) for each in lines] == [
            ("clock", str(timer.id))
        ]
        assert lines[0]["reason"] == "cancelled: every 60 s to clock"
    async with System(tmp_path / "home", mode="readonly") as system:
        assert system.timers.list() == ()


async def test_a_home_that_is_only_read_shows_durable_timers(tmp_path: Path) -> None:
    """Without its lock; it cancels none."""
    async with System(tmp_path / "empty", mode="offline"):
        pass
    await _hosting(tmp_path / "home")
    async with System(tmp_path / "home", mode="readonly") as system:
        (timer,) = system.timers.list()
        for end in (system.timers.cancel(timer.id), system.timers.cancel_all("clock")):
            with pytest.raises(HostOffline):
                await end
    async with System(tmp_path / "empty", mode="readonly") as system:
        assert system.timers.list() == ()


async def test_all_timers_of_an_owner_end_together(tmp_path: Path) -> None:
    """Durable ones on the disk when the call returns."""
    async with System(tmp_path / "home") as system:
        schedule = system.services.get(Schedule)
        for number in range(5):
            schedule.add("a/b", "c/d", b"", 3600, is_durable=number % 2 == 0, is_trusted=True)
        schedule.add("c/d", "c/d", b"", 3600, is_durable=True, is_trusted=True)
        assert len(await system.timers.cancel_all("a/b")) == 5
        assert [each.owner for each in system.timers.list()] == ["c/d"]
    async with System(tmp_path / "home", mode="readonly") as system:
        assert [each.owner for each in system.timers.list()] == ["c/d"]
    await anyio.lowlevel.checkpoint()
