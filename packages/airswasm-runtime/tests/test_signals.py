"""Signal handlers beside engines: wrapped while one runs, and what they were afterwards."""

from __future__ import annotations

import signal
import threading

import anyio
import pytest
from airswasm.runtime import Engine

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="signals are those of POSIX"),
]


@pytest.fixture
def seen():
    """The signals that a handler of the test has met."""
    seen: list[int] = []

    def handler(number: int, _frame: object) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGUSR1, handler)
    yield seen
    assert signal.getsignal(signal.SIGUSR1) is handler
    signal.signal(signal.SIGUSR1, before)


async def test_a_handler_runs_beside_an_engine(config, seen):
    """Outside of this package's frames at once."""
    async with Engine(config):
        signal.raise_signal(signal.SIGUSR1)
        assert seen == [signal.SIGUSR1]


async def test_engines_may_end_in_any_order(config, seen):
    """The handler is wrapped once, and put back with the last of them."""
    one, two = Engine(config), Engine(config)
    async with one:
        wrapper = signal.getsignal(signal.SIGUSR1)
        async with two:
            assert signal.getsignal(signal.SIGUSR1) is wrapper
            one._signals.restore()
            signal.raise_signal(signal.SIGUSR1)
            assert signal.getsignal(signal.SIGUSR1) is wrapper
    assert seen == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) is not wrapper


async def test_a_handler_that_came_later_stays(config, seen):
    """What the program installs meanwhile is left alone."""
    own = signal.getsignal(signal.SIGUSR1)

    def later(_number: int, _frame: object) -> None:
        seen.append(0)

    async with Engine(config):
        signal.signal(signal.SIGUSR1, later)
    assert signal.getsignal(signal.SIGUSR1) is later
    signal.signal(signal.SIGUSR1, own)


async def test_a_signal_within_this_package_comes_a_moment_later(config, seen):
    """As one that meets a callback: here the engine's own code makes the call that raises it."""
    async with Engine(config) as engine:
        code = compile("raise_signal(number)", engine._signals.wrap.__code__.co_filename, "exec")
        exec(code, {"raise_signal": signal.raise_signal, "number": signal.SIGUSR1})
        assert seen == []
        with anyio.fail_after(30):
            while not seen:  # noqa: ASYNC110  # a signal handler cannot set an event
                await anyio.sleep(0.001)
    assert seen == [signal.SIGUSR1]


async def test_an_engine_on_another_thread_leaves_signals_alone(config, seen):
    """Only the main thread runs handlers."""
    during: list[object] = []

    async def run() -> None:
        async with Engine(config):
            during.append(signal.getsignal(signal.SIGUSR1))

    thread = threading.Thread(target=anyio.run, args=(run,))
    thread.start()
    thread.join()
    assert during == [signal.getsignal(signal.SIGUSR1)]
