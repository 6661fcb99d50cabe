"""Packages out of a git repository over ssh: each side must know the key of the other."""

import asyncio
import gc
import os
import shutil
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.lifecycle import Package, SourceFailed, SourceRefused, SourceSettings
from airswasm.lifecycle._sources.git import GitSource

pygit2 = pytest.importorskip("pygit2")
asyncssh = pytest.importorskip("asyncssh")

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("git") is None, reason="git serves the repository"),
    # asyncssh leaves it where a client hangs up before its login
    pytest.mark.filterwarnings("ignore:coroutine 'Event.wait' was never awaited:RuntimeWarning"),
]
AGENT, ADD = shutil.which("ssh-agent"), shutil.which("ssh-add")
SETTINGS = SourceSettings(internal_networks=("127.0.0.0/8",))
Workshop = Any


@dataclass
class SshServer:
    """An ssh server on loopback that runs nothing but `git upload-pack`."""

    root: Path
    user_key: Any
    host_key: Any = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    port: int = 0
    stop: Callable[[], object] = print
    commands: list[str] = field(default_factory=list)
    served: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return f"git+ssh://git@127.0.0.1:{self.port}/shop.git"

    def known_hosts(self, key: Any = None) -> str:
        public = (key or self.host_key).export_public_key().decode()
        return f"[127.0.0.1]:{self.port} {public}"

    async def serve(self, is_up: threading.Event) -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        self.stop = lambda: loop.call_soon_threadsafe(end.set)
        accepted = asyncssh.import_authorized_keys(self.user_key.export_public_key().decode())
        server = await asyncssh.create_server(
            asyncssh.SSHServer, "127.0.0.1", 0, server_host_keys=[self.host_key],
            authorized_client_keys=accepted, process_factory=self._run, encoding=None,
        )  # fmt: skip
        self.port = server.sockets[0].getsockname()[1]
        is_up.set()
        await end.wait()
        server.close()
        await server.wait_closed()

    async def _run(self, process: Any) -> None:
        self.commands.append(process.command)
        assert process.command == "git-upload-pack '/shop.git'"
        served = subprocess.Popen(  # noqa: ASYNC220  # asyncssh takes over its pipes
            ["git", "-c", "safe.directory=*", "upload-pack", str(self.root / "shop.git")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.served.append(served)
        await process.redirect(stdin=served.stdin, stdout=served.stdout, stderr=served.stderr)
        await process.stdout.drain()
        process.exit(await asyncio.to_thread(served.wait))


@pytest.fixture(autouse=True, scope="module")
def leftovers() -> Iterator[None]:
    """Collect what asyncssh leaves behind here, and not in the middle of another module's test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        gc.collect()


@pytest.fixture(scope="module")
def package(workshop: Workshop) -> Any:
    return workshop.package()


@pytest.fixture
def ssh_server(tmp_path: Path, package: Package) -> Iterator[SshServer]:
    author = pygit2.Signature("a", "a@example.org", 1_700_000_000, 0)
    repository = pygit2.init_repository(str(tmp_path / "shop.git"), bare=True, initial_head="main")
    builder = repository.TreeBuilder()
    assert package.signature is not None
    for name, content in {**package.files, "component.sig": package.signature}.items():
        builder.insert(name, repository.create_blob(content), 0o100644)
    repository.create_commit("refs/heads/main", author, author, "", builder.write(), [])
    server = SshServer(tmp_path, asyncssh.generate_private_key("ssh-ed25519"))
    is_up = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(is_up)))
    thread.start()
    is_up.wait()
    yield server
    server.stop()
    thread.join()
    for each in server.served:  # a client that hangs up ends the task that waits for it
        each.kill()
        each.wait()
    gc.collect()  # its leftovers are this test's


@pytest.fixture
def ssh_folder(no_credentials: Path, ssh_server: SshServer) -> Path:
    folder = no_credentials / ".ssh"
    folder.mkdir(mode=0o700)
    (folder / "known_hosts").write_text(ssh_server.known_hosts())
    return folder


def put_key(folder: Path, key: Any) -> None:
    file = folder / "id_ed25519"
    file.write_bytes(key.export_private_key())
    file.chmod(0o600)
    file.with_suffix(".pub").write_bytes(key.export_public_key())


async def fetch(server: SshServer, settings: SourceSettings = SETTINGS) -> Any:
    return await GitSource(settings).fetch(server.text, lambda _count: None)


async def test_a_key_file_is_used(
    ssh_server: SshServer, ssh_folder: Path, package: Package
) -> None:
    """The server's key is known, and the user's has no passphrase."""
    put_key(ssh_folder, ssh_server.user_key)
    fetched = await fetch(ssh_server)
    assert Package.from_bytes(fetched.content).digest == package.digest
    assert fetched.source == ssh_server.text
    assert len(fetched.pin) == 40


@pytest.mark.parametrize("is_changed", [True, False])
async def test_the_servers_key_must_be_known(
    ssh_server: SshServer, ssh_folder: Path, is_changed: bool
) -> None:
    """One that is not in known_hosts, or another than there, ends the talk before a login."""
    put_key(ssh_folder, ssh_server.user_key)
    other = asyncssh.generate_private_key("ssh-ed25519")
    known = ssh_server.known_hosts(other) if is_changed else ""
    (ssh_folder / "known_hosts").write_text(known)
    with pytest.raises(SourceFailed) as caught:
        await fetch(ssh_server)
    assert "known_hosts" in caught.value.hint
    assert ssh_server.commands == []


async def test_another_key_is_not_accepted(ssh_server: SshServer, ssh_folder: Path) -> None:
    """Nor is none; the hint names the agent."""
    for _ in range(2):
        with pytest.raises(SourceFailed) as caught:
            await fetch(ssh_server)
        assert "agent" in caught.value.hint
        put_key(ssh_folder, asyncssh.generate_private_key("ssh-ed25519"))


async def test_an_address_inside_is_refused(ssh_server: SshServer, ssh_folder: Path) -> None:
    """Before anything is sent to it."""
    with pytest.raises(SourceRefused, match="loopback"):
        await fetch(ssh_server, replace(SETTINGS, internal_networks=()))


@pytest.mark.skipif(AGENT is None or ADD is None, reason="there is no ssh agent")
async def test_an_agent_signs(
    ssh_server: SshServer, ssh_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key itself stays in it."""
    assert AGENT is not None
    assert ADD is not None
    folder = tempfile.mkdtemp(prefix="agent-", dir="/tmp")  # a socket's path has 108 bytes at most
    place = Path(folder) / "agent"
    process = await anyio.open_process(
        [AGENT, "-D", "-a", str(place)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not place.exists():  # another process, which cannot notify this one
            assert process.returncode is None
            await anyio.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
        put_key(ssh_folder, ssh_server.user_key)
        await anyio.run_process(
            [ADD, str(ssh_folder / "id_ed25519")], env={**os.environ, "SSH_AUTH_SOCK": str(place)}
        )
        (ssh_folder / "id_ed25519").unlink()
        assert len((await fetch(ssh_server)).pin) == 40
    finally:
        if process.returncode is None:
            process.kill()
        await process.aclose()
        shutil.rmtree(folder)
