"""Homes and hosts of the real world: each works, or says in one typed line what to do."""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from airswasm.cli._doctor.surroundings import check_surroundings
from airswasm.lifecycle import Home
from airswasm.security import read_audit

RunHost = Callable[..., Any]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="shells, limits and links of POSIX")

TOOL = f"{sys.executable} -m airswasm.cli"
NO_USER = (
    "import pwd, runpy, sys\n"
    "def no(_): raise KeyError\n"
    "pwd.getpwuid = pwd.getpwnam = no\n"
    "sys.argv = ['airswasm', *sys.argv[1:]]\n"
    "runpy.run_module('airswasm.cli', run_name='__main__')\n"
)
NO_TEMPORARY = (
    "import runpy, sys, tempfile\n"
    "tempfile._candidate_tempdir_list = lambda: ['/nowhere']\n"
    "sys.argv = ['airswasm', *sys.argv[1:]]\n"
    "runpy.run_module('airswasm.cli', run_name='__main__')\n"
)

NO_LOCKS = """
import ctypes, errno, os, platform, struct, sys
flock = {"x86_64": 73, "aarch64": 32}[platform.machine()]
error = getattr(errno, sys.argv[1])
rules = [(0x20, 0, 0, 0), (0x15, 1, 0, flock), (6, 0, 0, 0x7FFF0000), (6, 0, 0, 0x50000 | error)]
code = b"".join(struct.pack("HBBI", *rule) for rule in rules)
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("rules", ctypes.c_char_p)]
prctl = ctypes.CDLL(None, use_errno=True).prctl
assert prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert prctl(22, 2, ctypes.byref(Filter(len(rules), code)), 0, 0) == 0  # PR_SET_SECCOMP
os.execv(sys.executable, [sys.executable, "-m", "airswasm.cli", *sys.argv[2:]])
"""
"""Runs a verb in a process to which the kernel refuses locks, as some file systems do."""

