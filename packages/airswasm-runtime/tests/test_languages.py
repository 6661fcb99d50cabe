"""Guests in Rust, Go and JavaScript, each with its whole standard library, through the real bridge.

Rust and Go are built for WASI 0.1, from which the usual adapter makes WASI 0.2. Rust's standard
library is built from source where there is no target of rustup's, and its C library is Zig's.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from airswasm.runtime import (
    Caller,
    Engine,
    GuestExited,
    HostInterface,
    Instance,
    InstanceClosed,
    Limits,
    LinkedComponent,
    Trapped,
    WasiConfig,
)
from airswasm.runtime._compose.reader import Reader

pytestmark = pytest.mark.anyio
SOURCES = Path(__file__).parent / "guests" / "languages"
LIMITS = Limits(memory_bytes=64 * 2**20, fuel=2**40, timeout=60)
SIZES = (0, 1, 100, 2**16, 2**20)
NO_RUST = "no Rust for wasm: apt install rustc-web cargo-web rust-web-src, or rustup target add {}"


def run(*command: str | Path, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def tool(name: str) -> Path:
    """A tool of the environment that the tests run in."""
    beside = Path(sys.executable).with_name(name)
    return beside if beside.exists() else Path(shutil.which(name) or name)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, to build in."""
    folder = tmp_path_factory.mktemp("languages") / "guest"
    shutil.copytree(SOURCES, folder)
    return folder


def make_component(project: Path, core: Path) -> bytes:
    """A component of a core module that was built for WASI 0.1."""
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("no cargo, which fetches the adapter from WASI 0.1 to 0.2")
    try:
        listed = run(cargo, "metadata", "--format-version=1", folder=project)
    except AssertionError as problem:
        pytest.skip(f"the adapter cannot be fetched: {problem}")
    packages = {each["name"]: each for each in json.loads(listed)["packages"]}
    crate = Path(packages["wasi-preview1-component-adapter-provider"]["manifest_path"]).parent
    adapter = crate / "artefacts" / "wasi_snapshot_preview1.reactor.wasm"
    embedded, component = core.with_suffix(".embedded"), core.with_suffix(".component")
    wit = (project / "guest.wit", "--world", "guest")
    run(tool("wasm-tools"), "component", "embed", *wit, core, "-o", embedded, folder=project)
    adapt = ("--adapt", f"wasi_snapshot_preview1={adapter}")
    run(tool("wasm-tools"), "component", "new", embedded, *adapt, "-o", component, folder=project)
    return component.read_bytes()


