"""A trap leads to the line of the author's source."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from airswasm.runtime import Frame, Trapped
from airswasm.sdk import build_project, fault_places
from airswasm.sdk._code_ranges import code_ranges
from airswasm.sdk.testing import run_component
from hypothesis import given
from hypothesis import strategies as st

DIVIDES = """\
#include "airswasm.h"
static __attribute__((noinline)) int divide(int left, int right) {
    return left / right;
}
static airswasm_reply handle(airswasm_text sender, const airswasm_text *topic,
                             airswasm_bytes payload) {
    (void)sender, (void)topic;
    airswasm_log(AIRSWASM_INFO, AIRSWASM_TEXT("dividing"));
    int result = divide(7, (int)payload.length);
    return airswasm_answer(airswasm_as_bytes(airswasm_decimal((uint64_t)result)));
}
AIRSWASM_HANDLER(handle)
"""


@pytest.fixture(scope="module", params=[True, False], ids=["debug", "release"])
def is_debug(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def project(counter: Path, is_debug: bool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(counter, tmp_path_factory.mktemp("faults") / "hello"))
    (folder / "src" / "hello.c").write_text(DIVIDES)
    build_project(folder, debug=is_debug)
    return folder


def test_a_trap_tells_the_lines_of_the_source(project: Path, is_debug: bool) -> None:
    """Innermost first, also in the notes of the error that a test sees; a release tells none."""
    with run_component(project) as component:
        assert component.send("x").text == "7"
        with pytest.raises(Trapped, match="divide by zero") as caught:
            component.send("")
    wasm = (project / "build" / "hello.wasm").read_bytes()
    own = [
        (each.function, each.file, each.line)
        for each in fault_places(wasm, caught.value)
        if each.file == "./src/hello.c"
    ]
    expected = [("divide", "./src/hello.c", 3), ("handle", "./src/hello.c", 9)]
    assert own[:2] == (expected if is_debug else [])
    notes = getattr(caught.value, "__notes__", [])
    assert notes[0].strip().startswith("./src/hello.c:3:") if is_debug else notes == []


def test_addresses_that_fit_nowhere_lead_nowhere(project: Path) -> None:
    """A backtrace of another build gives no wrong lines: its addresses contradict each other."""
    wasm = (project / "build" / "hello.wasm").read_bytes()
    frames = (Frame("divide", None, 10), Frame("handle", None, 5_000_000))
    assert fault_places(wasm, Trapped("a/b", "f", "trapped", backtrace=frames)) == ()
    assert fault_places(wasm, Trapped("a/b", "f", "trapped")) == ()


@given(st.binary(max_size=300))
def test_bytes_that_cannot_be_read_have_no_code(data: bytes) -> None:
    """Whatever they are, and wherever they end."""
    for head in (b"", b"\0asm\1\0\0\0", b"\0asm\x0d\0\1\0", b"\0asm\x0d\0\1\0\1\x20\0asm\1\0\0\0"):
        assert isinstance(code_ranges(head + data), dict)
