"""A home is one folder, for one user, hosted by one process at a time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from airswasm.lifecycle import Home, HomeUnusable, HostIsRunning

HOLDER = """
import sys, pathlib
from airswasm.lifecycle.home import Home
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
    """Nobody else may look into it, whatever the umask was."""
    if sys.platform != "win32":
        assert home.folder.stat().st_mode & 0o777 == 0o700
        assert home.keys_folder.stat().st_mode & 0o777 == 0o700


def test_a_home_that_was_opened_up_is_closed_again(home: Home) -> None:
    """A mode that lets others in is corrected."""
    if sys.platform != "win32":
        home.folder.chmod(0o755)
        home.create()
        assert home.folder.stat().st_mode & 0o077 == 0


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


def test_who_asks_for_the_owner_keeps_nobody_out(home: Home) -> None:
    """Asking writes nothing, also while somebody else asks."""
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
