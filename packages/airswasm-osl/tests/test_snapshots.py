"""Snapshots of components' folders."""

import os
import shutil
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from airswasm.osl import FolderLimits
from airswasm.osl._files.snapshots import FileSnapshots
from airswasm.osl.errors import LimitReached
from airswasm.runtime import SnapshotDifference, SnapshotSize
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio
NAME = "local/hello"
Content = dict[str, bytes | None]
"""Paths below a folder with the files' contents; None for a folder."""


def content_of(folder: Path) -> Content:
    found: Content = {}
    for path in folder.rglob("*"):
        text = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[text] = b"-> " + os.fsencode(path.readlink())
        else:
            found[text] = None if path.is_dir() else path.read_bytes()
    return found


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files" / NAME).mkdir(parents=True)
    return tmp_path / "files"


def made(files: Path, **limits: int) -> FileSnapshots:
    return FileSnapshots(files, FolderLimits(free_bytes=0, **limits))


async def test_a_snapshot_has_what_was_there_at_its_moment(files: Path) -> None:
    """Also what changed between the first look and the moment, however soon after."""
    own, snapshots = files / NAME, made(files)
    (own / "a/b").mkdir(parents=True)
    (own / "a/b/one").write_bytes(b"1")
    (own / "two").write_bytes(b"2")
    (own / "gone").write_bytes(b"3")
    (own / "link").symlink_to("/etc/passwd")
    (own / "turns").write_bytes(b"a file")
    os.mkfifo(own / "pipe")
    before: Content = {}

    async def still() -> None:
        (own / "two").write_bytes(b"!")  # the size and, within a tick, the times are the same
        (own / "gone").unlink()
        (own / "turns").unlink()
        (own / "turns").mkdir()
        (own / "turns/in").write_bytes(b"4")
        shutil.rmtree(own / "a/b")
        (own / "a/b").write_bytes(b"was a folder")
        (own / "pipe").unlink()
        before.update(content_of(own))

    await snapshots.take(NAME, "l1", still)
    assert tuple(snapshots.labels()) == ((NAME, "l1"),)
    assert await snapshots.compare(NAME, "l1", 9) == SnapshotDifference()
    (own / "two").write_bytes(b"another size")
    (own / "new").write_bytes(b"")
    (own / "turns/in").unlink()
    assert await snapshots.compare(NAME, "l1", 9) == SnapshotDifference(1, 1, 1)
    assert (await snapshots.compare(NAME, "l1", 2)).is_cut
    assert await snapshots.size(NAME, "l1") == SnapshotSize(4, 1 + 1 + 12 + len("/etc/passwd"))
    await snapshots.exchange(NAME, "l1", "l2")
    assert content_of(own) == before
    await snapshots.exchange(NAME, "l2", None)
    assert content_of(own)["two"] == b"another size"
    assert tuple(snapshots.labels()) == ()


async def test_a_written_file_does_not_change_its_snapshot(files: Path) -> None:
    """Neither a write in place to the original nor one to the copy reaches the other."""
    own, snapshots = files / NAME, made(files)
    (own / "data").write_bytes(b"before")
    await snapshots.take(NAME, "l1", anyio.lowlevel.checkpoint)
    with (own / "data").open("r+b") as file:
        file.write(b"AFTER!")
    await snapshots.copy(NAME, "l1", "l2")
    await snapshots.exchange(NAME, "l1", "now")
    with (own / "data").open("r+b") as file:
        file.write(b"again!")
    await snapshots.exchange(NAME, "l2", None)
    assert content_of(own) == {"data": b"before"}
    await snapshots.exchange(NAME, "now", None)
    assert content_of(own) == {"data": b"AFTER!"}


async def test_a_component_without_files_has_an_empty_snapshot(tmp_path: Path) -> None:
    """To go back to it is to remove the files that came since, and forward to have them again."""
    files = tmp_path / "files"
    snapshots = made(files)
    await snapshots.take(NAME, "l1", anyio.lowlevel.checkpoint)
    await snapshots.exchange(NAME, "l1", "l2")
    assert content_of(files / NAME) == {}
    (files / NAME / "new").write_bytes(b"1")
    await snapshots.exchange(NAME, "l2", "l3")
    assert content_of(files / NAME) == {}
    await snapshots.exchange(NAME, "l3", None)
    assert content_of(files / NAME) == {"new": b"1"}


