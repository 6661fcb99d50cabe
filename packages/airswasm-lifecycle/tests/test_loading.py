"""Artifacts are compiled and linked once, for any number of names that run them at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.lifecycle import ArtifactCorrupt, MemoryTooSmall
from airswasm.lifecycle._home.artifacts import ArtifactStore
from airswasm.lifecycle._hosting.interpreted import Interpreters
from airswasm.lifecycle._hosting.loading import Loader, wasi_of
from airswasm.lifecycle._packages.manifest import Manifest
from airswasm.runtime import Engine, EngineConfig, HostInterface, LinkedComponent
from airswasm.wit import Blocks, contract
from wasmtime import wat2wasm

Workshop = Any  # tests/conftest.py, which nothing can import
pytestmark = pytest.mark.anyio
LOGGING, STORAGE = (f"airswasm:component/{name}@0.1.0" for name in ("logging", "storage"))


class CountingStore(ArtifactStore):
    """Counts what is read from the disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reads: list[str] = []

    def read(self, digest: str) -> bytes:
        self.reads.append(digest)
        return super().read(digest)


@pytest.fixture
def artifacts(tmp_path: Path) -> CountingStore:
    return CountingStore(tmp_path / "artifacts")


@pytest.fixture
async def loader(tmp_path: Path, artifacts: CountingStore) -> AsyncIterator[Loader]:
    def refuse(*_arguments: object) -> object:
        raise AssertionError("a trial start reaches no interface of the host")

    functions = ("get", "set", "delete", "exists", "list-keys", "log")
    offered = [
        HostInterface(LOGGING, {"log": refuse}),
        HostInterface(STORAGE, dict.fromkeys(functions[:-1], refuse)),
    ]
    async with Engine(EngineConfig(cache_folder=tmp_path / "cache")) as engine:
        yield Loader(
            engine, offered, artifacts, contract(), Interpreters(engine, Blocks.of(), None)
        )


def a_component(number: int) -> bytes:
    return bytes(wat2wasm(f'(component (core module $m (func (export "f{number}"))))'))


async def test_names_that_start_at_once_share_one_component(
    loader: Loader, artifacts: CountingStore
) -> None:
    """It is read once; another artifact is not held up by it, and is another component."""
    digests = [artifacts.add(a_component(number)) for number in range(2)]
    found: dict[str, list[LinkedComponent]] = {each: [] for each in digests}

    async def load(digest: str, name: str) -> None:
        found[digest].append(await loader.load(digest, name))

    async with anyio.create_task_group() as group:
        for number in range(10):
            for digest in digests:
                group.start_soon(load, digest, f"local/n{number}")
    assert sorted(artifacts.reads) == sorted(digests)
    assert [len(set(map(id, each))) for each in found.values()] == [1, 1]
    assert found[digests[0]][0] is not found[digests[1]][0]


async def test_what_no_version_needs_is_dropped_and_loaded_again(
    loader: Loader, artifacts: CountingStore
) -> None:
    """What is still needed stays as it is."""
    kept, dropped = (artifacts.add(a_component(number)) for number in range(2))
    before = {each: await loader.load(each, "local/a") for each in (kept, dropped)}
    loader.keep_only({kept})
    assert await loader.load(kept, "local/a") is before[kept]
    assert await loader.load(dropped, "local/a") is not before[dropped]
    assert artifacts.reads == [kept, dropped, dropped]


async def test_a_damaged_artifact_is_refused_until_it_is_whole(
    loader: Loader, artifacts: CountingStore
) -> None:
    """For all that ask at once, each time anew; the bytes that run are those that were hashed."""
    wasm = a_component(1)
    digest = artifacts.add(wasm)
    artifacts.path(digest).write_bytes(wasm + b"\0")
    refused: list[str] = []

    async def load() -> None:
        try:
            await loader.load(digest, "local/a")
        except ArtifactCorrupt as error:
            refused.append(error.digest)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(load)
    assert refused == [digest] * 3
    artifacts.path(digest).write_bytes(wasm)
    assert await loader.load(digest, "local/a")


@pytest.mark.parametrize("guest", [{}, {"eager": 1}, {"init": 1}, {"init": 2}])
async def test_a_trial_start_asks_the_host_for_nothing(
    loader: Loader, workshop: Workshop, guest: dict[str, int]
) -> None:
    """A component that needs the host in order to start is left to its real start."""
    await loader.try_start(workshop.package(wasm=workshop.guest(**guest)))


@pytest.mark.parametrize(
    ("pages", "memory", "suggested"), [(17, "1 MiB", "64 MiB"), (700, "40 MiB", "80 MiB")]
)
async def test_a_memory_limit_that_keeps_it_from_starting_is_said(
    loader: Loader, workshop: Workshop, pages: int, memory: str, suggested: str
) -> None:
    """With one that is large enough to try: twice as much, or what a language runtime takes."""
    package = workshop.package(wasm=workshop.guest(pages=pages), limits=f'memory = "{memory}"')
    with pytest.raises(MemoryTooSmall, match=suggested):
        await loader.try_start(package)


async def test_a_check_compiles_what_the_start_then_finds(
    loader: Loader, artifacts: CountingStore, workshop: Workshop
) -> None:
    """The disk is not read for it, and a second check does nothing."""
    package = workshop.package()
    for _ in range(2):
        await loader.check(package)
    assert await loader.load(package.wasm_digest, package.name)
    assert artifacts.reads == []


def test_a_component_sees_its_own_environment_and_program_name(workshop: Workshop) -> None:
    """And nothing of the host's; what it prints goes to its log."""

    text = workshop.package(extra='[environment]\nNAME = "väl ue"').files["Component.toml"]
    sink = object()
    wasi = wasi_of(Manifest.parse(text.decode()), sink)  # type: ignore[arg-type]
    assert dict(wasi.environment) == {"NAME": "väl ue", "AIRSWASM_COMPONENT": "local/hello"}
    assert wasi.arguments == ("component.wasm",)
    assert wasi.stdout is wasi.stderr is sink
