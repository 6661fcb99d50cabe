"""A mount is there for those whose grants name it, in each capability, and through both doors."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from airswasm.lifecycle import Home
from airswasm.osl import BLOCK, FolderLimits, Mount, OslPolicy, folders_below, provide
from airswasm.osl._files.checks import check_folders
from airswasm.osl._files.tree import MountLayer
from airswasm.osl._probing import probe_readable, probe_writable
from airswasm.osl.errors import MountInvalid
from airswasm.runtime import Caller, Err, Ok, Services
from airswasm.security import Grants, Guard, Kinds
from airswasm.wit import contract, load_part

pytestmark = pytest.mark.anyio
KINDS = Kinds(BLOCK.capabilities)
VERBS = ("read", "write", "delete", "list")


class Host:
    """One host with a mount to read and a mount to write, and its components."""

    def __init__(self, base: Path, limits: FolderLimits | None = None) -> None:
        self.photos, self.scratch = base / "photos", base / "scratch"
        self.own = base / "files/local/a"
        for folder in (self.photos, self.scratch, self.own):
            folder.mkdir(parents=True)
        (self.photos / "p").write_text("photo")
        mounts = (
            Mount("photos", str(self.photos)),
            Mount("scratch", str(self.scratch), read_only=False, total_bytes=40_000,
                  total_entries=8),
        )  # fmt: skip
        self.guard = Guard(KINDS)
        services = self.services = Services()
        services.add(Guard, self.guard)
        policy = OslPolicy(folders_below(base / "files"), limits or FolderLimits(), mounts=mounts)
        services.add(OslPolicy, policy)
        offered = {each.name.split("@")[0]: each for each in provide(services)}
        self.native = self.guard.guarded(offered["airswasm:component/filesystem"], contract())
        self.wasi = offered["wasi:filesystem/types"]
        self.preopens = offered["wasi:filesystem/preopens"]
        self.callers: dict[str, Caller] = {}

    def caller(self, name: str = "local/a") -> Caller:
        if name not in self.callers:
            self.callers[name] = caller = Caller(name)
            caller.message_bytes = 1_000_000
        return self.callers[name]

    def grant(self, name: str = "local/a", /, **verbs: tuple[str, ...]) -> None:
        self.guard.grant(name, Grants({f"filesystem:{verb}": each for verb, each in verbs.items()}))

    async def call(self, function: str, *args: object, name: str = "local/a") -> Any:
        answer = await cast("Any", self.native.functions[function])(self.caller(name), *args)
        return answer.value if isinstance(answer, Ok) else answer

    async def by_wasi(self, function: str, *args: object, name: str = "local/a") -> Any:
        caller = self.caller(name)
        ((root, _),) = cast("Any", self.preopens.functions["get-directories"])(caller)
        answer = await cast("Any", self.wasi.functions[f"[method]descriptor.{function}"])(
            caller, root, *args
        )
        return answer.value if isinstance(answer, Ok) else answer


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def case(answer: object) -> str:
    assert isinstance(answer, Err)
    return answer.value if isinstance(answer.value, str) else answer.value.name


async def test_a_grant_of_everything_keeps_its_meaning(host: Host) -> None:
    """It was given for the component's own files: an added mount does not become part of them."""
    host.grant(**dict.fromkeys(VERBS, ("/**",)))
    assert case(await host.call("read", "/mnt/photos/p", 0, 10)) == "not-found"
    assert case(await host.by_wasi("stat-at", (), "mnt/photos/p")) == "no-entry"
    assert await host.call("list-directory", "/") == []
    await host.call("create-directory", "/mnt")
    await host.call("create-directory", "/mnt/photos")
    await host.call("write", "/mnt/photos/p", b"own")
    assert (host.own / "mnt/photos/p").read_bytes() == b"own"
    assert (host.photos / "p").read_text() == "photo"


