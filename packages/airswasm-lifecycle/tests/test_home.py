"""A home is one folder, for one user, hosted by one process at a time."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from airswasm.lifecycle import Holder, Home, HomeReader, HomeUnusable, HostIsRunning, System
from airswasm.lifecycle._checks import check_home

posix_only = pytest.mark.skipif(os.name != "posix", reason="modes, links and locks of POSIX")

HOLDER = """
import sys, pathlib
from airswasm.lifecycle._home.home import Home
home = Home(pathlib.Path(sys.argv[1]))
home.create()
lock = home.lock()
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_it_is_private(home: Home) -> None:
    """Only its owner may look into it, whatever the umask was."""
    if sys.platform != "win32":
        assert home.folder.stat().st_mode & 0o777 == 0o700
        assert home.keys_folder.stat().st_mode & 0o777 == 0o700


def test_a_home_that_was_opened_up_is_closed_again(home: Home) -> None:
    """A mode that lets others in is corrected."""
    if sys.platform != "win32":
        home.folder.chmod(0o755)
        home.create()
        assert home.folder.stat().st_mode & 0o077 == 0


@posix_only
@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o770, 0o2755])
def test_a_shared_folder_is_refused_and_left_as_it_is(tmp_path: Path, mode: int) -> None:
    """Closing `/tmp`, or a team's folder, would lock its other users out."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(HomeUnusable, match="other users share"):
        Home(folder).create()
    assert folder.stat().st_mode & 0o7777 == mode
    assert list(folder.iterdir()) == []


@posix_only
def test_a_folder_with_other_things_in_it_is_not_taken_for_a_home(tmp_path: Path) -> None:
    """Others read there; an empty one of the user's own is closed and used."""
    project, empty = tmp_path / "project", tmp_path / "empty"
    for folder in (project, empty):
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
    (project / "README.md").write_text("of others")
    with pytest.raises(HomeUnusable):
        Home(project).create()
    assert project.stat().st_mode & 0o777 == 0o755
    Home(empty).create()
    assert empty.stat().st_mode & 0o777 == 0o700


@posix_only
def test_a_home_that_a_tool_prepared_is_closed_and_used(tmp_path: Path) -> None:
    """A deployment writes config.toml before the first start, with its own mode."""
    tmp_path.chmod(0o755)
    (tmp_path / "config.toml").write_text("[install]\nretain = 3\n")
    Home(tmp_path).create()
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@posix_only
@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_the_umask_decides_nothing(tmp_path: Path, umask: int) -> None:
    """All that is made is the user's alone, folders above the home included."""
    home = Home(tmp_path / "data" / "airswasm")
    before = os.umask(umask)
    try:
        home.create()
        home.lock().release()
    finally:
        os.umask(before)
    for folder in (home.folder.parent, home.folder, *home.folder.iterdir()):
        assert folder.stat().st_mode & 0o077 == 0, folder


@posix_only
def test_a_link_to_a_home_is_that_home(home: Home, tmp_path: Path) -> None:
    """One lock, whichever way; a link that leads nowhere is told."""
    link, dangling = tmp_path / "link", tmp_path / "dangling"
    link.symlink_to(home.folder)
    dangling.symlink_to(tmp_path / "nowhere")
    Home(link).create()
    lock = Home(link).lock()
    with pytest.raises(HostIsRunning):
        home.lock()
    lock.release()
    with pytest.raises(HomeUnusable, match="link to nothing"):
        Home(dangling).create()


@posix_only
@pytest.mark.parametrize("name", ["x" * 300, "/".join(["deep"] * 900), "nu\0l"])
def test_a_path_that_cannot_be_is_told(tmp_path: Path, name: str) -> None:
    """Too long, too deep, with a NUL in it: typed, and nothing is made."""
    with pytest.raises(HomeUnusable):
        Home(tmp_path / name).create()
    assert list(tmp_path.iterdir()) == []


