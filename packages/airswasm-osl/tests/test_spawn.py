"""Programs that run beside their component: streams, signals, ends, and what they cannot reach."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.osl import (
    BLOCK,
    FolderLimits,
    Mount,
    OslPolicy,
    Processes,
    ProcessPolicy,
    errors,
    folders_below,
)
from airswasm.osl._files.tree import MountLayer, Tree
from airswasm.osl._processes import request as request_module
from airswasm.osl._processes.child import Child
from airswasm.runtime import Caller, Case, Err, Ok, missing_protections
from airswasm.security import Grants, Guard, Kinds

KINDS = Kinds(BLOCK.capabilities)
PYTHON = tuple(
    str(path)
    for prefix in (sys.prefix, sys.base_prefix)
    for name in ("bin", "lib", "lib64", "pyvenv.cfg")
    if (path := Path(prefix, name)).exists()
)
"""Not the whole prefix: under nox it has the tests' temporary folder."""
POLICY = ProcessPolicy(readable=PYTHON)
EVERYTHING = Grants({each.annotation: ("everything",) for each in KINDS})
HOLD = "import fcntl, time; file = open('held', 'w'); fcntl.flock(file, fcntl.LOCK_EX); "
SLOW = HOLD + "open('runs', 'w').close(); time.sleep(60)"
"""A program that holds a lock as long as it runs."""
PYTHON = "-ISc"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(bool(missing_protections()), reason="programs are not confined here"),
]


class Component:
    """One component that runs programs of a host."""

    def __init__(self, processes: Processes, guard: Guard, folder: Path, name: str) -> None:
        self.guard, self.folder = guard, folder / name
        self.caller = Caller(name)
        self._functions = processes.interface().functions

    async def call(self, function: str, *arguments: object) -> object:
        answer = self._functions[function](self.caller, *arguments)
        return await answer if hasattr(answer, "__await__") else answer  # type: ignore[misc]

    async def spawn(
        self,
        *arguments: str,
        program: str = sys.executable,
        directory: str = "/",
        environment: Sequence[tuple[str, str]] = (),
        timeout_ms: int = 30_000,
    ) -> object:
        return await self.call("spawn", program, arguments, directory, environment, timeout_ms)

    async def start(self, code: str, *arguments: str, timeout_ms: int = 30_000) -> Child:
        answer = await self.spawn(PYTHON, code, *arguments, timeout_ms=timeout_ms)
        assert isinstance(answer, Ok), answer
        assert isinstance(answer.value, Child)
        return answer.value

    async def run(self, code: str) -> str:
        answer = await self.call("run", sys.executable, [PYTHON, code], b"", 30_000)
        assert isinstance(answer, Ok), answer
        return answer.value.stdout.decode() + answer.value.stderr.decode()  # type: ignore[attr-defined, no-any-return]

    async def all_of(self, child: Child, name: str = "stdout") -> bytes:
        """Read to the end."""
        whole = b""
        while True:
            answer = await self.call(f"[method]child.read-{name}", child, 2**20)
            assert isinstance(answer, Ok), answer
            if not answer.value:
                return whole
            whole += answer.value  # type: ignore[operator]

    async def begun(self) -> None:
        """Wait until the program that holds the lock runs."""
        with anyio.fail_after(30):
            while not (self.folder / "runs").exists():  # noqa: ASYNC110 - another process
                await anyio.sleep(0.01)

    async def gone(self) -> None:
        """Wait until no process holds the lock."""
        with (self.folder / "held").open("w") as file, anyio.fail_after(30):
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    await anyio.sleep(0.01)
                else:
                    return


