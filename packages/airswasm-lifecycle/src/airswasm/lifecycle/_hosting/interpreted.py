"""Run components that are sources: the interpreter that they share, and their code in it.

An interpreter is a component that an installed block brings. It is compiled and loaded once, and
`Component.specialized` makes of it one component for each index: its imports of sources are
answered from that package's files, and it has the exports that the index names. From there on
nothing knows that it is no wasm of its own.

The interpreter compiles the sources, in an instance without a name, without grants and with every
other import refused; that runs none of them. A host keeps that code by the digests of source and
interpreter. It takes no code from a package, and what it keeps runs in the sandbox all the same.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import anyio
import anyio.to_thread
from airswasm.runtime import (
    Caller,
    Component,
    Effect,
    Engine,
    EngineSettings,
    Err,
    GuestFault,
    HostFunction,
    HostInterface,
    HostResource,
    Limits,
    LinkedComponent,
    Ok,
    ProgressSink,
)
from airswasm.runtime import is_compiled as is_compiled_for
from airswasm.runtime.files import replace_file
from airswasm.wit import Blocks, load_part
from airswasm.wit.names import INTERPRETER_COMPILE, INTERPRETER_SOURCES, are_compatible

from .._home.artifacts import Removed
from .._home.configuration import Configuration
from .._home.home import Home
from .._home.interpreters import KeptInterpreters
from .._packages.package import Package
from .._packages.sources import SourceIndex
from ..errors import InterpreterMissing, SourcesInvalid

__all__ = ("Interpreters", "is_compiled", "load_package", "refusing")

_COMPILING = Limits(memory_bytes=256 * 2**20, fuel=20_000_000_000, timeout=60.0)
_DIGEST_BYTES = 32
_MOST_CODE_BYTES = 128 * 2**20
_CODE_FOLDER = "code"
ReadFile = Callable[[str, str], bytes]
"""Return the file of a path in the package and a SHA-256."""
_Refuse = Callable[[int, str], SourcesInvalid]
"""Make the error of a line and a reason."""


@dataclass(slots=True)
class _Loaded:
    """An interpreter that is loaded, or is being."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    component: Component | None = None


