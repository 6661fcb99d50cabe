"""Rust: cargo, for the target that this machine has.

`wasm32-wasip2` gives a component at once, whose panics are lines of its log. Where only
`wasm32-unknown-unknown` is there, or Debian's compiler with the library's sources, wasm-tools wraps
the module; the same sources build for both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .._toolchain import BuildPlan, Step, wrapping_steps
from ..errors import NotAProject, ToolMissing, ToolTooOld

__all__ = ("RustToolchain", "RustWay", "find_way")

_WASI, _BARE = "wasm32-wasip2", "wasm32-unknown-unknown"
_OLDEST = (1, 82)
_NEEDED_FOR = "a Rust component"
_ADD_TARGET = f"rustup target add {_WASI}"
_DEBIAN = Path("/usr/share/doc/cargo-web")
_RUSTUP = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"


@dataclass(frozen=True, slots=True)
class RustWay:
    """A cargo that can build for WebAssembly here."""

    cargo: str
    target: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


class RustToolchain:
    """cargo: a component of some 50 kB."""

    imports_only_calls = True

    def steps(self, plan: BuildPlan) -> Sequence[Step]:
        """Run cargo, then take its component, or wrap its module."""
        if not (plan.folder / "Cargo.toml").is_file():
            raise NotAProject(plan.folder, "Cargo.toml", hint="a Rust component is a crate")
        way = find_way()
        target = _target_folder(plan.folder)
        profile = "debug" if plan.is_debug else "release"
        command = (
            *(way.cargo, "build", "--lib", "--target", way.target, "--target-dir", str(target)),
            *("--message-format", "short", "--quiet"),
            *(() if plan.is_debug else ("--release",)),
            *way.arguments,
        )
        environment = {**way.environment, "CARGO_ENCODED_RUSTFLAGS": _flags(plan.folder)}
        built = target / way.target / profile / f"{_library(plan.folder)}.wasm"
        compiling = Step("compile", "cargo", command, environment=environment)
        taking = partial(_take, built, plan.output if way.target == _WASI else _core(plan))
        steps = [compiling, Step("take", "airswasm", action=taking)]
        return steps if way.target == _WASI else [*steps, *wrapping_steps(plan, _core(plan))]


def _core(plan: BuildPlan) -> Path:
    return plan.scratch / "core.wasm"


def _take(built: Path, output: Path) -> None:
    if built.is_file():  # else the check of the artifact says what is missing
        shutil.copyfile(built, output)


def find_way() -> RustWay:
    """Find a cargo, and a target that it can build for.

    Raises:
        ToolMissing: There is none; the error has the command that installs what is missing.
        ToolTooOld: The compiler is too old.
    """
    cargo, rustc = shutil.which("cargo"), shutil.which("rustc")
    if cargo and rustc:
        found = _version(rustc)
        if found < _OLDEST:
            text, oldest = (".".join(map(str, each)) for each in (found, _OLDEST))
            raise ToolTooOld("rustc", text, oldest, "rustup update", needed_for=_NEEDED_FOR)
        for target in (_WASI, _BARE):
            if (_sysroot(rustc) / "lib" / "rustlib" / target / "lib").is_dir():
                return RustWay(cargo, target)
    if _DEBIAN.exists() and shutil.which("wasm-ld"):
        return RustWay(
            "/usr/bin/cargo",
            _BARE,
            ("-Zbuild-std=std,panic_abort", "-Zbuild-std-features="),
            {
                "PATH": f"/usr/bin{os.pathsep}{os.environ.get('PATH', '')}",
                "RUSTC": "/usr/bin/rustc",
                "RUSTC_BOOTSTRAP": "1",
                "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER": "wasm-ld",
            },
        )
    if cargo is None or rustc is None:
        raise ToolMissing("cargo", _RUSTUP, needed_for=_NEEDED_FOR)
    raise ToolMissing(f"Rust's target {_WASI}", _ADD_TARGET, needed_for=_NEEDED_FOR)


def _version(rustc: str) -> tuple[int, ...]:
    words = _ask(rustc, "--version").split()
    parts = words[1].partition("-")[0].split(".") if len(words) > 1 else ["0"]
    return tuple(int(part) for part in parts if part.isdigit())


def _sysroot(rustc: str) -> Path:
    return Path(_ask(rustc, "--print", "sysroot"))


def _ask(rustc: str, *arguments: str) -> str:
    """Return what rustc prints; nothing where rustup has no toolchain for it."""
    try:
        asked = subprocess.run(
            [rustc, *arguments], capture_output=True, text=True, check=False, timeout=60
        )
    except subprocess.TimeoutExpired:
        return ""
    return asked.stdout.strip()


def _target_folder(folder: Path) -> Path:
    given = os.environ.get("CARGO_TARGET_DIR")
    return folder / (given or "target")


def _flags(folder: Path) -> str:
    """Return the flags of the user, and one that keeps this folder's name out of the component."""
    given = os.environ.get("CARGO_ENCODED_RUSTFLAGS", "").split("\x1f")
    given += os.environ.get("RUSTFLAGS", "").split()
    return "\x1f".join([*filter(None, given), f"--remap-path-prefix={folder}=."])


def _library(folder: Path) -> str:
    """Return the name of the crate's library; cargo judges a manifest that is none."""
    try:
        manifest = tomllib.loads((folder / "Cargo.toml").read_text("utf-8"))
        name = manifest.get("lib", {}).get("name") or manifest["package"]["name"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, AttributeError, TypeError):
        return "component"
    return str(name).replace("-", "_")