class Host:
    """A host with any number of components."""

    def __init__(self, folder: Path, policy: ProcessPolicy = POLICY) -> None:
        self.guard = Guard(KINDS)
        self.folder = folder
        osl = OslPolicy(folders_below(folder), processes=policy)
        self.tree = Tree(osl, self.guard)
        self.processes = Processes(self.tree)
        self.components: list[Component] = []

    def add(self, name: str = "local/a", grants: Grants = EVERYTHING) -> Component:
        self.guard.grant(name, grants)
        component = Component(self.processes, self.guard, self.folder, name)
        self.components.append(component)
        return component

    def bound(self, **settings: object) -> None:
        policy = self.processes.policy
        self.tree.policy = replace(policy, processes=replace(policy.processes, **settings))  # type: ignore[arg-type]

    def mount(self, *mounts: Mount) -> None:
        self.guard.add_layer(MountLayer(mounts, self.guard))
        self.tree = Tree(replace(self.tree.policy, mounts=mounts), self.guard)
        self.processes = Processes(self.tree)

    def close(self) -> None:
        for each in self.components:
            each.caller._close()


@pytest.fixture
async def host(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Host]:
    host = Host(tmp_path)
    yield host
    host.close()


@pytest.fixture
def mine(host: Host) -> Component:
    return host.add()


ECHO = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"


async def test_a_talk_with_a_program(mine: Component) -> None:
    """What is written is read, an answer comes before the next question, and the end is told."""
    child = await mine.start(ECHO)
    for word in (b"one\n", b"two\n"):
        assert await mine.call("[method]child.write-stdin", child, word) == Ok(None)
        assert await mine.call("[method]child.read-stdout", child, 100) == Ok(word.upper())
    await mine.call("[method]child.close-stdin", child)
    assert await mine.call("[method]child.wait", child) == Ok(0)
    assert await mine.call("[method]child.read-stdout", child, 100) == Ok(b"")
    assert await mine.call("[method]child.read-stderr", child, 100) == Ok(b"")
    assert await mine.call("[method]child.wait", child) == Ok(0)


async def test_what_it_printed_is_there_after_its_end(mine: Component) -> None:
    """And the two outputs are apart."""
    child = await mine.start("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert await mine.call("[method]child.wait", child) == Ok(3)
    assert await mine.all_of(child) == b"out\n"
    assert await mine.all_of(child, "stderr") == b"err\n"


async def test_a_program_that_reads_nothing_holds_its_component_up(mine: Component) -> None:
    """The pipe is the only buffer: the host keeps nothing."""
    child = await mine.start("import time; time.sleep(60)")
    with anyio.move_on_after(0.5) as scope:
        await mine.call("[method]child.write-stdin", child, b"x" * 2**22)
    assert scope.cancelled_caught
    child.close()


async def test_a_component_that_reads_nothing_holds_its_program_up(mine: Component) -> None:
    """It gets no further than the pipe is wide, and goes on when it is read."""
    code = (
        "import os\nos.set_blocking(1, False)\nfilled = 0\n"
        "try:\n  while True: filled += os.write(1, bytes(4096))\n"
        "except BlockingIOError: pass\n"
        "open('count', 'w').write(str(filled)); os.rename('count', 'runs')\n"
        "os.set_blocking(1, True); os.write(1, b'end')"
    )
    child = await mine.start(code)
    await mine.begun()
    whole = await mine.all_of(child)
    assert whole.endswith(b"end")
    assert len(whole) == int((mine.folder / "runs").read_text()) + 3 <= 2**20 + 3


async def test_a_program_that_ended_reads_no_more(mine: Component) -> None:
    """Neither input nor a signal reaches it; a kill is harmless."""
    child = await mine.start("import sys; sys.stdin.close()")
    assert await mine.call("[method]child.wait", child) == Ok(0)
    for function, argument in (("write-stdin", b"x" * 2**20), ("signal", "terminate")):
        answer = await mine.call(f"[method]child.{function}", child, argument)
        assert isinstance(answer, Err)
        assert answer.value.name == "disconnected"  # type: ignore[attr-defined]
    await mine.call("[method]child.kill", child)


SIGNALS = "import os, signal, time\nsignal.signal(10, lambda *_: os.write(1, b'got\\n'))\n"


async def test_signals(mine: Component) -> None:
    """A handler runs; without one the signal ends it, and its number is told."""
    child = await mine.start(SIGNALS + "os.write(1, b'up\\n')\nwhile True: time.sleep(1)")
    assert await mine.call("[method]child.read-stdout", child, 100) == Ok(b"up\n")
    assert await mine.call("[method]child.signal", child, "user1") == Ok(None)
    assert await mine.call("[method]child.read-stdout", child, 100) == Ok(b"got\n")
    assert await mine.call("[method]child.signal", child, "terminate") == Ok(None)
    assert await mine.call("[method]child.wait", child) == Ok(-signal.SIGTERM)


async def test_a_signal_needs_its_own_grant(host: Host) -> None:
    """A grant to start a program is one to kill it, and no more."""
    mine = host.add(grants=Grants({"process:spawn": ("everything",)}))
    child = await mine.start("import time; time.sleep(60)")
    answer = await mine.call("[method]child.signal", child, "terminate")
    assert isinstance(answer, Err)
    assert "process.signal" in answer.value.value  # type: ignore[attr-defined]
    await mine.call("[method]child.kill", child)
    assert await mine.call("[method]child.wait", child) == Ok(-signal.SIGKILL)


async def test_its_time_ends_it(mine: Component) -> None:
    """Also while it is stopped; the wait says so."""
    child = await mine.start(SLOW, timeout_ms=6_000)
    await mine.begun()
    await mine.call("[method]child.signal", child, "stop")
    assert await mine.call("[method]child.wait", child) == Err(Case("timed-out"))
    await mine.gone()


@pytest.mark.parametrize("way", ["kill", "drop", "instance", "grant", "cancel"])
async def test_it_ends_in_each_way_with_all_that_it_started(
    host: Host, mine: Component, way: str
) -> None:
    """A grandchild with a session of its own that ignores signals ends with it."""
    started = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLOW}"
    code = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-ISc', {started!r}], start_new_session=True)\n"
        "time.sleep(60)"
    )
    child = await mine.start(code)
    await mine.begun()
    if way == "kill":
        await mine.call("[method]child.kill", child)
    elif way == "drop":
        child.close()
    elif way == "instance":
        mine.caller._close()
    elif way == "grant":
        host.guard.revoke("local/a")
        answer = await mine.call("[method]child.wait", child)
        assert isinstance(answer, Err)
        assert answer.value.name == "denied"  # type: ignore[attr-defined]
    else:
        with anyio.move_on_after(0.1):
            await mine.call("[method]child.wait", child)
        child.close()
    await mine.gone()


