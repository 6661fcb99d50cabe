"""Every interface of the block, used by a real guest through the guard of a real host."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from airswasm.osl import BLOCK, NetworkPolicy, OslPolicy, ProcessPolicy, folders_below, provide
from airswasm.runtime import Caller, Engine, EngineConfig, Instance, Limits, Services
from airswasm.security import ForbiddenLayer, Grants, Guard, Kinds
from airswasm.wit import contract

if TYPE_CHECKING:
    from conftest import HttpServer

KINDS = Kinds(BLOCK.capabilities)

HANDLE = "airswasm:component/handler@0.1.0#handle-message"
ROOMY = Limits(memory_bytes=64 * 1024 * 1024, memories=8, fuel=10**12, timeout=60.0)
IMPORTS = "from wit_world.imports import filesystem, http, process, tcp, udp\n"
Run = Callable[[str], Awaitable[str]]

pytestmark = pytest.mark.anyio


class Host:
    """A host with one component and its folder."""

    def __init__(self, instance: Instance, guard: Guard, folder: Path) -> None:
        self.instance = instance
        self.guard = guard
        self.folder = folder

    def grant(self, **capabilities: str) -> None:
        """Grants one pattern for each capability."""
        allow = {name.replace("_", ":", 1): (text,) for name, text in capabilities.items()}
        self.guard.grant("local/a", Grants(allow))

    async def run(self, code: str) -> str:
        answer = await self.instance.call("#run", IMPORTS + code)
        assert isinstance(answer, str)
        return answer


@pytest.fixture
async def host(
    anyio_backend: str, tmp_path: Path, python_wasm: Path, cache_folder: Path
) -> AsyncIterator[Host]:
    guard, services = Guard(KINDS), Services()
    policy = OslPolicy(
        folders_below(tmp_path),
        network=NetworkPolicy(transfer_bytes=1_000_000),
        processes=ProcessPolicy(readable=(sys.prefix, sys.base_prefix)),
    )
    services.add(Guard, guard)
    services.add(OslPolicy, policy)
    offered = [
        interface if interface.name.startswith("wasi:") else guard.guarded(interface, contract())
        for interface in provide(services)
    ]
    async with Engine(EngineConfig(cache_folder=cache_folder)) as engine:
        linked = (await engine.load(python_wasm, name="python")).link(offered)
        instance = await linked.instantiate(limits=ROOMY, caller=Caller("local/a"))
        yield Host(instance, guard, tmp_path / "local" / "a")
        instance.close()


@pytest.mark.parametrize(
    ("call", "line"),
    [
        ("filesystem.read('/x', 0, 10)", 'filesystem.read = ["/x"]'),
        ("filesystem.write('x', b'')", 'filesystem.write = ["/x"]'),
        ("filesystem.append('/x', b'')", 'filesystem.write = ["/x"]'),
        ("filesystem.remove('/x')", 'filesystem.delete = ["/x"]'),
        ("filesystem.create_directory('/x')", 'filesystem.write = ["/x"]'),
        ("filesystem.list_directory('/')", 'filesystem.list = ["/"]'),
        ("filesystem.stat('/x')", 'filesystem.read = ["/x"]'),
        ("process.run('/bin/sh', [], b'', 0)", 'process.spawn = ["/bin/sh"]'),
        ("tcp.connect('example.com:80', 0)", 'tcp.connect = ["example.com:80"]'),
        ("udp.exchange('example.com:80', b'', 0)", 'udp.send = ["example.com:80"]'),
        ("http.request('GET', 'http://h/x', [], b'', 0)", 'http.request = ["GET http://h/x"]'),
    ],
)
async def test_without_a_grant(host: Host, call: str, line: str) -> None:
    """Every function of the block is denied, and the guest is told which line would change that."""
    answer = await host.run(call)
    assert "denied" in answer.lower()
    assert line in answer


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("filesystem.read('/proc/self/environ', 0, 10)", "the system's own files"),
        ("open('/a/.ssh/id_ed25519')", None),
        ("filesystem.write('/server.pem', b'')", "key files"),
        ("process.run('/bin/sh', ['-c', 'id'], b'', 0)", "shells"),
        ("process.run('/usr/bin/env', ['sh'], b'', 0)", "programs that start others"),
        ("tcp.connect('169.254.169.254:80', 0)", "cloud metadata"),
        ("tcp.connect('[fd00:ec2::254]:80', 0)", "cloud metadata"),
        ("http.request('GET', 'http://169.254.169.254/', [], b'', 0)", "cloud metadata"),
        ("http.request('GET', 'http://metadata.google.internal/', [], b'', 0)", "cloud metadata"),
    ],
)
async def test_the_forbidden_list_beats_every_grant(
    host: Host, call: str, name: str | None
) -> None:
    """A component that was granted everything is refused, and the denial names list and entry."""
    host.guard.grant("local/a", Grants({each.annotation: ("**",) for each in KINDS}))
    host.guard.add_layer(ForbiddenLayer(KINDS, BLOCK.forbidden), first=True)
    answer = await host.run(call)
    assert "Denied" in answer or "Permission" in answer
    if name is not None:
        assert "the forbidden list has " in answer
        assert name in answer


async def test_files(host: Host) -> None:
    """Written, appended, listed, described, read in parts, removed."""
    host.grant(
        filesystem_read="/**",
        filesystem_write="/**",
        filesystem_list="/**",
        filesystem_delete="/**",
    )
    code = (
        "filesystem.create_directory('/d')\nfilesystem.write('/d/f', b'hello')\n"
        "filesystem.append('d/f', b' world')\nfilesystem.write('/d/e', b'')\n"
        "entries = [(e.name, e.kind.name) for e in filesystem.list_directory('/d')]\n"
        "info = filesystem.stat('/d/f')\n"
        "answer = (entries, info.size_bytes, info.kind.name, info.modified_ns > 10**18,"
        " filesystem.read('/d/f', 6, 100))"
    )
    expected = ([("e", "FILE"), ("f", "FILE")], 11, "FILE", True, b"world")
    assert await host.run(code) == str(expected)
    assert (host.folder / "d" / "f").read_bytes() == b"hello world"
    await host.run("filesystem.remove('/d/f')")
    assert "NotFound" in await host.run("filesystem.read('/d/f', 0, 1)")
    assert "Denied" in await host.run("filesystem.read('/../x', 0, 1)")


async def test_both_doors_lead_to_the_same_files(host: Host) -> None:
    """`open()` and the contract's own interface see one folder."""
    host.grant(filesystem_read="/**", filesystem_write="/**")
    code = "open('/f', 'w').write('by open')\nanswer = filesystem.read('/f', 0, 100)"
    assert await host.run(code) == "b'by open'"


