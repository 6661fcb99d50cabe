"""The types that a compiled C component carries, as assembler text in a header.

`wasm-tools component new` must know the world that a core module was written for. It finds it in
custom sections; several are merged. One section for each guest interface and one for all host
interfaces let a C author choose by macro which interfaces to export, with no WIT file, no
generator and no `component embed` in the build.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ._contract import contract, wit_folder
from ._tool import run_wasm_tools, using_scratch
from .errors import WasmToolsFailed

__all__ = ("c_types_header", "component_type")

_EMPTY_MODULE = b"\0asm\x01\0\0\0"
_BYTES_IN_LINE = 24
_HEAD = """\
/* airswasm_types.h: made by `python -m airswasm.wit.update`; do not edit.
 * The types of the contract's interfaces in binary form, as `wasm-tools component embed` would
 * add them to a module. airswasm.h and airswasm.c use them. */
#ifndef AIRSWASM_TYPES_H
#define AIRSWASM_TYPES_H
"""


def c_types_header() -> str:
    """Write the text of `airswasm_types.h` for the contract as it is in `wit/`."""
    guest = {item.short_name: (item.short_name,) for item in contract().guest_interfaces.values()}
    host = tuple(item.short_name for item in contract().host_interfaces.values())
    macros = [_macro("HOST", component_type("host", imports=host))]
    macros += [
        _macro(name.upper(), component_type(name, exports=own)) for name, own in guest.items()
    ]
    return "\n".join([_HEAD, *macros, "#endif\n"])


def component_type(
    part: str, *, imports: tuple[str, ...] = (), exports: tuple[str, ...] = ()
) -> bytes:
    """Build the custom section for a world of these interfaces of the contract.

    Args:
        part: Becomes the world's name, by which sections that are merged must differ.
        imports: Short names of the interfaces that it imports.
        exports: Short names of the interfaces that it exports.
    """
    world = f"airswasm-{part}"
    items = [f"import {name};" for name in imports] + [f"export {name};" for name in exports]
    with using_scratch(), tempfile.TemporaryDirectory(prefix="airswasm-wit-") as name:
        folder = Path(name)
        shutil.copytree(wit_folder(), folder / "wit")
        (folder / "wit" / "part.wit").write_text(f"world {world} {{ {' '.join(items)} }}\n")
        (folder / "empty.wasm").write_bytes(_EMPTY_MODULE)
        arguments = ["component", "embed", "wit", "--world", world, "empty.wasm", "-o", "out.wasm"]
        output = run_wasm_tools(arguments, folder=folder)
        if output.exit_code:
            raise WasmToolsFailed(output.exit_code, output.stderr)
        return _only_section((folder / "out.wasm").read_bytes())


def _macro(name: str, content: bytes) -> str:
    lines = [
        f"#define AIRSWASM_TYPE_{name}_ \\",
        f'    __asm__(".section \\".custom_section.component-type:airswasm:{name.lower()}\\",'
        '\\"\\",@\\n" \\',
    ]
    for start in range(0, len(content), _BYTES_IN_LINE):
        numbers = ",".join(str(byte) for byte in content[start : start + _BYTES_IN_LINE])
        lines.append(f'            ".byte {numbers}\\n" \\')
    return "\n".join([*lines, '            ".text\\n");', ""])


def _only_section(module: bytes) -> bytes:
    """Return the content of the one custom section of a module that has nothing else."""
    for name, content in _custom_sections(module):
        if name.startswith("component-type"):
            return content
    raise WasmToolsFailed(0, "`component embed` added no component-type section")


def _custom_sections(module: bytes) -> Iterator[tuple[str, bytes]]:
    at = len(_EMPTY_MODULE)
    while at < len(module):
        section, at = module[at], at + 1
        length, at = _leb128(module, at)
        end = at + length
        if section == 0:
            name_length, at = _leb128(module, at)
            yield module[at : at + name_length].decode(), module[at + name_length : end]
        at = end


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