async def test_output_is_bounded(host: Host, mine: Component) -> None:
    """What it prints beyond the bound ends it, and the error names the bound."""
    host.bound(output_bytes=200_000)
    child = await mine.start("while True: print('x' * 1000)")
    answer: object = Ok(b"x")
    while isinstance(answer, Ok):
        answer = await mine.call("[method]child.read-stdout", child, 2**20)
    assert isinstance(answer, Err)
    assert "200,000" in answer.value.value  # type: ignore[attr-defined]
    assert await mine.call("[method]child.wait", child) == answer


async def test_what_it_writes_is_bounded(host: Host, mine: Component) -> None:
    """All its files together: it ends, and no other starts until there is room again."""
    limits = FolderLimits(total_bytes=2**22, free_bytes=1)
    host.tree.policy = replace(host.tree.policy, folders=limits)
    code = (
        "import itertools, os, time\nfor n in itertools.count():\n"
        "    if n < 99: open(f'f{n}', 'wb').write(bytes(2**16))\n    else: time.sleep(1)\n"
    )
    child = await mine.start(code)
    answer = await mine.call("[method]child.wait", child)
    assert isinstance(answer, Err)
    assert answer.value.name == "limit-exceeded"  # type: ignore[attr-defined]
    assert "filesystem.total_bytes" in answer.value.value  # type: ignore[attr-defined]
    answer = await mine.spawn(PYTHON, "pass")
    assert isinstance(answer, Err)
    assert answer.value.name == "limit-exceeded"  # type: ignore[attr-defined]
    for path in mine.folder.glob("f*"):
        path.unlink()
    await mine.start("pass")