@pytest.mark.parametrize("limits", [{"total_bytes": 8_191}, {"free_bytes": 2**62}])
async def test_without_room_there_is_no_snapshot(files: Path, limits: dict[str, int]) -> None:
    """The limits of the component hold for its copy, and the disk keeps its reserve."""
    for name in ("one", "two"):
        (files / NAME / name).write_bytes(b"1")
    snapshots = FileSnapshots(files, FolderLimits(**{"free_bytes": 0, **limits}))
    with pytest.raises(LimitReached):
        await snapshots.take(NAME, "l1", anyio.lowlevel.checkpoint)
    assert list((files / ".kept" / NAME).iterdir()) == []
    assert content_of(files / NAME) == {"one": b"1", "two": b"1"}


async def test_a_cancel_leaves_no_snapshot(files: Path) -> None:
    """Between two steps, or while the moment is waited for."""
    (files / NAME / "one").write_bytes(b"1")
    with anyio.CancelScope() as scope:

        async def still() -> None:
            scope.cancel()
            await anyio.lowlevel.checkpoint()

        await made(files).take(NAME, "l1", still)
    assert scope.cancelled_caught
    assert list((files / ".kept" / NAME).iterdir()) == []


async def test_a_folder_of_the_operators_is_left_alone(tmp_path: Path, files: Path) -> None:
    """A link in the place of the component's folder belongs to who made it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_bytes(b"1")
    (files / NAME).rmdir()
    (files / NAME).symlink_to(elsewhere)
    snapshots = made(files)
    await snapshots.take(NAME, "l1", anyio.lowlevel.checkpoint)
    await snapshots.exchange(NAME, "l1", None)
    assert content_of(files / NAME) == {"file": b"1"}
    assert (files / NAME).is_symlink()


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("has_files", [True, False])
async def test_an_exchange_that_was_killed_is_undone_by_name(
    files: Path, monkeypatch: pytest.MonkeyPatch, at: int, has_files: bool
) -> None:
    """After each of its renames the former folder is there under the name of the aside."""
    own, snapshots = files / NAME, made(files)
    if has_files:
        (own / "one").write_bytes(b"before")
    before = content_of(own)
    await snapshots.take(NAME, "l1", anyio.lowlevel.checkpoint)
    renames = 0
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        nonlocal renames
        renames += 1
        if renames == at + 1:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    if at == 1:
        with pytest.raises(KeyboardInterrupt):
            await snapshots.exchange(NAME, "l1", "l2")
    else:
        await snapshots.exchange(NAME, "l1", "l2")
        (own / "two").write_bytes(b"of another version")
    monkeypatch.undo()
    await snapshots.exchange(NAME, "l2", None)
    assert content_of(own) == before


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["file", "folder", "remove"]),
        st.sampled_from(["a", "b", "a/a", "a/b", "b/a", "a/b/a"]),
        st.binary(max_size=2),
    ),
    max_size=12,
)


def change(folder: Path, steps: list[tuple[str, str, bytes]]) -> None:
    for kind, path, content in steps:
        target = folder / path
        if not target.parent.is_dir():
            continue
        if kind == "remove" and target.is_dir():
            shutil.rmtree(target)
        elif kind == "remove":
            target.unlink(missing_ok=True)
        elif kind == "folder" and not target.exists():
            target.mkdir()
        elif kind == "file" and not target.is_dir():
            target.write_bytes(content)


@given(STEPS, STEPS, STEPS)
def test_any_change_is_copied_and_undone(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[str, str, bytes]],
    meanwhile: list[tuple[str, str, bytes]],
    after: list[tuple[str, str, bytes]],
) -> None:
    """Whatever happened before the moment is in the snapshot, and nothing of what came later."""
    files = tmp_path_factory.mktemp("any") / "files"
    own, snapshots = files / NAME, made(files)
    own.mkdir(parents=True)
    change(own, before)
    then: Content = {}

    async def still() -> None:
        change(own, meanwhile)
        then.update(content_of(own))

    async def go() -> None:
        await snapshots.take(NAME, "l1", still)
        change(own, after)
        await snapshots.exchange(NAME, "l1", None)

    anyio.run(go)
    assert content_of(own) == then


async def test_strays_of_a_kill_are_found_and_dropped(files: Path) -> None:
    """What was being made or removed has a name that no version's record has."""
    kept = files / ".kept" / NAME
    for name in ("partial-1", "gone-2", "l1"):
        (kept / name / "deep").mkdir(parents=True)
    snapshots = made(files)
    assert {label for _, label in snapshots.labels()} == {"partial-1", "gone-2", "l1"}
    for _, label in snapshots.labels():
        await snapshots.drop(NAME, label)
    assert not kept.exists()
