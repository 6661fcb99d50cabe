"""Guests for the tests: a few lines of WAT or C, made into components with wasm-tools."""

from __future__ import annotations

import ctypes
import mmap
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from airswasm.runtime import Engine, EngineConfig, HostInterface
from hypothesis import settings

settings.register_profile("busy", deadline=None)  # machines are shared
settings.load_profile("busy")

# A shell starts what runs in its background with SIGINT ignored, and programs hand that on.
signal.signal(signal.SIGINT, signal.default_int_handler)

GUESTS = Path(__file__).parent / "guests"
Build = Callable[[str, str], bytes]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _run(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _tool() -> str:
    beside = Path(sys.executable).with_name("wasm-tools")
    return str(beside) if beside.exists() else shutil.which("wasm-tools") or "wasm-tools"


def build_component(folder: Path, wit: str, core: str | Path) -> bytes:
    """Makes a component of a WIT world and a core module (WAT text or a wasm file)."""
    (folder / "world.wit").write_text(wit)
    source = folder / "core.wat"
    if isinstance(core, str):
        source.write_text(core)
    embedded, component = folder / "embedded.wasm", folder / "component.wasm"
    module = source if isinstance(core, str) else core
    _run(_tool(), "component", "embed", folder / "world.wit", module, "-o", embedded)
    _run(_tool(), "component", "new", embedded, "-o", component)
    return component.read_bytes()


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds components, each distinct one once."""
    made: dict[tuple[str, str], bytes] = {}

    def build(wit: str, core: str) -> bytes:
        if (wit, core) not in made:
            made[wit, core] = build_component(tmp_path_factory.mktemp("guest"), wit, core)
        return made[wit, core]

    return build


@pytest.fixture(scope="session")
def one_module() -> Callable[[str, dict[str, str], dict[str, str], str], str]:
    """Puts the core modules `$libc` and `$main` of a component into one, as tools want it."""

    def joined(text: str, imports: dict[str, str], exports: dict[str, str], after: str) -> str:
        libc, main = (
            text.split(f"(core module {name}")[1].split(f"(core instance {name}")[0].strip()[:-1]
            for name in ("$libc", "$main")
        )
        posts = " ".join(f'(export "cabi_post_{name}")' for name in exports.values())
        lines = [line for line in main.splitlines() if '(import "libc"' not in line]
        taken = [line for line in lines if line.strip().startswith("(import")]
        body = "\n".join([*taken, libc, *(line for line in lines if line not in taken)])
        for name, module in imports.items():
            body = body.replace(
                f'(import "host" "{name}"' if name else '(import "host"',
                f'(import "{module}" "{name}"' if name else f'(import "{module}"',
            )
        for old, new in {
            f'(func (export "{after}") (param i32)': f"(func {posts} (param i32)",
            '(func (export "reset")': "(func $reset",
            '(export "realloc")': '(export "cabi_realloc")',
            '(global $mode (export "mode")': "(global $mode",
            **{f'(export "{name}")': f'(export "{path}")' for name, path in exports.items()},
        }.items():
            body = body.replace(old, new)
        return f"(module {body})"

    return joined


def build_from_c(folder: Path, name: str) -> bytes:
    """Compiles `guests/<name>.c` and makes it a component of `guests/<name>.wit`."""
    core = folder / "core.wasm"
    flags = "-target wasm32-freestanding -O2 -nostdlib -Wl,--no-entry -Wl,--export-dynamic"
    _run(
        *(sys.executable, "-m", "ziglang", "cc", *flags.split(), "-Wl,-z,stack-size=65536"),
        *("-o", core, GUESTS / f"{name}.c"),
    )
    return build_component(folder, (GUESTS / f"{name}.wit").read_text(), core)


@pytest.fixture(scope="session")
def probe_wasm(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Does what a test asks: echo, add, spin, nap, relay, trap, recurse, hog."""
    return build_from_c(tmp_path_factory.mktemp("probe"), "probe")


@pytest.fixture(scope="session")
def resources_wasm(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Uses the host's resource `file` and defines its own, `counter`."""
    return build_from_c(tmp_path_factory.mktemp("resources"), "resources")


@pytest.fixture(scope="session")
def droppy_wasm(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Defines a resource whose destructor counts, traps, spins or waits."""
    return build_from_c(tmp_path_factory.mktemp("droppy"), "droppy")


@pytest.fixture(scope="session")
def abyss_wasm(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Recurses without end, on the engine's stack alone."""
    core = """(module (memory (export "memory") 1)
      (func $fall (export "fall") (param i32) (result i32)
        (i32.add (local.get 0) (call $fall (i32.add (local.get 0) (i32.const 1))))))"""
    wit = "package test:abyss; world abyss { export fall: func(depth: u32) -> u32; }"
    return build_component(tmp_path_factory.mktemp("abyss"), wit, core)


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o700)
    return folder


@pytest.fixture
def config(cache_folder: Path) -> EngineConfig:
    """A configuration whose compile cache the whole test session shares."""
    return EngineConfig(cache_folder=cache_folder)


@pytest.fixture
async def engine(config: EngineConfig):  # type: ignore[no-untyped-def]
    async with Engine(config) as engine:
        yield engine


@pytest.fixture
def probe_host() -> HostInterface:
    """The simplest host that the probe guest can be linked with."""
    functions = {
        "wait": lambda _caller, ms: ms * 2,
        "reflect": lambda _caller, data: data[::-1],
        "note": lambda _caller, _text: None,
    }
    return HostInterface("test:probe/host", functions)


@pytest.fixture
def resident_pages() -> Callable[[int, int], int]:
    """Counts the pages of a piece of address space that take memory, as the kernel does."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]

    def count(address: int, size: int) -> int:
        answer = (ctypes.c_ubyte * (size // mmap.PAGESIZE))()
        assert libc.mincore(address, size, answer) == 0
        return sum(each & 1 for each in answer)

    return count
