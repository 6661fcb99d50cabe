"""Find the socket of a host, whether a host listens there, and whose it is.

The host records its socket in the file that it locks (`Home.holder`), and a client reads it there:
the client's own environment does not decide where the socket is. While no host runs, the socket's
future path follows from the home's path: inside the home, or, because socket paths are limited to
about a hundred bytes, in a short folder of the user's own. A killed host leaves a socket file
without a process behind it; an attempt to connect shows at once which case it is.

Any user may create a socket in a folder that everyone can write to. So a client asks the system who
listens before it sends a byte.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..errors import SocketForeign, SocketInUse

if TYPE_CHECKING:  # imported where a socket is: most verbs find none
    import socket

__all__ = ("Endpoint", "State", "check_peer", "endpoint_of", "listen", "peer_uid", "probe")

State = Literal["alive", "dead", "absent"]
_LONGEST_PATH_BYTES = 100
_PROBE_SECONDS = 2.0
_XUCRED_BYTES = 76


class Endpoint(NamedTuple):
    """The control socket of one home.

    Attributes:
        path: The socket's file.
        is_in_home: Whether it lies in the home, which is private already.
    """

    path: Path
    is_in_home: bool = True


def endpoint_of(home: Path) -> Endpoint:
    """Return the socket of a home, as its host recorded it or where it would be.

    Raises:
        SocketInUse: No folder can hold it: every path is too long, or the user has no folder.
    """
    recorded = _recorded(home)
    if recorded is not None:
        return Endpoint(recorded, recorded.parent == home)
    path = home / "control.sock"
    if len(os.fsencode(path)) <= _LONGEST_PATH_BYTES:
        return Endpoint(path)
    import hashlib

    digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]
    return Endpoint(_runtime_folder() / f"{digest}.sock", is_in_home=False)


def probe(endpoint: Endpoint) -> State:
    """Return `alive`, `dead` (a socket without a process) or `absent`.

    Raises:
        SocketForeign: Another user's process listens.
    """
    try:
        endpoint.path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    except OSError:  # connecting tells what there is
        pass
    import socket

    if not hasattr(socket, "AF_UNIX"):
        return "absent"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_PROBE_SECONDS)
        try:
            client.connect(str(endpoint.path))
        except (FileNotFoundError, NotADirectoryError):
            return "absent"
        except OSError:
            return "dead"
        check_peer(client, endpoint.path)
    return "alive"


def check_peer(client: socket.socket, path: Path) -> None:
    """Verify that the process behind a connected socket is this user's.

    Where the system does not tell its user, the owner of the socket's folder decides, because only
    the owner can have created it there. Root may talk to the host of any user, in that user's
    folder.

    Raises:
        SocketForeign: The process is another user's.
    """
    if sys.platform == "win32":
        return
    own, owner = os.geteuid(), path.parent.stat().st_uid
    trusted = {own, owner} if own == 0 else {own}
    for uid in (peer_uid(client), owner):
        if uid is not None and uid not in trusted:
            raise SocketForeign(str(path), uid)


def listen(endpoint: Endpoint) -> socket.socket:
    """Open the socket, mode 0600, in place of a dead host's one.

    Call it with the home's lock held: then no other process can serve it.

    Raises:
        SocketInUse: A process serves it, or it cannot be created.
        SocketForeign: That process is another user's.
    """
    import socket

    path = endpoint.path
    if not endpoint.is_in_home:
        _make_private_folder(path.parent)
    if probe(endpoint) == "alive":
        raise SocketInUse(str(path), "another process serves it")
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
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


def _recorded(home: Path) -> Path | None:
    from airswasm.lifecycle import Home, HomeUnusable

    try:
        holder = Home(home).holder()
    except HomeUnusable:  # no locks there, so no host, as `run` says
        return None
    return holder.socket if holder is not None else None


def peer_uid(connection: socket.socket) -> int | None:
    """Return the user at the other end; None where the system has no way to ask."""
    import socket

    try:
        if hasattr(socket, "SO_PEERCRED"):
            found = connection.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
            )
            return int(struct.unpack("3i", found)[1])
        peercred: int | None = getattr(socket, "LOCAL_PEERCRED", None)
        if peercred is not None:  # macOS, BSD: version and user come first
            found = connection.getsockopt(0, peercred, _XUCRED_BYTES)
            return int(struct.unpack_from("2I", found)[1])
    except (OSError, struct.error):
        return None
    return None


def _runtime_folder() -> Path:
    import tempfile

    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and len(os.fsencode(runtime)) <= 60 and Path(runtime).is_dir():
        return Path(runtime) / "airswasm"
    user = os.getuid() if sys.platform != "win32" else 0
    try:
        folder = Path(tempfile.gettempdir()) / f"airswasm-{user}"
    except FileNotFoundError as error:
        reason = "the home's path is too long for it, and no other folder can hold it"
        raise SocketInUse("the control socket", reason) from error
    return folder if len(os.fsencode(folder)) <= 70 else Path(f"/tmp/airswasm-{user}")  # noqa: S108


def _make_private_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if sys.platform == "win32":
            return
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise SocketForeign(str(folder), status.st_uid)
        if status.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise SocketInUse(str(folder), error.strerror or str(error)) from error
