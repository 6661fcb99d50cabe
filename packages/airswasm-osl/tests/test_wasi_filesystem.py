"""An unmodified CPython guest uses files, and every one passes the check and the audit."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from airswasm.osl import BLOCK, FolderLimits, OslPolicy, folders_below, provide
from airswasm.osl._wasi_files.codes import Refused
from airswasm.osl._wasi_files.paths import below
from airswasm.runtime import Caller, Component, Engine, EngineConfig, Limits, Services, WasiConfig
from airswasm.security import AuditEvent, Grants, Guard, Kinds
from hypothesis import given
from hypothesis import strategies as st

KINDS = Kinds(BLOCK.capabilities)

ROOMY = Limits(memory_bytes=64 * 1024 * 1024, memories=8, fuel=10**12, timeout=60.0)
GRANTS = Grants(
    {
        "filesystem:read": ("/data/**", "/read-only/**"),
        "filesystem:write": ("/data/**", "/write-only/**"),
        "filesystem:delete": ("/data/**", "/write-only/**"),
        "filesystem:list": ("/data/**", "/read-only/**"),
    },
    {"filesystem:read": ("/data/hidden/**",), "filesystem:list": ("/data/hidden/**",)},
)
Run = Callable[[str], Awaitable[str]]

pytestmark = pytest.mark.anyio


class Lines:
    """A sink that keeps what it was given."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def line(self, _caller: Caller, _stream: str, text: str) -> None:
        self.all.append(text)


class Audit:
    """An audit log that keeps its events."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)


class Setting:
    """Two components' folders, with something outside that neither may reach."""

    def __init__(self, base: Path, component: Component) -> None:
        self.base = base
        self.folder = base / "local" / "a"
        self.component = component
        self.audit = Audit()
        self.lines = Lines()
        self.guard = Guard(KINDS, {"local/a": GRANTS}, audit=self.audit)
        for name in ("data/hidden", "read-only", "write-only", "other"):
            (self.folder / name).mkdir(parents=True)
            (self.folder / name / "file").write_text(name)
        (base / "secret").write_text("secret")

    async def guest(self, name: str = "local/a", limits: FolderLimits | None = None) -> Run:
        policy = OslPolicy(folders_below(self.base), limits or FolderLimits())
        services = Services()
        services.add(Guard, self.guard)
        services.add(OslPolicy, policy)
        linked = self.component.link(provide(services))
        instance = await linked.instantiate(
            limits=ROOMY,
            caller=Caller(name),
            wasi=WasiConfig(stdout=self.lines, stderr=self.lines),
        )

        async def run(code: str) -> str:
            answer = await instance.call("#run", code)
            assert isinstance(answer, str)
            return answer

        return run


@pytest.fixture
async def setting(tmp_path: Path, python_wasm: Path, cache_folder: Path) -> AsyncIterator[Setting]:
    async with Engine(EngineConfig(cache_folder=cache_folder)) as engine:
        yield Setting(tmp_path, await engine.load(python_wasm, name="python"))


@pytest.fixture
async def run(setting: Setting) -> Run:
    return await setting.guest()


async def test_files_are_files(setting: Setting, run: Run) -> None:
    """open, write, append, seek, truncate, stat, and all of it is really there."""
    assert await run("answer = open('/data/new', 'w').write('0123456789')") == "10"
    assert (setting.folder / "data/new").read_text() == "0123456789"
    assert await run("answer = open('/data/new', 'a').write('tail')") == "4"
    assert await run("answer = open('/data/new').read()") == "0123456789tail"
    code = "f = open('/data/new', 'r+'); f.seek(2); f.write('ab'); f.truncate(6); f.close()"
    await run(code)
    assert (setting.folder / "data/new").read_text() == "01ab45"
    assert await run("import os; answer = os.stat('/data/new').st_size") == "6"
    assert await run("answer = open('/data/new', 'x')") == (
        "FileExistsError: [Errno 20] File exists: '/data/new'"
    )
    assert await run("import os; os.utime('/data/new', (1, 2)); answer = 'done'") == "done"
    assert (setting.folder / "data/new").stat().st_mtime == 2


