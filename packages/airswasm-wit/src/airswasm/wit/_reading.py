"""Readers of WIT, from text and from a compiled component."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from ._declarations import find_declarations
from ._decode import decode
from ._tool import ToolLimits, ToolOutput, run_wasm_tools, stored
from .errors import NotAComponent, WasmToolsFailed, WitError, WitSyntaxError, WitTooComplex
from .model import Document, Function, Interface, Package, Place, World

__all__ = ("describe_wit", "read_component", "read_wit", "read_wit_text")

_CORE_MODULE = b"\0asm\x01\0\0\0"
_COMPONENT = b"\0asm\x0d\0\x01\0"
_PLACE = re.compile(r"^\s*--> (?P<file>.*):(?P<line>\d+):(?P<column>\d+)\s*$", re.MULTILINE)
_PLACE_FIRST = re.compile(r"(?P<file>[^:\n]*\.wit):(?P<line>\d+):(?P<column>\d+): ")
_WRAPPING = re.compile(r"^.*failed to parse package: \S*: ")
_SHOWN = re.compile(r"^\s*\d+ \| (?P<text>.*)$", re.MULTILINE)


def read_wit(path: os.PathLike[str] | str, *, limits: ToolLimits | None = None) -> Document:
    """Read a `.wit` file, or a folder of them with its `deps`.

    Blocks while wasm-tools runs; from async code call it in a worker thread.

    Returns:
        The model; its functions know their places in the files.

    Raises:
        WitSyntaxError: It is no valid WIT; with file, line, column and the line itself.
        WitTooComplex: It is too large or too deeply nested.
        OSError: It cannot be read at all.
    """
    return _read(Path(path), limits or ToolLimits(), str)


def read_wit_text(
    text: str, *, name: str = "text.wit", limits: ToolLimits | None = None
) -> Document:
    """Read one WIT text, as `read_wit` does a file of that name."""
    with stored(text.encode("utf-8"), Path(name).name) as path:
        return _read(path, limits or ToolLimits(), lambda file: file.name)


def describe_wit(source: Path, *, limits: ToolLimits | None = None) -> bytes:
    """Return the JSON of wasm-tools for WIT text; raises what `read_wit` raises."""
    return _described(source, limits or ToolLimits(), str)


_Label: TypeAlias = Callable[[Path], str]


def _read(source: Path, limits: ToolLimits, label: _Label) -> Document:
    files = list(_sources(source))
    _refuse_large(sum(file.stat().st_size for file in files), limits)
    described = _described(source, limits, label)
    own = [file for file in files if "deps" not in file.relative_to(source).parts]
    texts = {label(file): file.read_text("utf-8") for file in own}
    return _with_places(decode(described), find_declarations(texts))


def _described(source: Path, limits: ToolLimits, label: _Label) -> bytes:
    output = _describe(source, limits)
    if output.exit_code:
        raise _syntax_error(output.stderr, source, label)
    return output.stdout


def read_component(wasm: bytes | os.PathLike[str], *, limits: ToolLimits | None = None) -> World:
    """Read the imports and exports of a compiled component.

    Blocks while wasm-tools runs; from async code call it in a worker thread.

    Raises:
        NotAComponent: It is something else, incomplete, or damaged.
        WitTooComplex: It is too large, or its types unfold beyond the limits.
        ScratchUnusable: The folder for temporary files cannot be written.
        OSError: The file cannot be read.
    """
    limits = limits or ToolLimits()
    data = wasm if isinstance(wasm, bytes) else _read_bounded(Path(wasm), limits)
    _refuse_large(len(data), limits)
    _refuse_other_formats(data)
    with stored(data, "component.wasm") as path:
        document = _component_document(path, limits)
    worlds = list(document.main.worlds.values())
    if document.main.name != "root:component" or len(worlds) != 1:
        raise NotAComponent(
            f"this is the WIT package {document.main.name} in binary form",
            "a component has code: build one that exports the package's interfaces",
        )
    return worlds[0]


def _component_document(path: Path, limits: ToolLimits) -> Document:
    try:
        output = _describe(path, limits)
    except WasmToolsFailed as error:
        raise NotAComponent(
            f"it has imports or exports that WIT cannot describe ({error.stderr})",
            "build it with a component toolchain instead of by hand",
        ) from error
    if output.exit_code:
        raise _damaged(output.stderr)
    return decode(output.stdout)


def _describe(path: Path, limits: ToolLimits) -> ToolOutput:
    return run_wasm_tools(["component", "wit", "--json", str(path)], limits=limits)


def _sources(source: Path) -> Iterator[Path]:
    if source.is_dir():
        yield from sorted(source.rglob("*.wit"))
    else:
        yield source


def _read_bounded(path: Path, limits: ToolLimits) -> bytes:
    with path.open("rb") as file:
        return file.read(limits.input_bytes + 1)


def _refuse_large(size_bytes: int, limits: ToolLimits) -> None:
    if size_bytes > limits.input_bytes:
        raise WitTooComplex("its size", f"{limits.input_bytes} bytes")


def _refuse_other_formats(data: bytes) -> None:
    """Name the common mix-ups before any parser sees the bytes."""
    if data.startswith(_COMPONENT):
        return
    if not data:
        raise NotAComponent("the file is empty", "build the component again")
    if _COMPONENT.startswith(data):
        raise NotAComponent("the file ends within its header", "copy or build it again")
    if data.startswith(_CORE_MODULE):
        raise NotAComponent(
            "this is a core WebAssembly module, not a component",
            "wrap it with `wasm-tools component new module.wasm -o component.wasm`",
        )
    if data.startswith(b"\0asm"):
        raise NotAComponent(
            "this is WebAssembly in a version that is not known here",
            "build it with a toolchain for the component model (0d 00 01 00)",
        )
    raise NotAComponent(
        "this is no WebAssembly: it does not start with \\0asm",
        "pass the compiled .wasm, not its source or a package",
    )


def _damaged(told: str) -> WitError:
    reason = _first_cause(told)
    if "unexpected end" in told or "out of bounds" in told or "unexpected-eof" in told:
        return NotAComponent(f"the file is cut short ({reason})", "copy or build it again")
    if "nesting" in told or "too deep" in told or ("size" in told and "limit" in told):
        return WitTooComplex(f"its types ({reason})", "what wasm-tools accepts")
    return NotAComponent(
        f"its binary form is not valid ({reason})", "build it again with a current toolchain"
    )


def _first_cause(told: str) -> str:
    """Find the innermost cause that anyhow prints, or the first line."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    causes = [line.partition(": ")[2] for line in lines if re.match(r"\d+: ", line)]
    if causes:
        return causes[-1][:300]
    return (lines[0] if lines else "no reason given").removeprefix("error: ")[:300]


