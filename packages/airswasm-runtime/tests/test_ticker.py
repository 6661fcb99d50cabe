"""The epoch moves on while Python does something else.

No test looks at a clock: a loop without end is stopped by the epoch while it moves, and by its
fuel while it does not.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading

import pytest
import wasmtime
from airswasm.runtime._process.ticker import KernelTicker, ThreadTicker, Ticker, start_ticker
from airswasm.runtime._wasmtime import bindings as wt
from airswasm.runtime._wasmtime.features import HardenedSettings, hardened_config

SPIN = '(module (func (export "spin") (loop $again (br $again))))'
SECONDS_OF_FUEL = 10**10
"""Some seconds of processor time, in which a tick of some milliseconds comes on any machine."""
HUNDREDS_OF_TICKS = 10**8
"""Fuel for some hundred milliseconds of processor time; the tests tick each millisecond."""
FOREVER = 3600.0


@pytest.fixture
def engine() -> wasmtime.Engine:
    return wasmtime.Engine(hardened_config(HardenedSettings()))


def end_of_loop(engine: wasmtime.Engine, fuel: int, ticks: int = 5) -> str:
    """Return what ends an endless loop that has so much fuel, and may see so many ticks."""
    store = wasmtime.Store(engine)
    store.set_fuel(fuel)
    instance = wasmtime.Instance(store, wasmtime.Module(engine, SPIN), [])
    store.set_epoch_deadline(ticks)
    with pytest.raises(wasmtime.Trap) as caught:
        instance.exports(store)["spin"](store)
    return "epoch" if "interrupt" in caught.value.message else "fuel"


@pytest.fixture(params=[KernelTicker, ThreadTicker])
def kind(request: pytest.FixtureRequest) -> type[KernelTicker | ThreadTicker]:
    if request.param is KernelTicker and sys.platform != "linux":
        pytest.skip("kernel timers with functions are Linux's")
    return request.param  # type: ignore[no-any-return]


def test_the_epoch_stops_a_loop(
    kind: type[KernelTicker | ThreadTicker], engine: wasmtime.Engine
) -> None:
    """While the ticker runs."""
    ticker: Ticker = kind(wt.address_of(engine), 0.001)
    try:
        assert end_of_loop(engine, SECONDS_OF_FUEL) == "epoch"
    finally:
        ticker.stop()


def test_the_epoch_stands_still_before_the_first_tick_and_after_the_end(
    kind: type[KernelTicker | ThreadTicker], engine: wasmtime.Engine
) -> None:
    """A ticker ends once, however often it is stopped."""
    slow: Ticker = kind(wt.address_of(engine), FOREVER)
    assert end_of_loop(engine, HUNDREDS_OF_TICKS, ticks=1) == "fuel"
    slow.stop()
    ended: Ticker = kind(wt.address_of(engine), 0.001)
    assert end_of_loop(engine, SECONDS_OF_FUEL) == "epoch"
    ended.stop()
    ended.stop()
    # ticks that were on their way may still come
    assert end_of_loop(engine, HUNDREDS_OF_TICKS, ticks=100) == "fuel"


def test_the_kernels_ticker_needs_no_python(
    engine: wasmtime.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on while this thread holds the global lock without giving it up."""
    if sys.platform != "linux":
        pytest.skip("kernel timers with functions are Linux's")
    before = threading.active_count()
    ticker = start_ticker(wt.address_of(engine), 0.001)
    try:
        assert isinstance(ticker, KernelTicker)
        assert threading.active_count() == before
        keep_lock_in_calls(monkeypatch)
        assert end_of_loop(engine, SECONDS_OF_FUEL) == "epoch"
    finally:
        ticker.stop()


def test_a_thread_cannot_tick_while_the_lock_is_held(
    engine: wasmtime.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This is why the kernel's ticker is there, and shows that the test above can fail."""
    keep_lock_in_calls(monkeypatch)
    ticker = ThreadTicker(wt.address_of(engine), 0.001)
    try:
        assert end_of_loop(engine, HUNDREDS_OF_TICKS, ticks=100) == "fuel"
    finally:
        ticker.stop()


def keep_lock_in_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have wasmtime-py hold the global lock while a guest runs."""
    bindings = sys.modules["wasmtime._bindings"]
    usual = bindings._wasmtime_func_call
    holding = ctypes.PyDLL(bindings.dll._name).wasmtime_func_call
    holding.restype, holding.argtypes = usual.restype, usual.argtypes
    monkeypatch.setattr(bindings, "_wasmtime_func_call", holding)


FORKS = """
import os, signal, threading
import wasmtime
from airswasm.runtime._process.ticker import KernelTicker
from airswasm.runtime._wasmtime import bindings as wt
from airswasm.runtime._wasmtime.features import HardenedSettings, hardened_config

engine = wasmtime.Engine(hardened_config(HardenedSettings()))
parents = [KernelTicker(wt.address_of(engine), 0.0002) for _ in range(5)]
stopped = threading.Event()

def come_and_go():
    while not stopped.is_set():
        KernelTicker(wt.address_of(engine), 0.0002).stop()

def fork():
    for _ in range(100):
        if (pid := os.fork()) == 0:
            signal.alarm(20)
            own = KernelTicker(wt.address_of(engine), 0.001)
            own.stop()
            for each in parents:
                each.stop()  # not this process's: nothing happens
            os._exit(0)
        if status := os.waitpid(pid, 0)[1]:
            print("a child ended with", status, flush=True)

others = [threading.Thread(target=each) for each in (come_and_go, fork)]
for each in others:
    each.start()
fork()
others[1].join()
stopped.set()
for each in parents:
    each.stop()
print("end")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="kernel timers with functions are Linux's")
def test_a_fork_never_leaves_the_c_library_s_lock_taken() -> None:
    """Nor when tickers come and go on other threads, and two of them fork."""
    done = subprocess.run(
        [sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.split() == ["end"], done


@pytest.mark.skipif(sys.platform != "linux", reason="kernel timers with functions are Linux's")
def test_the_parent_ticks_on_after_a_fork(engine: wasmtime.Engine) -> None:
    """Its timers rest while it forks."""
    ticker = KernelTicker(wt.address_of(engine), 0.001)
    try:
        if (pid := os.fork()) == 0:
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert end_of_loop(engine, SECONDS_OF_FUEL) == "epoch"
    finally:
        ticker.stop()