async def test_large_files(setting: Setting, run: Run) -> None:
    """More than any buffer on the way, both ways, byte for byte."""
    code = (
        "data = bytes(range(256)) * 2000\nopen('/data/big', 'wb').write(data)\n"
        "answer = open('/data/big', 'rb').read() == data"
    )
    assert await run(code) == "True"
    assert (setting.folder / "data/big").read_bytes() == bytes(range(256)) * 2000


async def test_directories_are_directories(setting: Setting, run: Run) -> None:
    """makedirs, listdir, glob, rename, rmtree."""
    await run("import os; os.makedirs('/data/d/e'); open('/data/d/e/f', 'w').write('x')")
    assert await run("import os; answer = sorted(os.listdir('/data/d'))") == "['e']"
    await run("import os; os.rename('/data/d/e', '/data/e')")
    assert (setting.folder / "data/e/f").read_text() == "x"
    assert await run("import glob; answer = glob.glob('/data/e/*')") == "['/data/e/f']"
    await run("import shutil; shutil.rmtree('/data/e')")
    assert not (setting.folder / "data/e").exists()
    assert "NotADirectoryError" in await run("open('/data/new', 'w'); open('/data/new/x')")


async def test_a_database_is_a_file(setting: Setting, run: Run) -> None:
    """SQLite with its journal, rolled back, and read again by another library."""
    code = (
        "import sqlite3\nbase = sqlite3.connect('/data/base')\n"
        "base.execute('create table t (a integer)')\n"
        "base.executemany('insert into t values (?)', [(n,) for n in range(1000)])\nbase.commit()\n"
        "base.execute('delete from t')\nbase.rollback()\n"
        "answer = base.execute('select count(*), sum(a) from t').fetchone()\nbase.close()"
    )
    assert await run(code) == "(1000, 499500)"
    with contextlib.closing(sqlite3.connect(setting.folder / "data/base")) as base:
        assert base.execute("select count(*) from t").fetchone() == (1000,)
        assert base.execute("pragma integrity_check").fetchone() == ("ok",)
    assert "OperationalError" in await run("import sqlite3; sqlite3.connect('/other/base')")
    assert sorted(path.name for path in (setting.folder / "data").iterdir()) == ["base", "hidden"]


@pytest.mark.parametrize(
    "code",
    [
        "open('/other/file').read()",
        "open('/data/hidden/file').read()",
        "open('/write-only/file').read()",
        "open('/write-only/file', 'r+')",
        "open('/read-only/file', 'w')",
        "open('/read-only/file', 'a')",
        "open('/read-only/new', 'x')",
        "open('/data/../other/file').read()",
        "open('/data/../../../secret').read()",
        "open('/etc/passwd').read()",
        "import os; os.listdir('/other')",
        "import os; os.stat('/other/file')",
        "import os; os.remove('/read-only/file')",
        "import os; os.mkdir('/read-only/d')",
        "import os; os.rename('/read-only/file', '/data/x')",
        "import os; os.rename('/write-only/file', '/data/x')",
        "import os; os.rename('/data/file', '/read-only/x')",
        "import os; os.rename('/data', '/write-only/x')",
        "import os; os.utime('/read-only/file')",
        "import os; os.link('/data/hidden/file', '/data/x')",
        "import os; os.symlink('hidden', '/data/x')",
        "import os; os.symlink('/etc', '/data/x')",
    ],
)
async def test_what_was_not_granted(setting: Setting, run: Run, code: str) -> None:
    """Reading, writing, naming or moving beyond the grants is a PermissionError."""
    (setting.folder / "data/file").write_text("data")
    before = _contents(setting.base)
    assert (await run(code)).startswith("PermissionError")
    assert _contents(setting.base) == before


async def test_links_of_others_lead_nowhere(setting: Setting, run: Run) -> None:
    """A link that a user of the host made is not followed, not even within the folder."""
    for name, target in (("up", "../../../secret"), ("abs", "/etc/passwd"), ("in", "hidden")):
        (setting.folder / "data" / name).symlink_to(target)
    for path in ("/data/up", "/data/abs", "/data/in/file"):
        assert "Error" in await run(f"answer = open('{path}').read()")
    names = await run("import os; answer = sorted(os.listdir('/data'))")
    assert names == "['abs', 'hidden', 'in', 'up']"


