"""Builds from the files of a source: what they give, and what a hostile one reaches."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airswasm import runtime
from airswasm.lifecycle import FetchedTree, PackageInvalid, TreeFile, WrongPackage
from airswasm.sdk import (
    ArtifactMissing,
    BuildFailed,
    BuildLimits,
    BuildNotConfined,
    BuildTimedOut,
    BuildTooLarge,
    ToolMissing,
    _source_build,
    building_from,
    missing_protections,
)
from airswasm.wit import ContractViolation

MANIFEST = """[component]
name = "local/hello"
version = "0.1.0"
[build]
language = "other"
command = ["{python}", "build.py"]
artifact = "out.wasm"
"""
LIMITS = BuildLimits(unconfined=True)
confined_only = pytest.mark.skipif(
    bool(missing_protections()), reason=f"here are not: {', '.join(missing_protections())}"
)


def tree_of(folder: Path) -> FetchedTree:
    files = {
        path.relative_to(folder).as_posix(): TreeFile(path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and not path.is_relative_to(folder / "build")
    }
    return FetchedTree(files, str(folder))


@pytest.fixture
def scripted(counter: Path) -> Callable[[str], FetchedTree]:
    """A project that is built by a Python program; it may copy `good.wasm` to its artifact."""
    good = (counter / "build" / "hello.wasm").read_bytes()

    def make(script: str) -> FetchedTree:
        files = {
            "Component.toml": MANIFEST.format(python=sys.executable).encode(),
            "build.py": textwrap.dedent(script).encode(),
            "good.wasm": good,
        }
        return FetchedTree({name: TreeFile(each) for name, each in files.items()}, "a test")

    return make


def run(tree: FetchedTree, **limits: float) -> str:
    """Build, and return what the program printed; it fails, so that there is something to read."""
    with building_from(tree, BuildLimits(unconfined=True, **limits)) as build:  # type: ignore[arg-type]
        with pytest.raises(BuildFailed) as caught:
            build.run()
        return caught.value.output


def test_a_project_becomes_an_unsigned_package(counter: Path) -> None:
    """By the toolchain of its language; the commands are known before anything runs."""
    with building_from(tree_of(counter), LIMITS) as build:
        assert not build.is_own_program
        assert "ziglang cc" in build.commands[0]
        assert not (build.folder / "build").exists()
        package = build.run()
        assert (package.name, package.is_signed) == ("local/hello", False)
        assert package.wasm == (counter / "build" / "hello.wasm").read_bytes()
        scratch = build.folder.parent
    assert not scratch.exists()


def test_a_program_of_the_package_s_choice_is_said_to_be_one(
    scripted: Callable[[str], FetchedTree],
) -> None:
    """It gets nothing of the environment that it does not need."""
    os.environ["SECRET_OF_THE_TEST"] = "x"
    script = """
        import os, shutil
        assert "SECRET_OF_THE_TEST" not in os.environ, os.environ
        assert os.environ["HOME"].startswith(os.path.dirname(os.getcwd()))
        open(os.environ["TMPDIR"] + "/x", "w").close()
        shutil.copy("good.wasm", "out.wasm")
    """
    with building_from(scripted(script), LIMITS) as build:
        assert build.is_own_program
        assert build.commands == (f"{sys.executable} build.py",)
        assert build.run().manifest.version == "0.1.0"
    del os.environ["SECRET_OF_THE_TEST"]


@confined_only
def test_it_reads_and_writes_nothing_of_its_user(
    scripted: Callable[[str], FetchedTree], tmp_path: Path
) -> None:
    """Whatever it tries."""
    secret = tmp_path / "id_ed25519"
    secret.write_text("secret")
    script = f"""
        import os, sys
        from pathlib import Path
        secret, beside = Path({str(secret)!r}), Path({str(tmp_path)!r})
        tries = [
            lambda: secret.read_text(), lambda: os.listdir(beside),
            lambda: (beside / "made").write_text("x"), lambda: secret.write_text("x"),
            lambda: secret.unlink(), lambda: os.link(secret, "here"),
            lambda: os.rename(secret, "here"), lambda: os.mkdir(beside / "folder"),
            lambda: os.symlink("x", beside / "link"), lambda: os.truncate(secret, 0),
            lambda: os.listdir("/etc"), lambda: Path("/etc/passwd").read_text(),
            lambda: Path(f"/proc/{{os.getppid() or 1}}/environ").read_bytes(),
            lambda: Path("/proc/{os.getpid()}/environ").read_bytes(),
            lambda: os.listdir(os.path.expanduser("~root")), lambda: os.listdir("/tmp"),
        ]
        for number, each in enumerate(tries):
            try:
                each()
            except OSError:
                continue
            print("reached", number)
        os.symlink(secret, "link")
        print("end"); sys.exit(3)
    """
    said = run(scripted(script))
    assert said.split() == ["end"], said
    assert secret.read_text() == "secret"
    assert [each.name for each in tmp_path.iterdir()] == ["id_ed25519"]


@confined_only
def test_it_reaches_no_network_and_no_service_of_its_user(
    scripted: Callable[[str], FetchedTree], tmp_path: Path
) -> None:
    """Of no family: a local socket may be a container engine's, or this host's own."""
    with socket.socket(socket.AF_INET) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        script = f"""
            import ctypes, socket, sys
            for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    try:
                        made = socket.socket(family, kind)
                    except OSError:
                        continue
                    print("made", family, kind)
            try:
                socket.create_connection(("127.0.0.1", {listener.getsockname()[1]}), 1)
                print("connected")
            except OSError:
                pass
            print("ring", ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(120)))
            one, other = socket.socketpair()
            print("end"); sys.exit(3)
        """
        said = run(scripted(script)).split()
    assert said[:2] == ["ring", "-1"], said
    assert "made" not in said
    assert "connected" not in said


@confined_only
def test_nothing_of_it_goes_on(scripted: Callable[[str], FetchedTree]) -> None:
    """Neither what has left its group nor what ignores signals, also when it is stopped."""
    script = """
        import os, signal, time
        for number in range(3):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    while True:
                        open("beat", "w").close(); time.sleep(0.01)
        if {waits}: time.sleep(60)
        raise SystemExit(3)
    """
    for waits, error in ((False, BuildFailed), (True, BuildTimedOut)):
        tree = scripted(script.replace("{waits}", str(waits)))
        with building_from(tree, BuildLimits(seconds=1.0, unconfined=True)) as build:
            with pytest.raises(error):
                build.run()
            beat = build.folder / "beat"
            deadline = time.monotonic() + 30
            while True:  # the kernel ends them at once, and says so soon
                beat.unlink(missing_ok=True)
                time.sleep(0.1)
                if not beat.exists() or time.monotonic() > deadline:
                    break
            assert not beat.exists()


@pytest.mark.parametrize(
    ("script", "limits", "error"),
    [
        ("while True: pass", {"processor_seconds": 1}, BuildFailed),
        ("import time; time.sleep(60)", {"seconds": 0.5}, BuildTimedOut),
        ("while True: print('x' * 65536)", {"output_bytes": 2**28}, BuildTooLarge),
        (
            "import os\nfor n in range(99): open(str(n), 'wb').write(bytes(2**20))\n"
            "import time; time.sleep(60)",
            {"output_bytes": 2**24}, BuildTooLarge,
        ),
        (
            "open('big', 'wb').write(bytes(2**25))",
            {"output_bytes": 2**24}, (BuildFailed, BuildTooLarge),
        ),
        ("x = bytearray(2**30)", {"memory_bytes": 2**28}, BuildFailed),
        (
            "import os, sys\ntry:\n  while True:\n    if os.fork() == 0: os.read(0, 1); "
            "import time; time.sleep(60)\nexcept OSError: sys.exit(7)",
            {"processes": 20, "seconds": 20}, BuildFailed,
        ),
    ],
    ids=["processor", "time", "output", "files", "file", "memory", "processes"],
)  # fmt: skip
def test_it_takes_no_more_than_it_may(
    scripted: Callable[[str], FetchedTree],
    script: str,
    limits: dict[str, float],
    error: Any,
) -> None:
    """Of time, memory, disk and processes."""
    if "processes" in limits and "number" in runtime.missing_protections():
        pytest.skip("processes are not counted here")
    with building_from(scripted(script), BuildLimits(unconfined=True, **limits)) as build:  # type: ignore[arg-type]
        with pytest.raises(error):
            build.run()


def test_an_artifact_elsewhere_is_none(
    scripted: Callable[[str], FetchedTree], counter: Path, tmp_path: Path
) -> None:
    """A link could lead to a file of the user's, which would then be published."""
    elsewhere = tmp_path / "private.wasm"
    shutil.copy(counter / "build" / "hello.wasm", elsewhere)
    for script, error in (
        (f"import os; os.symlink({str(elsewhere)!r}, 'out.wasm')", ArtifactMissing),
        ("import os; os.mkfifo('out.wasm')", ArtifactMissing),
        ("pass", ArtifactMissing),
        ("open('out.wasm', 'wb').write(b'no component')", ContractViolation),
        (
            f"import os, shutil; shutil.copy('good.wasm', 'out.wasm'); os.remove('Component.toml');"
            f" os.symlink({str(elsewhere)!r}, 'Component.toml')",
            PackageInvalid,
        ),
    ):
        with building_from(scripted(script), LIMITS) as build, pytest.raises(error):
            build.run()


