"""The interpreter, compiled once for all tests; each home begins with a copy of that cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import airswasm.python
import anyio
import pytest
from airswasm.lifecycle import Home, Package, System
from airswasm.python import ABI, component
from airswasm.python.build import FILE_NAME, build
from airswasm.runtime import Engine, EngineSettings
from airswasm.sdk import build_project
from airswasm.security import PrivateKey

MANIFEST = """[component]
name = "local/{name}"
version = "{version}"

[build]
language = "python"
mode = "shared"
artifact = "build/{name}.json"
{build}
[limits]
memory = "{memory}"
timeout = "20 s"

[capabilities]
storage.read = ["everything"]
storage.write = ["everything"]
{more}
"""
ECHO = """
class Handler:
    def handle_message(self, sender, topic, payload):
        return payload
"""
OpenSystem = Callable[..., AbstractAsyncContextManager[System]]
MakeProject = Callable[..., Path]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that has the interpreter, as a host configures its engine.

    Workers of one run share it, and runs that name one: to compile it takes 12 s of a processor.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    given = os.environ.get("AIRSWASM_PYTHON_CACHE")
    folder = Path(given) if given else shared / "compiled"

    async def fill() -> None:
        async with Engine(EngineSettings().config(folder)) as engine:
            await engine.load(component(), name="interpreter")

    with (shared / "compiled.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        package = Path(airswasm.python.__file__).parent
        if not (package / FILE_NAME).is_file():  # an editable install
            build(package)
        anyio.run(fill)
    return folder


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter as homes keep it: 27 MB that need not be written for each test."""
    folder, wasm = tmp_path_factory.mktemp("kept"), component()
    (folder / ABI).write_bytes(hashlib.sha256(wasm).digest() + wasm)
    return folder


@pytest.fixture(scope="session")
def key() -> PrivateKey:
    return PrivateKey.from_seed(bytes(range(32)))


@pytest.fixture
def project(tmp_path: Path) -> MakeProject:
    """Make a built project of sources; the first is `app.py`."""

    def make(
        app: str = ECHO, *, name: str = "it", version: str = "0.1.0", build: str = "",
        more: str = "", memory: str = "64 MiB", **files: str,
    ) -> Path:  # fmt: skip
        folder = tmp_path / f"{name}-{version}"
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in {"app.py": app, **files}.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        manifest = MANIFEST.format(
            name=name, version=version, build=build, more=more, memory=memory
        )
        (folder / "Component.toml").write_text(manifest)
        build_project(folder)
        return folder

    return make


@pytest.fixture
def package(project: MakeProject, key: PrivateKey) -> Callable[..., Package]:
    """Make a signed package of sources."""
    numbers = iter(range(1, 1_000))

    def make(app: str = ECHO, **options: str) -> Package:
        folder = project(app, **options)
        return Package.read(folder, signature="ignored").sign(key, sequence=next(numbers))

    return make


@pytest.fixture
def opened(tmp_path: Path, compiled: Path, kept: Path) -> OpenSystem:
    """Open a host whose cache has the interpreter, again and again over one home."""
    home = Home(tmp_path / "home")

    @asynccontextmanager
    async def open_system(**options: object) -> AsyncIterator[System]:
        if not home.cache_folder.exists():
            home.folder.mkdir(mode=0o700, exist_ok=True)
            shutil.copytree(compiled, home.cache_folder, copy_function=os.link)
            shutil.copytree(kept, home.interpreters_folder, copy_function=os.link)
            home.cache_folder.chmod(0o700)
        async with System(home, **options) as system:  # type: ignore[arg-type]
            yield system

    return open_system
