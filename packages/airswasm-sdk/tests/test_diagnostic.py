from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airswasm.sdk._diagnostic import (
    Diagnostic,
    read_compiler_output,
    read_javascript_output,
    read_python_traceback,
)
from hypothesis import given
from hypothesis import strategies as st

CLANG = """\
In file included from src/hello.c:1:
src/hello.c:12:5: warning: unused variable 'x' [-Wunused-variable]
src/hello.c:59:12: error: expected ')'
1 warning and 1 error generated.
"""

COMPONENTIZE = """\
Traceback (most recent call last):
  File "/usr/bin/componentize-py", line 10, in <module>
    sys.exit(script())
AssertionError: Traceback (most recent call last):
  File "/0/app.py", line 3, in <module>
    import nothing
ModuleNotFoundError: No module named 'nothing'

Caused by:
    ModuleNotFoundError: No module named 'nothing'
"""


def test_errors_come_before_warnings_and_carry_their_place(tmp_path: Path) -> None:
    """A compiler's complaint is file, line, column and message; errors first."""
    found = read_compiler_output(CLANG, tmp_path)
    assert [each.severity for each in found] == ["error", "warning"]
    assert str(found[0]) == "src/hello.c:59:12: expected ')'"


def test_a_traceback_is_reported_at_the_line_of_the_project(tmp_path: Path) -> None:
    """componentize-py mounts the project at /0; the reader sees its own path."""
    (tmp_path / "app.py").write_text("\n")
    assert read_python_traceback(COMPONENTIZE, tmp_path) == (
        Diagnostic("ModuleNotFoundError: No module named 'nothing'", "app.py", 3),
    )


def test_a_mistake_in_a_definition_is_said_without_our_class(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("\n")
    said = "airswasm.component.errors.DefinitionError: app.It.greet: name needs an annotation"
    output = f'  File "{tmp_path}/app.py", line 7, in <module>\n{said}\n'
    (found,) = read_python_traceback(output, tmp_path)
    assert str(found) == "app.py:7: app.It.greet: name needs an annotation"


def test_a_traceback_outside_the_project_keeps_its_message(tmp_path: Path) -> None:
    """Without a frame of the project there is no place to name."""
    assert read_python_traceback(COMPONENTIZE, tmp_path) == (
        Diagnostic("ModuleNotFoundError: No module named 'nothing'"),
    )


@given(st.text())
def test_any_output_can_be_read(output: str) -> None:
    """What a tool prints never makes reading it fail."""
    for read in (read_compiler_output, read_python_traceback):
        assert all(each.message for each in read(output, Path("/nowhere")))


NODE = """\
file:///home/a/hello/src/app.js:4
const wrong = {;
               ^

SyntaxError: Unexpected token ';'
    at wrapSafe (node:internal/modules/cjs/loader:1378:20)
"""
WIZER = """\
Error: Failed to initialize component (wizer):
Exception while evaluating top-level script
src/app.js:4:1 ReferenceError: nope is not defined
"""
TSC = "src/app.ts(6,7): error TS2322: Type 'string' is not assignable to type 'number'.\n"
GO = "# hello\n./main.go:9:19: undefined: nothing\n"
CARGO = (
    "src/lib.rs:7:21: error[E0308]: mismatched types: expected `u32`, found `i64`\n"
    "error: could not compile `hello` (lib) due to 1 previous error\n"
)


@pytest.mark.parametrize(
    ("read", "output", "place", "message"),
    [
        (read_compiler_output, CARGO, ("src/lib.rs", 7, 21), "mismatched types"),
        (read_compiler_output, GO, ("main.go", 9, 19), "undefined: nothing"),
        (read_javascript_output, TSC, ("src/app.ts", 6, 7), "TS2322"),
        (read_javascript_output, WIZER, ("src/app.js", 4, 1), "ReferenceError: nope"),
        (read_javascript_output, NODE, ("src/app.js", 4, None), "SyntaxError: Unexpected"),
    ],
)
def test_each_compiler_s_error_has_its_place(
    tmp_path: Path, read: Any, output: str, place: tuple[Any, ...], message: str
) -> None:
    """As the compiler writes it; a path within the project is relative."""
    for name in ("src/lib.rs", "main.go", "src/app.ts", "src/app.js"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    (found,) = read(output.replace("/home/a/hello", str(tmp_path)), tmp_path)
    assert (found.file, found.line, found.column, found.severity) == (*place, "error")
    assert message in found.message