def rust(project: Path) -> bytes:
    """The library by cargo, linked with Zig's C library."""
    target = "wasm32-wasip1"
    installed = shutil.which("rustup") and run(
        "rustup", "target", "list", "--installed", folder=project
    )
    if installed and target in installed.split():
        run("cargo", "build", "--release", "--target", target, folder=project)
    elif Path("/usr/share/doc/cargo-web").exists():
        debian = {"PATH": f"/usr/bin:{os.environ['PATH']}", "RUSTC": "/usr/bin/rustc"}
        build = ("/usr/bin/cargo", "build", "--release", "--target", target)
        std = ("-Zbuild-std=std,panic_abort", "-Zbuild-std-features=")
        run(*build, *std, folder=project, RUSTC_BOOTSTRAP="1", **debian)
    else:
        pytest.skip(NO_RUST.format(target))
    library = project / "target" / target / "release" / "libguest.a"
    source = (project / "guest.rs").read_text("utf-8")
    names = [line.split('"')[1] for line in source.splitlines() if "export_name" in line]
    exports = [f"-Wl,--export={name}" for name in (*names, "cabi_realloc")]
    core = project / "rust.wasm"
    zig = (sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor")
    run(*zig, "-O2", "-g", *exports, library, "-o", core, folder=project)
    return make_component(project, core)


MARK = b"mark of the room"
FOR_HOST, FOR_ALL = 8 * 2**20, 10 * 2**20
ALLOCATOR = """
(global ${name} (mut i32) (i32.const {first}))
(func (export "{name}") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32)
  (result i32) (local $at i32)
  (local.set $at (i32.and
    (i32.add (global.get ${name}) (i32.sub (local.get $align) (i32.const 1)))
    (i32.sub (i32.const 0) (local.get $align))))
  (if (i32.gt_u (i32.add (local.get $at) (local.get $size)) (i32.const {last}))
    (then {when_full}))
  (global.set ${name} (i32.add (local.get $at) (local.get $size)))
  (memory.copy (local.get $at) (local.get $old) (local.get $old_size))
  (local.get $at))"""


def go(project: Path) -> bytes:
    """Built as a reactor; allocators are added, for which see guest.go."""
    compiler = shutil.which("go")
    if compiler is None:
        pytest.skip("no Go")
    release = run(compiler, "env", "GOVERSION", folder=project).strip().removeprefix("go")
    if tuple(map(int, release.split(".")[:2])) < (1, 24):
        pytest.skip(f"Go {release} has no go:wasmexport; 1.24 has")
    core, text = project / "go.wasm", project / "go.wat"
    build = ("build", "-buildmode=c-shared", "-ldflags=-w", "-o", core, ".")
    run(compiler, *build, folder=project, GOOS="wasip1", GOARCH="wasm", GOFLAGS="-buildvcs=false")
    run(tool("wasm-tools"), "print", core, "-o", text, folder=project)
    room = address_of(MARK, core.read_bytes())
    first = -(-room // 65536) * 65536
    host = {"first": first, "last": first + FOR_HOST, "name": "cabi_realloc"}
    adapter = {"first": host["last"], "last": room + FOR_ALL, "name": "cabi_realloc_adapter"}
    again = f"(local.set $at (i32.const {first}))"  # a call's values are copied before the next
    added = ALLOCATOR.format(**host, when_full=again)
    added += ALLOCATOR.format(**adapter, when_full="unreachable")
    whole = text.read_text("utf-8").rstrip()
    text.write_text(f"{whole.removesuffix(')')}{added})", "utf-8")
    return make_component(project, text)


def address_of(mark: bytes, core: bytes) -> int:
    """Where in its memory a core module puts what begins with those bytes."""
    for number, body in Reader(core, 8).sections():
        if number == 11:
            for _ in range(body.u32()):
                assert (body.byte(), body.byte()) == (0, 0x41)
                address = body.u32()
                assert body.byte() == 0x0B
                whole, begin, end = body.part(body.u32()).span()
                found = whole.find(mark, begin, end)
                if found >= 0:
                    return address + found - begin
    raise AssertionError(f"{mark!r} is nowhere")


def javascript(project: Path) -> bytes:
    """By componentize-js, which brings its own engine."""
    compiler = shutil.which("componentize-js")
    if compiler is None:
        pytest.skip("no componentize-js: npm install --global @bytecodealliance/componentize-js")
    wit = ("--wit", project / "guest.wit", "-n", "javascript")
    features = ("--disable", "http", "--disable", "fetch-event")
    out = project / "javascript.wasm"
    run(compiler, project / "guest.js", *wit, *features, "-o", out, folder=project)
    return out.read_bytes()


BUILDERS: dict[str, Callable[[Path], bytes]] = {"rust": rust, "go": go, "javascript": javascript}


@pytest.fixture(scope="session", params=BUILDERS)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def language_wasm(language: str, project: Path) -> bytes:
    return BUILDERS[language](project)


class Lines:
    """Keeps what a guest printed."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []

    def line(self, _caller: Caller, stream: str, text: str) -> None:
        self.all.append((stream, text))


@pytest.fixture
async def linked(engine: Engine, language_wasm: bytes, language: str) -> LinkedComponent:
    component = await engine.load(language_wasm, name=language)
    reverse = {"reverse": lambda _caller, data: data[::-1]}
    return component.link([HostInterface("test:languages/host", reverse)])


@pytest.fixture
def lines() -> Lines:
    return Lines()


async def start(linked: LinkedComponent, lines: Lines) -> Instance:
    wasi = WasiConfig(
        stdout=lines, stderr=lines, environment={"NAME": "väl ue"}, arguments=("guest", "zwei")
    )
    caller = Caller(linked.component.name)
    return await linked.instantiate(caller=caller, limits=LIMITS, wasi=wasi)


@pytest.fixture
async def guest(linked: LinkedComponent, lines: Lines) -> Instance:
    return await start(linked, lines)


async def test_bytes_of_all_sizes_cross_both_ways(guest: Instance, linked: LinkedComponent) -> None:
    """Through the bridge within the guest, and through the host function and back."""
    assert set(linked.component._bridging.exports) == {"#echo", "#relay"}
    source = random.Random(7)
    for size in SIZES:
        data = source.randbytes(size)
        for _ in range(3):
            assert await guest.call("#echo", data) == data
            assert await guest.call("#relay", data) == data[::-1]


async def test_what_it_prints_comes_as_lines(guest: Instance, lines: Lines) -> None:
    """By the language's own way to print."""
    for line in ("first", "zweite ü 🎈", "x" * 1000):
        await guest.call("#say", line)
    assert lines.all == [("stdout", "first"), ("stdout", "zweite ü 🎈"), ("stdout", "x" * 1000)]


async def test_it_sees_the_clock_randomness_and_its_environment(guest: Instance) -> None:
    """What its standard library asks of WASI is answered, and nothing of the host's leaks."""
    assert abs(await guest.call("#now") - time.time() * 1000) < 60_000
    assert len({await guest.call("#random") for _ in range(5)}) == 5
    assert await guest.call("#variable", "NAME") == "väl ue"
    assert await guest.call("#variable", "PATH") == ""
    assert "zwei" in await guest.call("#command-line")


async def test_sleeps_overlap(linked: LinkedComponent, lines: Lines) -> None:
    """Ten guests that sleep by their language's own means, at once on one thread."""
    guests = [await start(linked, lines) for _ in range(10)]
    order: list[str] = []

    async def nap(guest: Instance) -> None:
        order.append("begins")
        await guest.call("#nap", 1_000)
        order.append("ends")

    started = time.monotonic()
    async with anyio.create_task_group() as group:
        for each in guests:
            group.start_soon(nap, each)
    assert time.monotonic() - started >= 1.0
    assert order == ["begins"] * 10 + ["ends"] * 10


async def test_a_sleep_can_be_cancelled(guest: Instance) -> None:
    """An hour ends when no task waits any more."""
    with anyio.move_on_after(0.05):
        await guest.call("#nap", 3_600_000)
    with pytest.raises(InstanceClosed):
        await guest.call("#now")


async def test_its_panic_is_a_typed_fault(
    guest: Instance, linked: LinkedComponent, lines: Lines, language: str
) -> None:
    """With a backtrace, and what the language printed of it; another instance goes on."""
    assert await guest.call("#fail", 2) == 3
    with pytest.raises((Trapped, GuestExited)) as caught:
        await guest.call("#fail", 7)
    assert caught.value.function == "#fail"
    assert len(caught.value.backtrace) > 1
    if language != "javascript":  # whose functions are data of its engine
        assert any("unlucky" in frame.function for frame in caught.value.backtrace)
    printed = "\n".join(text for _, text in lines.all)
    assert {"rust": "index is 7", "go": "out of range [7]", "javascript": "no number 7"}[
        language
    ] in printed
    assert guest.is_closed
    assert await (await start(linked, lines)).call("#fail", 0) == 1
