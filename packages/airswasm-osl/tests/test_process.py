"""Programs: exactly what was granted, bound in every way, and gone afterwards."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from airswasm.osl import BLOCK, OslPolicy, Processes, ProcessPolicy, folders_below
from airswasm.osl._files.tree import Tree
from airswasm.osl._processes.process import Completed
from airswasm.runtime import Caller, Case, Err, Ok
from airswasm.security import Grants, Guard, Kinds

KINDS = Kinds(BLOCK.capabilities)
PYTHON = (sys.prefix, sys.base_prefix)
REAL_SHELL = os.path.realpath("/bin/sh")

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name != "posix", reason="programs are run on POSIX systems only"),
]


HOLD = "import fcntl, time; file = open('held', 'w'); fcntl.flock(file, fcntl.LOCK_EX); "
SLOW = HOLD + "open('runs', 'w').close(); time.sleep(60); open('ended', 'w').close()"
"""A program that holds a lock as long as it runs, and leaves a trace when it comes to its end."""


@pytest.fixture
def policy() -> ProcessPolicy:
    return ProcessPolicy()


async def run(
    folder: Path,
    code: str,
    *arguments: str,
    stdin: bytes = b"",
    timeout_ms: int = 10_000,
    policy: ProcessPolicy | None = None,
):  # type: ignore[no-untyped-def]
    """Runs Python code as the granted program."""
    return await run_program(
        folder, sys.executable, ["-I", "-S", "-c", code, *arguments], stdin, timeout_ms, policy
    )


async def run_program(  # type: ignore[no-untyped-def]
    folder: Path,
    program: str,
    arguments: list[str],
    stdin: bytes = b"",
    timeout_ms: int = 10_000,
    policy: ProcessPolicy | None = None,
):
    bounds = replace(policy or ProcessPolicy(), readable=PYTHON)
    osl = OslPolicy(folders_below(folder), processes=bounds)
    processes = Processes(Tree(osl, Guard(KINDS))).interface()
    caller = Caller("local/a")
    try:
        return await processes.functions["run"](  # type: ignore[misc]
            caller, program, arguments, stdin, timeout_ms
        )
    finally:
        caller._close()


async def test_a_program_runs_to_its_end(tmp_path: Path, anyio_backend: str) -> None:
    """Input, both outputs and the exit code go through."""
    code = (
        "import sys; data = sys.stdin.read(); print(data.upper(), end='');"
        "print('oops', end='', file=sys.stderr); sys.exit(7)"
    )
    assert await run(tmp_path, code, stdin=b"hello") == Ok(Completed(7, b"HELLO", b"oops"))


async def test_the_end_is_told_also_where_the_host_ignores_its_children(
    tmp_path: Path, anyio_backend: str
) -> None:
    """Where SIGCHLD is ignored the system tells the host of no end; the supervisor does."""
    usual = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        answer = await run(tmp_path, "raise SystemExit(3)")
    finally:
        signal.signal(signal.SIGCHLD, usual)
    assert answer == Ok(Completed(3, b"", b""))


@pytest.mark.parametrize("executable", ["", None, "/usr/sbin/uwsgi", "/nonexistent/python3"])
async def test_a_host_that_embeds_python_runs_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executable: str | None, anyio_backend: str
) -> None:
    """`sys.executable` may be another program, which must not be started."""
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr(sys, "_base_executable", executable, raising=False)
    assert await run_program(tmp_path, "/bin/echo", ["hi"]) == Ok(Completed(0, b"hi\n", b""))


async def test_without_an_interpreter_the_error_names_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
) -> None:
    """A frozen program has none; the setting names one."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    answer = await run_program(tmp_path, "/bin/echo", ["hi"])
    assert isinstance(answer, Err)
    assert "engine.python_executable" in str(answer.value.value)
    named = OslPolicy(folders_below(tmp_path), python_executable=sys.executable)
    function = Processes(Tree(named, Guard(KINDS))).interface().functions["run"]
    caller = Caller("local/a")
    answer = await function(caller, "/bin/true", [], b"", 0)  # type: ignore[misc]
    caller._close()
    assert answer == Ok(Completed(0, b"", b""))


