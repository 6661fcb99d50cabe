"""The engine: what everything else runs on, and the owner of its tasks.

One `async with` holds it all: the wasmtime engine, its epoch ticker, one task
for all timers, and a task group for what runs beside a guest's caller. Nothing
outlives it. Two engines in one process do not know of each other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Coroutine, Iterable
from pathlib import Path
from threading import get_ident
from types import TracebackType
from weakref import ref

import anyio
import anyio.abc
import anyio.lowlevel
import anyio.to_thread
from wasmtime import Engine as WasmEngine
from wasmtime import WasmtimeError

from ._account import HostMemory
from ._calls.bytes_as_text import BytesAsText
from ._calls.call import Call
from ._calls.host_calls import continuation
from ._compile.compiler import Compiler, trim_cache
from ._component import Component
from ._config import CompileProgress, EngineConfig, ProgressSink
from ._host import Pending
from ._instance import Instance
from ._process.mappings import check_address_space
from ._process.signals import SignalHandlers
from ._process.switch_interval import short_switches
from ._process.ticker import Ticker, start_ticker
from ._self_test import SelfTestReport, prove_limits
from ._single import Single
from ._timers import Timers
from ._wasmtime import bindings as wt
from ._wasmtime.faults import LARGE_STACK_SETTING, STACK_SETTING
from ._wasmtime.features import hardened_config
from ._wasmtime.slot_allocator import pack
from ._wasmtime.version import check_version

_RESTING_AT_ONCE = 256


class Layout:
    """A wasmtime engine: how its guests lie in memory is what it was made for.

    Attributes:
        wasm: the engine.
        address: where it is.
        stack_bytes: the most that the frames of its guests may take.
        stack_setting: what changes that.
        compiler: compiles for it.
    """

    def __init__(self, config: EngineConfig) -> None:
        wasm_config = hardened_config(config)
        pack(wasm_config, stacks=config.pack_stacks, memories=config.pack_memories)
        self.wasm = WasmEngine(wasm_config)
        self.address: int = wt.address_of(self.wasm)
        self.stack_bytes: int = config.max_wasm_stack_bytes
        self.stack_setting: str = STACK_SETTING
        self.compiler = Compiler(config)
        self._ticker: Ticker | None = None

    def start_ticker(self, tick: float) -> None:
        """Move its epochs on, every so many seconds."""
        self._ticker = start_ticker(self.address, tick)

    def stop_ticker(self) -> None:
        """End that."""
        if self._ticker is not None:
            self._ticker.stop()


class Engine(Single):
    """Loads components and runs them; an async context manager.

    Attributes:
        config: how it was set up.
        timers: timers on its event loop, for host functions.
        host_memory: what its guests together take of the host.
        instances_by_text: how many are of a component of which another memory pretends to be
            a bridge's, so that their bytes cross as text.

    Raises:
        UnsupportedEngine: the installed wasmtime was not tested with this package.
        UnsafeCacheFolder: others could have written what is in the compile cache.

    Example:
        async with Engine() as engine:
            component = await engine.load(Path("hello.wasm"))
    """

    def __init__(self, config: EngineConfig | None = None) -> None:
        check_version()
        self.config: EngineConfig = config or EngineConfig()
        self.timers: Timers = Timers()
        self.host_memory: HostMemory = HostMemory(self.config.host)
        self.instances_by_text: int = 0
        self._small = Layout(self.config)
        self._large: Layout | None = None  # most engines never load a large component
        self._running: dict[int, Call] = {}
        self._resting: dict[int, ref[Instance]] = {}  # those whose stack can be given back
        self._continuation = continuation(self._running)
        self._continuation_address = wt.callback_address(self._continuation)
        self._thread = 0
        self._bytes_as_text = BytesAsText()
        self._group: anyio.abc.TaskGroup | None = None
        self._signals = SignalHandlers()
        self._limiter: anyio.CapacityLimiter

    async def __aenter__(self) -> Engine:
        check_address_space()
        self._thread = get_ident()
        self._limiter = anyio.CapacityLimiter(self.config.worker_threads)
        try:
            for layout in self._layouts:
                layout.start_ticker(self.config.tick)
        except BaseException:  # no thread can be started
            for layout in self._layouts:
                layout.stop_ticker()
            raise
        self._signals.wrap()
        if self.config.short_switches:
            short_switches.__enter__()
        self._group = anyio.create_task_group()  # last: nothing may fail inside its scope
        await self._group.__aenter__()
        self._group.start_soon(self.timers.run)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        for call in list(self._running.values()):
            call.cancel()
        self._signals.restore()
        if self.config.short_switches:
            short_switches.__exit__(None, None, None)
        for layout in self._layouts:
            layout.stop_ticker()
        self._thread = 0  # from now on nothing starts
        group, self._group = self._group, None
        if group is None:
            return None
        group.cancel_scope.cancel()
        if isinstance(value, anyio.get_cancelled_exc_class()):
            return await group.__aexit__(kind, value, trace)
        await group.__aexit__(None, None, None)
        return None  # what the body raised goes on as it is, not in a group

    async def load(
        self,
        wasm: bytes | bytearray | memoryview | str | os.PathLike[str],
        *,
        name: str | None = None,
        progress: ProgressSink | None = None,
    ) -> Component:
        """Compile a component, or take it from the cache.

        Args:
            wasm: the component itself, or the path of a file that holds it.
            name: for messages, such as `local/hello`; by default the file's, without
                its ending.
            progress: called as loading goes on.

        Raises:
            InvalidComponent: the bytes are no component, or use a feature that the
                hardened configuration refuses.
            CompileFailed: the compiler died.
            CompileLimitExceeded: compiling took more than it may.
            OSError: the file cannot be read.
        """
        started = time.monotonic()
        if isinstance(wasm, str | os.PathLike):
            name = Path(wasm).stem if name is None else name
            data = await anyio.Path(wasm).read_bytes()
        else:
            name, data = name or "component", bytes(wasm)
        layout = self._layout_for(len(data))
        code = await layout.compiler.load(data, name, progress)
        try:
            compiled = code.open(layout.wasm)
        except WasmtimeError:  # the cache was filled on another processor
            code = await layout.compiler.load(data, name, progress, recompile=True)
            compiled = code.open(layout.wasm)
        component = Component(self, name, code.description, compiled, layout)
        if progress is not None:
            progress(CompileProgress(name, "done", time.monotonic() - started))
        return component

    async def trim_cache(
        self, components: Iterable[bytes], *, dry_run: bool = False
    ) -> tuple[int, int]:
        """Remove from the compile cache what none of these components has.

        A component that loads at this time may have to be compiled once more.

        Args:
            components: what is still needed; a thread reads one after the other.
            dry_run: count, and remove nothing.

        Returns:
            How many entries these are, and their bytes.
        """
        configs = (self.config, self.config.for_large_components())
        return await anyio.to_thread.run_sync(
            lambda: trim_cache(configs, components, dry_run=dry_run)
        )

    def _layout_for(self, wasm_bytes: int) -> Layout:
        """Return the layout for components of that size; the first large one makes theirs."""
        if wasm_bytes <= self.config.small_component_bytes:
            return self._small
        if self._large is None:
            self._large = Layout(self.config.for_large_components())
            self._large.stack_setting = LARGE_STACK_SETTING
            if self._group is not None:
                self._large.start_ticker(self.config.tick)
        return self._large

    @property
    def _layouts(self) -> tuple[Layout, ...]:
        return (self._small,) if self._large is None else (self._small, self._large)

    async def rest_idle(self) -> int:
        """Give back the memory of the stacks of instances that were not called since last time.

        An instance keeps the stack of its calls, of which one call that stores something has
        touched some 20 kB. Call this every few seconds; an instance's next call takes a few
        microseconds longer. Only packed stacks (`EngineConfig.pack_stacks`) are known.

        Returns:
            How many instances that were.
        """
        rested = 0
        for number, reference in enumerate(list(self._resting.values()), 1):
            instance = reference()
            rested += instance is not None and instance._rest()
            if number % _RESTING_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
        return rested

    async def self_test(self) -> SelfTestReport:
        """Run hostile probe guests and report what stopped each, and after how long.

        It takes a fraction of a second, and for its deadlines the event loop's time.
        """
        return await prove_limits(self)

    def start(self, work: Coroutine[object, object, object]) -> None:
        """Run a host's own work as a task of this engine, for what outlives one host call.

        The work must handle its errors and end with its instance (`Caller.on_close`);
        whatever is left is cancelled when the engine closes.

        Raises:
            RuntimeError: the engine is not running.
        """
        self._spawn(work, Pending())

    def _waiting_for(self, context: int) -> bytes:
        """Return the continuation that asks the call in that store whether it may go on."""
        return wt.waiting_continuation(self._continuation_address, context)

    def _spawn(self, work: Coroutine[object, object, object], pending: Pending) -> None:
        """Run an `async` host function as a task of the engine."""
        if self._group is None:
            work.close()
            raise RuntimeError("the engine is not running; use it as `async with Engine()`")
        self._group.start_soon(pending._complete_with, work, True)
