"""Capability, role and operating system: each operation needs all three, in all eight combinations.

The operations are those that the block's interfaces declare, so that a new one without an example
here fails the test.
"""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airswasm.osl import BLOCK, NetworkPolicy, OslPolicy, folders_below, provide
from airswasm.runtime import Caller, Case, Err, Services
from airswasm.security import AclSettings, Grants, Guard, Kinds, Role, RolesLayer, RolesSettings
from airswasm.wit import Function, contract

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name != "posix", reason="files and programs need a POSIX system"),
]
KINDS = Kinds(BLOCK.capabilities)
CLOSED = "127.0.0.1:1"
TIMEOUTS = SimpleNamespace(
    connect_ms=2000, first_byte_ms=2000, between_bytes_ms=2000, total_ms=2000
)
Arguments = tuple[object, ...]


def operations() -> Iterator[tuple[str, str]]:
    """Every function of the block's interfaces that needs a capability."""
    for full in BLOCK.interfaces:
        interface = contract().interface(full)
        for name, function in ({} if interface is None else interface.functions).items():
            if isinstance(function.requirements, tuple) and not name.startswith("[method]"):
                yield full, name


OPERATIONS = list(operations())


class Machine:
    """What the operations are about: files, a listening socket, one that echoes datagrams."""

    def __init__(self, base: Path) -> None:
        self.folder = base / "local/a"
        (self.folder / "d").mkdir(parents=True)
        (self.folder / "d/f").write_text("content")
        (self.folder / "d/link").symlink_to("f")
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.echoing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.echoing.bind(("127.0.0.1", 0))
        self.served = 0
        self.threads = [
            threading.Thread(target=each, daemon=True) for each in (self._serve, self._echo)
        ]
        for thread in self.threads:
            thread.start()

    def close(self) -> None:
        for each in (self.listening, self.echoing):
            with socket.socket(each.family, each.type) as waking:
                waking.connect(each.getsockname())
                if each is self.echoing:
                    waking.send(b"end")
                else:
                    waking.send(b"end\r\n\r\n")
        for thread in self.threads:
            thread.join()
        self.listening.close()
        self.echoing.close()

    def _serve(self) -> None:
        while True:
            peer, _ = self.listening.accept()
            with peer:
                self.served += 1
                data = peer.recv(1000)
                if data.startswith(b"end"):
                    return
                if data:
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def _echo(self) -> None:
        while True:
            data, peer = self.echoing.recvfrom(1000)
            self.served += 1
            if data == b"end":
                return
            self.echoing.sendto(data, peer)

    @staticmethod
    def address(of: socket.socket) -> str:
        host, port = of.getsockname()
        return f"{host}:{port}"

    def state(self) -> object:
        files = {
            str(path): path.read_text() if path.is_file() else "" for path in self.folder.rglob("*")
        }
        return files, self.served

    def examples(self, interface: str, name: str) -> tuple[Arguments, Arguments]:
        """Arguments that the operating system accepts, and some that it refuses."""
        tcp, udp = self.address(self.listening), self.address(self.echoing)
        if interface.startswith("airswasm:component/filesystem"):
            return self._on_files(name)
        known: Mapping[str, tuple[Arguments, Arguments]] = {
            "run": (("/bin/true", [], b"", 0), ("/etc/passwd", [], b"", 0)),
            "spawn": (("/bin/true", [], "", [], 0), ("/etc/passwd", [], "", [], 0)),
            "connect": ((tcp, 2000), (CLOSED, 2000)),
            "listen": (("127.0.0.1:0",), (tcp,)),
            "bind": (("127.0.0.1:0",), (udp,)),
            "exchange": ((udp, b"ping", 2000), (CLOSED, b"ping", 200)),
            "resolve": (("localhost", 2000), ("no-such-name.invalid", 2000)),
            "open": (
                ("GET", f"http://{tcp}/", [], TIMEOUTS),
                ("GET", f"http://{CLOSED}/", [], TIMEOUTS),
            ),
            "request": (
                ("GET", f"http://{tcp}/", [], b"", 2000),
                ("GET", f"http://{CLOSED}/", [], b"", 2000),
            ),
        }
        return known[name]

    def _on_files(self, name: str) -> tuple[Arguments, Arguments]:
        path = {
            "list-directory": "/d", "list-page": "/d",
            "create-directory": "/d/new", "open-to-create": "/d/new",
        }.get(name, "/d/f")  # fmt: skip
        further: Mapping[str, Sequence[object]] = {
            "read": (0, 100), "write": (b"x",), "append": (b"x",), "rename": ("/d/to",),
            "list-page": ("", 10),
        }  # fmt: skip
        rest = tuple(further.get(name, ()))
        return (path, *rest), ("/d/link/x", *rest)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.close()


def everything(but: frozenset[str] = frozenset()) -> dict[str, tuple[str, ...]]:
    return {each.annotation: ("everything",) for each in KINDS if each.annotation not in but}


def host(base: Path, lacks: frozenset[str], lacks_role: frozenset[str]) -> tuple[Guard, Services]:
    guard, services = Guard(KINDS, {"local/a": Grants(_spelled(everything(lacks)))}), Services()
    allow: dict[str, dict[str, tuple[str, ...]]] = {}
    for annotation, patterns in everything(lacks_role).items():
        domain, verb = annotation.split(":")
        allow.setdefault(domain, {})[verb] = patterns
    role = Role(members=("component:local/a",), allow=allow)
    roles = RolesSettings(enforce=True, define={"worker": role})
    guard.add_layer(RolesLayer(KINDS, roles, AclSettings()))
    networks = NetworkPolicy(internal_networks=("127.0.0.0/8", "::1/128"))
    services.add(Guard, guard)
    services.add(OslPolicy, OslPolicy(folders_below(base), network=networks))
    return guard, services