async def test_arguments_stay_arguments(tmp_path: Path, anyio_backend: str) -> None:
    """There is no shell: metacharacters, spaces and options are text."""
    arguments = ["a b", "$(id)", "; rm -rf /", "-o", "", "'\"", "*", "ü\n"]
    answer = await run(tmp_path, "import sys; print(sys.argv[1:])", *arguments)
    assert isinstance(answer, Ok)
    assert answer.value.stdout.decode().strip() == str(arguments)


async def test_the_environment_is_the_policys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
) -> None:
    """Nothing of the host's environment arrives."""
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("LD_PRELOAD", "")
    policy = ProcessPolicy(environment={"ONLY": "this"})
    answer = await run(tmp_path, "import os; print(sorted(os.environ))", policy=policy)
    assert isinstance(answer, Ok)
    names = set(eval(answer.value.stdout))
    assert "ONLY" in names
    assert names <= {"ONLY", "LC_CTYPE", "__CF_USER_TEXT_ENCODING"}


async def test_no_descriptor_of_the_host_is_open(tmp_path: Path, anyio_backend: str) -> None:
    """Only the three pipes; also not one that was made inheritable by mistake."""
    fd = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(fd, True)
    try:
        code = (
            "import os\nopen_ones = []\nfor fd in range(256):\n"
            "    try: os.fstat(fd); open_ones.append(fd)\n    except OSError: pass\n"
            "print(open_ones)"
        )
        answer = await run(tmp_path, code)
    finally:
        os.close(fd)
    assert isinstance(answer, Ok)
    assert answer.value.stdout.decode().strip() == "[0, 1, 2]"


async def test_it_starts_in_its_components_folder(tmp_path: Path, anyio_backend: str) -> None:
    """The working directory is the component's own folder, made if it is missing."""
    answer = await run(tmp_path, "import os; print(os.getcwd())")
    assert isinstance(answer, Ok)
    assert Path(answer.value.stdout.decode().strip()) == (tmp_path / "local" / "a").resolve()


@pytest.mark.parametrize("session", [False, True])
async def test_time_ends_it_and_all_it_started(
    tmp_path: Path, session: bool, anyio_backend: str
) -> None:
    """A grandchild in the background dies with it, also one with a session of its own."""
    code = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-ISc', {SLOW!r}], start_new_session={session})\n"
        "time.sleep(60)"
    )
    assert await run(tmp_path, code, timeout_ms=2_000) == Err(Case("timed-out"))
    await gone(tmp_path)


@pytest.mark.parametrize("session", [False, True])
async def test_what_it_leaves_behind_ends_with_it(
    tmp_path: Path, session: bool, anyio_backend: str
) -> None:
    """A program that ends while its child holds the pipes open has ended."""
    code = (
        "import os, subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-ISc', {SLOW!r}], start_new_session={session})\n"
        "while not os.path.exists('runs'): time.sleep(0.01)"
    )
    assert await run(tmp_path, code) == Ok(Completed(0, b"", b""))
    await gone(tmp_path)