async def test_programs_are_bounded(host: Host, mine: Component) -> None:
    """One that ended makes room, and another component has room of its own."""
    host.bound(programs=2)
    children = [await mine.start("import time; time.sleep(60)") for _ in range(2)]
    answer = await mine.spawn(PYTHON, "pass")
    assert answer == Err(Case("limit-exceeded", "2 programs run already (process.programs)"))
    other = host.add("local/b")
    await other.start("pass")
    await mine.call("[method]child.kill", children[0])
    await mine.call("[method]child.wait", children[0])
    await mine.start("pass")


async def test_variables(host: Host, mine: Component) -> None:
    """A component sets those that the policy lists; one that loads code is none of them."""
    answer = await mine.spawn(
        PYTHON, "import os; print(os.environ['TZ'], os.environ['PATH'])", environment=[("TZ", "X")]
    )
    assert isinstance(answer, Ok)
    assert await mine.all_of(answer.value) == b"X /usr/bin:/bin\n"  # type: ignore[arg-type]
    for name, case in (
        ("LD_PRELOAD", "denied"), ("PATH", "denied"), ("A=B", "invalid"), ("", "invalid"),
    ):  # fmt: skip
        answer = await mine.spawn(PYTHON, "pass", environment=[(name, "x")])
        assert isinstance(answer, Err)
        assert answer.value.name == case  # type: ignore[attr-defined]
    assert isinstance(await mine.spawn(PYTHON, "pass", environment=[("TZ", "\0")]), Err)
    for name in ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "PATH", "GCONV_PATH"):
        with pytest.raises(ValueError, match="chooses the code"):
            ProcessPolicy(variables=(name,))


async def test_the_working_directory(host: Host, tmp_path: Path) -> None:
    """Below the component's own folder, with a grant to list it; a link leads nowhere."""
    grants = {"process:spawn": ("everything",), "filesystem:list": ("/in/**", "/link", "/none")}
    mine = host.add(grants=Grants(grants))
    (mine.folder / "in").mkdir(parents=True)
    (mine.folder / "out").mkdir()
    (mine.folder / "link").symlink_to("/etc")
    where = [PYTHON, "import os; print(os.getcwd())"]
    answer = await mine.spawn(*where, directory="/in/")
    assert isinstance(answer, Ok)
    printed = await mine.all_of(answer.value)  # type: ignore[arg-type]
    assert Path(printed.decode().strip()) == (mine.folder / "in").resolve()
    for directory, case in (
        ("/out", "denied"), ("/link", "denied"), ("/none", "not-found"), ("/in/../out", "invalid"),
    ):  # fmt: skip
        answer = await mine.spawn(*where, directory=directory)
        assert isinstance(answer, Err)
        assert answer.value.name == case, directory  # type: ignore[attr-defined]


async def test_a_script_and_a_file_that_is_no_program(mine: Component, tmp_path: Path) -> None:
    """A script runs by its name; the system's refusal is an error with its reason."""
    script, broken = tmp_path / "script", tmp_path / "broken"
    script.write_text('#!/bin/sh\necho "$1"\n')
    broken.write_bytes(b"\x7fELF and nothing else")
    for each in (script, broken):
        each.chmod(0o755)
    answer = await mine.call("run", str(script), ["; id"], b"", 30_000)
    assert isinstance(answer, Ok)
    assert answer.value.stdout == b"; id\n"  # type: ignore[attr-defined]
    answer = await mine.spawn(program=str(broken))
    assert answer == Err(Case("failed", f"{broken} did not start: Exec format error"))


