"""Compiles components in a child process, once for each digest at a time.

Compiling is the one time that the engine parses untrusted bytes, and 256 KiB of
them were made to cost 13 seconds and 600 MB. A child process can be bounded in
CPU and memory and killed when no load waits for it any more; a thread cannot.
What comes back is native code made by our own engine in our own child, which
is why it may be deserialised.

Rejected: a pool of warm children or a fork server. A child costs about 0.1 s
once for each new component, the cache makes it never again, and a long-lived
child would carry state from one untrusted component to the next.

Weaker elsewhere: macOS does not enforce the memory limit, Windows has neither
it nor the CPU limit; the wall-clock limit, which is here, holds everywhere.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import anyio
import anyio.to_thread
from wasmtime import Engine
from wasmtime.component import Component

from .._compose.bridging import BRIDGE_VERSION
from .._config import CompileProgress, EngineConfig, ProgressSink
from .._wasmtime.features import config_fingerprint
from .._wasmtime.version import engine_version
from ..errors import CompileLimitExceeded, EngineError, InvalidComponent
from .cache import CompileCache, content_key
from .child_process import ChildOutcome, explain_end, start_child
from .description import DESCRIPTION_VERSION, Description

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")

COMPONENT_PREAMBLE = b"\0asm\x0d\0\1\0"
MODULE_LAYER = b"\0\0"
HEARTBEAT_SECONDS = 0.5
LARGE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class CompiledComponent:
    """A component as native code for this engine, safe to deserialise.

    Attributes:
        image: what the engine serialised, or the verified file that holds it.
        description: what is known of it besides the code.
    """

    image: bytes | Path
    description: Description

    @property
    def is_from_cache(self) -> bool:
        """Whether nothing had to be compiled."""
        return isinstance(self.image, Path)

    def open(self, engine: Engine) -> Component:
        """Make the code ready to run.

        Raises:
            wasmtime.WasmtimeError: it was made for another processor or engine;
                load it again with `recompile`.
        """
        if isinstance(self.image, Path):
            return Component.deserialize_file(engine, str(self.image))
        return Component.deserialize(engine, self.image)


def check_preamble(wasm: bytes, name: str) -> None:
    """Refuse what is not a component by its first eight bytes.

    Raises:
        InvalidComponent: with what the bytes are instead, and what to do about it.
    """
    if wasm[:8] == COMPONENT_PREAMBLE:
        return
    raise InvalidComponent(name, _what_it_is(wasm))


def _what_it_is(wasm: bytes) -> str:
    if not wasm:
        return "the file is empty"
    if wasm[:4] != b"\0asm":
        if wasm.lstrip()[:1] == b"(":
            return "this is WebAssembly text; assemble it with `wasm-tools parse`"
        return "it does not start with the WebAssembly magic number"
    if len(wasm) < 8:
        return f"the file ends after {len(wasm)} bytes"
    if wasm[6:8] == MODULE_LAYER:
        return "this is a core module; make a component of it with `wasm-tools component new`"
    version = int.from_bytes(wasm[4:6], "little")
    return f"it is a component of version {version}, but this engine reads version 13"


async def compile_component(
    wasm: bytes,
    config: EngineConfig,
    progress: Callable[[CompileProgress], None] | None = None,
    *,
    name: str = "component",
) -> CompiledComponent:
    """Compile a component in a child process of its own.

    A cancel kills the child.

    Args:
        wasm: the component.
        config: the engine it is for.
        progress: called when compiling starts and every half second of it.
        name: what errors call the component.

    Raises:
        InvalidComponent: it is no component, or uses a feature that is off.
        CompileLimitExceeded: it is too large, or compiling it took too much.
        CompileFailed: the child died of something else.
    """
    limits = config.compile_limits
    check_preamble(wasm, name)
    if len(wasm) > limits.wasm_bytes:
        raise CompileLimitExceeded(name, "wasm_bytes", limits.wasm_bytes)
    started = time.monotonic()
    outcome: ChildOutcome | None = None
    with anyio.move_on_after(2 * limits.seconds + 5):
        with start_child(config, name) as child:
            async with anyio.create_task_group() as tasks:
                if progress is not None:
                    tasks.start_soon(_heartbeat, name, progress, started)
                outcome = await child.converse(wasm, config)
                tasks.cancel_scope.cancel()
    if outcome is None:
        raise CompileLimitExceeded(name, "seconds", limits.seconds)
    return read_answer(outcome, name, config)


async def _heartbeat(name: str, progress: ProgressSink, started: float) -> None:
    while True:
        progress(CompileProgress(name, "compiling", time.monotonic() - started))
        await anyio.sleep(HEARTBEAT_SECONDS)


def read_answer(outcome: ChildOutcome, name: str, config: EngineConfig) -> CompiledComponent:
    """Read what a child answered; a complete answer counts, however the child ended.

    Raises:
        InvalidComponent: the child refused the component.
        CompileLimitExceeded, CompileFailed: there is no complete answer.
    """
    head, image = _parse(outcome.output)
    if "invalid" in head:
        raise InvalidComponent(name, _last_cause(head["invalid"]))
    if len(image) != head.get("image_bytes"):
        raise explain_end(outcome, name, config)
    return CompiledComponent(image, Description.from_json(head["description"]))


def _parse(output: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the head of an answer and what follows; an empty head for what is none."""
    line, end, image = output.partition(b"\n")
    try:
        head: object = json.loads(line) if end else {}
    except ValueError:  # another program's words
        head = {}
    # JSON's keys are strings; which of them are there, the caller looks at.
    return (cast("dict[str, Any]", head) if isinstance(head, dict) else {}), image


