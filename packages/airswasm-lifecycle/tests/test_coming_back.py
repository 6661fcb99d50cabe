"""Each kind of withdrawal and each way of coming back: what was withdrawn does not come back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.lifecycle import InstallPlan, System
from airswasm.lifecycle._hosting.incarnations import HostedActor
from airswasm.security import PublicKey, TrustStore, generate_key
from airswasm.wit import AirswasmError
from anyio.lowlevel import checkpoint

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"
WAYS = ["a supervisor", "restart", "stop and start", "a revival", "a rollback", "the host"]
REVIVE = 'intensity = 1\nperiod = "60 s"\nrevive = "60 s"'

pytestmark = pytest.mark.anyio


class Home:
    """One component that runs, of which something is withdrawn behind the host's back or by it."""

    def __init__(self, folder: Path, key: PublicKey) -> None:
        self.folder, self.key = folder, key

    @property
    def store(self) -> TrustStore:
        """The trust file, as another program would change it: the host is not told."""
        return TrustStore(self.folder / "trust" / "trust.json")

    async def revoke(self, system: System) -> None:
        del system
        self.store.revoke(self.key.fingerprint, "stolen")

    async def replace_owner(self, system: System) -> None:
        del system
        self.store.unpin(NAME)
        self.store.pin(NAME, generate_key().public)

    async def change_wasm(self, system: System) -> None:
        for version in system._registry.get(NAME).versions:
            path = system._stored.artifacts.path(version.wasm_digest)
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:-1] + b"x")

    async def lose_manifest(self, system: System) -> None:
        for version in system._registry.get(NAME).versions:
            system._stored.artifacts.path(version.files["Component.toml"]).unlink(missing_ok=True)

    async def deny(self, system: System) -> None:
        await system.grants.deny(NAME, "storage.read")

    async def remove_grant(self, system: System) -> None:
        await system.grants.remove(NAME, "storage.read")

    async def forbid(self, system: System) -> None:
        system.forbid("the test", "storage.read", ["**"])


def at_work(system: System) -> bool:
    return any(isinstance(actor, HostedActor) for _, _, actor in system._hosting.running())


async def crash(system: System) -> None:
    """Let the component fail once, and wait for what its supervisor makes of it."""
    hosted = system._hosting._hosted[NAME]
    before = hosted.ref
    assert before is not None
    count = before.incarnation
    assert system._actors.crash(before, RuntimeError("the test ends it"))
    while before.incarnation == count and hosted.node.failure is None:
        await checkpoint()
    while system._hosting.state(NAME) == "restarting":
        await checkpoint()


async def come_back(system: System, way: str) -> None:
    if way == "a supervisor":
        await crash(system)
    elif way == "restart":
        await system.restart(NAME)
    elif way == "stop and start":
        await system.stop(NAME)
        await system.start(NAME)
    elif way == "a revival":
        await crash(system)
        if system._hosting.state(NAME) == "running":
            await crash(system)
        async with system._alone(NAME):
            await system._running.revive(NAME, 1.0)
    elif way == "a rollback":
        await system.rollback(NAME)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("withdrawal", ["revoke", "replace_owner", "change_wasm", "lose_manifest"])
async def test_no_code_comes_back(
    tmp_path: Path, workshop: Workshop, yes: Approve, withdrawal: str, way: str
) -> None:
    """Its key, its owner or its files: each way checks again, and says why not."""
    home = Home(tmp_path, workshop.key.public)
    async with System(tmp_path) as system:
        await system.install(workshop.package(extra=REVIVE), approve=yes)
        await system.update(workshop.package("0.2.0", extra=REVIVE), approve=yes)
        await getattr(home, withdrawal)(system)
        assert at_work(system), "the host was not told"
        if way != "the host":
            try:
                await come_back(system, way)
            except AirswasmError:
                assert way not in ("a supervisor", "a revival")
            if way == "a rollback":
                return await no_earlier_version(system)
            if way == "restart" and withdrawal in ("change_wasm", "lose_manifest"):
                assert at_work(system), "what runs is what was verified"
                return None
            assert not at_work(system)
            state = system.component_status(NAME).state
            assert state == ("stopped" if way == "stop and start" else "quarantined")
    async with System(tmp_path) as system:
        assert not at_work(system)
        assert system.component_status(NAME).state in ("quarantined", "failed", "stopped")
    return None


async def no_earlier_version(system: System) -> None:
    """A rollback that is refused leaves what runs, and does not bring the other."""
    assert system.info(NAME).version == "0.2.0"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("withdrawal", ["deny", "remove_grant", "forbid"])
async def test_no_grant_comes_back(
    tmp_path: Path, workshop: Workshop, yes: Approve, withdrawal: str, way: str
) -> None:
    """The component comes back without it."""
    home = Home(tmp_path, workshop.key.public)
    async with System(tmp_path) as system:
        await system.install(workshop.package(extra=REVIVE), approve=yes)
        await system.update(workshop.package("0.2.0", extra=REVIVE), approve=yes)
        await getattr(home, withdrawal)(system)
        await come_back(system, way)
        assert at_work(system)
        assert not system._guard.decide(NAME, "storage:read", "count")
        assert system._guard.decide(NAME, "storage:write", "count")
    if withdrawal != "forbid":  # that one is of the host that is running
        async with System(tmp_path) as system:
            assert not system._guard.decide(NAME, "storage:read", "count")


async def test_messages_wait_for_what_follows_a_supervisor_s_refusal(
    tmp_path: Path, workshop: Workshop, yes: Approve
) -> None:
    """As in a quarantine that the host was told of: the next owner's version answers them."""
    home, new = Home(tmp_path, workshop.key.public), generate_key()
    async with System(tmp_path) as system:
        await system.install(workshop.package(), approve=yes)
        await home.revoke(system)
        await crash(system)
        assert system.component_status(NAME).state == "quarantined"
        system._actors.broker.tell(NAME, b"echo")
        await anyio.wait_all_tasks_blocked()
        assert system.component_status(NAME).mailbox == 1
        await system.trust.transfer(NAME, new.public)
        await system.update(workshop.package("0.2.0", key=new), approve=yes)
        assert await system.send(NAME, b"v") == b"0.2.0"
        assert system._actors.dead_letters.total == 0
