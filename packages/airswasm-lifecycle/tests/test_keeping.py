"""A home as a whole: backed up in use, restored, moved; killed anywhere, and on a full disk."""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from contextlib import aclosing
from io import BytesIO, FileIO
from pathlib import Path
from random import Random
from typing import BinaryIO, cast

import anyio
import pytest
from airswasm.lifecycle import (
    BackupInvalid,
    HomeNotEmpty,
    HostIsRunning,
    RestoreIsRunning,
    StopNeeded,
    StoreMissing,
    System,
    abandon_migration,
    check_backup,
    confirm_migration,
    migrate_home,
    restore_home,
)
from airswasm.lifecycle._home.home import Home
from airswasm.lifecycle._keeping.archive import FORMAT, read_archive
from airswasm.storage import EngineMismatch, EngineUnknown, Namespace, Store, engine_of
from hypothesis import given, settings
from hypothesis import strategies as st

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")
KEYS = 3_000
END = "airswasm-backup-end.json"


def space(system: System) -> Namespace:
    return system.services.get(Store).namespace("local/a", durability="os")


async def fill(home: Path, keys: int = KEYS) -> None:
    """Store what no engine can make smaller."""
    random = Random(1)
    async with System(home, mode="offline") as system:
        for start in range(0, keys, 500):
            names = [f"k{number:05d}" for number in range(start, min(keys, start + 500))]
            await space(system).batch({name: random.randbytes(400) for name in names})
        await space(system).set("gone", b"1", ttl=3_600)
        await space(system).checkpoints.create("one")


async def count(home: Path) -> tuple[int, int]:
    """Read everything, as a host would."""
    async with System(home, mode="offline") as system:
        await system.verify_data()
        counted = await space(system).recount()
        assert counted == await space(system).usage()
        return counted.keys, len(space(system).checkpoints.list())


