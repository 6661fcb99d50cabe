"""Turn wasm bytes into a component that can be instantiated: compiled and linked once.

However many names run an artifact, it has one `LinkedComponent`. `ArtifactStore` hashes the bytes
on the way from the disk, and the engine keys its cache by the hash of the bytes it gets, so the
host runs what it installed.

`check` precedes the approval and executes nothing of the package: to instantiate it would run its
start function and `_initialize`. After the approval, `try_start` finds what only execution can
show, in an instance without a name and without grants that refuses every import.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

import anyio
import anyio.to_thread
from airswasm.runtime import (
    WASI_INTERFACES,
    Caller,
    Engine,
    HostFunctionFailed,
    HostInterface,
    LinkedComponent,
    LogSink,
    MemoryLimitExceeded,
    ProgressSink,
    WasiConfig,
)
from airswasm.wit import Contract

from .._home.artifacts import ArtifactStore
from .._packages.manifest import Manifest
from .._packages.package import Package
from .._packages.sources import SourceIndex, check_artifact
from .._registry.limits import limits_of
from .._toml.quantities import format_bytes
from ..errors import MemoryTooSmall
from .interpreted import Interpreters, ReadFile, refusing

__all__ = ("NAME_VARIABLE", "Loader", "wasi_of")

NAME_VARIABLE = "AIRSWASM_COMPONENT"
"""The variable of a component's environment that has its name."""
_SUGGESTED_MEMORY_BYTES = 64 * 2**20


def wasi_of(manifest: Manifest, sink: LogSink) -> WasiConfig:
    """Return a component's view of WASI: its name and its own environment, a log for stdio."""
    return WasiConfig(
        stdout=sink,
        stderr=sink,
        environment={**manifest.environment, NAME_VARIABLE: manifest.name},
        arguments=(PurePosixPath(manifest.build.artifact).name,),
    )


class Loader:
    """Compiles and links; keeps one linked component for each digest."""

    def __init__(
        self,
        engine: Engine,
        interfaces: Sequence[HostInterface],
        artifacts: ArtifactStore,
        contract: Contract,
        interpreters: Interpreters,
    ) -> None:
        self._interpreters = interpreters
        self._contract = contract
        self._engine, self._interfaces, self._artifacts = engine, tuple(interfaces), artifacts
        self._linked: dict[str, LinkedComponent] = {}
        self._loading: dict[str, anyio.Lock] = {}

    async def check(self, package: Package, progress: ProgressSink | None = None) -> None:
        """Check whether a component fits this host: contract, compiler, imports.

        This executes nothing of the component.

        Raises:
            ContractViolation: It does not fit the contract, or this host's interfaces.
            EngineError: It does not compile or link.
            ScratchUnusable: The folder for temporary files cannot be written.
        """
        if package.wasm_digest in self._linked:
            return  # already checked, against the same interfaces
        offered = [*WASI_INTERFACES, *(interface.name for interface in self._interfaces)]
        wasm = package.wasm
        report = await anyio.to_thread.run_sync(
            lambda: check_artifact(wasm, offered=offered, against=self._contract)
        )
        report.raise_for_problems()
        await self._link_package(package, progress)

    async def try_start(self, package: Package) -> None:
        """Check whether an approved component can start within its limits.

        This instantiates it once: without a name, without grants, and with every import refused but
        the harmless ones of WASI. A component that needs the host in order to start passes; its
        real start decides.

        Raises:
            MemoryTooSmall: Its own memory limit keeps it from starting.
            EngineError: It cannot be instantiated.
        """
        linked = await self._link_package(package, None)
        component, manifest = linked.component, package.manifest
        alone = component.link(refusing(component))
        try:
            instance = await alone.instantiate(caller=Caller(""), limits=limits_of(manifest))
        except MemoryLimitExceeded as error:
            if error.limit != "memory_bytes":  # a composed component's memories or tables
                raise
            memory = manifest.limits.memory
            suggested = max(_SUGGESTED_MEMORY_BYTES, 2 * memory)
            raise MemoryTooSmall(
                manifest.name, format_bytes(memory), format_bytes(suggested)
            ) from error
        except HostFunctionFailed:
            return  # It asked the host for something: its real start decides.
        instance.close()

    def find(self, digest: str) -> LinkedComponent | None:
        """Return the artifact of that digest if it is loaded."""
        return self._linked.get(digest)

    async def load(self, digest: str, name: str) -> LinkedComponent:
        """Return the installed artifact of that digest, ready to instantiate.

        Raises:
            ArtifactCorrupt: The bytes on disk differ from the installed ones.
            EngineError: The component does not compile or link.
        """
        known = self._linked.get(digest)
        if known is not None:
            return known
        async with self._loading.setdefault(digest, anyio.Lock()):
            known = self._linked.get(digest)
            if known is None:
                wasm = await anyio.to_thread.run_sync(self._artifacts.read, digest)
                known = await self._link(wasm, digest, name, self._read_stored, None)
        self._loading.pop(digest, None)
        return known

    def keep_only(self, digests: Collection[str]) -> None:
        """Drop linked components that no installed version needs."""
        for digest in [each for each in self._linked if each not in digests]:
            del self._linked[digest]

    async def _link_package(
        self, package: Package, progress: ProgressSink | None
    ) -> LinkedComponent:
        def read(path: str, _digest: str) -> bytes:
            return package.files[path]

        return await self._link(package.wasm, package.wasm_digest, package.name, read, progress)

    def _read_stored(self, _path: str, digest: str) -> bytes:
        return self._artifacts.read(digest)

    async def _link(
        self, wasm: bytes, digest: str, name: str, read: ReadFile, progress: ProgressSink | None
    ) -> LinkedComponent:
        known = self._linked.get(digest)
        if known is None:
            if SourceIndex.is_index(wasm):
                index = SourceIndex.parse(wasm, name)
                component = await self._interpreters.load(index, digest, name, read, progress)
            else:
                component = await self._engine.load(wasm, name=name, progress=progress)
            known = self._linked[digest] = component.link(self._interfaces)
        return known