class Interpreters:
    """Makes components of indices.

    Args:
        engine: Runs them.
        blocks: Bring the interpreters.
        folder: Where compiled sources are kept; None for nowhere.
        kept: The interpreters that the host keeps; None where it keeps none.
    """

    def __init__(
        self,
        engine: Engine,
        blocks: Blocks,
        folder: Path | None,
        kept: KeptInterpreters | None = None,
    ) -> None:
        self._engine, self._blocks, self._kept = engine, blocks, kept
        self._code = _CodeCache(folder / _CODE_FOLDER if folder is not None else None)
        self._loaded: dict[str, _Loaded] = {}

    def read(self, abi: str) -> bytes | None:
        """Return the bytes of the interpreter with an ABI; None where there is none.

        One that a block brings comes before one that was kept: it may have been mended. A block
        that runs from its sources may not have been built.
        """
        declared = self._blocks.interpreters.get(abi)
        if declared is not None:
            with suppress(FileNotFoundError):
                return cast("Callable[[], bytes]", load_part(declared.component))()
        return None if self._kept is None else self._kept.read(abi)

    def wasm_of(self, artifacts: Iterable[bytes]) -> Iterator[bytes]:
        """Yield what the engine compiles for some artifacts: wasm itself, and interpreters."""
        abis: set[str] = set()
        for each in artifacts:
            if SourceIndex.is_index(each):
                abis.add(SourceIndex.parse(each, "the artifact").abi)
            else:
                yield each
        yield from (wasm for abi in sorted(abis) if (wasm := self.read(abi)) is not None)

    def keep_only(self, artifacts: Iterable[bytes], *, dry_run: bool) -> Removed:
        """Remove the kept interpreters that none of some artifacts needs."""
        indices = (
            SourceIndex.parse(a, "the artifact") for a in artifacts if SourceIndex.is_index(a)
        )
        abis = {each.abi for each in indices}
        return Removed() if self._kept is None else self._kept.remove(abis, dry_run=dry_run)

    async def load(
        self,
        index: SourceIndex,
        digest: str,
        name: str,
        read: ReadFile,
        progress: ProgressSink | None = None,
    ) -> Component:
        """Return the component that an index describes, compiled.

        Raises:
            InterpreterMissing: There is no interpreter with its ABI.
            SourcesInvalid: A source does not compile.
            EngineError: The interpreter cannot be loaded.
            ArtifactCorrupt: A file is missing or changed.
        """
        interpreter = await self._interpreter(index.abi, name, progress)
        files = await anyio.to_thread.run_sync(_read_all, index, read)
        code = await self._compile(interpreter, index, files, name)
        bound = (*_undeclared(interpreter, index), _sources(index.entry, code, files))
        return interpreter.specialized(name, digest, bound=bound, exports=index.exports)

    async def _interpreter(self, abi: str, name: str, progress: ProgressSink | None) -> Component:
        loaded = self._loaded.setdefault(abi, _Loaded())
        async with loaded.lock:
            if loaded.component is None:
                wasm = await anyio.to_thread.run_sync(self.read, abi)
                if wasm is None:
                    raise InterpreterMissing(
                        name, abi, sorted({*self._blocks.interpreters} - {abi})
                    )
                component = await self._engine.load(wasm, name=abi, progress=progress)
                if self._kept is not None:
                    with suppress(OSError):  # it runs all the same
                        await anyio.to_thread.run_sync(self._kept.keep, abi, wasm)
                loaded.component = component
            return loaded.component

    async def _compile(
        self, interpreter: Component, index: SourceIndex, files: Mapping[str, bytes], name: str
    ) -> Mapping[str, bytes]:
        """Return the code of all sources by path; compile those that were not compiled before."""
        paths = [path for path in index.files if path.endswith(".py")]
        keys = {path: _key(interpreter, path, index.files[path].sha256) for path in paths}
        code = await anyio.to_thread.run_sync(self._code.find, keys)
        missing = [path for path in paths if path not in code]
        if not missing:
            return code
        compiler = interpreter.link([*refusing(interpreter), _sources("", {}, {})])
        added: dict[str, bytes] = {}
        for path in missing:
            refuse = partial(SourcesInvalid, name, index.files[path].path)
            made = await _compile(compiler, files[path], path, refuse)
            added[keys[path]] = code[path] = made
        await anyio.to_thread.run_sync(self._code.add, added)
        return code


async def _compile(compiler: LinkedComponent, source: bytes, path: str, refuse: _Refuse) -> bytes:
    """Compile one source, in its own instance: none has a say in the code of another one."""
    if len(source) > SourceIndex.MOST_SOURCE_BYTES:
        raise refuse(1, f"longer than {SourceIndex.MOST_SOURCE_BYTES:,} bytes")
    try:
        instance = await compiler.instantiate(caller=Caller(""), limits=_COMPILING)
        try:
            made = await instance.call(INTERPRETER_COMPILE, source, path)
        finally:
            instance.close()
    except GuestFault as fault:
        raise refuse(1, str(fault)) from fault
    if isinstance(made, Err):
        line, _, reason = str(cast("Err[object]", made).value).partition(": ")
        raise refuse(int(line) if line.isdecimal() else 1, reason)
    return cast("Ok[bytes]", made).value


async def load_package(engine: Engine, package: Package, blocks: Blocks | None = None) -> Component:
    """Load the component of a package, wasm or sources, without a host.

    Raises:
        InterpreterMissing, SourcesInvalid: It is sources, and cannot be run here.
        EngineError: It does not compile.
    """
    if not SourceIndex.is_index(package.wasm):
        return await engine.load(package.wasm, name=package.name)
    index = SourceIndex.parse(package.wasm, package.source)
    interpreters = Interpreters(engine, blocks or Blocks.find(), engine.config.cache_folder)

    def read(path: str, _digest: str) -> bytes:
        return package.files[path]

    return await interpreters.load(index, package.wasm_digest, package.name, read)


