"""Our prototypes of C functions agree with those that the library's own bindings declare."""

from __future__ import annotations

import ast
import ctypes
from pathlib import Path

import pytest
from airswasm.runtime._wasmtime import bindings
from wasmtime import _bindings as theirs

SOURCE = Path(bindings.__file__).read_text(encoding="utf-8")
NAMES = vars(bindings)


def declared() -> list[tuple[str, object, tuple[object, ...] | None]]:
    """Each C function that is declared: name, result, and arguments where they are given."""
    found = []
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "prototype":
            name, result, *arguments = (eval(ast.unparse(each), NAMES) for each in node.args)
            found.append((name, result, tuple(arguments) or None))
    return found


def size(type_: object) -> int:
    return 0 if type_ is None else ctypes.sizeof(type_)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "result", "arguments"), declared())
def test_a_prototype_is_the_library_s(
    name: str, result: object, arguments: tuple[object, ...] | None
) -> None:
    """As many arguments, each as wide, and a result as wide: integers cross as they are."""
    function = getattr(theirs, f"_{name}")
    if result is not None:  # else it is void, or an error that cannot happen
        assert size(result) == size(function.restype)
    if arguments is not None:  # some take ctypes objects as they come
        assert [size(each) for each in arguments] == [size(each) for each in function.argtypes]


def test_all_prototypes_are_seen() -> None:
    """Reading the source finds what the module uses."""
    assert len(declared()) > 40