@pytest.mark.parametrize("pattern", ["/mnt/photos/**", "mnt/photos/*", "/mnt/**", "/mnt/*/p"])
async def test_a_grant_that_names_it_opens_it(host: Host, pattern: str) -> None:
    """Through both doors, and only what the pattern covers."""
    host.grant(read=(pattern,))
    assert await host.call("read", "/mnt/photos/p", 0, 10) == b"photo"
    assert (await host.by_wasi("stat-at", (), "mnt/photos/p"))["size"] == 5


async def test_each_capability_must_name_it(host: Host) -> None:
    """Reading the mount and writing one's own files together do not make writing the mount."""
    host.grant(read=("/mnt/scratch/**",), write=("/**",), delete=("/**",), list=("/**",))
    (host.scratch / "f").write_text("kept")
    for function, *args in (
        ("write", "/mnt/scratch/f", b"x"),
        ("append", "/mnt/scratch/f", b"x"),
        ("remove", "/mnt/scratch/f"),
        ("list-directory", "/mnt/scratch"),
        ("open-to-write", "/mnt/scratch/f"),
        ("open-to-update", "/mnt/scratch/f"),
        ("rename", "/mnt/scratch/f", "/mnt/scratch/g"),
    ):
        answer = await host.call(function, *args)
        assert case(answer) == "denied", function
        assert "/mnt/scratch/**" in str(answer)
    decision = host.guard.decide("local/a", "filesystem:delete", "/mnt/scratch/f")
    assert (decision.is_allowed, decision.layer) == (False, "mounts")
    assert (host.scratch / "f").read_text() == "kept"


async def test_a_mount_to_read_is_never_changed(host: Host) -> None:
    """Whatever was granted; and nothing of the host's is left in it."""
    host.grant(**dict.fromkeys(VERBS, ("/mnt/photos/**", "/mnt/photos")))
    before = {path.name: path.stat().st_mtime_ns for path in host.photos.iterdir()}
    for function, *args in (
        ("write", "/mnt/photos/p", b"x"),
        ("write", "/mnt/photos/n", b"x"),
        ("append", "/mnt/photos/p", b"x"),
        ("remove", "/mnt/photos/p"),
        ("create-directory", "/mnt/photos/d"),
        ("rename", "/mnt/photos/p", "/mnt/photos/q"),
        ("open-to-write", "/mnt/photos/p"),
        ("open-to-update", "/mnt/photos/p"),
        ("open-to-create", "/mnt/photos/n"),
        ("open-to-replace", "/mnt/photos/p"),
    ):
        answer = await host.call(function, *args)
        assert case(answer) == "denied", function
        assert "only be read" in str(answer)
        assert str(host.photos) not in str(answer)
    for function, *args in (
        ("unlink-file-at", "mnt/photos/p"),
        ("create-directory-at", "mnt/photos/d"),
        ("open-at", (), "mnt/photos/p", ("truncate",), ("write",)),
        ("open-at", (), "mnt/photos/n", ("create",), ("write",)),
    ):
        assert case(await host.by_wasi(function, *args)) == "read-only", function
    assert {path.name: path.stat().st_mtime_ns for path in host.photos.iterdir()} == before


async def test_two_components_on_one_mount(host: Host) -> None:
    """They see each other's files, and share its quota."""
    grants = dict.fromkeys(VERBS, ("/mnt/scratch/**", "/mnt/scratch"))
    host.grant("local/a", **grants)
    host.grant("local/b", **grants)
    await host.call("write", "/mnt/scratch/f", b"of a", name="local/a")
    assert await host.call("read", "/mnt/scratch/f", 0, 9, name="local/b") == b"of a"
    await host.call("write", "/mnt/scratch/g", bytes(20_000), name="local/b")
    answer = await host.call("write", "/mnt/scratch/h", bytes(20_000), name="local/a")
    assert case(answer) == "limit-exceeded"
    await host.call("remove", "/mnt/scratch/g", name="local/b")
    await host.call("write", "/mnt/scratch/h", bytes(20_000), name="local/a")


