"""The places in the sources that DWARF in a component tells of its code."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ._tool import ToolLimits, run_wasm_tools, stored

__all__ = ("CodePlace", "read_code_places")

_ROW = re.compile(
    r"^(?:\d+|0x[0-9a-f]+): (?P<function>.*) (?P<file>\S.*?):(?P<line>\d+):(?P<column>\d+)$"
)


@dataclass(frozen=True, slots=True)
class CodePlace:
    """A place in a source.

    Attributes:
        function: The function, as its source names it.
        file: The file, as the compiler knew it.
        line: 1-based; 0 where the compiler made the code itself.
        column: 1-based, or 0.
    """

    function: str
    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column} in {self.function}"


def read_code_places(
    wasm: bytes, address: int, *, limits: ToolLimits | None = None
) -> tuple[CodePlace, ...]:
    """Return the places of one instruction: the innermost first, where functions are inlined.

    Blocks while wasm-tools runs; from async code call it in a worker thread.

    Args:
        wasm: A component, or a core module.
        address: The instruction's offset from its beginning.
        limits: Bounds on reading it.

    Returns:
        The places; none where DWARF does not know the address.

    Raises:
        WitTooComplex: Reading it exceeds the limits.
        ScratchUnusable: The folder for temporary files cannot be written.
    """
    with stored(wasm, "component.wasm") as path:
        said = run_wasm_tools(["addr2line", str(path), str(address)], limits=limits)
    rows = map(_ROW.match, said.stdout.decode("utf-8", "replace").splitlines())
    return tuple(
        CodePlace(row["function"], row["file"], int(row["line"]), int(row["column"]))
        for row in rows
        if row is not None
    )