def _syntax_error(told: str, source: Path, label: _Label) -> WitError:
    """Take wasm-tools' message apart: reason, place and the line that it quotes."""
    reason = _WRAPPING.sub("", told.split("\n", 1)[0].removeprefix("error: "))
    place = _PLACE.search(told) or _PLACE_FIRST.search(told)
    if place is None:
        return WitSyntaxError(_first_cause(told), label(source), 0, 0, "")
    file, line, column = place["file"].strip(), int(place["line"]), int(place["column"])
    reason = reason.removeprefix(f"{file}:{line}:{column}: ")
    quoted = _SHOWN.search(told)
    shown = quoted["text"] if quoted else _line_of(Path(file), line)
    return WitSyntaxError(reason, label(Path(file)), line, column, shown)


def _line_of(file: Path, line: int) -> str:
    try:
        return file.read_text("utf-8").split("\n")[line - 1]
    except (OSError, IndexError, UnicodeDecodeError):
        return ""


def _with_places(document: Document, places: dict[tuple[str, str], Place]) -> Document:
    main = _place_package(document.main, places)
    packages = {**document.packages, main.name: main}
    return Document(MappingProxyType(packages), main)


def _place_package(package: Package, places: dict[tuple[str, str], Place]) -> Package:
    interfaces = {
        name: _place_interface(interface, places) for name, interface in package.interfaces.items()
    }
    by_name = {interface.name: interface for interface in interfaces.values()}
    worlds = {
        name: replace(
            world,
            imports=MappingProxyType({n: by_name.get(n, i) for n, i in world.imports.items()}),
            exports=MappingProxyType({n: by_name.get(n, i) for n, i in world.exports.items()}),
        )
        for name, world in package.worlds.items()
    }
    return replace(
        package, interfaces=MappingProxyType(interfaces), worlds=MappingProxyType(worlds)
    )


def _place_interface(interface: Interface, places: dict[tuple[str, str], Place]) -> Interface:
    def placed(function: Function) -> Function:
        return replace(function, place=places.get((interface.short_name, function.name)))

    functions = {name: placed(function) for name, function in interface.functions.items()}
    return replace(interface, functions=MappingProxyType(functions))
