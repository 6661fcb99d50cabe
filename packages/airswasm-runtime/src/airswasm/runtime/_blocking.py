"""The engine for code without an event loop: the same guests, limits and errors.

One `BlockingEngine` serves all threads of a process. Its guests run on one event loop
(`LoopThread`), so their host functions do too: one that blocks holds up all guests.
`in_thread` moves such a function to a worker thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio.to_thread

from ._config import EngineConfig, ProgressSink
from ._engine import Engine
from ._limits import Limits
from ._loop_thread import LoopThread
from ._pool import InstancePool, PoolStatistics
from ._queue import InstanceQueue
from ._single import Single
from .wasi._state import WasiConfig

if TYPE_CHECKING:
    from ._component import Component, LinkedComponent
    from ._exports import Exports
    from ._host import Caller, HostFunction
    from ._instance import Instance
    from ._self_test import SelfTestReport


class BlockingEngine(Single):
    """An engine for Flask, Django, Celery and scripts; usable from every thread.

    Args:
        config: how it is set up.
        backend: the event loop that it runs on, `asyncio` or `trio`.

    Example:
        with BlockingEngine() as engine:
            linked = engine.load("plugin.wasm").link()
            with engine.pool(linked, size=4) as pool:
                pool.exports.plugin.echo(b"hello")
    """

    def __init__(self, config: EngineConfig | None = None, *, backend: str = "asyncio") -> None:
        self._loop: LoopThread[Engine] = LoopThread(lambda: Engine(config), backend=backend)

    def start(self) -> None:
        """Start it, once for each process; `with` does so too.

        Raises:
            UnsafeCacheFolder, UnsupportedEngine: as `Engine`.
        """
        self._loop.start()

    def close(self) -> None:
        """End all guests and the thread; at exit this happens by itself."""
        self._loop.close()

    def load(
        self,
        wasm: bytes | bytearray | memoryview | str | os.PathLike[str],
        *,
        name: str | None = None,
        progress: ProgressSink | None = None,
    ) -> Component:
        """Compile a component, or take it from the cache; see `Engine.load`.

        Link it as any component (`Component.link`), which takes no event loop.

        Raises:
            NotRunning: the engine is not started, or this process was forked since.
            InvalidComponent, CompileFailed, CompileLimitExceeded, OSError: as `Engine.load`.
        """
        load = partial(self._loop.value.load, wasm, name=name, progress=progress)
        return self._loop.run(load)

    def instantiate(
        self,
        linked: LinkedComponent,
        *,
        caller: Caller,
        limits: Limits | None = None,
        wasi: WasiConfig | None = None,
    ) -> BlockingInstance:
        """Make one instance, for a component that keeps state.

        Args:
            linked: a component of this engine.
            caller: how host functions see the instance; one for each.
            limits: what it may use.
            wasi: what it may see of WASI.

        Raises:
            NotRunning: the engine is not started, or this process was forked since.
            GuestFault, HostExhausted: as `LinkedComponent.instantiate`.
        """
        make = partial(
            linked.instantiate,
            caller=caller,
            limits=limits or Limits(),
            wasi=wasi or WasiConfig(),
        )
        return BlockingInstance(self._loop, self._loop.run(make))

    def pool(
        self,
        linked: LinkedComponent,
        *,
        size: int = 4,
        waiting: int = 1000,
        seconds: float | None = None,
        warm: int = 0,
        calls_per_instance: int | None = None,
        caller: Callable[[], Caller] | None = None,
        limits: Limits | None = None,
        wasi: WasiConfig | None = None,
    ) -> BlockingPool:
        """Make a pool, for any number of threads; the arguments are those of `InstancePool`.

        Raises:
            NotRunning: the engine is not started, or this process was forked since.
            GuestFault, HostExhausted: an instance that is made at once fails to start.
        """
        pool = InstancePool(
            linked,
            size=size,
            waiting=waiting,
            seconds=seconds,
            warm=warm,
            calls_per_instance=calls_per_instance,
            caller=caller,
            limits=limits,
            wasi=wasi,
        )
        self._loop.run(pool.__aenter__)
        return BlockingPool(self._loop, pool)

    def self_test(self) -> SelfTestReport:
        """Run hostile probes and report what stopped each; see `Engine.self_test`."""
        return self._loop.run(self._loop.value.self_test)

    def __enter__(self) -> BlockingEngine:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Blocking(Single):
    """Something on a loop that other threads call."""

    def __init__(self, loop: LoopThread[Engine], component: Component) -> None:
        self._loop = loop
        self._exports_type = component._exports_type

    @property
    def exports(self) -> Exports:
        """The component's exports as typed Python: `it.exports.plugin.echo(b"hello")`."""
        return self._exports_type(self)

    def call(self, function: str, *arguments: object) -> object:
        """Call an exported function and wait for its value."""
        raise NotImplementedError

    async def _close(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """End it. Nothing happens when the engine has ended before."""
        if self._loop.is_running:
            self._loop.run(self._close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class BlockingInstance(_Blocking):
    """One instance behind a thread; calls from several threads take turns.

    Get it with `BlockingEngine.instantiate`.
    """

    def __init__(self, loop: LoopThread[Engine], instance: Instance) -> None:
        super().__init__(loop, instance._linked.component)
        self._queue = InstanceQueue(instance)

    @property
    def instance(self) -> Instance:
        """The instance itself: read its `fuel_used`, `fault` and `caller`; call it here."""
        return self._queue.instance

    def call(self, function: str, *arguments: object) -> object:
        """Call an exported function and wait for its value; see `InstanceQueue.call`.

        Raises:
            NotRunning: the engine was closed, or this process was forked since.
            QueueFull, InstanceClosed, ValueMismatch, GuestFault, NoSuchExport: as there.
        """
        return self._loop.run(self._queue.call, function, *arguments)

    async def _close(self) -> None:
        self._queue.close()


class BlockingPool(_Blocking):
    """A pool of instances behind a thread. Get it with `BlockingEngine.pool`."""

    def __init__(self, loop: LoopThread[Engine], pool: InstancePool) -> None:
        super().__init__(loop, pool._linked.component)
        self._pool = pool

    @property
    def statistics(self) -> PoolStatistics:
        """Its work so far, and what it holds now."""
        return self._pool.statistics

    def call(self, function: str, *arguments: object) -> object:
        """Call an exported function on whichever instance is free; see `InstancePool.call`.

        Raises:
            NotRunning: the engine was closed, or this process was forked since.
            QueueFull, QueueExpired, InstanceClosed, ValueMismatch, GuestFault, NoSuchExport,
                HostExhausted: as there.
        """
        return self._loop.run(self._pool.call, function, *arguments)

    async def _close(self) -> None:
        self._pool.close()


def in_thread(function: Callable[..., object]) -> HostFunction:
    """Make a host function of one that blocks, such as a query to a database.

    It runs on a worker thread while its guest waits and others go on. When the guest's
    call ends before it, it runs on, and what it returns is dropped.

    Args:
        function: called as every host function is, with a `Caller` first.
    """

    async def run(caller: Caller, *arguments: object) -> object:
        work = partial(function, caller, *arguments)
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)

    return run
