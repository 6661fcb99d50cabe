"""From wasm bytes to something that can be instantiated: compiled and linked once.

However many names run an artifact, there is one `LinkedComponent` of it. The
bytes that are compiled are hashed on the way from the disk (`ArtifactStore`),
and the engine's cache is keyed by the hash of the bytes it is given, so what
runs is what was installed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

import anyio
import anyio.to_thread
from airswasm.runtime import (
    Caller,
    Engine,
    HostInterface,
    Limits,
    LinkedComponent,
    LogSink,
    MemoryLimitExceeded,
    ProgressSink,
    WasiConfig,
)
from airswasm.wit import check_component

from ._quantities import format_bytes
from .artifacts import ArtifactStore
from .errors import MemoryTooSmall
from .manifest import Manifest
from .package import Package

__all__ = ("Loader", "limits_of", "wasi_of")

_SUGGESTED_MEMORY_BYTES = 64 * 2**20


def limits_of(manifest: Manifest) -> Limits:
    """Returns the engine's limits that a manifest stands for."""
    asked = manifest.limits
    default = Limits()
    return Limits(
        memory_bytes=asked.memory,
        fuel=asked.fuel if asked.fuel is not None else default.fuel,
        timeout=asked.timeout,
        source="Component.toml",
    )


def wasi_of(manifest: Manifest, sink: LogSink) -> WasiConfig:
    """Returns what a component sees of WASI: its own environment, and a log for stdio."""
    return WasiConfig(
        stdout=sink,
        stderr=sink,
        environment=manifest.environment,
        arguments=(PurePosixPath(manifest.build.artifact).name,),
    )


class Loader:
    """Compiles and links; keeps one linked component for each digest."""

    def __init__(
        self, engine: Engine, interfaces: Sequence[HostInterface], artifacts: ArtifactStore
    ) -> None:
        self._engine, self._interfaces, self._artifacts = engine, tuple(interfaces), artifacts
        self._linked: dict[str, LinkedComponent] = {}
        self._loading: dict[str, anyio.Lock] = {}

    async def check(self, package: Package, progress: ProgressSink | None = None) -> None:
        """Finds out whether a component can run here: contract, compiler, imports, memory.

        Raises:
            ContractViolation: it does not fit the contract, or this host's interfaces.
            EngineError: it cannot be compiled, linked or instantiated.
            MemoryTooSmall: its own memory limit keeps it from starting.
        """
        wasm, manifest = package.wasm, package.manifest
        offered = [interface.name for interface in self._interfaces]
        report = await anyio.to_thread.run_sync(lambda: check_component(wasm, offered=offered))
        report.raise_for_problems()
        digest = hashlib.sha256(wasm).hexdigest()
        linked = await self._link(wasm, digest, manifest.name, progress)
        await self._try_out(linked, manifest)

    async def load(self, digest: str, name: str) -> LinkedComponent:
        """Returns the installed artifact of that digest, ready to be instantiated.

        Raises:
            ArtifactCorrupt: the bytes on disk are not the installed ones.
            EngineError: it cannot be compiled or linked.
        """
        known = self._linked.get(digest)
        if known is not None:
            return known
        async with self._loading.setdefault(digest, anyio.Lock()):
            known = self._linked.get(digest)
            if known is None:
                wasm = await anyio.to_thread.run_sync(self._artifacts.read, digest)
                known = await self._link(wasm, digest, name, None)
        self._loading.pop(digest, None)
        return known

    def keep_only(self, digests: Collection[str]) -> None:
        """Lets go of linked components that no installed version needs."""
        for digest in [each for each in self._linked if each not in digests]:
            del self._linked[digest]

    async def _link(
        self, wasm: bytes, digest: str, name: str, progress: ProgressSink | None
    ) -> LinkedComponent:
        known = self._linked.get(digest)
        if known is None:
            component = await self._engine.load(wasm, name=name, progress=progress)
            known = self._linked[digest] = component.link(self._interfaces)
        return known

    async def _try_out(self, linked: LinkedComponent, manifest: Manifest) -> None:
        try:
            instance = await linked.instantiate(
                caller=Caller(manifest.name), limits=limits_of(manifest)
            )
        except MemoryLimitExceeded as error:
            memory = manifest.limits.memory
            suggested = max(_SUGGESTED_MEMORY_BYTES, 2 * memory)
            raise MemoryTooSmall(
                manifest.name, format_bytes(memory), format_bytes(suggested)
            ) from error
        instance.close()