def test_a_build_cannot_become_another_component(
    scripted: Callable[[str], FetchedTree],
) -> None:
    """It would get the signature, or the approval, of another name."""
    script = """
        import shutil
        from pathlib import Path
        shutil.copy("good.wasm", "out.wasm")
        manifest = Path("Component.toml")
        manifest.write_text(manifest.read_text().replace("local/hello", "bank/core"))
    """
    with building_from(scripted(script), LIMITS) as build, pytest.raises(WrongPackage):
        build.run()


def test_a_platform_that_cannot_confine_refuses(
    scripted: Callable[[str], FetchedTree], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a setting says otherwise; then the build says what it can reach."""
    monkeypatch.setattr(_source_build, "missing_protections", lambda: ("files", "network"))
    with pytest.raises(BuildNotConfined, match="reach the network"):
        building_from(scripted("pass")).__enter__()
    with building_from(scripted("pass"), LIMITS) as build:
        assert build.unconfined == (
            "it can read what you can, and write where you can; it can reach the network"
        )


def test_folders_that_a_build_has_locked_are_removed_all_the_same(
    scripted: Callable[[str], FetchedTree],
) -> None:
    """Whatever modes it chose."""
    script = """
        import os, shutil
        shutil.copy("good.wasm", "out.wasm")
        os.makedirs("a/b/c"); open("a/b/c/d", "w").close()
        for path in ("a/b/c", "a/b", "a", "."): os.chmod(path, 0)
    """
    with building_from(scripted(script), LIMITS) as build:
        build.run()
        scratch = build.folder.parent
    assert not scratch.exists()


@confined_only
def test_a_build_ends_with_the_command_that_runs_it(
    scripted: Callable[[str], FetchedTree], tmp_path: Path
) -> None:
    """Killed at any moment; its folder is removed by a later build."""
    script = """
        import time
        while True:
            open("beat", "w").close(); time.sleep(0.01)
    """
    tree = scripted(script)
    code = f"""
import pathlib
from airswasm.lifecycle import FetchedTree, TreeFile
from airswasm.sdk import building_from
files = {{n: TreeFile(pathlib.Path({str(tmp_path)!r}, n).read_bytes()) for n in {list(tree.files)}}}
with building_from(FetchedTree(files, "a test")) as build:
    print(build.folder, flush=True)
    build.run()
"""
    for name, file in tree.files.items():
        (tmp_path / name).write_bytes(file.content)
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        while not (folder / "beat").exists():
            time.sleep(0.01)
        process.kill()
    deadline = time.monotonic() + 30
    while True:
        (folder / "beat").unlink(missing_ok=True)
        time.sleep(0.1)
        if not (folder / "beat").exists() or time.monotonic() > deadline:
            break
    assert not (folder / "beat").exists()
    os.utime(folder.parent, (0, 0))
    with building_from(scripted("pass"), LIMITS):
        assert not folder.parent.exists()


def test_a_missing_tool_and_a_wrong_source_are_named(
    scripted: Callable[[str], FetchedTree], counter: Path
) -> None:
    """With the tool, and with file and line."""
    files = dict(tree_of(counter).files)
    files["src/hello.c"] = TreeFile(files["src/hello.c"].content + b"\nint x = ;\n")
    with building_from(FetchedTree(files, "a test"), LIMITS) as build:
        with pytest.raises(BuildFailed) as caught:
            build.run()
        assert caught.value.diagnostics[0].file == "src/hello.c"
        assert caught.value.diagnostics[0].line is not None
    tree = scripted("pass")
    named = MANIFEST.replace("{python}", "no-such-compiler").encode()
    files = {**tree.files, "Component.toml": TreeFile(named)}
    with (
        pytest.raises(ToolMissing, match="no-such-compiler"),
        building_from(FetchedTree(files, "a test"), LIMITS),
    ):
        pass