WORKS = ""
"""Nothing is said on stderr."""


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (f"umask 000; {TOOL} list", 0, WORKS),
        (f"umask 077; {TOOL} list", 0, WORKS),
        (f"ulimit -n 64; {TOOL} list", 0, WORKS),
        (f"ulimit -v 4000000; {TOOL} list", 0, WORKS),
        (f"ulimit -v 300000; {TOOL} keygen; {TOOL} list", 0, WORKS),
        (f"ulimit -v 300000; {TOOL} run", 1, "`ulimit -v` allows this process 307,200,000 bytes"),
        (f"ulimit -n 6; {TOOL} run", 1, "hint: let it open more files: `ulimit -n 1024`"),
        (f"ulimit -f 0; {TOOL} keygen", 1, "hint: let it write larger files"),
        (f"LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {TOOL} list", 0, WORKS),
        (f"unset HOME; {TOOL} list", 0, WORKS),
        (f"rmdir $PWD; {TOOL} list", 0, WORKS),
        (f"ln -s $AIRSWASM_HOME link; AIRSWASM_HOME=$PWD/link {TOOL} list", 0, WORKS),
        (f"rmdir $PWD; AIRSWASM_HOME=here {TOOL} list", 2, "hint: change to another folder"),
        (f"AIRSWASM_HOME='~nosuch/x' {TOOL} list", 2, "hint: write the path without ~"),
        (
            f'unset HOME AIRSWASM_HOME; {sys.executable} -c "$NO_USER" list',
            2, "hint: set AIRSWASM_HOME to a folder",
        ),
        (
            f"mkdir -m 1777 all; AIRSWASM_HOME=$PWD/all {TOOL} keygen",
            1, "other users share",
        ),
        (
            f"{TOOL} keygen; chmod 777 $AIRSWASM_HOME; {TOOL} list",
            0, "warning: other users can write to",
        ),
        (f"touch file; AIRSWASM_HOME=$PWD/file {TOOL} keygen", 1, "E0324]"),
        (f"ln -s nowhere link; AIRSWASM_HOME=$PWD/link {TOOL} keygen", 1, "is a link to nothing"),
        (f"touch file; AIRSWASM_HOME=$PWD/file {TOOL} list", 1, "file: is not a folder"),
        (f"ln -s nowhere link; AIRSWASM_HOME=$PWD/link {TOOL} list", 1, "is a link to nothing"),
        (
            f"AIRSWASM_HOME=$PWD/$(printf 'caf\\351') {TOOL} keygen",
            1, "caf\\xe9: is not UTF-8, and the store needs UTF-8",
        ),
        (f"AIRSWASM_HOME=$PWD/$(printf 'x%.0s' $(seq 300)) {TOOL} keygen", 2, "File name too long"),
    ],
)  # fmt: skip
def test_a_verb_works_or_says_in_one_line_what_to_do(
    environment: Mapping[str, str], home: Path, tmp_path: Path, line: str, code: int, said: str
) -> None:
    """Never a bug of ours, never a wait; and a hint wherever something is wrong."""
    Home(home).create()
    here = tmp_path / "here"
    here.mkdir()
    variables = {**environment, "NO_USER": NO_USER, "HOME": str(tmp_path)}
    done = subprocess.run(
        ["/bin/bash", "-c", line], cwd=here, env=variables, capture_output=True, timeout=60
    )
    err = done.stderr.decode("utf-8", "backslashreplace")
    assert done.returncode == code, err
    if said == WORKS:
        assert "error[" not in err
        return
    assert said in err
    if code == 0:
        assert "error[" not in err
        return
    assert err.startswith("error[E")
    assert "\n  hint: " in err
    assert "E0001" not in err


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="the filter of system calls is written for Linux on these processors",
)
@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
@pytest.mark.parametrize(
    "verb", ["list", "run", "install here", "stop local/hello", "backup b.tar"]
)
def test_where_the_system_refuses_locks(
    environment: Mapping[str, str], home: Path, tmp_path: Path, verb: str, error: str
) -> None:
    """A list is read without one; what needs to be alone says so at once, and where to go."""
    Home(home).create()
    here = tmp_path / "here"
    here.mkdir()
    (here / "Component.toml").write_text('[component]\nname = "a/b"\nversion = "1.0.0"\n')
    done = subprocess.run(
        [sys.executable, "-c", NO_LOCKS, error, *verb.split()],
        cwd=tmp_path, env=dict(environment), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if verb == "list":
        assert done.returncode == 0
        assert "error" not in done.stderr
        return
    assert done.returncode == 1
    assert "error[E0324]" in done.stderr
    assert "its file system cannot lock files" in done.stderr
    assert "hint: set AIRSWASM_HOME to a folder on a local disk" in done.stderr


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")
def test_a_clock_that_was_set_back(
    environment: Mapping[str, str], installed: Path, home: Path, tmp_path: Path
) -> None:
    """A component is signed with a later sequence all the same, and doctor says what is wrong."""

    def verb(*words: str, days_ago: int = 0) -> str:
        shift = ["faketime", "-f", f"-{days_ago}d"] if days_ago else []
        command = [*shift, sys.executable, "-m", "airswasm.cli", *words]
        done = subprocess.run(
            command, cwd=project, env=dict(environment), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    project = Path(shutil.copytree(installed, tmp_path / "project"))
    sequences = [
        int(re.findall(r"sequence (\d+)", verb("sign", days_ago=days))[0]) for days in (0, 3, 0)
    ]
    assert sequences == sorted(set(sequences))
    assert "the clock was set back" in verb("doctor", "--quick", days_ago=3)
    assert "hello" in verb("list", days_ago=3)


@pytest.mark.parametrize("arguments", [("doctor",), ("install", "--yes")])
def test_a_parent_that_ignores_its_children_is_no_matter(
    environment: Mapping[str, str], installed: Path, home: Path, arguments: tuple[str, ...]
) -> None:
    """An ignored SIGCHLD is inherited; components compile, and no log complains of a child."""
    shutil.rmtree(home / "cache", ignore_errors=True)
    word = [str(installed)] if arguments[0] == "install" else []
    ignoring = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
    script = ignoring + "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    command = [sys.executable, "-c", script, "-m", "airswasm.cli", *arguments, *word]
    environment = {**environment, "AIRSWASM_HOME": str(home.with_name("other"))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "child" not in done.stderr
    assert "problem" not in done.stdout


def test_a_component_is_not_read_without_a_temporary_folder(
    environment: Mapping[str, str], installed: Path
) -> None:
    """A host runs without one; what needs it says what to set."""
    command = [sys.executable, "-c", NO_TEMPORARY, "install", str(installed), "--yes"]
    with TemporaryDirectory(dir="/tmp") as folder:  # short: its socket needs no other folder
        own = {**environment, "AIRSWASM_HOME": f"{folder}/home"}
        done = subprocess.run(command, env=own, capture_output=True, text=True)
    assert done.returncode == 1
    assert "error[E0109]" in done.stderr
    assert "TMPDIR" in done.stderr


def test_a_long_home_s_host_is_found_from_another_environment(
    tmp_path: Path,
    installed: Path,
    home: Path,
    environment: Mapping[str, str],
) -> None:
    """A login session's host, and a client of cron: send, status, stop; and again as a link."""
    long = tmp_path / ("long" * 15) / ("path" * 15) / "home"
    long.parent.mkdir(parents=True)
    home.rename(long)
    home.symlink_to(long)
    runtime = Path("/tmp") / f"airswasm-test-{os.getpid()}"
    runtime.mkdir(mode=0o700)
    login = {**environment, "AIRSWASM_HOME": str(long), "XDG_RUNTIME_DIR": str(runtime)}
    cron = {key: value for key, value in environment.items() if key != "XDG_RUNTIME_DIR"}

    def verb(name: str, *arguments: str, at: Path = long) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "airswasm.cli", name, *arguments]
        variables = {**cron, "AIRSWASM_HOME": str(at)}
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)

    process = subprocess.Popen(
        [sys.executable, "-m", "airswasm.cli", "run"], env=login, stderr=subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        while b"Ctrl-C stops" not in process.stderr.readline():
            assert process.poll() is None
        assert list(runtime.rglob("*.sock"))
        assert verb("send", "hello", "x").stdout == "Hello, x! You are number 1."
        assert "running" in verb("status").stdout
        assert verb("stop", "hello").returncode == 0
        assert verb("start", "hello", at=home).returncode == 0
    finally:
        process.terminate()
        process.communicate(timeout=60)
        shutil.rmtree(runtime)
    assert verb("send", "hello", "x").returncode == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_host_s_log_says_which_signal_ended_it(
    home: Path, run_host: RunHost, number: signal.Signals
) -> None:
    """On its terminal, and in the audit log for those who come later."""
    ended = run_host().stop(number)
    assert f"stopping, by {number.name}" in ended.err
    lines = list(read_audit(home / "audit" / "audit.jsonl"))
    told = [line["reason"] for line in lines if line["kind"] == "host"]
    assert told[0].startswith("started, process ")
    assert told[1:] == [f"stopping, by {number.name}"]


# -- doctor ---------------------------------------------------------------------------------------


def facts(home: Path) -> dict[str, str]:
    return {each.check: each.text for each in check_surroundings(home)}


def test_doctor_says_in_one_line_that_all_is_well(tmp_path: Path) -> None:
    """For a home that is there, and for one that is to be made."""
    Home(tmp_path / "home").create()
    for home in (tmp_path / "home", tmp_path / "none"):
        found = facts(home)
        assert "around" in found or set(found) <= {"files", "locale", "socket"}
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]


def test_doctor_looks_at_the_home_s_path(tmp_path: Path) -> None:
    """A link, a link to nowhere, a long path, one that is not UTF-8, a shared folder."""
    link, shared = tmp_path / "link", tmp_path / "shared"
    link.symlink_to(tmp_path / "nowhere")
    assert "is a link to" in facts(link)["home"]
    link.unlink()
    link.symlink_to(tmp_path)
    assert "is a link to" in facts(link)["home"]
    assert "too long" in facts(tmp_path / ("x" * 120))["socket"]
    shared.mkdir()
    shared.chmod(0o1777)
    assert "others write to" in facts(shared)["home"]


@pytest.mark.parametrize(
    ("line", "check"),
    [
        ("ulimit -n 64", "files"),
        ("ulimit -v 4000000", "address space"),
        ("export LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0", "locale"),
    ],
)
def test_doctor_names_what_the_process_was_given(
    environment: Mapping[str, str], line: str, check: str
) -> None:
    """The limit itself, and not what fails because of it."""
    done = subprocess.run(
        ["/bin/bash", "-c", f"{line}; {TOOL} doctor --quick"],
        env=dict(environment),
        capture_output=True,
        timeout=60,
    )
    assert check in done.stdout.decode()


def test_doctor_tells_of_a_clock_that_was_set_back(tmp_path: Path) -> None:
    """By files that are younger than now."""
    home = Home(tmp_path / "home")
    home.create()
    home.lock().release()
    os.utime(home.lock_file, (4e9, 4e9))
    assert "set back" in facts(home.folder)["clock"]


def test_doctor_tells_of_a_disk_that_cannot_lock_and_of_no_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried, and not guessed from the kind of file system."""
    import fcntl
    import tempfile

    def refuse(*_arguments: object) -> None:
        raise OSError(37, "No locks available")

    Home(tmp_path / "home").create()
    Home(tmp_path / "home").lock().release()
    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    for home in (tmp_path / "home", tmp_path / "none"):
        found = facts(home)
        assert "cannot lock" in found["locks"]
        assert "no temporary file" in found["temporary"]


AS_NOBODY = """
import os, sys, tomllib
from pathlib import Path
import airswasm.lifecycle._home.home
from airswasm.cli._session.settings import read_settings
from airswasm.lifecycle import Home, HomeUnusable
home = Home(Path(sys.argv[1]))
read_settings({}, home=home.folder)  # imports now what user 65534 may not read
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
if not os.access(home.folder.parent, os.X_OK):
    sys.exit(77)
for act in (lambda: read_settings({}, home=home.folder), home.create):
    try:
        act()
    except HomeUnusable as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_the_home_of_another_user_is_theirs(environment: Mapping[str, str], mode: int) -> None:
    """Its modes say whether it can be read; nothing is changed, and the error says whose it is."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "config.toml").touch(0o644)
        Path(folder).chmod(mode)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, folder],
            env=environment, text=True, capture_output=True, check=False,
        )  # fmt: skip
        left = [each.name for each in Path(folder).iterdir()]
    if done.returncode == 77:
        pytest.skip("others cannot reach the temporary folder")
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[-1].endswith("belongs to user id 0, not to you"), done
    assert [each.endswith("and is closed to you") for each in said[:-1]] == [True] * (mode == 0o700)
    assert left == ["config.toml"]
