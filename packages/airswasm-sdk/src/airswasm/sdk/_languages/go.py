"""Go: its own compiler for WASI 0.1, the adapter to 0.2, and allocators for what crosses.

The functions of the contract are in the package `airswasm` of the project. Rejected: TinyGo, which
is a second compiler to install with a library of its own, and `go.bytecodealliance.org`, whose
generator is one more tool for every project.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .._toolchain import BuildPlan, Step, wrapping_steps
from ..errors import BuildFailed, NotAProject, ToolMissing, ToolTooOld
from .go_room import NotOfGo, add_allocators

__all__ = ("GoToolchain", "find_adapter", "find_go")

_OLDEST = (1, 24)
_NEEDED_FOR = "a Go component"
_ADAPTER = "wasi_snapshot_preview1.reactor.wasm"
_JCO = "@bytecodealliance/jco"
_PLACES = (f"{_JCO}/lib", f"@bytecodealliance/componentize-js/node_modules/{_JCO}/lib")
_UPDATE = "go install golang.org/dl/go1.24.0@latest && go1.24.0 download"
_ENVIRONMENT = {"GOOS": "wasip1", "GOARCH": "wasm", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}


class GoToolchain:
    """The Go compiler: a component of some 2.6 MB, with its scheduler and garbage collector."""

    imports_only_calls = True

    def steps(self, plan: BuildPlan) -> Sequence[Step]:
        """Compile, add the allocators, embed the world, wrap with the adapter."""
        if not (plan.folder / "go.mod").is_file():
            raise NotAProject(plan.folder, "go.mod", hint="a Go component is a module")
        go = find_go()
        core = plan.scratch / "core.wasm"
        link = "" if plan.is_debug else "-s -w"
        command = (
            *(go, "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false"),
            *(f"-ldflags={link}", "-o", str(core), "."),
        )
        adapter = plan.scratch / _ADAPTER  # a build from source reads its own folder only
        shutil.copyfile(find_adapter(plan.folder), adapter)
        adapt = ("--adapt", f"wasi_snapshot_preview1={adapter}")
        return (
            Step("compile", "go", command, environment=_ENVIRONMENT),
            Step("make room", "airswasm", action=partial(_make_room, core)),
            *wrapping_steps(plan, core, *adapt),
        )


def _make_room(core: Path) -> None:
    try:
        core.write_bytes(add_allocators(core.read_bytes()))
    except (NotOfGo, OSError) as error:
        raise BuildFailed("go", 0, (), f"{error}: import the package airswasm in main") from error


def find_go() -> str:
    """Find the Go compiler.

    Raises:
        ToolMissing: There is none.
        ToolTooOld: It has no `go:wasmexport`.
    """
    go = shutil.which("go")
    if go is None:
        raise ToolMissing("go", needed_for=_NEEDED_FOR)
    command = [go, "env", "GOVERSION"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        raise ToolMissing("a Go compiler that answers", needed_for=_NEEDED_FOR) from None
    release = asked.stdout.strip().removeprefix("go")
    parts = tuple(int(part) for part in release.split(".")[:2] if part.isdigit())
    if len(parts) == len(_OLDEST) and parts < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise ToolTooOld("go", release, oldest, _UPDATE, needed_for=_NEEDED_FOR)
    return go


def find_adapter(folder: Path) -> Path:
    """Find the adapter from WASI 0.1 to 0.2 in the project's node_modules, or beside jco.

    Raises:
        ToolMissing: There is none.
    """
    programs = filter(None, map(shutil.which, ("jco", "componentize-js")))
    beside = [each for program in programs for each in Path(program).resolve().parents]
    roots = (folder / "node_modules", *(each for each in beside if each.name == "node_modules"))
    for root in roots:
        for place in _PLACES:
            if (root / place / _ADAPTER).is_file():
                return root / place / _ADAPTER
    command = f"npm install --global {_JCO}"
    raise ToolMissing("the WASI adapter of jco", command, needed_for=_NEEDED_FOR)