async def test_what_a_program_cannot_reach(mine: Component, tmp_path: Path) -> None:
    """Whatever it tries: files of its user, the network, other processes, the kernel."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        code = f"""
            import ctypes, os, signal, socket, subprocess, sys
            from pathlib import Path
            secret, libc = Path({str(secret)!r}), ctypes.CDLL(None, use_errno=True)
            def call(*arguments):
                if libc.syscall(*arguments) == -1:
                    raise OSError(ctypes.get_errno())
            tries = dict(
                read=lambda: secret.read_text(), write=lambda: secret.write_text("x"),
                beside=lambda: (secret.parent / "made").write_text("x"),
                unlink=lambda: secret.unlink(), link=lambda: os.link(secret, "here"),
                rename=lambda: os.rename(secret, "here"), temporary=lambda: os.listdir("/tmp"),
                shadow=lambda: Path("/etc/shadow").read_text(),
                users=lambda: Path("/etc/passwd").read_text(),
                home=lambda: os.listdir(os.path.expanduser("~root")),
                environment=lambda: Path("/proc/{os.getpid()}/environ").read_bytes(),
                parent=lambda: Path("/proc/1/environ").read_bytes(),
                kill_host=lambda: os.kill({os.getpid()}, 0),
                socket=lambda: socket.create_connection({listening.getsockname()!r}),
                local=lambda: socket.socket(socket.AF_UNIX),
                ptrace=lambda: call(101 if os.uname().machine == "x86_64" else 117, 16, 1, 0, 0),
                unshare=lambda: os.unshare(0x10000000) if hasattr(os, "unshare") else
                    call(272 if os.uname().machine == "x86_64" else 97, 0x10000000),
                clone=lambda: call(56 if os.uname().machine == "x86_64" else 220,
                                   0x10000000 | 17, 0, 0, 0, 0),
                mount=lambda: call(165 if os.uname().machine == "x86_64" else 40,
                                   b"none", b"/mnt", b"tmpfs", 0, 0),
                ring=lambda: call(425, 8, ctypes.create_string_buffer(120)),
                chroot=lambda: os.chroot("."), user=lambda: os.setuid(12345),
                device=lambda: os.open("/dev/mem", os.O_RDONLY),
                limit=lambda: __import__("resource").setrlimit(7, (9999, 9999)),
                priority=lambda: os.nice(-5), bound=lambda:
                    Path("/proc/sys/kernel/pid_max").write_text("4000000"),
            )
            for name, each in tries.items():
                try:
                    each()
                except (OSError, ValueError):
                    continue
                print("reached", name)
            try:
                os.kill(1, signal.SIGKILL)
            except OSError:
                pass
            open("made", "w").write("x")
            print("end")
        """
        said = await mine.run(textwrap.dedent(code))
    assert said.split() == ["end"], said
    assert secret.read_text() == "secret"
    assert (mine.folder / "made").exists()


SETUID = [
    str(path)
    for path in map(Path, ("/usr/bin/passwd", "/usr/bin/su", "/bin/mount"))
    if path.exists() and path.stat().st_mode & 0o4000
]


@pytest.mark.parametrize("network", [False, True])
async def test_sockets_of_a_program(host: Host, mine: Component, network: bool) -> None:
    """With the host's network it reaches servers, and still no service behind a local socket."""
    host.bound(network=network)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        code = f"""
            import socket
            made = []
            for family in ("AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"):
                try:
                    kind = socket.SOCK_RAW if family in ("AF_NETLINK", "AF_PACKET") else 1
                    socket.socket(getattr(socket, family), kind)
                    made.append(family)
                except OSError:
                    pass
            try:
                socket.create_connection({listening.getsockname()!r}, 10)
                made.append("connected")
            except OSError:
                pass
            socket.socketpair()
            print(*made)
        """
        said = await mine.run(textwrap.dedent(code))
    assert said.split() == (["AF_INET", "AF_INET6", "connected"] if network else [])


async def test_a_setuid_program_gains_nothing(mine: Component) -> None:
    """Also one that a granted program starts."""
    if not SETUID:
        pytest.skip("this machine has no setuid program")
    answer = await mine.spawn(program=SETUID[0])
    assert isinstance(answer, Err)
    assert answer.value.name == "denied"  # type: ignore[attr-defined]
    status = "print([each for each in open('/proc/self/status') if each[:3] in ('NoN', 'Cap')])"
    said = await mine.run(status)
    assert "NoNewPrivs:\\t1" in said
    assert "CapEff:\\t0000000000000000" in said
    assert "CapBnd:\\t0000000000000000" in said