async def write_backup(system: System, file: Path) -> None:
    with file.open("wb") as target:
        async with aclosing(system.backup()) as chunks:
            async for chunk in chunks:
                target.write(chunk)


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A process that the test may kill, with the helpers of the others at hand."""
    head = (
        "import anyio, os, signal, sys\nfrom pathlib import Path\n"
        "from airswasm.lifecycle import *\n"
        "def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", head + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


# -- backup and restore ---------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_backup_is_of_one_moment_while_the_home_is_in_use(tmp_path: Path) -> None:
    """Two keys that change together are together in the restored home."""
    home, file, other = tmp_path / "home", tmp_path / "b", tmp_path / "other"
    await fill(home, 300)
    async with System(home, mode="offline") as system:
        async with anyio.create_task_group() as group:

            async def write() -> None:
                number = 0
                while True:
                    number += 1
                    both = str(number).encode()
                    await space(system).batch({"left": both, "right": both})
                    await anyio.lowlevel.checkpoint()

            group.start_soon(write)
            await write_backup(system, file)
            group.cancel_scope.cancel()
        assert not list(home.glob("backup.partial-*"))
    with file.open("rb") as source:
        summary, kept = await restore_home(source, "b", other)
    assert (summary.engine, kept) == ("rocksdb", None)
    async with System(other, mode="offline") as system:
        assert await space(system).get("left") == await space(system).get("right")
        assert (await space(system).usage()).keys in (301, 303)


@pytest.mark.anyio
async def test_a_cancelled_backup_leaves_nothing(tmp_path: Path) -> None:
    """Also when its reader goes away in the middle."""
    home = tmp_path / "home"
    await fill(home, 300)
    async with System(home, mode="offline") as system:
        async with aclosing(system.backup()) as chunks:
            await anext(chunks)
        assert not list(home.glob("backup.partial-*"))


@pytest.mark.anyio
async def test_a_home_is_replaced_only_when_that_is_asked_for(tmp_path: Path) -> None:
    """And never under a host; the old one is kept."""
    home, file = tmp_path / "home", tmp_path / "b"
    await fill(home, 10)
    async with System(home, mode="offline") as system:
        await write_backup(system, file)
        with file.open("rb") as source, pytest.raises(StopNeeded):
            await restore_home(source, "b", home, replace=True)
    with file.open("rb") as source, pytest.raises(HomeNotEmpty):
        await restore_home(source, "b", home)
    with file.open("rb") as source:
        _, kept = await restore_home(source, "b", home, replace=True)
    assert kept is not None
    assert await count(home) == await count(kept) == (11, 1)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("archive")

    async def make() -> None:
        await fill(folder / "home", 3)
        async with System(folder / "home", mode="offline") as system:
            await write_backup(system, folder / "b")

    anyio.run(make)
    return (folder / "b").read_bytes()


@given(at=st.integers(0, 10**9), bit=st.integers(0, 7), is_cut=st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_change_of_a_backup_goes_unnoticed(
    archive: bytes, tmp_path_factory: pytest.TempPathFactory, at: int, bit: int, is_cut: bool
) -> None:
    """Whatever is read of an altered one is what was written, or it is refused."""
    end = len(archive.rstrip(b"\0"))
    content = bytearray(archive)
    if is_cut:
        del content[at % end :]
    else:
        content[at % end] ^= 1 << bit
    first = tmp_path_factory.mktemp("first")
    second = tmp_path_factory.mktemp("second")
    for _ in read_archive(BytesIO(archive), "b", first):
        pass
    try:
        for _ in read_archive(BytesIO(bytes(content)), "b", second):
            pass
    except BackupInvalid:
        return
    read = [{p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()}
            for f in (first, second)]  # fmt: skip
    assert read[0] == read[1], "only what is not of the content may change: a time, an owner"


HEAD: dict[str, object] = {"format": FORMAT, "created_at": 1, "engine": "", "components": []}


def made(
    *members: tarfile.TarInfo, head: Mapping[str, object] = HEAD, contents: bytes = b""
) -> bytes:
    """An archive of these members, each with the same contents; its end vouches for all of them."""
    stream = BytesIO()
    files = {each.name: _entry(contents) for each in members if each.isreg()}
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, document in (("airswasm-backup.json", head), ("", None), (END, {"files": files})):
            for each in [tarfile.TarInfo(name)] if name else members:
                content = json.dumps(document).encode() if name else contents
                each.size = len(content) if each.isreg() else 0
                archive.addfile(each, BytesIO(content))
    return stream.getvalue()


def _entry(contents: bytes) -> dict[str, object]:
    return {"size": len(contents), "sha256": hashlib.sha256(contents).hexdigest()}


def member(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd" if kind != tarfile.REGTYPE else ""
    return info


def refused(content: bytes, folder: Path) -> str:
    """The refusal of an archive, when it is checked and when it is unpacked."""
    for target in (None, folder):
        with pytest.raises(BackupInvalid) as caught:
            for _ in read_archive(BytesIO(content), "b", target):
                pass
    return str(caught.value)


def test_an_archive_of_known_files_is_read(tmp_path: Path) -> None:
    """What the tests below refuse, they refuse for its difference from this one."""
    content = made(member("config.toml"), member("logs/a/b"), contents=b"x")
    *_, (_, summary) = read_archive(BytesIO(content), "b", tmp_path)
    assert (summary.files, summary.size_bytes) == (2, 2)
    assert (tmp_path / "logs/a/b").read_bytes() == b"x"


@pytest.mark.parametrize(
    "kind",
    [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE,
     tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE],
)  # fmt: skip
@pytest.mark.parametrize(
    "name",
    ["../x", "/x", "store/../../x", "x", "store/a\\..\\b", "C:/x", "host.lock", "store", "", ".",
     "./logs/x", "logs//x", "config.toml/x", f"logs/{256 * 'n'}", "logs/x"],
)  # fmt: skip
def test_a_member_is_a_plain_file_of_a_home(tmp_path: Path, name: str, kind: bytes) -> None:
    """A link, a device, a folder, a hole, and a path elsewhere are refused before any write."""
    if (name, kind) == ("logs/x", tarfile.REGTYPE):
        return
    refused(made(member(name, kind)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "names", [("logs/x", "logs/x"), ("logs/x", "logs/x/y"), ("logs/x/y", "logs/x")]
)
def test_no_member_takes_the_place_of_another(tmp_path: Path, names: tuple[str, str]) -> None:
    """A name is a file once, and not a folder, too."""
    assert "which no backup has" in refused(made(*map(member, names)), tmp_path / "out")


@pytest.mark.parametrize(
    "change",
    [{"created_at": value} for value in (math.inf, math.nan, -1, 1e300, 10**400, "x", None)]
    + [{"engine": None}, {"components": None}, {"format": None}],
)
def test_a_malformed_head_is_refused(tmp_path: Path, change: Mapping[str, object]) -> None:
    """Also one with a date that no calendar has."""
    refused(made(head={**HEAD, **change}), tmp_path)


def test_a_format_of_the_future_is_named(tmp_path: Path) -> None:
    """So that its reader knows what to update."""
    assert "'airswasm-backup-v2'" in refused(
        made(head={**HEAD, "format": "airswasm-backup-v2"}), tmp_path
    )


def test_a_store_without_an_engine_is_refused(tmp_path: Path) -> None:
    """It would take the home's place unread."""
    assert "names no engine" in refused(made(member("store/x")), tmp_path)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_cannot_take_the_memory_of_the_reader(kind: bytes) -> None:
    """Its size is a claim: nothing of it is read beyond 1 MiB."""

    class Endless:
        read_bytes = 0

        def __init__(self, head: bytes) -> None:
            self.head = head

        def read(self, size: int) -> bytes:
            taken, self.head = self.head[:size], self.head[size:]
            self.read_bytes += len(taken) or size
            assert self.read_bytes < 2**21
            return taken or bytes(size)

    head = member("x", kind)
    head.size = 4 * 2**30
    with pytest.raises(BackupInvalid, match="too long"):
        for _ in read_archive(cast("BinaryIO", Endless(head.tobuf(tarfile.GNU_FORMAT))), "b", None):
            pass