async def test_a_cancel_ends_it(tmp_path: Path, anyio_backend: str) -> None:
    """A stopped component leaves no program behind."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, tmp_path, SLOW)
        await begun(tmp_path)
        tasks.cancel_scope.cancel()
    await gone(tmp_path)


async def test_output_is_bounded(tmp_path: Path, anyio_backend: str) -> None:
    """A program that prints without end is ended at the bound, which is named."""
    code = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    answer = await run(tmp_path, code, policy=ProcessPolicy(output_bytes=1_000_000))
    assert isinstance(answer, Err)
    assert answer.value.name == "limit-exceeded"
    assert "1,000,000" in answer.value.value


async def test_it_is_bound(tmp_path: Path, anyio_backend: str) -> None:
    """Memory and file size have hard limits; setuid programs gain nothing."""
    policy = ProcessPolicy(memory_bytes=512 * 1024 * 1024, file_bytes=1000, cpu_seconds=30)
    code = (
        "import resource as r\n"
        "limits = (r.RLIMIT_AS, r.RLIMIT_FSIZE, r.RLIMIT_CPU, r.RLIMIT_CORE)\n"
        "print([r.getrlimit(limit) for limit in limits])"
    )
    answer = await run(tmp_path, code, policy=policy)
    assert isinstance(answer, Ok)
    pairs = [(512 * 1024 * 1024,) * 2, (1000, 1000), (30, 30), (0, 0)]
    assert answer.value.stdout.decode().strip() == str(pairs)
    if sys.platform == "linux":
        answer = await run(tmp_path, "print(open('/proc/self/status').read())")
        assert isinstance(answer, Ok)
        assert b"NoNewPrivs:\t1" in answer.value.stdout


async def test_much_input_that_is_never_read(tmp_path: Path, anyio_backend: str) -> None:
    """A program may end without reading; that is no error and no deadlock."""
    answer = await run(tmp_path, "print('done')", stdin=b"x" * 1_000_000)
    assert answer == Ok(Completed(0, b"done\n", b""))


@pytest.mark.parametrize(
    ("program", "case"),
    [
        ("sh", "invalid"),
        ("./sh", "invalid"),
        ("/bin/../bin/sh", "invalid"),
        ("/bin//sh", "invalid"),
        ("/bin/sh\0x", "invalid"),
        ("/nowhere/at/all", "not-found"),
        ("/etc/passwd", "denied"),
        ("/etc", "denied"),
    ],
)
async def test_what_is_no_program(
    tmp_path: Path, program: str, case: str, anyio_backend: str
) -> None:
    """Names are absolute and plain, and lead to an executable file."""
    answer = await run_program(tmp_path, program, [])
    assert isinstance(answer, Err)
    assert answer.value.name == case


async def test_setuid_programs_are_refused(tmp_path: Path, anyio_backend: str) -> None:
    """A program that changes its user is not a thing that can be granted."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o4755)
    answer = await run_program(tmp_path, str(program), [])
    assert isinstance(answer, Err)
    assert answer.value.name == "denied"


async def test_arguments_are_bounded_and_text(tmp_path: Path, anyio_backend: str) -> None:
    """NUL would cut an argument; too many would not fit."""
    answer = await run(tmp_path, "", "a\0b")
    assert isinstance(answer, Err)
    assert answer.value.name == "invalid"
    answer = await run(tmp_path, "", "x" * 200_000)
    assert isinstance(answer, Err)
    assert answer.value.name == "limit-exceeded"


async def begun(folder: Path) -> None:
    """Wait until the program that holds the lock runs."""
    with anyio.fail_after(30):
        while not (folder / "local/a/runs").exists():  # noqa: ASYNC110 - another process
            await anyio.sleep(0.01)


async def gone(folder: Path) -> None:
    """Wait until no process holds the lock, before it came to its end."""
    with (folder / "local/a/held").open("w") as file, anyio.fail_after(30):
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await anyio.sleep(0.01)
            else:
                break
    assert not (folder / "local/a/ended").exists()


async def test_a_denied_program_is_denied_by_every_link(tmp_path: Path, anyio_backend: str) -> None:
    """A link gives a program another name, and the host runs what it leads to."""
    link = tmp_path / "innocent"
    link.symlink_to("/bin/sh")
    real = REAL_SHELL
    for denied, is_run in ((f"{real} -c **", False), (f"{real} -x **", True)):
        grants = Grants({"process:spawn": ("everything",)}, {"process:spawn": (denied,)})
        guard = Guard(KINDS, {"local/a": grants})
        tree = Tree(OslPolicy(folders_below(tmp_path)), guard)
        function = Processes(tree).interface().functions["run"]
        caller = Caller("local/a")
        answer = await function(caller, str(link), ["-c", "exit 0"], b"", 10_000)  # type: ignore[misc]
        caller._close()
        assert isinstance(answer, Ok) is is_run