async def test_a_program_stands_back_behind_the_host(host: Host, mine: Component) -> None:
    """For processors by its niceness, for memory as the first that the kernel ends."""
    base = os.nice(0)
    host.bound(niceness=3)
    said = await mine.run("import os; print(os.nice(0), open('/proc/self/oom_score_adj').read())")
    assert said.split() == [str(min(19, base + 3)), "1000"]


BOMB = """
import os, time
open("runs", "w").close()
while True:
    try:
        os.fork()
    except OSError:
        open("refused", "w").close()
"""


async def test_a_fork_bomb_is_bounded(host: Host, mine: Component) -> None:
    """Others start programs meanwhile, and all of it ends at once."""
    host.bound(processes=20)
    child = await mine.start(HOLD + BOMB)
    with anyio.fail_after(60):
        while not (mine.folder / "refused").exists():  # noqa: ASYNC110 - other processes
            await anyio.sleep(0.02)
        other = host.add("local/b")
        assert await other.run("print('works')") == "works\n"
    child.close()
    await mine.gone()


def keeper_of(host: Host) -> subprocess.Popen[bytes]:
    finalizer: Any = host.processes._keeper._end_process
    process: subprocess.Popen[bytes] = finalizer.peek()[2][1]
    return process


async def test_many_start_at_once(host: Host) -> None:
    """Also while the process that starts them takes no more; each component has its bound."""
    host.bound(programs=2)
    components = [host.add(f"local/c{number}") for number in range(6)]
    assert await components[0].run("print('works')") == "works\n"
    keeper, answers = host.processes._keeper, list[object]()

    async def start(component: Component) -> None:
        answers.append(await component.spawn("60", program="/usr/bin/sleep"))

    assert keeper._socket is not None
    keeper._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    keeper_of(host).send_signal(signal.SIGSTOP)
    async with anyio.create_task_group() as tasks:
        for component in components * 4:
            tasks.start_soon(start, component)
        with anyio.fail_after(30):
            while keeper._sending.statistics().tasks_waiting < 3:
                await anyio.lowlevel.checkpoint()
        keeper_of(host).send_signal(signal.SIGCONT)
    assert len([each for each in answers if isinstance(each, Ok)]) == 2 * 6
    refused = [each.value for each in answers if isinstance(each, Err)]
    assert {getattr(each, "name", None) for each in refused} == {"limit-exceeded"}


async def test_a_program_outlives_the_keeper_and_another_starts(
    host: Host, mine: Component
) -> None:
    """The process that starts programs may be killed: it is started again."""
    child = await mine.start(ECHO)
    keeper = keeper_of(host)
    keeper.kill()
    keeper.wait()
    assert await mine.run("print('works')") == "works\n"
    await mine.call("[method]child.write-stdin", child, b"one\n")
    assert await mine.call("[method]child.read-stdout", child, 100) == Ok(b"ONE\n")


async def test_the_keeper_ends_with_its_last_component(host: Host, mine: Component) -> None:
    """A host without such components has no process beside it."""
    other = host.add("local/b")
    await mine.run("pass")
    await other.run("pass")
    keeper = keeper_of(host)
    mine.caller._close()
    assert keeper.returncode is None
    other.caller._close()
    assert keeper.returncode == 0
    host.components.clear()


