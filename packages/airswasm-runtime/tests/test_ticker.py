"""The epoch moves on while Python does something else."""

from __future__ import annotations

import ctypes
import sys
import threading
import time

import pytest
import wasmtime
from airswasm.runtime._process.ticker import KernelTicker, ThreadTicker, start_ticker
from airswasm.runtime._wasmtime import bindings as wt
from airswasm.runtime._wasmtime.features import HardenedSettings, hardened_config

SPIN = '(module (func (export "spin") (loop $again (br $again))))'


def spin_until_epoch(engine: wasmtime.Engine, ticks: int) -> float:
    """Seconds until an endless loop is stopped by the epoch."""
    store = wasmtime.Store(engine)
    store.set_fuel(2**62)
    store.set_epoch_deadline(ticks)
    instance = wasmtime.Instance(store, wasmtime.Module(engine, SPIN), [])
    started = time.perf_counter()
    with pytest.raises(wasmtime.Trap, match="interrupt"):
        instance.exports(store)["spin"](store)
    return time.perf_counter() - started


@pytest.mark.parametrize("kind", [KernelTicker, ThreadTicker])
def test_the_epoch_stops_a_loop(kind):
    """Not before its ticks have passed, and soon after."""
    if kind is KernelTicker and sys.platform != "linux":
        pytest.skip("kernel timers with functions are Linux's")
    engine = wasmtime.Engine(hardened_config(HardenedSettings()))
    ticker = kind(wt.address_of(engine), 0.01)
    try:
        assert 0.03 <= spin_until_epoch(engine, 5) < 5
    finally:
        ticker.stop()
        ticker.stop()


def test_the_kernels_ticker_needs_no_python():
    """It goes on while this thread holds the global lock without giving it up."""
    if sys.platform != "linux":
        pytest.skip("kernel timers with functions are Linux's")
    engine = wasmtime.Engine(hardened_config(HardenedSettings()))
    before = threading.active_count()
    ticker = start_ticker(wt.address_of(engine), 0.005)
    assert isinstance(ticker, KernelTicker)
    assert threading.active_count() == before
    store = wasmtime.Store(engine)
    store.set_fuel(2**62)
    store.set_epoch_deadline(4)
    instance = wasmtime.Instance(store, wasmtime.Module(engine, SPIN), [])
    ctypes.PyDLL(None).usleep(60_000)  # keeps the lock, unlike `time.sleep`
    started = time.perf_counter()
    with pytest.raises(wasmtime.Trap, match="interrupt"):
        instance.exports(store)["spin"](store)
    ticker.stop()
    assert time.perf_counter() - started < 0.015, "the epoch stood still meanwhile"
