"""Turn wasm bytes into a component that can be instantiated: compiled and linked once.

However many names run an artifact, it has one `LinkedComponent`. `ArtifactStore` hashes the bytes
on the way from the disk, and the engine keys its cache by the hash of the bytes it gets, so the
host runs what it installed.

`check` precedes the approval and executes nothing of the package: to instantiate it would run its
start function and `_initialize`. After the approval, `try_start` finds what only execution can
show, in an instance without a name and without grants that refuses every import.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import PurePosixPath

import anyio
import anyio.to_thread
from airswasm.runtime import (
    WASI_INTERFACES,
    Caller,
    Component,
    Engine,
    HostFunctionFailed,
    HostInterface,
    HostResource,
    LinkedComponent,
    LogSink,
    MemoryLimitExceeded,
    ProgressSink,
    WasiConfig,
)
from airswasm.wit import Contract, check_component

from .._home.artifacts import ArtifactStore
from .._packages.manifest import Manifest
from .._packages.package import Package
from .._registry.limits import limits_of
from .._toml.quantities import format_bytes
from ..errors import MemoryTooSmall

__all__ = ("Loader", "wasi_of")

_SUGGESTED_MEMORY_BYTES = 64 * 2**20
_HARMLESS = tuple(
    f"wasi:{each}/" for each in ("cli", "clocks", "random", "io", "filesystem", "sockets")
)


def wasi_of(manifest: Manifest, sink: LogSink) -> WasiConfig:
    """Return a component's view of WASI: its own environment, and a log for stdio."""
    return WasiConfig(
        stdout=sink,
        stderr=sink,
        environment=manifest.environment,
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
    ) -> None:
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
            lambda: check_component(wasm, offered=offered, against=self._contract)
        )
        report.raise_for_problems()
        await self._link(wasm, package.wasm_digest, package.name, progress)

    async def try_start(self, package: Package) -> None:
        """Check whether an approved component can start within its limits.

        This instantiates it once: without a name, without grants, and with every import refused but
        the harmless ones of WASI. A component that needs the host in order to start passes; its
        real start decides.

        Raises:
            MemoryTooSmall: Its own memory limit keeps it from starting.
            EngineError: It cannot be instantiated.
        """
        linked = await self._link(package.wasm, package.wasm_digest, package.name, None)
        component, manifest = linked.component, package.manifest
        alone = component.link(_refusing(component))
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
                known = await self._link(wasm, digest, name, None)
        self._loading.pop(digest, None)
        return known

    def keep_only(self, digests: Collection[str]) -> None:
        """Drop linked components that no installed version needs."""
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


def _refusing(component: Component) -> Iterator[HostInterface]:
    """Yield the interfaces that a component imports, with functions that all refuse.

    Without a configuration, the engine's own WASI interfaces expose nothing and reach nothing: a
    language runtime asks for clock, random bytes and environment while it starts.
    """
    for name, shape in component.imports.items():
        if name and not name.startswith(_HARMLESS):
            functions = dict.fromkeys(shape.functions, _refuse)
            resources = dict.fromkeys(shape.resources, HostResource())
            yield HostInterface(name, functions, resources)


def _refuse(_caller: Caller, *_arguments: object) -> object:
    raise PermissionError("a trial start grants nothing")