async def test_entries_have_a_quota(host: Host) -> None:
    """Of a mount, and of a component's own folder."""
    host.grant(**dict.fromkeys(VERBS, ("/mnt/scratch/**",)))
    answers = [await host.call("create-directory", f"/mnt/scratch/{n}") for n in range(9)]
    assert [isinstance(each, Err) for each in answers] == [False] * 8 + [True]
    assert "8 files and directories" in str(answers[-1])
    await host.call("remove", "/mnt/scratch/0")
    assert await host.call("create-directory", "/mnt/scratch/0") is None


async def test_the_places_of_mounts_are_directories(host: Host) -> None:
    """`/` has `mnt`, which has the mounts that a grant names, beside what the component made."""
    host.grant(list=("/", "/mnt", "/mnt/photos"), read=("/mnt", "/mnt/photos"), write=("/mnt/**",))
    names = [(entry.name, entry.kind) for entry in await host.call("list-directory", "/")]
    assert names == [("mnt", "directory")]
    entries = await host.call("list-page", "/mnt", "", 10)
    assert [entry.name for entry in entries] == ["photos", "scratch"]
    assert (await host.call("stat", "/mnt"))["kind"] == "directory"
    assert (await host.call("stat", "/mnt/photos"))["kind"] == "directory"
    assert (await host.by_wasi("stat-at", (), "mnt"))["type"] == "directory"
    for path in ("mnt", "mnt/photos"):
        assert case(await host.by_wasi("create-directory-at", path)) in ("exist", "access")
    assert case(await host.call("write", "/mnt/photos", b"x")) in ("invalid", "denied")


async def test_a_rename_stays_in_its_mount(host: Host) -> None:
    """As between file systems: the guest copies."""
    host.grant(**dict.fromkeys(VERBS, ("/**", "/mnt/scratch/**")))
    await host.call("write", "/f", b"own")
    assert case(await host.call("rename", "/f", "/mnt/scratch/f")) == "invalid"
    ((root, _),) = cast("Any", host.preopens.functions["get-directories"])(host.caller())
    assert case(await host.by_wasi("rename-at", "f", root, "mnt/scratch/f")) == "cross-device"
    assert (host.own / "f").read_bytes() == b"own"


async def test_a_purge_and_a_snapshot_leave_mounts_alone(host: Host, tmp_path: Path) -> None:
    """They are no part of a component's data."""
    services = Services()
    services.add(Home, Home(tmp_path))
    services.add(FolderLimits, FolderLimits(folders={"local/b": str(host.scratch)}))
    (host.scratch / "f").write_text("kept")
    forget = cast("Callable[[Services, str], Any]", load_part(BLOCK.forget))
    for name in ("local/a", "local/b"):
        await forget(services, name)
    assert not host.own.exists()
    assert (host.photos / "p").exists()
    assert (host.scratch / "f").exists()


async def test_a_missing_folder_is_told_without_its_path(host: Host) -> None:
    """The guest learns that there is nothing; the path is the operator's."""
    host.grant(read=("/mnt/photos/**",))
    (host.photos / "p").unlink()
    host.photos.rmdir()
    answer = await host.call("read", "/mnt/photos/p", 0, 1)
    assert case(answer) == "not-found"
    assert str(host.photos) not in str(answer)


async def test_why_asks_the_mount_as_the_call_does(host: Host) -> None:
    """`airswasm why` says what an operation does, in a mount and beside it."""
    host.grant(read=("/mnt/**",), write=("/mnt/**", "/own"))
    assert probe_readable(host.services, "local/a", "/mnt/photos/p") is None
    assert await host.call("read", "/mnt/photos/p", 0, 10) == b"photo"
    for path in ("/mnt/photos/p", "/mnt/photos", "/mnt/scratch/p", "/own"):
        told = probe_writable(host.services, "local/a", path)
        done = await host.call("write", path, b"x")
        assert (told is not None) == isinstance(done, Err), path
    assert "photos can only be read" in str(probe_writable(host.services, "local/a", "/mnt/photos"))