async def test_a_machine_that_cannot_confine_refuses(
    host: Host, mine: Component, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a setting says otherwise."""
    monkeypatch.setattr(request_module, "missing_protections", lambda: ("files", "network"))
    answer = await mine.spawn(PYTHON, "pass")
    assert isinstance(answer, Err)
    assert "process.unconfined" in answer.value.value  # type: ignore[attr-defined]
    host.bound(unconfined=True)
    await mine.start("pass")


async def test_the_hosts_home_is_not_readable(tmp_path: Path, mine: Component, host: Host) -> None:
    """A folder that contains it, or lies in it, is refused: keys are there."""
    home = tmp_path / "home"
    home.mkdir()
    policy = replace(host.processes.policy, home=home)
    for readable in (tmp_path, home, home / "keys"):
        host.tree.policy = replace(
            policy, processes=replace(policy.processes, readable=(str(readable),))
        )
        answer = await mine.spawn(PYTHON, "pass")
        assert isinstance(answer, Err)
        assert answer.value.name == "denied"  # type: ignore[attr-defined]
        assert "process.readable" in answer.value.value  # type: ignore[attr-defined]


async def test_mounts(host: Host, tmp_path: Path) -> None:
    """A program has a mount where its component has all of it, and to write if that may, too."""
    mounts = []
    for name in ("free", "fixed", "partly", "other"):
        folder = tmp_path / "mounts" / name
        folder.mkdir(parents=True)
        (folder / "file").write_text(name)
        mounts.append(Mount(name, str(folder), read_only=name == "fixed"))
    host.mount(*mounts)
    everything = tuple(f"/mnt/{name}/**" for name in ("free", "fixed", "partly"))
    grants = {f"filesystem:{each}": everything for each in ("read", "list", "write", "delete")}
    mine = host.add(
        grants=Grants(
            {"process:spawn": ("everything",), **grants}, {"filesystem:read": ("/mnt/partly/x",)}
        )
    )
    code = f"""
        from pathlib import Path
        for name in ("free", "fixed", "partly", "other"):
            file = Path({str(tmp_path / "mounts")!r}, name, "file")
            for act in (file.read_text, lambda: file.write_text("new")):
                try:
                    act()
                except OSError:
                    print(name, end=" ")
    """
    assert await mine.run(textwrap.dedent(code)) == "fixed partly partly other other "
    where = [PYTHON, "import os; print(os.getcwd())"]
    answer = await mine.spawn(*where, directory="/mnt/free")
    assert isinstance(answer, Ok), answer
    printed = await mine.all_of(answer.value)  # type: ignore[arg-type]
    assert printed.decode().strip() == str((tmp_path / "mounts/free").resolve())


HOST = """
import sys
from pathlib import Path
import anyio
sys.path.insert(0, {tests!r})
from airswasm.runtime import missing_protections
if {fenced}:
    from airswasm.runtime._confining.fences import drop_capabilities, fence_calls
    drop_capabilities()
    assert fence_calls(network=True)
    assert missing_protections() == ("number", "processes"), missing_protections()
import test_spawn
from dataclasses import replace
async def main():
    policy = replace(test_spawn.POLICY, unconfined={fenced})
    host = test_spawn.Host(Path({folder!r}), policy)
    mine = host.add()
    await mine.start({code!r})
    await mine.begun()
    print("runs", flush=True)
    if {waits}:
        await anyio.sleep(60)
    host.close()
anyio.run(main)
"""


@pytest.mark.parametrize("fenced", [False, True], ids=["namespaces", "without"])
@pytest.mark.parametrize("kills", [False, True], ids=["ends", "killed"])
async def test_nothing_outlives_the_host(
    mine: Component, tmp_path: Path, fenced: bool, kills: bool
) -> None:
    """Killed or ended, also where the machine has no namespaces, and what it left is adopted."""
    code = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-ISc', {SLOW!r}], start_new_session=True)\n"
        "time.sleep(60)"
    )
    script = HOST.format(
        tests=str(Path(__file__).parent), folder=str(tmp_path), code=code, waits=kills,
        fenced=fenced,
    )  # fmt: skip
    process = subprocess.Popen(  # noqa: ASYNC220 - a host of its own
        [sys.executable, "-c", script], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"runs\n"
        if kills:
            process.kill()
        process.wait()
    await mine.gone()


def test_errors_survive_pickle() -> None:
    """With their fields."""
    import pickle

    for error in (
        errors.ProgramNotConfined(("files",)), errors.ProgramNotStarted("/bin/x y", "why"),
        errors.KeeperFailed("why"), errors.TooManyPrograms(3), errors.VariableRefused("X"),
        errors.AccessDenied("text", "roles"),
    ):  # fmt: skip
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