def _spelled(allow: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {name: (KINDS.spelling(name).everything,) for name in allow}


def requirements(full: str, name: str) -> frozenset[str]:
    function = cast("Function", cast("Any", contract().interface(full)).functions[name])
    return frozenset(each.capability for each in cast("Any", function.requirements))


@pytest.mark.parametrize(("full", "name"), OPERATIONS)
async def test_all_eight(full: str, name: str, tmp_path: Path, machine: Machine) -> None:
    """It happens when all agree; what the guard refuses has no effect, and says which layer did."""
    accepted, refused = machine.examples(full, name)
    needed = requirements(full, name)
    before = machine.state()
    for has_grant, has_role, is_accepted in itertools.product((False, True), repeat=3):
        for missing in needed if not (has_grant and has_role) else ("",):
            lacks = frozenset() if has_grant else frozenset({missing})
            lacks_role = frozenset() if has_role else frozenset({missing})
            guard, services = host(tmp_path, lacks, lacks_role)
            offered = next(each for each in provide(services) if each.name == full)
            function: Callable[..., Any] = cast(
                "Any", guard.guarded(offered, contract()).functions[name]
            )
            caller = Caller("local/a")
            caller.message_bytes = 1_000_000
            answer = await function(caller, *(accepted if is_accepted else refused))
            is_allowed = has_grant and has_role
            assert isinstance(answer, Err) != (is_allowed and is_accepted), (answer, missing)
            if not is_allowed:
                assert answer.value.name == "denied"
                why = "was not granted" if has_role else "role"
                assert why in str(answer.value.value), answer
            if not (is_allowed and is_accepted) and full.split("/")[1][:4] == "file":
                assert machine.state() == before
            caller._close()
    if "filesystem" not in full:
        assert machine.state()[0] == before[0]  # type: ignore[index]


READ, WRITE = "filesystem:read", "filesystem:write"
DELETE, LIST = "filesystem:delete", "filesystem:list"
TIMES = (Case("no-change"), Case("now"))
ON_NAMES: Mapping[str, tuple[str, Arguments, tuple[str, ...]]] = {
    "stat-at": ("d/f", ((), "{}"), (READ,)),
    "metadata-hash-at": ("d/f", ((), "{}"), (READ,)),
    "set-times-at": ("d/f", ((), "{}", *TIMES), (WRITE,)),
    "create-directory-at": ("d/new", ("{}",), (WRITE,)),
    "unlink-file-at": ("d/f", ("{}",), (DELETE,)),
    "remove-directory-at": ("empty", ("{}",), (DELETE,)),
    "rename-at": ("d/f", ("{}", "root", "d/to"), (READ, WRITE, DELETE)),
    "open-at": ("d/f", ((), "{}", (), ("read", "write")), (READ, WRITE)),
}
"""For each: what is there, the arguments, and the capabilities that it needs."""
ON_OPEN_FILES = {
    "sync-data", "sync", "set-size", "set-times", "read", "write", "read-directory", "stat",
    "metadata-hash", "get-type", "read-via-stream", "write-via-stream", "append-via-stream",
    "advise", "get-flags", "is-same-object",
}  # fmt: skip
NEVER = {"link-at", "symlink-at", "readlink-at"}


@pytest.mark.parametrize("name", ON_NAMES)
async def test_all_eight_by_wasi(name: str, tmp_path: Path, machine: Machine) -> None:
    """An unmodified program is held to the same three, whatever it calls."""
    path, arguments, needed = ON_NAMES[name]
    (machine.folder / "empty").mkdir()
    before = machine.state()
    for has_grant, has_role, is_accepted in itertools.product((False, True), repeat=3):
        for missing in needed if not (has_grant and has_role) else ("",):
            lacks = frozenset() if has_grant else frozenset({missing, LIST})
            lacks_role = frozenset() if has_role else frozenset({missing, LIST})
            _, services = host(tmp_path, lacks, lacks_role)
            offered = {each.name.split("@")[0]: each for each in provide(services)}
            caller = Caller("local/a")
            told: list[bytes] = []
            caller._wasi = cast("Any", SimpleNamespace(stderr=SimpleNamespace(write=told.append)))
            preopens = cast("Any", offered["wasi:filesystem/preopens"].functions)
            ((root, _),) = preopens["get-directories"](caller)
            at = path if is_accepted else "d/link/x"
            given = [at if each == "{}" else root if each == "root" else each for each in arguments]
            method = offered["wasi:filesystem/types"].functions[f"[method]descriptor.{name}"]
            answer = await cast("Any", method)(caller, root, *given)
            is_allowed = has_grant and has_role
            assert isinstance(answer, Err) != (is_allowed and is_accepted), (answer, missing)
            if not is_allowed:
                assert answer.value == "access"
            if not (is_allowed and is_accepted):
                assert machine.state() == before


def test_no_function_of_wasi_is_left_out(tmp_path: Path) -> None:
    """Each checks a path, is refused for everyone, or is about what was checked when it opened."""
    _, services = host(tmp_path, frozenset(), frozenset())
    (types,) = (each for each in provide(services) if each.name.startswith("wasi:filesystem/types"))
    methods = {name.split(".")[1] for name in types.functions if "]descriptor." in name}
    assert methods == {*ON_NAMES, *ON_OPEN_FILES, *NEVER}