async def test_a_program(host: Host) -> None:
    """Its arguments, input, outputs and exit code."""
    host.grant(process_spawn=f"{sys.executable} **")
    program = "import sys; print(sys.argv[1], sys.stdin.read()); sys.exit(3)"
    code = (
        f"done = process.run({sys.executable!r}, ['-c', {program!r}, 'a b'], b'in', 0)\n"
        "answer = (done.exit_code, done.stdout, done.stderr)"
    )
    assert await host.run(code) == str((3, b"a b in\n", b""))


async def test_a_program_beside_its_component(host: Host) -> None:
    """Streams, a signal, and its end, in the guest's own language."""
    line = f"{sys.executable} **"
    host.grant(process_spawn=line, process_signal=line)
    program = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"
    code = (
        f"child = process.spawn({sys.executable!r}, ['-ISc', {program!r}], '/', [('TZ', 'X')], 0)\n"
        "answer = []\n"
        "for word in (b'one\\n', b'two\\n'):\n"
        "    child.write_stdin(word)\n"
        "    answer.append(child.read_stdout(100))\n"
        "child.signal(process.Signal.TERMINATE)\n"
        "answer += [child.wait(), child.read_stdout(100)]\n"
    )
    assert await host.run(code) == str([b"ONE\n", b"TWO\n", -15, b""])


async def test_a_program_of_a_component_in_c(
    anyio_backend: str, tmp_path: Path, c_programs: Path, cache_folder: Path
) -> None:
    """The same with the bindings for C; what was not granted is said there, too."""
    guard, services = Guard(KINDS), Services()
    services.add(Guard, guard)
    services.add(OslPolicy, OslPolicy(folders_below(tmp_path)))
    offered = [guard.guarded(each, contract()) for each in provide(services)
               if each.name.startswith("airswasm:component/process")]  # fmt: skip
    spawn = {"process:spawn": ("/bin/cat -u",)}
    async with Engine(EngineConfig(cache_folder=cache_folder)) as engine:
        linked = (await engine.load(c_programs, name="c")).link(offered)
        instance = await linked.instantiate(caller=Caller("local/a"))
        for grants, expected in (
            ({}, "process.spawn = "),
            (spawn, "hihi 0"),
            ({**spawn, "process:signal": ("/bin/cat **",)}, "hihi signal 15"),
        ):
            guard.grant("local/a", Grants(grants))
            answer = await instance.call(
                "airswasm:component/handler@0.1.0#handle-message", "local/b", None, b"hi"
            )
            assert expected in str(answer)
        instance.close()


async def test_a_connection(host: Host) -> None:
    """Sent, received, closed when the guest drops it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        rest: list[bytes] = []

        def serve() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.sendall(peer.recv(100).upper())
                rest.append(peer.recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        host.grant(tcp_connect=address)
        code = (
            f"with tcp.connect({address!r}, 1000) as c:\n"
            "    c.send(b'ping')\n    answer = c.receive(100)"
        )
        assert await host.run(code) == "b'PING'"
        await anyio.to_thread.run_sync(thread.join)
        assert rest == [b""]


async def test_a_datagram(host: Host) -> None:
    """One out, one back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            data, peer = server.recvfrom(100)
            server.sendto(data.upper(), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        host.grant(udp_send=address)
        assert await host.run(f"answer = udp.exchange({address!r}, b'ping', 2000)") == "b'PING'"
        thread.join()


async def test_a_request(host: Host, server: HttpServer) -> None:
    """The response as a record, its headers as pairs; too large a one as an error."""
    host.grant(http_request=f"{server.url}/**")
    code = (
        f"r = http.request('POST', '{server.url}/echo?x=1', [('x-mine', '1')], b'body', 0)\n"
        "answer = (r.status, r.body, [v for n, v in r.headers if n == 'x-twice'])"
    )
    assert await host.run(code) == str((200, b"body", ["1", "2"]))
    code = f"http.request('GET', '{server.url}/endless', [], b'', 0)"
    assert "LimitExceeded" in await host.run(code)


async def test_a_waiting_guest_can_be_cancelled(host: Host, server: HttpServer) -> None:
    """Nothing of its request is left once its caller has gone."""
    host.grant(http_request=f"{server.url}/**")
    with anyio.move_on_after(0.5) as scope:
        await host.run(f"http.request('GET', '{server.url}/drip', [], b'', 60_000)")
    assert scope.cancelled_caught
    assert host.instance.is_closed