def is_compiled(home: Path, wasm: bytes) -> bool:
    """Return whether a home's cache has the compiled form of a component.

    Raises:
        ConfigurationInvalid: The home's settings are wrong.
    """
    where = Home(home)
    if not where.cache_folder.is_dir():
        return False
    settings = Configuration.load(where.config_file, Blocks.find(), os.environ)
    config = settings.get(EngineSettings).config(where.cache_folder)
    return is_compiled_for(config, wasm)


def _undeclared(interpreter: Component, index: SourceIndex) -> Iterator[HostInterface]:
    """Yield refusals of what an index does not import, as if the component had no such import."""
    for each in refusing(interpreter, "wit/world.wit does not import it; add it, and build again"):
        if not any(are_compatible(each.name, imported) for imported in index.imports):
            yield each


def refusing(
    component: Component, reason: str = "a trial start grants nothing"
) -> Iterator[HostInterface]:
    """Yield the interfaces that a component imports, with functions that all refuse.

    Without a configuration, the engine's own WASI interfaces expose nothing and reach nothing: a
    language runtime asks for clock, random bytes and environment while it starts.
    """

    def refuse(_caller: Caller, *_arguments: object) -> object:
        raise PermissionError(reason)

    for name, shape in component.imports.items():
        if name and not name.startswith(_HARMLESS):
            functions = dict.fromkeys(shape.functions, refuse)
            resources = dict.fromkeys(shape.resources, HostResource())
            yield HostInterface(name, functions, resources)


_HARMLESS = tuple(
    f"wasi:{each}/" for each in ("cli", "clocks", "random", "io", "filesystem", "sockets")
)


def _read_all(index: SourceIndex, read: ReadFile) -> dict[str, bytes]:
    return {name: read(each.path, each.sha256) for name, each in index.files.items()}


def _sources(entry: str, code: Mapping[str, bytes], files: Mapping[str, bytes]) -> HostInterface:
    def get_entry(_caller: Caller) -> str:
        return entry

    def get_code(_caller: Caller, path: str) -> bytes | None:
        return code.get(path)

    def get_text(_caller: Caller, path: str) -> bytes | None:
        return files.get(path)

    functions: dict[str, HostFunction] = {"entry": get_entry, "code": get_code, "text": get_text}
    return HostInterface(
        INTERPRETER_SOURCES, functions, effects=dict.fromkeys(functions, Effect.NONE)
    )


def _key(interpreter: Component, path: str, digest: str) -> str:
    told = f"{interpreter.digest} {digest} {path}"
    return hashlib.sha256(told.encode()).hexdigest()


class _CodeCache:
    """Compiled sources on the disk; an entry begins with its SHA-256, so a torn one is none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def find(self, keys: Mapping[str, str]) -> dict[str, bytes]:
        """Return what is kept of some keys, by the name that stands before each."""
        if self._folder is None:
            return {}
        found: dict[str, bytes] = {}
        for name, key in keys.items():
            try:
                entry = (self._folder / key).read_bytes()
            except OSError:
                continue
            content = entry[_DIGEST_BYTES:]
            if hashlib.sha256(content).digest() == entry[:_DIGEST_BYTES]:
                found[name] = content
        return found

    def add(self, entries: Mapping[str, bytes]) -> None:
        """Keep some; a disk that is full or read-only is no error."""
        if self._folder is None:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for key, content in entries.items():
                replace_file(self._folder / key, hashlib.sha256(content).digest(), content)
            self._make_room()
        except OSError:
            return

    def _make_room(self) -> None:
        assert self._folder is not None
        kept = sorted((each.stat().st_mtime, each.stat().st_size, each)
                      for each in self._folder.iterdir())  # fmt: skip
        over = sum(size for _, size, _ in kept) - _MOST_CODE_BYTES
        for _, size, path in kept:
            if over <= 0:
                break
            path.unlink(missing_ok=True)
            over -= size
