from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from airswasm.cli.endpoint import endpoint_of, listen, probe
from airswasm.cli.errors import SocketInUse


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