def _last_cause(message: str) -> str:
    """Return the innermost cause of an engine error, which names the feature or the offset."""
    lines = [line.strip() for line in message.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "the engine gave no reason"


@dataclass(slots=True)
class _Flight:
    """One compilation under way, and its end for all loads that wait for it."""

    landed: anyio.Event
    compiled: CompiledComponent | None = None
    error: EngineError | None = None


class Compiler:
    """Compiled components for one engine: from the cache, or from a child.

    Concurrent loads of the same bytes compile once and share the outcome. When
    the load that compiles is cancelled, its child is killed and one of the
    others starts over.
    """

    def __init__(self, config: EngineConfig) -> None:
        """Open the cache.

        Raises:
            UnsafeCacheFolder: others could have written what is in the cache.
        """
        self._config = config
        self._cache = _open_cache(config)
        self._flights: dict[str, _Flight] = {}

    async def load(
        self,
        wasm: bytes,
        name: str,
        progress: ProgressSink | None = None,
        *,
        recompile: bool = False,
    ) -> CompiledComponent:
        """Return the component as native code.

        Args:
            wasm: the component.
            name: what errors call it.
            progress: see `compile_component`; not called when the cache has it.
            recompile: pass over the cache, because the engine refused what it gave.

        Raises:
            InvalidComponent, CompileLimitExceeded, CompileFailed: see `compile_component`.
        """
        check_preamble(wasm, name)
        key = await _in_thread_if_large(len(wasm), content_key, wasm)
        while (flight := self._flights.get(key)) is not None:
            await flight.landed.wait()
            if flight.error is not None:
                raise flight.error
            if flight.compiled is not None and not recompile:
                return flight.compiled
        if not recompile and (cached := await self._cached(key, len(wasm))) is not None:
            return cached
        return await self._compile(key, wasm, name, progress)

    async def _cached(self, key: str, wasm_bytes: int) -> CompiledComponent | None:
        if self._cache is None:
            return None
        entry = await _in_thread_if_large(wasm_bytes, self._cache.get, key)
        if entry is None:
            return None
        return CompiledComponent(entry.path, Description.from_json(entry.description))

    async def _compile(
        self, key: str, wasm: bytes, name: str, progress: ProgressSink | None
    ) -> CompiledComponent:
        if key in self._flights:  # another load started while this one read the cache
            return await self.load(wasm, name, progress)
        flight = self._flights[key] = _Flight(anyio.Event())
        try:
            compiled = await compile_component(wasm, self._config, progress, name=name)
            await self._keep(key, compiled)
        except EngineError as error:
            flight.error = error
            raise
        else:
            flight.compiled = compiled
            return compiled
        finally:
            del self._flights[key]
            flight.landed.set()

    async def _keep(self, key: str, compiled: CompiledComponent) -> None:
        if self._cache is not None and isinstance(compiled.image, bytes):
            described = compiled.description.to_json()
            await anyio.to_thread.run_sync(self._cache.put, key, compiled.image, described)


def is_compiled(config: EngineConfig, wasm: bytes) -> bool:
    """Return whether the cache of an engine has the compiled form of a component."""
    is_small = len(wasm) <= config.small_component_bytes
    cache = _open_cache(config if is_small else config.for_large_components())
    return cache is not None and cache.path(content_key(wasm)).is_file()


def trim_cache(
    configs: Sequence[EngineConfig], components: Iterable[bytes], *, dry_run: bool
) -> tuple[int, int]:
    """Remove the entries of the compile cache that no component has.

    Args:
        configs: those with which one host compiles, in one folder.
        components: what is still needed; read one after the other.
        dry_run: only count.

    Returns:
        How many entries these are, and their bytes.
    """
    caches = [cache for each in configs if (cache := _open_cache(each)) is not None]
    keep = {cache.path(key) for key in map(content_key, components) for cache in caches}
    gone = caches[0].beyond(keep) if caches else []
    for path, _ in () if dry_run else gone:
        with suppress(OSError):  # Windows does not remove what is mapped
            path.unlink(missing_ok=True)
    return len(gone), sum(size for _, size in gone)


def _open_cache(config: EngineConfig) -> CompileCache | None:
    if config.cache_folder is None:
        return None
    parts = (
        engine_version(),
        platform.system(),
        platform.machine(),
        config_fingerprint(config),
        f"bridge {BRIDGE_VERSION if config.bridge_bytes else None}",
        f"description {DESCRIPTION_VERSION}",
    )
    return CompileCache(config.cache_folder, engine=" ".join(parts))


async def _in_thread_if_large(
    size_bytes: int, function: Callable[[_Argument], _Result], argument: _Argument
) -> _Result:
    """Run a function here for a small component, and on a thread for a large one.

    A hop to a thread costs more than hashing a small one; a large one holds the loop up.
    """
    if size_bytes < LARGE_BYTES:
        return function(argument)
    return await anyio.to_thread.run_sync(function, argument)
