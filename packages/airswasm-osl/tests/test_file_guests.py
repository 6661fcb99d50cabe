"""Unmodified programs in Rust, C and Go: their own libraries' files, within the grants.

Rust is built for WASI 0.2; C and Go for WASI 0.1, from which the usual adapter makes WASI 0.2.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from airswasm.osl import BLOCK, OslPolicy, folders_below, provide
from airswasm.runtime import (
    Caller,
    Engine,
    EngineConfig,
    GuestExited,
    Limits,
    Ok,
    Services,
    WasiConfig,
)
from airswasm.security import Grants, Guard, Kinds

pytestmark = pytest.mark.anyio
SOURCES = Path(__file__).parent / "guests" / "files"
KINDS = Kinds(BLOCK.capabilities)
LIMITS = Limits(memory_bytes=64 * 2**20, memories=8, fuel=10**12, timeout=60)
GRANTS = Grants(
    {
        "filesystem:read": ("/data", "/data/**", "/read-only/**"),
        "filesystem:write": ("/data/**",),
        "filesystem:delete": ("/data/**",),
        "filesystem:list": ("/data", "/data/**"),
    }
)
FOUND = ["content: 0123XY67end", "names: a h", "size: 11 true", "files: done"]
TOLD = {
    "rust": ["PermissionDenied", "PermissionDenied", "NotFound", "NotADirectory", "AlreadyExists"],
    "c": ["Permission denied", "Permission denied", "No such file or directory",
          "Not a directory", "File exists"],
    "go": ["Permission denied", "Permission denied", "No such file or directory",
           "Not a directory", "File exists"],
}  # fmt: skip
WHAT = ("other", "write", "missing", "slash", "new")


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


def rust(folder: Path) -> Path:
    """By the target of rustup."""
    target = "wasm32-wasip2"
    installed = shutil.which("rustup") and run(
        "rustup", "target", "list", "--installed", folder=folder
    )
    if not installed or target not in installed.split():
        pytest.skip(f"no Rust for WASI 0.2: rustup target add {target}")
    run("rustc", "-O", "--target", target, "files.rs", "-o", "rust.wasm", folder=folder)
    return folder / "rust.wasm"


def c(folder: Path) -> Path:
    """By Zig, which brings the C library."""
    pytest.importorskip("ziglang", reason="pip install ziglang")
    zig = (sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi")
    run(*zig, "-O2", "files.c", "-o", "c.core.wasm", folder=folder)
    return adapted(folder, "c")


def go(folder: Path) -> Path:
    """By the compiler's own target."""
    if shutil.which("go") is None:
        pytest.skip("no Go")
    target = {"GOOS": "wasip1", "GOARCH": "wasm", "GOFLAGS": "-buildvcs=false"}
    run("go", "build", "-o", "go.core.wasm", "files.go", folder=folder, **target)
    return adapted(folder, "go")


def adapted(folder: Path, name: str) -> Path:
    """Make a component of a program for WASI 0.1."""
    if shutil.which("cargo") is None:
        pytest.skip("no cargo, which fetches the adapter from WASI 0.1 to 0.2")
    try:
        listed = run("cargo", "metadata", "--format-version=1", folder=folder)
    except AssertionError as problem:
        pytest.skip(f"the adapter cannot be fetched: {problem}")
    packages = {each["name"]: each for each in json.loads(listed)["packages"]}
    crate = Path(packages["wasi-preview1-component-adapter-provider"]["manifest_path"]).parent
    adapter = crate / "artefacts" / "wasi_snapshot_preview1.command.wasm"
    tool = Path(sys.executable).with_name("wasm-tools")
    command = str(tool) if tool.exists() else "wasm-tools"
    made = folder / f"{name}.wasm"
    adapt = ("--adapt", f"wasi_snapshot_preview1={adapter}")
    run(command, "component", "new", f"{name}.core.wasm", *adapt, "-o", made, folder=folder)
    return made


BUILDERS: dict[str, Callable[[Path], Path]] = {"rust": rust, "c": c, "go": go}


@pytest.fixture(scope="module", params=BUILDERS)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def program(language: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs") / language
    shutil.copytree(SOURCES, folder)
    return BUILDERS[language](folder)


class Lines:
    """Keeps what a guest printed."""

    def __init__(self) -> None:
        self.all: dict[str, list[str]] = {"stdout": [], "stderr": []}

    def line(self, _caller: Caller, stream: str, text: str) -> None:
        self.all[stream].append(text)


async def test_a_program_uses_files(
    program: Path, language: str, tmp_path: Path, cache_folder: Path
) -> None:
    """Written, read, moved, listed; where the grants end, the errors are the language's own."""
    own, lines = tmp_path / "local/a", Lines()
    for name in ("data", "other", "read-only"):
        (own / name).mkdir(parents=True)
    for name in ("other", "read-only"):
        (own / name / "f").write_text("kept")
    services = Services()
    services.add(Guard, Guard(KINDS, {"local/a": GRANTS}))
    services.add(OslPolicy, OslPolicy(folders_below(tmp_path)))
    async with Engine(EngineConfig(cache_folder=cache_folder)) as engine:
        component = await engine.load(program, name=language)
        (export,) = (name for name in component.exports if "wasi:cli/run" in str(name))
        instance = await component.link(provide(services)).instantiate(
            limits=LIMITS, caller=Caller("local/a"), wasi=WasiConfig(stdout=lines, stderr=lines)
        )
        with contextlib.suppress(GuestExited):  # as Go ends; its output says whether well
            assert isinstance(await instance.call(f"{export}#run"), Ok)
    told = [f"{what}: {text}" for what, text in zip(WHAT, TOLD[language], strict=True)]
    assert lines.all["stdout"] == FOUND + told
    assert any('"/other/f"' in line for line in lines.all["stderr"])
    assert sorted(path.name for path in (own / "data").iterdir()) == ["h"]
    assert (own / "data/h").read_text() == "0123XY67end"
    assert [(own / name / "f").read_text() for name in ("other", "read-only")] == ["kept"] * 2