@posix_only
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_told_at_once(
    home: Home, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It is not another process that one could wait for."""
    import fcntl

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    home.lock().release()
    monkeypatch.setattr(fcntl, "flock", refuse)
    for call in (home.lock, home.holder, home.running_pid):
        with pytest.raises(HomeUnusable, match="cannot lock") as told:
            call()
        assert "local disk" in told.value.hint


@pytest.mark.parametrize("name", ["control.sock", "with a\nline end", "caf\udce9"])
def test_the_lock_says_where_its_holder_can_be_talked_to(
    home: Home, tmp_path: Path, name: str
) -> None:
    """While it is held, and from when there is a socket; whatever the path holds."""
    assert home.holder() is None
    lock = home.lock()
    assert home.holder() == Holder(os.getpid(), None)
    lock.announce(tmp_path / name)
    assert home.holder() == Holder(os.getpid(), tmp_path / name)
    assert home.running_pid() == os.getpid()
    lock.announce(None)
    assert home.holder() == Holder(os.getpid(), None)
    lock.release()
    assert home.holder() is None
    lock.announce(tmp_path)
    assert home.lock_file.read_bytes() == b""


def test_what_cannot_be_read_of_the_holder_is_left_open(home: Home) -> None:
    """The lock holds all the same: an older version's file, a damaged one."""
    lock = home.lock()
    home.lock_file.write_text("4711\n")
    assert home.holder() == Holder(4711, None)
    home.lock_file.write_bytes(b"\xff\0")
    assert home.holder() == Holder(None, None)
    assert home.running_pid() == -1
    lock.release()


def test_a_file_in_its_place_is_a_clear_error(tmp_path: Path) -> None:
    """The path is named."""
    (tmp_path / "home").write_text("")
    with pytest.raises(HomeUnusable, match="home"):
        Home(tmp_path / "home").create()


def test_the_second_host_is_told_who_is_first(home: Home) -> None:
    """In one process as between two; afterwards it is free again."""
    lock = home.lock()
    with pytest.raises(HostIsRunning) as caught:
        home.lock()
    assert caught.value.pid == os.getpid() == home.running_pid()
    lock.release()
    lock.release()
    assert home.running_pid() is None
    home.lock().release()


def test_a_killed_host_leaves_no_stale_lock(home: Home) -> None:
    """The operating system drops the lock with the process."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"locked\n"
    assert home.running_pid() == holder.pid
    with pytest.raises(HostIsRunning, match=str(holder.pid)):
        home.lock()
    holder.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    holder.communicate()
    home.lock().release()


def test_making_one_touches_nothing(tmp_path: Path) -> None:
    """Only `create` does."""
    home = Home(tmp_path / "none")
    assert not home.folder.exists()
    assert home.running_pid() is None
    assert not home.folder.exists()


def test_asking_for_the_owner_keeps_no_host_out(home: Home) -> None:
    """Asking writes nothing, also while another process asks."""
    home.lock_file.write_text("4711\n")  # as kill -9 leaves it; the number may be anybody's now
    assert home.running_pid() is None
    assert home.lock_file.read_text() == "4711\n"
    lock = home.lock()
    assert home.running_pid() == os.getpid()
    assert home.running_pid() == os.getpid()
    lock.release()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are Unicode")
def test_a_path_that_the_store_cannot_take_is_told(tmp_path: Path) -> None:
    """RocksDB takes UTF-8 only; nothing is made."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.raises(HomeUnusable, match="UTF-8"):
        Home(folder).create()
    assert not folder.exists()


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
@pytest.mark.anyio
async def test_what_can_be_no_home_is_refused_alike(tmp_path: Path) -> None:
    """By readers, by verbs that change, and by doctor, which advises nothing for a foreign file."""
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("mine")
    link.symlink_to(tmp_path / "nowhere")
    for folder, reason in ((file, "is not a folder"), (link, "is a link to nothing")):
        with pytest.raises(HomeUnusable, match=reason) as caught:
            Home(folder).create()
        assert "AIRSWASM_HOME" in caught.value.hint
        with pytest.raises(HomeUnusable, match=reason), HomeReader(folder):
            pass
        with pytest.raises(HomeUnusable, match=reason):
            async with System(folder, mode="readonly"):
                pass
        (finding,) = check_home(folder, quick=True)
        assert reason in finding.text
        assert finding.hint == caught.value.hint
    assert file.read_text() == "mine"
