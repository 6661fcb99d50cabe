"""A file in parts, a file that replaces another, a listing in pages: all through the guard."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from airswasm.osl import BLOCK, Folder, FolderLimits, OslPolicy, folders_below, provide
from airswasm.osl._files.ledger import Ledgers
from airswasm.osl._files.measuring import PARTIAL_PREFIX, measured
from airswasm.osl.errors import OslError
from airswasm.runtime import Account, Caller, Err, HostMemory, Ok, Services
from airswasm.security import Grants, Guard, Kinds
from airswasm.wit import contract

pytestmark = pytest.mark.anyio
KINDS = Kinds(BLOCK.capabilities)
VERBS = ("read", "write", "delete", "list")
EVERYTHING = Grants({f"filesystem:{verb}": ("/**",) for verb in VERBS})


class Files:
    """The files of one component, by the guarded interface."""

    def __init__(self, base: Path, limits: FolderLimits) -> None:
        self.folder = base / "local/a"
        self.guard = Guard(KINDS, {"local/a": EVERYTHING})
        services = Services()
        services.add(Guard, self.guard)
        services.add(OslPolicy, OslPolicy(folders_below(base), limits))
        name = "airswasm:component/filesystem@0.1.0"
        offered = next(each for each in provide(services) if each.name == name)
        self.interface = self.guard.guarded(offered, contract())
        self.caller = Caller("local/a")
        self.caller.message_bytes = 1_000_000
        self.caller._account = Account(10**7, HostMemory(), name="local/a")

    async def answer(self, function: str, *args: object) -> object:
        return await cast("Any", self.interface.functions[function])(self.caller, *args)

    async def call(self, function: str, *args: object) -> Any:
        answer = await self.answer(function, *args)
        assert isinstance(answer, Ok), answer
        return answer.value

    async def on(self, opened: object, function: str, *args: object) -> Any:
        return await self.call(f"[method]open-file.{function}", opened, *args)

    async def refusal(self, function: str, *args: object) -> str:
        answer = await self.answer(function, *args)
        assert isinstance(answer, Err), answer
        return cast("str", cast("Any", answer.value).name)

    def drop(self, opened: object) -> None:
        self.interface.resources["open-file"].drop(opened)

    def leftovers(self) -> list[str]:
        return [path.name for path in self.folder.iterdir() if path.name.startswith(PARTIAL_PREFIX)]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, FolderLimits(total_bytes=200_000, file_bytes=100_000, open_files=4))


async def test_a_file_in_parts(files: Files) -> None:
    """Written at offsets, appended, cut, synchronised, read, described."""
    opened = await files.call("open-to-create", "/f")
    await files.on(opened, "write", 5, b"56789")
    await files.on(opened, "write", 0, b"01234")
    assert await files.on(opened, "append", b"abc") == 13
    await files.on(opened, "set-size", 12)
    await files.on(opened, "sync")
    assert (await files.on(opened, "info"))["size_bytes"] == 12
    assert await files.refusal("[method]open-file.read", opened, 0, 1) == "invalid"
    files.drop(opened)
    assert await files.refusal("open-to-create", "/f") == "exists"
    update = await files.call("open-to-update", "/f")
    assert await files.on(update, "read", 3, 100) == b"3456789ab"
    await files.on(update, "write", 0, b"X")
    reader = await files.call("open-to-read", "/f")
    assert await files.on(reader, "read", 0, 2) == b"X1"
    assert await files.refusal("[method]open-file.write", reader, 0, b"x") == "invalid"
    assert await files.refusal("[method]open-file.commit", update) == "invalid"
    assert (files.folder / "f").read_bytes() == b"X123456789ab"


@pytest.mark.parametrize("path", ["/d", "/none", "/none/f", "/"])
async def test_only_files_are_opened(files: Files, path: str) -> None:
    """Directories are not, and nothing is created on the way."""
    await files.call("create-directory", "/d")
    for function in ("open-to-read", "open-to-update"):
        assert await files.refusal(function, path) in ("invalid", "not-found"), function
    if path in ("/d", "/none/f", "/"):
        for function in ("open-to-write", "open-to-create", "open-to-replace"):
            refused = await files.refusal(function, path)
            assert refused in ("invalid", "not-found", "exists"), function
    assert sorted(path.name for path in files.folder.iterdir()) == ["d"]


async def test_a_replacement_has_the_name_when_it_is_committed(files: Files) -> None:
    """Until then the old content is there; dropped without, nothing of it is left."""
    await files.call("write", "/f", b"old")
    new = await files.call("open-to-replace", "/f")
    await files.on(new, "append", b"new ")
    await files.on(new, "append", b"content")
    assert await files.call("read", "/f", 0, 100) == b"old"
    assert [entry.name for entry in await files.call("list-directory", "/")] == ["f"]
    await files.on(new, "commit")
    assert await files.call("read", "/f", 0, 100) == b"new content"
    assert await files.refusal("[method]open-file.commit", new) == "invalid"
    files.drop(new)
    dropped = await files.call("open-to-replace", "/f")
    await files.on(dropped, "append", b"never")
    files.drop(dropped)
    files.drop(dropped)
    assert await files.call("read", "/f", 0, 100) == b"new content"
    assert files.leftovers() == []


async def test_a_replacement_takes_its_quota(files: Files) -> None:
    """Files without a name count, so that a component cannot fill the disk with them."""
    opened = [await files.call("open-to-replace", f"/{n}") for n in range(2)]
    for each in opened:
        await files.on(each, "append", bytes(90_000))
    third = await files.call("open-to-replace", "/third")
    refused = await files.refusal("[method]open-file.append", third, bytes(50_000))
    assert refused == "limit-exceeded"
    for each in (*opened, third):
        files.drop(each)
    await files.call("write", "/f", bytes(90_000))


async def test_an_open_file_ends_with_its_grant(files: Files) -> None:
    """What is being replaced keeps its content, and the guest learns why."""
    await files.call("write", "/f", b"old")
    new, reader = await files.call("open-to-replace", "/f"), await files.call("open-to-read", "/f")
    await files.on(new, "append", b"new")
    files.guard.grant("local/a", Grants({"filesystem:read": ("/f",)}))
    assert await files.refusal("[method]open-file.commit", new) == "denied"
    assert await files.on(reader, "read", 0, 10) == b"old"
    assert files.leftovers() == []
    files.guard.revoke("local/a")
    assert await files.refusal("[method]open-file.read", reader, 0, 10) == "denied"


async def test_open_files_are_bounded_and_on_the_account(files: Files) -> None:
    """Four of four, through whatever function; all is given back."""
    await files.call("write", "/f", b"x")
    before = files.caller.account.held_bytes, files.caller.account.descriptors
    opened = [await files.call("open-to-read", "/f") for _ in range(4)]
    assert await files.refusal("open-to-replace", "/f") == "limit-exceeded"
    assert files.caller.account.descriptors == before[1] + 4
    for each in opened:
        files.drop(each)
    opened.clear()
    gc.collect()
    assert (files.caller.account.held_bytes, files.caller.account.descriptors) == before


async def test_pages_are_all_there_is(files: Files) -> None:
    """Each name once, in order, also when names go and come between the pages."""
    names = [f"{number:03}" for number in range(25)]
    for name in names:
        await files.call("create-directory", f"/{name}")
    seen: list[str] = []
    while page := await files.call("list-page", "/", seen[-1] if seen else "", 4):
        assert len(page) <= 4
        seen += [entry.name for entry in page]
        if len(seen) == 8:
            await files.call("remove", "/000")
            await files.call("remove", "/020")
    assert seen == [name for name in names if name != "020"]
    files.caller.message_bytes = 50
    assert len(await files.call("list-page", "/", "", 100)) == 3


async def test_a_rename(files: Files) -> None:
    """Of a file, over a file, and of a directory with all that it has."""
    await files.call("write", "/f", b"f")
    await files.call("write", "/g", b"g")
    await files.call("rename", "/f", "/g")
    assert await files.call("read", "/g", 0, 9) == b"f"
    await files.call("create-directory", "/d")
    await files.call("rename", "/g", "/d/g")
    await files.call("rename", "/d", "/e")
    assert await files.call("read", "/e/g", 0, 9) == b"f"
    hidden = Grants(EVERYTHING.allow, {"filesystem:read": ("/e/g",)})
    files.guard.grant("local/a", hidden)
    assert await files.refusal("rename", "/e", "/x") == "denied"
    assert await files.refusal("rename", "/e/g", "/x") == "denied"
    assert (files.folder / "e/g").exists()


@pytest.mark.parametrize("function", ["write", "append", "open-to-replace"])
async def test_a_cancel_leaves_the_old_or_the_new(files: Files, function: str) -> None:
    """A guest that is stopped in the middle leaves no half-written file and no stray."""
    await files.call("write", "/f", b"old")
    for delay in (0.0, 0.0001, 0.001, 0.01):
        with anyio.move_on_after(delay):
            if function == "open-to-replace":
                opened = await files.call("open-to-replace", "/f")
                await files.on(opened, "append", bytes(90_000))
                await files.on(opened, "commit")
                files.drop(opened)
            else:
                await files.call(function, "/g", bytes(20_000))
    files.caller._close()
    gc.collect()
    content = (files.folder / "f").read_bytes()
    assert content in (b"old", bytes(90_000))
    if (files.folder / "g").exists():
        assert (files.folder / "g").stat().st_size % 20_000 == 0
    assert files.leftovers() == []


KILLED = """
import sys
from pathlib import Path
from airswasm.osl import Folder
with Folder(Path(sys.argv[1])) as folder, folder.replacement(("f",)) as new:
    __import__("os").write(new.fd, bytes(50_000))
    print("written", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files need a POSIX system")
def test_a_killed_host_leaves_nothing(tmp_path: Path) -> None:
    """Its unfinished file counts as long as it lives; then it goes, and the file is the old one."""
    (tmp_path / "f").write_text("old")
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    host = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert host.stdout is not None
    assert host.stdout.readline() == b"written\n"
    limits = FolderLimits(total_bytes=60_000)
    with Folder(tmp_path, limits) as other:  # a second host on the same folder leaves it alone
        assert len(list(tmp_path.glob(f"{PARTIAL_PREFIX}*"))) == 1
        with pytest.raises(OslError, match="together"):
            other.write("/g", bytes(20_000))
    host.send_signal(signal.SIGKILL)
    host.communicate()
    with Folder(tmp_path, limits) as folder:
        assert [path.name for path in tmp_path.iterdir()] == ["f"]
        folder.write("/g", bytes(50_000))
    assert (tmp_path / "f").read_text() == "old"


def size_of(folder: Path) -> int:
    fd = os.open(folder, os.O_RDONLY)
    try:
        return measured(fd).size_bytes
    finally:
        os.close(fd)


def test_a_quota_holds_in_a_race(tmp_path: Path) -> None:
    """Many threads, two openings of one folder, removals in between: never more than the limit."""
    limits, ledgers = FolderLimits(total_bytes=100_000, total_entries=12), Ledgers()

    def work(seed: int) -> int:
        done = 0
        with Folder(tmp_path, limits, ledgers=ledgers) as folder:
            for turn in range(40):
                name = f"/{seed % 4}-{turn % 5}"
                try:
                    assert size_of(tmp_path) <= limits.total_bytes
                    if turn % 7 == 3:
                        folder.remove(name)
                    elif turn % 2:
                        folder.write(name, bytes(9_000 + 1_000 * (turn % 3)))
                    else:
                        folder.append(name, bytes(3_000))
                    done += 1
                except OslError:
                    continue
        return done

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) > 0
    assert size_of(tmp_path) <= limits.total_bytes
    assert len(list(tmp_path.iterdir())) <= limits.total_entries
