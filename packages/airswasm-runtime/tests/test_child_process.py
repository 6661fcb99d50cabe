"""The compile child in strange company: another program's interpreter, environment, signals.

A complete answer counts; whatever else happens is a typed error that says what happened
and which setting names another interpreter.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime
from airswasm.runtime import CompileFailed, CompileLimitExceeded, EngineConfig, InvalidComponent
from airswasm.runtime._compile.child import answer
from airswasm.runtime._compile.child_process import (
    BOOT,
    ChildOutcome,
    boot_argument,
    interpreter,
    start_child,
)
from airswasm.runtime._compile.compiler import compile_component, read_answer
from airswasm.runtime._wasmtime.features import HardenedSettings
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio
CONFIG = EngineConfig()
EMPTY = bytes(wasmtime.wat2wasm("(component)"))
ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and modes of POSIX")


def answered(wasm: bytes) -> bytes:
    out = io.BytesIO()
    answer(out, wasm, {"settings": HardenedSettings().to_json(), "bridge": True})
    return out.getvalue()


ACCEPTED = answered(EMPTY)
REFUSED = answered(b"\0asm\x0d\0\1\0\xff")
statuses = st.integers(-64, 255)


@given(statuses)
def test_a_complete_answer_counts_whatever_the_exit_status(status: int) -> None:
    """The status is lost where SIGCHLD is ignored, and a child may be killed after its work."""
    assert read_answer(ChildOutcome(ACCEPTED, "", status), "x", CONFIG).image
    with pytest.raises(InvalidComponent):
        read_answer(ChildOutcome(REFUSED, "", status), "x", CONFIG)


@given(statuses, st.integers(0, len(ACCEPTED) - 1), st.text(max_size=30))
def test_a_part_of_an_answer_is_never_run(status: int, cut: int, words: str) -> None:
    """Every proper beginning of one is a typed error."""
    with pytest.raises((CompileFailed, CompileLimitExceeded)):
        read_answer(ChildOutcome(ACCEPTED[:cut], words, status), "x", CONFIG)


@given(statuses, st.binary(max_size=40))
def test_another_program_s_words_are_no_answer(status: int, output: bytes) -> None:
    """Whatever it says, and even if that is JSON."""
    for said in (output, output + b"\n", b"[]\n", b"3\n" + output, b'{"a": 1}\n' + output):
        with pytest.raises((CompileFailed, CompileLimitExceeded)):
            read_answer(ChildOutcome(said, "", status, python="/bin/x"), "x", CONFIG)


@pytest.mark.parametrize(
    ("status", "words", "said"),
    [
        (-6, "thread 'main' panicked at x.rs:1:\nit broke\nnote: run with", "signal 6 .*it broke"),
        (-9, "", "killed from outside .*without memory"),
        (-11, "", "signal 11"),
        (1, "Traceback\nSyntaxError: no", "status 1 .*SyntaxError: no"),
        (0, "", "status 0 .*/bin/x is no Python.*EngineConfig.python_executable"),
    ],
)
def test_an_end_without_an_answer_is_explained(status: int, words: str, said: str) -> None:
    """The error says what happened to the child, and its last words."""
    with pytest.raises(CompileFailed, match=f"(?s){said}"):
        read_answer(ChildOutcome(b"", words, status, 0.1, "/bin/x"), "x", CONFIG)


@ON_POSIX
@pytest.mark.parametrize(
    ("status", "words", "limit"),
    [
        (-int(getattr(signal, "SIGXCPU", 24)), "", "seconds"),
        (-6, "memory allocation of 7 bytes failed", "memory_bytes"),
        (1, "MemoryError", "memory_bytes"),
    ],
)
def test_a_limit_is_named_as_one(status: int, words: str, limit: str) -> None:
    """What the child ran into is what `CompileLimits` calls it."""
    with pytest.raises(CompileLimitExceeded) as caught:
        read_answer(ChildOutcome(b"", words, status), "x", CONFIG)
    assert caught.value.limit == limit


def test_without_an_exit_status_the_error_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that ignores SIGCHLD never learns it."""
    monkeypatch.setattr(signal, "getsignal", lambda _number: signal.SIG_IGN)
    with pytest.raises(CompileFailed, match="this process ignores SIGCHLD"):
        read_answer(ChildOutcome(b"", "", 255), "x", CONFIG)


@ON_POSIX
async def test_a_parent_that_ignores_sigchld_compiles(caplog: pytest.LogCaptureFixture) -> None:
    """Servers do, so that their children need no waiting for; no log complains of them."""
    usual = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert (await compile_component(EMPTY, CONFIG)).image
        with pytest.raises(InvalidComponent):
            await compile_component(EMPTY + b"\xff", CONFIG)
    finally:
        signal.signal(signal.SIGCHLD, usual)
    assert caplog.records == []


@pytest.mark.parametrize("executable", ["", None, "/usr/sbin/uwsgi", "/nonexistent/python3"])
async def test_a_program_that_embeds_python_compiles(
    monkeypatch: pytest.MonkeyPatch, executable: str | None
) -> None:
    """What `sys.executable` says is not always an interpreter; one is found beside the library."""
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr(sys, "_base_executable", executable, raising=False)
    assert (await compile_component(EMPTY, CONFIG)).image


