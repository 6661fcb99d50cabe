"""The self-test: every limit holds here, and a limit that does not is reported."""

from __future__ import annotations

from dataclasses import replace

import pytest
from airswasm.runtime import EngineConfig, self_test
from airswasm.runtime._wasmtime.slot_allocator import is_possible

pytestmark = pytest.mark.anyio


async def test_every_limit_holds_on_this_machine(engine):
    """Loops, sleeps, recursion, hoarding and traps are each stopped by what should stop them."""
    report = await engine.self_test()
    assert report.has_passed, str(report)
    assert len(report.outcomes) == 7
    assert report.outcomes[-1].probe == "64 KiB there and back, as text"
    assert all(outcome.seconds < 5 for outcome in report.outcomes)
    assert "wasmtime 5" in str(report)


async def test_the_module_function_makes_its_own_engine(config):
    """A doctor command needs no engine to prove the limits of a configuration."""
    dense = EngineConfig.dense(config.cache_folder)
    report = await self_test(dense)
    assert report.has_passed
    way = "by copies" if is_possible() else "as text"
    assert report.outcomes[-1].probe == f"64 KiB there and back, {way}"


async def test_one_failed_probe_fails_the_report(engine):
    """A report never passes with a limit that did not hold, and says which."""
    report = await engine.self_test()
    broken = replace(report.outcomes[0], stopped_by="nothing", has_held=False)
    report = replace(report, outcomes=(broken, *report.outcomes[1:]))
    assert not report.has_passed
    assert "FAILED (expected FuelExhausted)" in str(report)
