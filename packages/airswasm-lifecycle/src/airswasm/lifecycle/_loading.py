"""From wasm bytes to something that can be instantiated: compiled and linked once.

However many names run an artifact, there is one `LinkedComponent` of it. The
bytes that are compiled are hashed on the way from the disk (`ArtifactStore`),
and the engine's cache is keyed by the hash of the bytes it is given, so what
runs is what was installed.

`check` comes before the approval and runs nothing of the package: instantiating
it would run its start function and `_initialize`. What only running can tell,
`try_start` finds out after the approval, in an instance without a name and
without grants, whose every import is refused.
"""

from __future__ import annotations

import errno
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
    Limits,
    LinkedComponent,
    LogSink,
    MemoryLimitExceeded,
    ProgressSink,
    WasiConfig,
)
from airswasm.wit import Contract, check_component

from ._artifacts import ArtifactStore
from ._manifest import Manifest
from ._package import Package
from ._quantities import format_bytes
from .errors import MemoryTooSmall, TemporaryFolderMissing

__all__ = ("Loader", "limits_of", "wasi_of")

_SUGGESTED_MEMORY_BYTES = 64 * 2**20
_HARMLESS = tuple(
    f"wasi:{each}/" for each in ("cli", "clocks", "random", "io", "filesystem", "sockets")
)


def limits_of(manifest: Manifest) -> Limits:
    """Return the engine's limits that a manifest stands for."""
    asked = manifest.limits
    default = Limits()
    return Limits(
        memory_bytes=asked.memory,
        memories=asked.memories,
        tables=asked.tables,
        table_elements=asked.table_elements,
        instances=asked.instances,
        host_call_bytes=asked.host_call,
        fuel=asked.fuel if asked.fuel is not None else default.fuel,
        timeout=asked.timeout,
        message_bytes=asked.message_bytes,
        source="Component.toml",
    )


def wasi_of(manifest: Manifest, sink: LogSink) -> WasiConfig:
    """Return what a component sees of WASI: its own environment, and a log for stdio."""
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
        """Find out whether a component fits this host: contract, compiler, imports.

        Nothing of the component is executed.

        Raises:
            ContractViolation: it does not fit the contract, or this host's interfaces.
            EngineError: it cannot be compiled or linked.
            TemporaryFolderMissing: it cannot be read for want of one.
        """
        if package.wasm_digest in self._linked:
            return  # it was checked, against the same interfaces
        offered = [*WASI_INTERFACES, *(interface.name for interface in self._interfaces)]
        wasm = package.wasm
        try:
            report = await anyio.to_thread.run_sync(
                lambda: check_component(wasm, offered=offered, against=self._contract)
            )
        except FileNotFoundError as error:
            if error.errno == errno.ENOENT and error.filename is None:  # `tempfile` has no folder
                raise TemporaryFolderMissing(str(error.strerror)) from error
            raise
        report.raise_for_problems()
        await self._link(wasm, package.wasm_digest, package.name, progress)

    async def try_start(self, package: Package) -> None:
        """Find out whether an approved component can start within its memory.

        It is instantiated once, for nothing: nameless, without grants, and with every import but
        the harmless ones of WASI refused. A component that needs the host in order to start is
        not judged by that; its real start is.

        Raises:
            MemoryTooSmall: its own memory limit keeps it from starting.
            EngineError: it cannot be instantiated.
        """
        linked = await self._link(package.wasm, package.wasm_digest, package.name, None)
        component, manifest = linked.component, package.manifest
        alone = component.link(_refusing(component))
        try:
            instance = await alone.instantiate(caller=Caller(""), limits=limits_of(manifest))
        except MemoryLimitExceeded as error:
            memory = manifest.limits.memory
            suggested = max(_SUGGESTED_MEMORY_BYTES, 2 * memory)
            raise MemoryTooSmall(
                manifest.name, format_bytes(memory), format_bytes(suggested)
            ) from error
        except HostFunctionFailed:
            return  # it asked the host for something: whether it starts, its own start will tell
        instance.close()

    async def load(self, digest: str, name: str) -> LinkedComponent:
        """Return the installed artifact of that digest, ready to be instantiated.

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
        """Let go of linked components that no installed version needs."""
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
    """The interfaces that a component imports, of which every function refuses.

    What the engine itself offers of WASI, without a configuration, shows nothing and reaches
    nothing: a language runtime asks for clock, random bytes and environment before it is up.
    """
    for name, shape in component.imports.items():
        if name and not name.startswith(_HARMLESS):
            functions = dict.fromkeys(shape.functions, _refuse)
            resources = dict.fromkeys(shape.resources, HostResource())
            yield HostInterface(name, functions, resources)


def _refuse(_caller: Caller, *_arguments: object) -> object:
    raise PermissionError("nothing is granted to a component that is only tried")
