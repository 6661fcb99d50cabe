from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from airswasm.cli._control.endpoint import Endpoint, endpoint_of, listen, probe
from airswasm.cli._control.unix_http import UnixClient
from airswasm.cli.errors import SocketForeign, SocketInUse
from airswasm.lifecycle import Home

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets")


def test_a_home_has_its_socket_inside(tmp_path: Path) -> None:
    """The usual place needs no searching."""
    assert endpoint_of(Path("/home/me/air")).path == Path("/home/me/air/control.sock")


def test_a_long_home_gets_a_short_socket_of_its_own(tmp_path: Path) -> None:
    """Socket paths hold about a hundred bytes; two homes never share one."""
    long, other = tmp_path / ("x" * 120), tmp_path / ("y" * 120)
    short = endpoint_of(long).path
    assert len(os.fsencode(short)) <= 100
    assert short == endpoint_of(long).path
    assert short != endpoint_of(other).path


def test_a_host_is_found_where_it_recorded_its_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the client's environment says; once it is gone, the record means nothing."""
    home = Home(tmp_path / ("x" * 120))
    home.create()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/dev")  # there is one, and its path is short
    short = endpoint_of(home.folder)
    assert short.path.parent == Path("/dev/airswasm")
    lock = home.lock()
    lock.announce(short.path)
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert endpoint_of(home.folder).path == short.path
    lock.announce(tmp_path / "s")
    assert endpoint_of(home.folder) == Endpoint(tmp_path / "s", is_in_home=False)
    lock.release()
    assert endpoint_of(home.folder).path not in (short.path, tmp_path / "s")


def test_without_a_short_folder_it_is_said_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long home, no runtime folder, and no folder for temporary files."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)

    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(SocketInUse, match="too long"):
        endpoint_of(tmp_path / ("x" * 120))
    assert endpoint_of(Path("/short")).is_in_home


@pytest.mark.parametrize("verb", ["probe", "request", "listen"])
def test_another_user_s_socket_is_told_and_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """By the process that listens, whatever its folder says; nothing was sent to it."""
    endpoint = Endpoint(tmp_path / "s")
    with listen(endpoint) as server:
        monkeypatch.setattr(os, "geteuid", lambda: 987_654)
        with pytest.raises(SocketForeign, match=f"user id {os.getuid()}"):
            _TALKING[verb](endpoint)
        connection, _ = server.accept()
        with connection:
            assert connection.recv(100) == b""


async def _make_request(path: Path) -> None:
    async with UnixClient(path).stream("GET", "/v1/host"):
        raise AssertionError("it was answered")


_TALKING: dict[str, Callable[[Endpoint], object]] = {
    "probe": probe,
    "listen": listen,
    "request": lambda endpoint: anyio.run(_make_request, endpoint.path),
}


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() != 0, reason="only root makes others")
def test_root_talks_to_the_host_of_a_user_but_not_to_a_stranger_in_its_folder(
    tmp_path: Path,
) -> None:
    """The folder's owner says whose host it should be."""
    endpoint = Endpoint(tmp_path / "s")
    with listen(endpoint):
        assert probe(endpoint) == "alive"
        os.chown(tmp_path, 65_534, -1)
        assert probe(endpoint) == "alive"  # root's own listens there
        os.chown(tmp_path, 0, -1)
    code = (
        "import os, socket, sys; s = socket.socket(socket.AF_UNIX); os.setuid(65533);"
        "s.bind(sys.argv[1]); s.listen(); print('up', flush=True); sys.stdin.read()"
    )
    folder = Path(tempfile.mkdtemp(prefix="airswasm-test-"))
    folder.chmod(0o777)
    stranger = subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "s")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == b"up\n"
        with pytest.raises(SocketForeign, match="65533"):
            probe(Endpoint(folder / "s"))
        os.chown(folder, 65_533, -1)
        assert probe(Endpoint(folder / "s")) == "alive"
    finally:
        stranger.communicate()
        shutil.rmtree(folder)


def test_the_socket_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600, whatever the umask."""
    endpoint = endpoint_of(tmp_path)
    with listen(endpoint):
        assert stat.S_IMODE(endpoint.path.stat().st_mode) == 0o600
        assert probe(endpoint) == "alive"


def test_what_a_killed_host_leaves_is_told_from_a_live_one(tmp_path: Path) -> None:
    """A socket file without a listener is dead, and a new host takes its place."""
    endpoint = endpoint_of(tmp_path)
    assert probe(endpoint) == "absent"
    listen(endpoint).close()
    assert probe(endpoint) == "dead"
    with listen(endpoint):
        assert probe(endpoint) == "alive"


def test_a_live_socket_is_not_taken_away(tmp_path: Path) -> None:
    """The second host is refused."""
    endpoint = endpoint_of(tmp_path)
    with listen(endpoint), pytest.raises(SocketInUse):
        listen(endpoint)


def test_a_folder_where_the_socket_should_be_is_reported(tmp_path: Path) -> None:
    """Whatever the system says becomes one typed error."""
    endpoint = endpoint_of(tmp_path)
    endpoint.path.mkdir()
    with pytest.raises(SocketInUse):
        listen(endpoint)