async def test_a_denial_is_explained_and_audited(setting: Setting, run: Run) -> None:
    """The guest's stderr names the line to add; the audit log has the attempt, in both cases."""
    await run("open('/other/file')")
    assert any('filesystem.read = ["/data/**", "/read-only/**", "/other/file"]' in line
               for line in setting.lines.all)  # fmt: skip
    await run("open('/data/new', 'w')")
    outcomes = [(event.outcome, event.capability, event.resource) for event in setting.audit.events]
    assert ("deny", "filesystem:read", "/other/file") in outcomes
    assert ("allow", "filesystem:write", "/data/new") in outcomes


async def test_the_audit_line_comes_before_the_effect(setting: Setting, run: Run) -> None:
    """When a component opens a file, the line that says so is written already."""
    existed: list[bool] = []
    record = setting.audit.record

    def watch(event: AuditEvent) -> None:
        existed.append((setting.folder / "data/new").exists())
        record(event)

    setting.audit.record = watch  # type: ignore[method-assign]
    await run("open('/data/new', 'w').close()")
    assert existed == [False]


async def test_without_grants_there_is_no_file_system(setting: Setting) -> None:
    """A component that was granted no file has no `/`, and leaves no folder behind."""
    run = await setting.guest("local/b")
    assert "Error" in await run("open('/data/x')")
    assert "Error" in await run("import os; os.listdir('/')")
    assert not (setting.base / "local" / "b").exists()


async def test_folders_are_apart(setting: Setting) -> None:
    """The same path is another file for another component."""
    setting.guard.grant("local/b", GRANTS)
    first, second = await setting.guest("local/a"), await setting.guest("local/b")
    await second("import os; os.mkdir('/data')")
    await first("open('/data/x', 'w').write('first')")
    assert (await second("open('/data/x')")).startswith("FileNotFoundError")


async def test_limits(setting: Setting) -> None:
    """Size, open files and the disk's last space are bounded, also for `open()`."""
    run = await setting.guest(limits=FolderLimits(file_bytes=100_000, open_files=5))
    code = "answer = open('/data/big', 'wb', buffering=0).write(b'x' * 200_000)"
    await run(code)
    assert (setting.folder / "data/big").stat().st_size <= 100_000
    assert "Error" in await run("open('/data/f', 'w').truncate(10**12)")
    code = "answer = [open(f'/data/{n}', 'w') for n in range(10)]"
    assert (await run(code)).startswith("OSError")
    assert await run("answer = open('/data/0').read()") == ""
    tight = await setting.guest(limits=FolderLimits(total_bytes=1_000_000))
    code = "answer = [open(f'/data/{n}', 'wb').write(b'x' * 200_000) for n in range(9)]"
    assert (await tight(code)).startswith("OSError")
    assert (await tight("open('/data/0', 'r+').truncate(999_999)")).startswith("OSError")
    full = await setting.guest(limits=FolderLimits(free_bytes=2**62))
    assert "No space left" in await full("open('/data/y', 'w')")


@given(st.text(max_size=20), st.text(max_size=20))
def test_paths_stay_below(base: str, path: str) -> None:
    """Whatever a guest writes, the path is canonical and below what it was relative to."""
    names = [name for name in base.split("/") if name not in ("", ".", "..")]
    root = "/" + "/".join(names)
    try:
        at = below(root, path)
    except Refused:
        return
    assert at == root or at.startswith(f"{root.rstrip('/')}/")
    assert not {".", ".."} & set(at.split("/"))


def _contents(base: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in base.rglob("*") if path.is_file()}


async def test_an_open_file_ends_with_its_grant(setting: Setting, run: Run) -> None:
    """Reading and writing through it fail from then on; another file stays open."""
    (setting.folder / "data").mkdir(parents=True, exist_ok=True)
    (setting.folder / "data/a").write_text("secret")
    (setting.folder / "data/b").write_text("kept")
    code = "import builtins; builtins.a, builtins.b = open('/data/a', 'r+b', 0), open('/data/b')"
    await run(f"{code}; answer = a.read(1)")
    setting.guard.grant("local/a", Grants(GRANTS.allow, {"filesystem:read": ("/data/a",)}))
    assert "OSError" in await run("answer = a.read(1)")
    assert "OSError" in await run("answer = a.write(b'x')")
    assert await run("answer = b.read()") == "kept"
    assert (setting.folder / "data/a").read_text() == "secret"
