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
    assert not home.exists()
    assert not home.folder.exists()
