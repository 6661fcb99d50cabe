from __future__ import annotations

from pathlib import Path

from airswasm.sdk._diagnostic import Diagnostic, read_compiler_output, read_python_traceback
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
