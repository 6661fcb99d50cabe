"""What a guest opens and lists is on its account: bytes, and the descriptors of the process."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from airswasm.osl import (
    BLOCK,
    Doorman,
    Filesystem,
    FolderLimits,
    Network,
    NetworkPolicy,
    OslPolicy,
    Processes,
    Tcp,
    Udp,
    folders_below,
)
from airswasm.osl._files.tree import Tree
from airswasm.osl._http.http import HttpClient, Request
from airswasm.osl._wasi_files.filesystem import WasiFilesystem
from airswasm.osl._wasi_files.open_files import DirectoryEntries
from airswasm.osl.errors import LimitReached
from airswasm.runtime import (
    Account,
    AccountExceeded,
    Caller,
    Err,
    HostInterface,
    HostMemory,
    HostSettings,
    Ok,
)
from airswasm.security import Grants, Guard, Kinds

KINDS = Kinds(BLOCK.capabilities)
EVERYTHING = Grants({each.annotation: ("**",) for each in KINDS})

pytestmark = pytest.mark.anyio


def caller(host: HostMemory, most_bytes: int = 10**6, name: str = "local/a") -> Caller:
    made = Caller(name)
    made._account = Account(most_bytes, host, name=name)
    return made


@pytest.fixture
def host() -> HostMemory:
    return HostMemory(HostSettings(descriptors=100, component_descriptors=4))


@pytest.fixture
def files(tmp_path: Path) -> HostInterface:
    folder = tmp_path / "local" / "a"
    folder.mkdir(parents=True)
    for number in range(200):
        (folder / f"{number:0200}").touch()
    policy = OslPolicy(folders_below(tmp_path), FolderLimits())
    _, types = WasiFilesystem(Tree(policy, Guard(KINDS, {"local/a": EVERYTHING}))).interfaces()
    return types


async def call(interface: HostInterface, name: str, *arguments: object) -> object:
    return await interface.functions[name](*arguments)  # type: ignore[misc]


@pytest.fixture
def listening() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


async def opened(types: HostInterface, mine: Caller, name: str, *flags: str) -> object:
    (root, _), *_ = await root_of(types, mine)
    arguments = (root, (), name, frozenset(flags), frozenset({"read"}))
    return await call(types, "[method]descriptor.open-at", mine, *arguments)


async def root_of(types: HostInterface, mine: Caller) -> list[tuple[object, str]]:
    directories = types.functions["[method]descriptor.open-at"].__wrapped__.__self__._directories  # type: ignore[attr-defined]
    found: list[tuple[object, str]] = directories(mine)
    return found


async def test_a_component_opens_no_more_files_than_it_may(
    files: HostInterface, host: HostMemory
) -> None:
    """The folder itself is one; a file that is closed makes room for another."""
    mine = caller(host)
    names = [f"{number:0200}" for number in range(4)]
    answers = [await opened(files, mine, name) for name in names]
    assert [isinstance(each, Ok) for each in answers] == [True, True, True, False]
    assert answers[-1] == Err("insufficient-memory")
    assert host.held_descriptors == mine.account.descriptors == 4
    answers[0].value.close()  # type: ignore[union-attr]
    answers[0].value.close()  # type: ignore[union-attr]
    assert host.held_descriptors == 3
    assert isinstance(await opened(files, mine, names[3]), Ok)
    mine._close()
    assert host.held_descriptors == 0


async def test_a_directory_holds_bytes_and_no_descriptor(
    files: HostInterface, host: HostMemory
) -> None:
    """It is looked up anew each time, so that only its name is kept."""
    mine = caller(host, most_bytes=20_000)
    made = []
    while isinstance(answer := await opened(files, mine, "."), Ok):
        made.append(answer.value)
    assert answer == Err("insufficient-memory")
    assert 20 < len(made) < 40
    assert host.held_descriptors == 1


async def test_a_listing_is_on_the_account(files: HostInterface, host: HostMemory) -> None:
    """Ten thousand names are a megabyte and more for each handle."""
    mine = caller(host, most_bytes=1_000_000)
    (root, _), *_ = await root_of(files, mine)
    made: list[DirectoryEntries] = []
    while True:
        answer = await call(files, "[method]descriptor.read-directory", mine, root)
        if answer == Err("insufficient-memory"):
            break
        assert isinstance(answer, Ok)
        made.append(answer.value)  # type: ignore[arg-type]
    assert 2 <= len(made) <= 4
    held = mine.account.held_bytes
    made[0].close()
    assert made[0].next() is None
    assert mine.account.held_bytes < held - 200 * 512
    made.clear()
    gc.collect()
    assert mine.account.held_bytes == 0


async def test_connections_are_descriptors(listening: str, host: HostMemory) -> None:
    """The fifth of four is the limit that the interface has a case for."""
    guard = Guard(KINDS, {"local/a": Grants({"tcp:connect": (listening,)})})
    tcp = Tcp(Network(Doorman(guard), NetworkPolicy())).interface()
    mine = caller(host)
    answers = [await call(tcp, "connect", mine, listening, 1_000) for _ in range(5)]
    assert [isinstance(each, Ok) for each in answers] == [True] * 4 + [False]
    refused = answers[-1]
    assert isinstance(refused, Err)
    assert refused.value.name == "limit-exceeded"
    assert "files and sockets" in str(refused.value.value)
    for each in answers[:4]:
        each.value.close()  # type: ignore[union-attr]
    assert host.held_descriptors == 0
    assert mine.account.held_bytes == 0


async def test_a_connection_that_fails_holds_nothing(host: HostMemory) -> None:
    """What was taken for it is given back, whatever went wrong."""
    grants = Grants({"tcp:connect": ("127.0.0.1:1",), "udp:send": ("127.0.0.1:1",)})
    doorman = Doorman(Guard(KINDS, {"local/a": grants}))
    mine = caller(host)
    tcp, udp = (make(Network(doorman, NetworkPolicy())).interface() for make in (Tcp, Udp))
    for _ in range(10):
        assert isinstance(await call(tcp, "connect", mine, "127.0.0.1:1", 100), Err)
        assert isinstance(await call(udp, "exchange", mine, "127.0.0.1:1", b"x", 50), Err)
    gc.collect()
    assert (mine.account.held_bytes, host.held_descriptors) == (0, 0)


async def test_a_request_takes_room_while_it_runs(listening: str, host: HostMemory) -> None:
    """Without room it is a limit, and no connection was made."""
    guard = Guard(KINDS, {"local/a": Grants({"http:request": (f"http://{listening}/**",)})})
    client = HttpClient(Doorman(guard), NetworkPolicy())
    request = Request.read("GET", f"http://{listening}/", (), b"")
    with pytest.raises(LimitReached, match="no room"):
        await client.exchange("local/a", request, 1.0, account=Account(1_000, host))
    account = Account(10**6, host)
    with anyio.move_on_after(0.05):  # the server never answers
        await client.exchange("local/a", request, 5.0, account=account)
    assert (account.held_bytes, host.held_descriptors) == (0, 0)


@pytest.mark.skipif(os.name != "posix", reason="only POSIX systems can confine programs")
async def test_what_a_program_prints_is_on_the_account(tmp_path: Path) -> None:
    """Two pipes of megabytes: the host takes no more than there is room for."""
    host = HostMemory()
    processes = Processes(Tree(OslPolicy(folders_below(tmp_path)), Guard(KINDS))).interface()
    (tmp_path / "local" / "a").mkdir(parents=True)
    mine = caller(host, most_bytes=200_000)
    command = ("/bin/sh", ["-c", "head -c 1000000 /dev/zero"], b"", 10_000)
    answer = await call(processes, "run", mine, *command)
    assert isinstance(answer, Err)
    assert answer.value.name == "limit-exceeded"
    assert "no room" in str(answer.value.value)
    assert mine.account.peak_bytes <= 200_000
    assert (mine.account.held_bytes, host.held_descriptors) == (0, 1)  # the folder
    mine._close()


async def test_near_the_total_those_with_most_are_refused() -> None:
    """One component cannot keep the others from opening a file."""
    host = HostMemory(HostSettings(descriptors=16, component_descriptors=16))
    greedy, modest = Account(10**6, host), Account(10**6, host)
    held = [greedy.hold(descriptors=1) for _ in range(14)]
    with pytest.raises(AccountExceeded) as refused:
        greedy.hold(descriptors=1)
    assert (refused.value.is_host, refused.value.is_descriptors) == (True, True)
    held += [modest.hold(descriptors=1) for _ in range(2)]
    assert host.held_descriptors == 16


async def test_the_interface_for_files_counts_its_folder(tmp_path: Path) -> None:
    """A component for which there is no descriptor is told so."""
    host = HostMemory(HostSettings(descriptors=1, component_descriptors=1))
    (tmp_path / "local" / "a").mkdir(parents=True)
    filesystem = Filesystem(Tree(OslPolicy(folders_below(tmp_path)), Guard(KINDS))).interface()
    mine = caller(host)
    held = mine.account.hold(descriptors=1)
    answer = await call(filesystem, "stat", mine, "/")
    assert isinstance(answer, Err)
    assert answer.value.name == "limit-exceeded"
    held.release()
    assert isinstance(await call(filesystem, "stat", mine, "/"), Ok)