@pytest.mark.anyio
async def test_restores_of_one_home_do_not_meet(tmp_path: Path) -> None:
    """The second is refused while the first reads, and takes nothing from it."""
    home, file, other = tmp_path / "home", tmp_path / "b", tmp_path / "other"
    await fill(home, 10)
    async with System(home, mode="offline") as system:
        await write_backup(system, file)
    refusals: list[RestoreIsRunning] = []

    class Meeting(FileIO):
        """Tries to restore, too, at each step of the first restore."""

        def read(self, size: int | None = -1, /) -> bytes:
            try:
                with file.open("rb") as source:
                    anyio.run(lambda: restore_home(source, "b", other))
            except RestoreIsRunning as error:
                refusals.append(error)
            return super().read(size) or b""

    with Meeting(file) as source:
        await restore_home(cast("BinaryIO", source), "b", other)
    assert refusals
    assert await count(other) == (11, 1)
    assert sorted(os.listdir(tmp_path)) == ["b", "home", "other"]  # noqa: PTH208


def test_a_lock_of_a_home_that_was_replaced_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that opened the lock file before a restore must not host the home that came."""
    home = Home(tmp_path / "home")
    home.create()
    home.lock().release()
    opened = os.open

    def open_and_move(path: str, flags: int, mode: int = 0o777) -> int:
        descriptor = opened(path, flags, mode)
        home.lock_file.rename(tmp_path / "moved")
        return descriptor

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_and_move)
        with pytest.raises(HostIsRunning):
            home.lock()
    home.lock().release()


@posix_only
@pytest.mark.anyio
async def test_a_killed_restore_leaves_the_home_as_it_was(tmp_path: Path) -> None:
    """The next one removes what it left."""
    home, file = tmp_path / "home", tmp_path / "b"
    await fill(home)
    async with System(home, mode="offline") as system:
        await write_backup(system, file)
        await space(system).set("later", b"")
    killed = run(
        "with open(sys.argv[1], 'rb') as f:\n"
        "    anyio.run(lambda: restore_home(f, 'b', Path(sys.argv[2]), replace=True,"
        " progress=lambda read: read > 200_000 and die()))",
        file, home,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (tmp_path / ".home.restoring").exists()
    assert await count(home) == (KEYS + 2, 1)
    with file.open("rb") as source:
        await restore_home(source, "b", home, replace=True)
    assert await count(home) == (KEYS + 1, 1)
    assert not (tmp_path / ".home.restoring").exists()


@posix_only
@pytest.mark.anyio
async def test_the_copy_of_a_killed_backup_is_removed_at_the_next_opening(tmp_path: Path) -> None:
    """A killed host takes no room for longer than it is down."""
    home = tmp_path / "home"
    await fill(home, 300)
    killed = run(
        "async def main():\n"
        "    async with System(Path(sys.argv[1]), mode='offline') as s:\n"
        "        async for chunk in s.backup(): die()\n"
        "anyio.run(main)",
        home,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list(home.glob("backup.partial-*"))
    assert await count(home) == (301, 1)
    assert not list(home.glob("backup.partial-*"))


@posix_only
@pytest.mark.anyio
async def test_a_full_disk_ends_a_restore_with_nothing_changed(tmp_path: Path) -> None:
    """The limit of a file's size stands for it."""
    home, file, other = tmp_path / "home", tmp_path / "b", tmp_path / "other"
    await fill(home)
    async with System(home, mode="offline") as system:
        await write_backup(system, file)
    full = run(
        "import resource\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "with open(sys.argv[1], 'rb') as f:\n"
        "    try: anyio.run(lambda: restore_home(f, 'b', Path(sys.argv[2])))\n"
        "    except HomeUnusable as error: print('refused', error)",
        file, other,
    )  # fmt: skip
    assert full.stdout.startswith("refused"), full.stderr
    assert sorted(os.listdir(tmp_path)) == ["b", "home"]  # noqa: PTH208