@pytest.mark.parametrize("inside", ["proc", "home", "parent"])
def test_the_forbidden_list_holds_for_mounts(tmp_path: Path, inside: str) -> None:
    """A host does not start with a mount that contains the home, or lies in it or in /proc."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "link").symlink_to(home)
    folder = {"proc": "/proc/self", "home": str(tmp_path / "link"), "parent": str(tmp_path)}[inside]
    services = Services()
    services.add(Home, Home(home))
    services.add(Guard, Guard(KINDS))
    services.add(FolderLimits, FolderLimits(mounts=(Mount("m", folder),)))
    with pytest.raises(MountInvalid) as raised:
        provide(services)
    assert (raised.value.name, raised.value.path) == ("the mount m", folder)
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (str(copy), copy.path) == (str(raised.value), folder)


@pytest.mark.parametrize("is_read_only", [True, False])
@pytest.mark.parametrize("other", ["b", "b/inner", ".", "link", "link/inner"])
@pytest.mark.parametrize("how", ["mount", "folder"])
def test_a_file_has_one_name(tmp_path: Path, how: str, other: str, is_read_only: bool) -> None:
    """Mounts cannot overlap: a denial of one name, or `read_only`, would not hold for the other."""
    (tmp_path / "b/inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "b")
    mounts, folders = [Mount("b", str(tmp_path / "b"), read_only=not is_read_only)], {}
    if how == "mount":
        mounts.append(Mount("other", str(tmp_path / other), read_only=is_read_only))
    else:
        folders["local/a"] = str(tmp_path / other)
    services = Services()
    services.add(Home, Home(tmp_path / "home"))
    services.add(Guard, Guard(KINDS))
    limits = FolderLimits(mounts=tuple(mounts), folders=folders, forbidden_folders=("/proc",))
    services.add(FolderLimits, limits)
    if other == ".":  # the home lies in it, too
        services = Services()
        services.add(Guard, Guard(KINDS))
        services.add(OslPolicy, OslPolicy(folders_below(tmp_path), limits, mounts=limits.mounts))
    with pytest.raises(MountInvalid, match="one contains the other"):
        provide(services)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mount("A", "/srv"),
        lambda: Mount("..", "/srv"),
        lambda: Mount("a/b", "/srv"),
        lambda: Mount("a", "srv"),
        lambda: FolderLimits(mounts=(Mount("a", "/srv"), Mount("a", "/opt"))),
        lambda: FolderLimits(folders={"a": "/srv"}),
        lambda: FolderLimits(folders={"local/a": "srv"}),
        lambda: FolderLimits(forbidden_folders=("srv",)),
    ],
)
def test_settings_that_cannot_be_meant(make: Callable[[], object]) -> None:
    """config.toml with one of them is refused."""
    with pytest.raises(ValueError, match=r".+"):
        make()


def test_doctor_looks_at_each_mount(tmp_path: Path) -> None:
    """What is there, what is missing, what is forbidden."""
    good = tmp_path / "good"
    good.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    lines = [
        f'[[filesystem.mounts]]\nname = "{name}"\npath = "{path}"\n'
        for name, path in (("good", good), ("gone", tmp_path / "gone"), ("home", home))
    ]
    (home / "config.toml").write_text("".join(lines))
    found = {each.text.split()[2]: each.state for each in check_folders(home, quick=True)}
    states = [each.state for each in check_folders(home, quick=True)]
    assert states == ["ok", "problem", "problem"], found


def test_the_layer_says_nothing_to_the_rest(host: Host) -> None:
    """Other capabilities, other paths, and components that no mount is there for."""
    layer = MountLayer((Mount("photos", "/srv"),), host.guard)
    host.grant(read=("/mnt/photos/**",), write=("/**",))
    for capability, path in (
        ("filesystem:write", "/mnt/other/p"),
        ("filesystem:write", "/photos/p"),
        ("filesystem:read", "/mnt/photos/p"),
    ):
        assert layer.judge("local/a", capability, KINDS.resource(capability, path)) is None
    refused = layer.judge(
        "local/a", "filesystem:write", KINDS.resource("filesystem:write", "/mnt/photos/p")
    )
    assert refused is not None
    assert not refused.is_allowed