@ON_POSIX
def test_too_few_files_are_no_fault_of_the_interpreter() -> None:
    """Text and hint name the limit, not the setting that names an interpreter."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(CompileFailed, match="ulimit -n") as caught, start_child(CONFIG, "x"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "ulimit -n" in caught.value.hint
    assert "python_executable" not in str(caught.value)


async def test_a_frozen_program_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would run itself, without end; the setting names an interpreter."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(CompileFailed, match=r"EngineConfig\.python_executable"):
        await compile_component(EMPTY, CONFIG)
    named = EngineConfig(python_executable=Path(sys.executable))
    assert (await compile_component(EMPTY, named)).image


@pytest.mark.parametrize(
    ("name", "mode"), [("missing", None), ("plain", 0o644), ("mute", 0o755), ("talker", 0o755)]
)
@ON_POSIX
async def test_a_setting_that_names_no_interpreter_is_explained(
    tmp_path: Path, name: str, mode: int | None
) -> None:
    """Neither what is missing, nor what cannot run, nor another program ends in anything else."""
    program = tmp_path / name
    if mode is not None:
        program.write_text(f"#!/bin/sh\n{'echo hello' if name == 'talker' else ':'}\n")
        program.chmod(mode)
    with pytest.raises(CompileFailed, match=r"EngineConfig\.python_executable") as caught:
        await compile_component(EMPTY, EngineConfig(python_executable=program), name="local/x")
    assert str(program) in str(caught.value)
    assert caught.value.name == "local/x"


SHADOWS = ("json.py", "wasmtime.py", "sitecustomize.py", "usercustomize.py", "lazy_loader.py")


@pytest.mark.parametrize("variable", ["PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONINSPECT"])
async def test_the_users_environment_does_not_reach_the_child(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    """Neither a wrong home, nor modules of the same names, nor a `sitecustomize`."""
    for shadow in SHADOWS:
        (tmp_path / shadow).write_text("print('shadow'); raise SystemExit(3)\n")
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert (await compile_component(EMPTY, CONFIG)).image


@pytest.mark.parametrize("variable", ["LC_ALL", "LANG", "PYTHONIOENCODING", "PYTHONUTF8"])
async def test_the_locale_does_not_reach_the_child(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Paths and answers are spelled in UTF-8."""
    monkeypatch.setenv(variable, "0" if variable == "PYTHONUTF8" else "latin-1")
    assert (await compile_component(EMPTY, CONFIG)).image


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_child_that_is_killed_from_outside_is_no_fault_of_the_component(
    slow: bytes,
) -> None:
    """A container's memory limit kills it; the error neither blames a limit nor a bug."""
    before = _children()

    def kill(_progress: object) -> None:
        for pid in _children() - before:
            os.kill(int(pid), signal.SIGKILL)

    with pytest.raises(CompileFailed, match="killed from outside"):
        await compile_component(slow, CONFIG, kill)


@ON_POSIX
@pytest.mark.parametrize("how", ["ignored", "blocked"])
def test_the_limit_on_time_holds_whatever_the_parent_does_with_its_signal(how: str) -> None:
    """An ignored or blocked SIGXCPU would be the child's too."""
    ways: dict[str, Callable[[], object]] = {
        "ignored": lambda: signal.signal(signal.SIGXCPU, signal.SIG_IGN),
        "blocked": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXCPU}),
    }
    script = BOOT.replace("main()", "unblock_signals()").replace("main", "unblock_signals")
    script += "import signal\nprint(signal.getsignal(signal.SIGXCPU).name, "
    script += "signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, boot_argument()],
        capture_output=True,
        check=True,
        text=True,
        preexec_fn=ways[how],
    )
    assert done.stdout.split("\n")[0] == "SIG_DFL set()"


def test_the_child_imports_no_more_than_it_needs() -> None:
    """The child stays cheap to start: no event loop, no part of the engine above."""
    boot = BOOT.replace("main()", "print(json.dumps(sorted(sys.modules)))")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", boot, boot_argument()],
        capture_output=True,
        check=True,
    )
    loaded = set(json.loads(done.stdout))
    assert not {"anyio", "asyncio", "airswasm.runtime._engine"} & loaded


@pytest.mark.parametrize("name", ["python", "python3", "python3.13t", "pythonw.exe", "pypy3"])
@ON_POSIX
def test_what_is_called_as_an_interpreter_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """The name decides: running a program to see what it is might start a server."""
    program = tmp_path / name
    program.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(program))
    assert interpreter(CONFIG, "x") == str(program)


def _children() -> set[str]:
    tasks = Path("/proc/self/task").iterdir()  # trio starts processes on threads
    return {pid for task in tasks for pid in (task / "children").read_text().split()}


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A component that takes a while to compile."""
    body = "(drop (i32.mul (local.get 0) (i32.const 7)))" * 30_000
    module = f"(core module {f'(func (param i32) {body})' * 4})"
    return bytes(wasmtime.wat2wasm(f"(component {module})"))