# -- moving to another engine ---------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_home_moves_there_and_back(tmp_path: Path) -> None:
    """Checkpoints, expiries and the registry move too; the old stores stay until then."""
    home = tmp_path / "home"
    await fill(home)
    for engine, previous in (("sqlite", "rocksdb"), ("rocksdb", "sqlite")):
        moved = await migrate_home(home, engine)
        assert (moved.engine, moved.previous) == (engine, previous)
        assert moved.written == moved.records > 2 * KEYS
        assert engine_of(home / "store") == engine
        assert await count(home) == (KEYS + 1, 1)
        again = await migrate_home(home, engine)
        assert again.records == 0
    assert len(await confirm_migration(home, dry_run=True)) == 2
    assert len(await confirm_migration(home)) == 2
    assert not list(home.glob("store.*"))
    with pytest.raises(EngineUnknown):
        await migrate_home(home, "sqlit")
    with pytest.raises(StoreMissing):
        await migrate_home(tmp_path / "nothing", "sqlite")
    assert not (tmp_path / "nothing").exists()
    async with System(home, mode="offline"):
        with pytest.raises(StopNeeded):
            await migrate_home(home, "sqlite")


_MIGRATE = "anyio.run(lambda: migrate_home(Path(sys.argv[1]), 'sqlite', progress={}))"
KILLS = {
    "while copying": _MIGRATE.format("lambda copied: copied.records > 1_500 and die()"),
    "while comparing": _MIGRATE.format("lambda copied: copied.is_verifying and die()"),
    "after the first rename": (
        "rename = Path.rename\n"
        "def first(self, target): rename(self, target); die()\n"
        "Path.rename = first\n" + _MIGRATE.format("lambda _: None")
    ),
    "before the setting": (
        "import airswasm.lifecycle._migrating as migrating\n"
        "migrating.edit_configuration = die\n" + _MIGRATE.format("lambda _: None")
    ),
}


@posix_only
@pytest.mark.anyio
@pytest.mark.parametrize("at", KILLS)
async def test_a_killed_move_goes_on(tmp_path: Path, at: str) -> None:
    """The same call finishes it, wherever it was killed, and nothing is lost."""
    home = tmp_path / "home"
    await fill(home)
    killed = run(KILLS[at], home)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    if at.startswith("while"):
        assert await count(home) == (KEYS + 1, 1), "the home works with its old engine"
        assert len(await abandon_migration(home, dry_run=True)) == 1
    else:
        with pytest.raises((StoreMissing, EngineMismatch)):
            await count(home)
    moved = await migrate_home(home, "sqlite")
    assert moved.engine == "sqlite"
    if at.startswith("while"):
        assert moved.written < moved.records / 1.2
    assert await count(home) == (KEYS + 1, 1)
    assert await abandon_migration(home) == ()
    assert len(await confirm_migration(home)) == 1
    assert await count(home) == (KEYS + 1, 1)


@pytest.mark.anyio
async def test_a_move_that_goes_on_takes_what_changed_meanwhile(tmp_path: Path) -> None:
    """A copy that was begun vouches for nothing: what differs is written, removed things go."""
    home = tmp_path / "home"
    await fill(home)

    async def interrupted() -> None:
        with anyio.CancelScope() as scope:
            await migrate_home(
                home, "sqlite", progress=lambda copied: copied.is_verifying and scope.cancel()
            )
        assert scope.cancelled_caught

    await interrupted()
    async with System(home, mode="offline") as system:
        await space(system).delete_prefix("k000")
        await space(system).batch({"k00100": b"new", "zz": b"new"})
        await space(system).checkpoints.drop("one")
    moved = await migrate_home(home, "sqlite")
    assert moved.written > 0
    async with System(home, mode="offline") as system:
        assert await space(system).get("zz") == b"new"
        assert await space(system).get("k00050") is None
    assert await count(home) == (KEYS + 2 - 100, 0)


@posix_only
@pytest.mark.anyio
async def test_a_full_disk_ends_a_move_and_the_home_keeps_its_engine(tmp_path: Path) -> None:
    """With room again it goes on."""
    home = tmp_path / "home"
    await fill(home)
    full = run(
        "import resource\n"
        "from airswasm.storage import StorageError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000))\n"
        "try: anyio.run(lambda: migrate_home(Path(sys.argv[1]), 'sqlite'))\n"
        "except (StorageError, HomeUnusable) as error: print('refused', error)",
        home,
    )
    assert full.stdout.startswith("refused"), full.stderr
    assert engine_of(home / "store") == "rocksdb"
    assert await count(home) == (KEYS + 1, 1)
    assert (await migrate_home(home, "sqlite")).engine == "sqlite"
    assert await count(home) == (KEYS + 1, 1)


@pytest.mark.anyio
async def test_a_check_reads_to_the_end(archive: bytes, tmp_path: Path) -> None:
    """The last progress is the size of the content."""
    file = tmp_path / "b"
    file.write_bytes(archive)
    seen: list[int] = []
    with file.open("rb") as source:
        summary = await check_backup(source, "b", progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == summary.size_bytes
