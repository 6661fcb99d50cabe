"""Where a host listens and how to find out whether one does.

A home has one socket, derived from the home's path alone, so that no file has
to say where it is. Socket paths are limited to about a hundred bytes: for a
longer home the socket lies in a short folder of the user's own, under a name
made from the home's path. A socket file without a process behind it is what a
killed host leaves; connecting tells the two apart at once.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .errors import SocketInUse

__all__ = ("Endpoint", "State", "endpoint_of", "listen", "probe")

State = Literal["alive", "dead", "absent"]
_LONGEST_PATH_BYTES = 100


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The control socket of one home.

    Attributes:
        path: The socket's file.
    """

    path: Path


def endpoint_of(home: Path) -> Endpoint:
    """The socket of a home; touches nothing."""
    path = home / "control.sock"
    if len(os.fsencode(path)) <= _LONGEST_PATH_BYTES:
        return Endpoint(path)
    digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]
    return Endpoint(_runtime_folder() / f"{digest}.sock")


def probe(endpoint: Endpoint) -> State:
    """Whether a host listens: `alive`, `dead` (a socket that nobody serves) or `absent`."""
    if not hasattr(socket, "AF_UNIX"):
        return "absent"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(2.0)
        try:
            client.connect(str(endpoint.path))
        except FileNotFoundError:
            return "absent"
        except OSError:
            return "dead"
    return "alive"


def listen(endpoint: Endpoint) -> socket.socket:
    """Opens the socket, mode 0600, in place of a dead host's one.

    Call it with the home's lock held: then nobody else can be serving it.

    Raises:
        SocketInUse: Somebody serves it, or it cannot be made.
    """
    path = endpoint.path
    if probe(endpoint) == "alive":
        raise SocketInUse(str(path), "another process serves it")
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _make_private_folder(path.parent)
        path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            server.bind(str(path))
        finally:
            os.umask(mask)
        server.listen(128)
        server.setblocking(False)
    except OSError as error:
        server.close()
        raise SocketInUse(str(path), error.strerror or str(error)) from error
    return server


def _runtime_folder() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and len(os.fsencode(runtime)) <= 60 and Path(runtime).is_dir():
        return Path(runtime) / "airswasm"
    user = os.getuid() if sys.platform != "win32" else 0
    folder = Path(tempfile.gettempdir()) / f"airswasm-{user}"
    return folder if len(os.fsencode(folder)) <= 70 else Path(f"/tmp/airswasm-{user}")  # noqa: S108


def _make_private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if sys.platform == "win32":
        return
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise SocketInUse(str(folder), "the folder belongs to somebody else")
    if status.st_mode & 0o077:
        folder.chmod(0o700)
